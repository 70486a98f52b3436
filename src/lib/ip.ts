// IP addresses and CIDR blocks as values. Strict forms only: no leading zeros, no zones.

export type IPFamily = 'IPv4' | 'IPv6'

export interface Ip {
  readonly family: IPFamily
  readonly value: bigint
}

export interface Cidr {
  readonly family: IPFamily
  /** The network address: host bits cleared. */
  readonly base: bigint
  readonly prefix: number
  /** The address as it was given, host bits kept. */
  readonly address: Ip
}

const bitsOf = (family: IPFamily): number => (family === 'IPv4' ? 32 : 128)

/** Undefined unless the text is an IPv4 or IPv6 address. "::ffff:1.2.3.4" stays IPv6. */
export function parseIp(text: string): Ip | undefined {
  if (text.includes(':')) {
    const value = parseV6(text)
    return value === undefined ? undefined : { family: 'IPv6', value }
  }
  const value = parseV4(text)
  return value === undefined ? undefined : { family: 'IPv4', value: BigInt(value) }
}

export const isIp = (text: string): boolean => parseIp(text) !== undefined

function parseV4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return undefined
    const octet = Number(part)
    if (octet > 255) return undefined
    value = value * 256 + octet
  }
  return value
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const left = groupsOf(halves[0]!, halves.length === 1)
  const right = halves.length === 2 ? groupsOf(halves[1]!, true) : []
  if (!left || !right) return undefined
  const missing = 8 - left.length - right.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...left, ...new Array<number>(missing).fill(0), ...right]
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

/** The 16-bit groups of one side of "::"; the last may be an IPv4 address where that is allowed. */
function groupsOf(side: string, mayEndInV4: boolean): number[] | undefined {
  if (side === '') return []
  const groups: number[] = []
  const parts = side.split(':')
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = mayEndInV4 && index === parts.length - 1 ? parseV4(part) : undefined
      if (v4 === undefined) return undefined
      groups.push(v4 >>> 16, v4 & 0xffff)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined
      groups.push(Number.parseInt(part, 16))
    }
  }
  return groups.length > 8 ? undefined : groups
}

/** The canonical text: dotted quad, or RFC 5952 (lower case, longest run of zeros as "::"). */
export function formatIp(ip: Ip): string {
  return ip.family === 'IPv4' ? formatV4(Number(ip.value)) : formatV6(ip.value)
}

function formatV4(value: number): string {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.')
}

function formatV6(value: bigint): string {
  if (value >> 32n === 0xffffn) return `::ffff:${formatV4(Number(value & 0xffffffffn))}`
  const groups: string[] = []
  for (let shift = 112n; shift >= 0n; shift -= 16n)
    groups.push(((value >> shift) & 0xffffn).toString(16))
  const [start, length] = longestZeroRun(groups)
  if (length < 2) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}

function longestZeroRun(groups: readonly string[]): [start: number, length: number] {
  let best: [number, number] = [0, 0]
  let start = 0
  for (let index = 0; index <= groups.length; index++) {
    if (groups[index] === '0') continue
    if (index - start > best[1]) best = [start, index - start]
    start = index + 1
  }
  return best
}

/** The canonical text of an address, or undefined if it is none. */
export function canonicalIp(text: string): string | undefined {
  const ip = parseIp(text)
  return ip && formatIp(ip)
}

export const familyOf = (text: string): IPFamily | undefined => parseIp(text)?.family

/** 4 or 16 bytes, network order. */
export function ipToBytes(ip: Ip): Uint8Array {
  const bytes = new Uint8Array(bitsOf(ip.family) / 8)
  let rest = ip.value
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

/** From 4 or 16 bytes. */
export function ipFromBytes(bytes: Uint8Array): Ip {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  return { family: bytes.length === 4 ? 'IPv4' : 'IPv6', value }
}

/** Undefined unless the text is ADDRESS/PREFIX with a decimal prefix in range. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = parseIp(text.slice(0, slash))
  const prefixText = text.slice(slash + 1)
  if (!address || !/^(0|[1-9]\d{0,2})$/.test(prefixText)) return undefined
  const prefix = Number(prefixText)
  const bits = bitsOf(address.family)
  if (prefix > bits) return undefined
  const hostBits = BigInt(bits - prefix)
  return { family: address.family, base: (address.value >> hostBits) << hostBits, prefix, address }
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp({ family: cidr.family, value: cidr.base })}/${cidr.prefix}`
}

/** Number of addresses in the block, network and broadcast included. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(bitsOf(cidr.family) - cidr.prefix)
}

export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  if (cidr.family !== ip.family) return false
  const hostBits = BigInt(bitsOf(cidr.family) - cidr.prefix)
  return ip.value >> hostBits === cidr.base >> hostBits
}

export function cidrsOverlap(one: Cidr, other: Cidr): boolean {
  const network = (cidr: Cidr): Ip => ({ family: cidr.family, value: cidr.base })
  return cidrContains(one, network(other)) || cidrContains(other, network(one))
}

/** The address at an offset from the network address; offsets outside the block throw. */
export function cidrAddress(cidr: Cidr, offset: bigint): Ip {
  if (offset < 0n || offset >= cidrSize(cidr))
    throw new RangeError(`offset ${offset} is outside ${formatCidr(cidr)}`)
  return { family: cidr.family, value: cidr.base + offset }
}
