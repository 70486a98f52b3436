// The data types of nftables that we use: their number, width and text, as `nft` writes it.
import { formatIp, ipFromBytes, ipToBytes, parseIp } from '../../lib/ip.ts'

export interface Datatype {
  /** The number `nft` knows it by; a set's key type is made of these. */
  readonly id: number
  readonly length: number
  /** Writes the value of `text`; throws RangeError when it is none. */
  write(text: string, into: Uint8Array, offset: number): void
  read(from: Uint8Array, offset: number): string
}

export type DatatypeName = keyof typeof datatypes

export const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  'ipv6-icmp': 58,
  sctp: 132,
}
const protocolNames = new Map(Object.entries(protocolNumbers).map(([name, id]) => [id, name]))

/** Host-endian bit of each state, as `ct state` loads it. */
export const ctStates: Readonly<Record<string, number>> = {
  invalid: 1,
  established: 2,
  related: 4,
  new: 8,
  untracked: 64,
}
const addressTypes: Readonly<Record<string, number>> = { unicast: 1, local: 2, broadcast: 3 }

export const datatypes = {
  ipv4_addr: { id: 7, length: 4, write: writeIpv4, read: readIpv4 },
  ipv6_addr: {
    id: 8,
    length: 16,
    write(text, into, offset) {
      const ip = parseIp(text)
      if (ip?.family !== 'IPv6') throw new RangeError(`cannot encode ipv6_addr "${text}"`)
      into.set(ipToBytes(ip), offset)
    },
    read: (from, offset) => formatIp(ipFromBytes(from.subarray(offset, offset + 16))),
  },
  inet_proto: {
    id: 12,
    length: 1,
    write(text, into, offset) {
      into[offset] = protocolNumbers[text] ?? parseNumber(text, 255, 'inet_proto')
    },
    read: (from, offset) => protocolNames.get(from[offset]!) ?? String(from[offset]),
  },
  inet_service: {
    id: 13,
    length: 2,
    write(text, into, offset) {
      const port = parseNumber(text, 65535, 'inet_service')
      into[offset] = port >> 8
      into[offset + 1] = port & 255
    },
    read: (from, offset) => String(from[offset]! * 256 + from[offset + 1]!),
  },
  mark: { id: 19, length: 4, write: writeHost32, read: readHost32 },
  ct_state: named(26, ctStates),
  fib_addrtype: named(40, addressTypes),
  ifname: {
    id: 41,
    length: 16,
    write(text, into, offset) {
      const name = Buffer.from(text)
      if (name.length > 15) throw new RangeError(`cannot encode ifname "${text}"`)
      into.set(name, offset)
    },
    read(from, offset) {
      const bytes = Buffer.from(from.subarray(offset, offset + 16))
      const end = bytes.indexOf(0)
      return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
    },
  },
} as const satisfies Readonly<Record<string, Datatype>>

const datatypesById = new Map<number, DatatypeName>(
  Object.entries(datatypes).map(([name, { id }]) => [id, name as DatatypeName]),
)

/** Each part of a concatenation starts on a 4-byte boundary. */
export function paddedLength(name: DatatypeName): number {
  return (datatypes[name].length + 3) & ~3
}

/** Bytes of a key or a value: a single part is not padded. */
export function concatLength(parts: readonly DatatypeName[]): number {
  if (parts.length === 1) return datatypes[parts[0]!].length
  return parts.reduce((sum, part) => sum + paddedLength(part), 0)
}

/** The number of a concatenated type: six bits a part, the last lowest. */
export function concatId(parts: readonly DatatypeName[]): number {
  return parts.reduce((id, part) => (id << 6) | datatypes[part].id, 0)
}

/** The parts of a concatenated type's number; undefined when one is not ours. */
export function partsOfConcatId(id: number): readonly DatatypeName[] | undefined {
  const parts: DatatypeName[] = []
  for (let rest = id >>> 0; rest !== 0; rest >>>= 6) {
    const name = datatypesById.get(rest & 63)
    if (!name) return undefined
    parts.unshift(name)
  }
  return parts
}

/** Parses four decimal octets without allocating: element loads do this hundred thousands of times. */
function writeIpv4(text: string, into: Uint8Array, offset: number): void {
  let octet = 0
  let digits = 0
  let dots = 0
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char >= 48 && char <= 57) {
      octet = octet * 10 + char - 48
      digits++
    } else if (char === 46 && digits > 0 && octet < 256) {
      into[offset + dots++] = octet
      octet = 0
      digits = 0
    } else dots = 9
  }
  if (dots !== 3 || digits === 0 || octet > 255)
    throw new RangeError(`cannot encode ipv4_addr "${text}"`)
  into[offset + 3] = octet
}

function readIpv4(from: Uint8Array, offset: number): string {
  return `${from[offset]}.${from[offset + 1]}.${from[offset + 2]}.${from[offset + 3]}`
}

function writeHost32(text: string, into: Uint8Array, offset: number): void {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw new RangeError(`cannot encode mark "${text}"`)
  for (let index = 0; index < 4; index++) into[offset + index] = (value >>> (8 * index)) & 255
}

function readHost32(from: Uint8Array, offset: number): string {
  return formatMark(hostUint32(from, offset))
}

/** "0x00004000": eight digits, as `nft` prints marks. */
export function formatMark(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`
}

function hostUint32(from: Uint8Array, offset: number): number {
  const [a, b, c, d] = [from[offset]!, from[offset + 1]!, from[offset + 2]!, from[offset + 3]!]
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
}

/** A host-endian number written by name. */
function named(id: number, numbers: Readonly<Record<string, number>>): Datatype {
  return {
    id,
    length: 4,
    write(text, into, offset) {
      const value = numbers[text]
      if (value === undefined) throw new RangeError(`cannot encode "${text}": unknown name`)
      writeHost32(String(value), into, offset)
    },
    read(from, offset) {
      const value = hostUint32(from, offset)
      const entry = Object.entries(numbers).find(([, number]) => number === value)
      return entry?.[0] ?? formatMark(value)
    },
  }
}

function parseNumber(text: string, max: number, what: string): number {
  const value = Number(text)
  if (text === '' || !Number.isInteger(value) || value < 0 || value > max)
    throw new RangeError(`cannot encode ${what} "${text}"`)
  return value
}
