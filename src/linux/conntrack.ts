// The kernel's connection table by netlink: list the entries of one protocol, delete one.
import { formatIp, type IPFamily, ipFromBytes, ipToBytes, parseIp } from '../lib/ip.ts'
import { SystemError } from './ffi.ts'
import { NETLINK_NETFILTER, type NetlinkSocket, openNetlink } from './netlink.ts'
import { NetlinkWriter, parseAttributes } from './netlink-message.ts'

const NFNL_SUBSYS_CTNETLINK = 1
const IPCTNL_MSG_CT_GET = 1
const IPCTNL_MSG_CT_DELETE = 2
const CTA_TUPLE_ORIG = 1
const CTA_TUPLE_REPLY = 2
const CTA_ID = 12
const CTA_FILTER = 25
const CTA_FILTER_ORIG_FLAGS = 1
const CTA_FILTER_REPLY_FLAGS = 2
const CTA_FILTER_F_PROTO_NUM = 1 << 3
const CTA_TUPLE_IP = 1
const CTA_TUPLE_PROTO = 2
const CTA_PROTO_NUM = 1
const CTA_PROTO_SRC_PORT = 2
const CTA_PROTO_DST_PORT = 3
/** struct nfgenmsg before the attributes. */
const headerLength = 4

export interface ConntrackTuple {
  readonly sourceIP: string
  readonly sourcePort: number
  readonly destinationIP: string
  readonly destinationPort: number
}

export interface ConntrackEntry {
  readonly family: IPFamily
  /** IP protocol number: 17 for UDP. */
  readonly protocol: number
  /** As the first packet was sent. */
  readonly original: ConntrackTuple
  /** As an answer comes: its source is who was really reached. */
  readonly reply: ConntrackTuple
  /** Tells an entry from a later one with the same addresses. */
  readonly id: number
}

/** Works in the network namespace where it was opened. */
export function openConntrack(): Conntrack {
  return new Conntrack(openNetlink(NETLINK_NETFILTER))
}

export class Conntrack {
  readonly #socket: NetlinkSocket
  #filters = true

  constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  /** Entries of one protocol. The kernel filters (5.8 and later); older ones send everything. */
  list(family: IPFamily, protocol: number): ConntrackEntry[] {
    const type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET
    const messages = this.#dump(type, family, protocol)
    const entries: ConntrackEntry[] = []
    for (const { payload } of messages) {
      const entry = parseEntry(payload, family)
      if (entry?.protocol === protocol) entries.push(entry)
    }
    return entries
  }

  /** False when the entry was gone already. */
  delete(entry: ConntrackEntry): boolean {
    const writer = new NetlinkWriter(256)
    writer.raw(header(entry.family))
    const tuple = writer.beginNest(CTA_TUPLE_ORIG)
    encodeTuple(writer, entry)
    writer.endNest(tuple)
    writer.u32be(CTA_ID, entry.id)
    try {
      this.#socket.request((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE, 0, writer.bytes)
      return true
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ENOENT') return false
      throw error
    }
  }

  close(): void {
    this.#socket.close()
  }

  #dump(type: number, family: IPFamily, protocol: number) {
    if (this.#filters) {
      try {
        return this.#socket.dump(type, filteredRequest(family, protocol))
      } catch (error) {
        if (!(error instanceof SystemError)) throw error
        if (!['EINVAL', 'EOPNOTSUPP', 'ENOTSUP'].includes(error.code)) throw error
        this.#filters = false
      }
    }
    return this.#socket.dump(type, header(family))
  }
}

function header(family: IPFamily): Uint8Array {
  return Uint8Array.of(family === 'IPv4' ? 2 : 10, 0, 0, 0)
}

function filteredRequest(family: IPFamily, protocol: number): Uint8Array {
  const writer = new NetlinkWriter(64)
  writer.raw(header(family))
  const tuple = writer.beginNest(CTA_TUPLE_ORIG)
  const proto = writer.beginNest(CTA_TUPLE_PROTO)
  writer.u8(CTA_PROTO_NUM, protocol)
  writer.endNest(proto)
  writer.endNest(tuple)
  const filter = writer.beginNest(CTA_FILTER)
  writer.u32(CTA_FILTER_ORIG_FLAGS, CTA_FILTER_F_PROTO_NUM)
  writer.u32(CTA_FILTER_REPLY_FLAGS, 0)
  writer.endNest(filter)
  return Uint8Array.from(writer.bytes)
}

function encodeTuple(writer: NetlinkWriter, { family, protocol, original }: ConntrackEntry): void {
  const first = family === 'IPv4' ? 1 : 3
  const ip = writer.beginNest(CTA_TUPLE_IP)
  writer.attribute(first, ipToBytes(parseIp(original.sourceIP)!))
  writer.attribute(first + 1, ipToBytes(parseIp(original.destinationIP)!))
  writer.endNest(ip)
  const proto = writer.beginNest(CTA_TUPLE_PROTO)
  writer.u8(CTA_PROTO_NUM, protocol)
  writer.u16be(CTA_PROTO_SRC_PORT, original.sourcePort)
  writer.u16be(CTA_PROTO_DST_PORT, original.destinationPort)
  writer.endNest(proto)
}

function parseEntry(payload: Buffer, family: IPFamily): ConntrackEntry | undefined {
  const attributes = parseAttributes(payload, headerLength)
  const original = parseTuple(attributes.get(CTA_TUPLE_ORIG))
  const reply = parseTuple(attributes.get(CTA_TUPLE_REPLY))
  const id = attributes.get(CTA_ID)?.readUInt32BE(0)
  if (!original || !reply || id === undefined) return undefined
  return { family, protocol: original.protocol, original, reply, id }
}

function parseTuple(
  bytes: Buffer | undefined,
): (ConntrackTuple & { protocol: number }) | undefined {
  if (!bytes) return undefined
  const parts = parseAttributes(bytes)
  const ip = parseAttributes(parts.get(CTA_TUPLE_IP) ?? Buffer.alloc(0))
  const proto = parseAttributes(parts.get(CTA_TUPLE_PROTO) ?? Buffer.alloc(0))
  const source = ip.get(1) ?? ip.get(3)
  const destination = ip.get(2) ?? ip.get(4)
  if (!source || !destination) return undefined
  return {
    protocol: proto.get(CTA_PROTO_NUM)?.[0] ?? 0,
    sourceIP: formatIp(ipFromBytes(source)),
    sourcePort: proto.get(CTA_PROTO_SRC_PORT)?.readUInt16BE(0) ?? 0,
    destinationIP: formatIp(ipFromBytes(destination)),
    destinationPort: proto.get(CTA_PROTO_DST_PORT)?.readUInt16BE(0) ?? 0,
  }
}
