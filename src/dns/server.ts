// One packet in, one packet out: the checks before the chain, the choice of a server block, and the
// reply as bytes (dns.md 1.1, 1.9). No socket here; listeners.ts and the tests hand packets in.
import type { Peer, Query, Reply, Serve, Transport } from './chain.ts'
import { reply } from './chain.ts'
import { CLASS, EDNS_OPTION, OPCODE, RCODE, TYPE } from './wire/codes.ts'
import { encodeMessage, maxMessageBytes } from './wire/encode.ts'
import type { Edns, EdnsOption, Message } from './wire/message.ts'
import { decodeMessage, headerBytes, queryMessage } from './wire/message.ts'
import { isBelow, labelsOf } from './wire/name.ts'
import { WireError } from './wire/wire-error.ts'

export interface Route {
  readonly zone: string
  readonly serve: Serve
}

/** What is served on one listener. Replaced as a whole by a reload. */
export interface RouteTable {
  /** As metrics and logs name it: "dns://:53". */
  readonly server: string
  readonly routes: readonly Route[]
  /** Whether classes other than IN are let in. */
  readonly anyClass: boolean
  /** Told of queries that no block took. */
  readonly dropped?: (query: Query, answer: Reply) => void
  /** Told of an error that a plugin threw: a bug. */
  readonly crashed: (error: unknown) => void
}

export interface Arrival {
  readonly transport: Transport
  readonly remote: Peer
  readonly local: Peer
  readonly monotonicMs: number
}

export type PacketReply = Uint8Array | undefined

const maxPlainUdpBytes = 512
/** The size we announce where a reply cannot echo the client's. */
const ownUdpBytes = 1232
/** Lookups that lead to lookups: an alias between two zones may run in a circle. */
const maxDepth = 8

/** Undefined: no reply is sent. */
export function handlePacket(
  table: RouteTable,
  packet: Uint8Array,
  arrival: Arrival,
): PacketReply | Promise<PacketReply> {
  if (packet.length < headerBytes || (packet[2]! & 0x80) !== 0) return undefined
  const opcode = (packet[2]! >> 3) & 0xf
  if (opcode !== OPCODE.QUERY && opcode !== OPCODE.NOTIFY) return headerOnly(packet, RCODE.NOTIMP)
  if (!hasSaneCounts(packet)) return headerOnly(packet, RCODE.FORMERR)
  const message = decode(packet)
  if (!message) return headerOnly(packet, RCODE.FORMERR)
  if (message.edns && message.edns.version !== 0) return encodeBadVersion(message)
  const query = toQuery(table, message, { ...arrival, bytes: packet.length })
  const answered = dispatch(table, query)
  if (answered instanceof Promise) return answered.then((done) => encodeReply(query, done))
  return encodeReply(query, answered)
}

/** One question, and no more records than a query can have (RFC 8490 and TSIG counted in). */
function hasSaneCounts(packet: Uint8Array): boolean {
  const count = (at: number) => (packet[at]! << 8) | packet[at + 1]!
  return count(4) === 1 && count(6) <= 1 && count(8) <= 1 && count(10) <= 2
}

function decode(packet: Uint8Array): Message | undefined {
  try {
    return decodeMessage(packet, { allowTrailing: true })
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}

/** Twelve bytes: id, opcode and RD as received, nothing else. */
function headerOnly(packet: Uint8Array, rcode: number): Uint8Array {
  const header = new Uint8Array(headerBytes)
  header.set(packet.subarray(0, 2))
  header[2] = 0x80 | (packet[2]! & 0x79)
  header[3] = rcode
  return header
}

function encodeBadVersion(message: Message): Uint8Array {
  const edns: Edns = { udpSize: ownUdpBytes, version: 0, dnssecOk: false, options: [] }
  return encodeMessage(
    { ...message, response: true, rcode: RCODE.BADVERS, additionals: [], edns },
    maxPlainUdpBytes,
  )
}

function toQuery(table: RouteTable, message: Message, arrival: Arrival & { bytes: number }): Query {
  const question = message.questions[0]!
  return {
    message,
    question,
    name: question.name.toLowerCase(),
    transport: arrival.transport,
    remote: arrival.remote,
    local: arrival.local,
    bytes: arrival.bytes,
    startedMs: arrival.monotonicMs,
    server: table.server,
    zone: '.',
    depth: 0,
  }
}

/** The reply of the block whose zone is the longest suffix of the name. */
export function dispatch(table: RouteTable, query: Query): Reply | Promise<Reply> {
  const route = chooseRoute(table, query)
  const inClass = query.question.class === CLASS.IN || table.anyClass
  if (!route || !inClass) {
    const refused = reply('', { rcode: RCODE.REFUSED })
    table.dropped?.(query, refused)
    return refused
  }
  const crash = (error: unknown): Reply => {
    table.crashed(error)
    return reply('', { rcode: RCODE.SERVFAIL })
  }
  try {
    const answered = route.serve({ ...query, zone: route.zone })
    return answered instanceof Promise ? answered.catch(crash) : answered
  } catch (error) {
    return crash(error)
  }
}

/** A query of the server's own, answered by the block in charge of its name. */
export function lookup(table: RouteTable, query: Query): Reply | Promise<Reply> {
  if (query.depth >= maxDepth) return reply('', { rcode: RCODE.SERVFAIL })
  return dispatch(table, { ...query, depth: query.depth + 1 })
}

function chooseRoute(table: RouteTable, query: Query): Route | undefined {
  const route = longestRoute(table.routes, query.name)
  // DS belongs to the parent's side of a zone cut (RFC 4035 2.4).
  if (query.question.type !== TYPE.DS || route?.zone !== query.name) return route
  const parent = `${labelsOf(query.name).slice(1).join('.')}.`
  return longestRoute(table.routes, parent) ?? route
}

function longestRoute(routes: readonly Route[], name: string): Route | undefined {
  let longest: Route | undefined
  for (const route of routes) {
    if (isBelow(name, route.zone) && route.zone.length > (longest?.zone.length ?? 0))
      longest = route
  }
  return longest
}

/** The whole reply message, before it is cut to the client's size. */
export function replyMessage(query: Query, answered: Reply): Message {
  const { message } = query
  const notify = message.opcode === OPCODE.NOTIFY
  return {
    id: message.id,
    response: true,
    opcode: message.opcode,
    authoritative: answered.authoritative,
    truncated: answered.truncated,
    recursionDesired: message.recursionDesired && !notify,
    recursionAvailable: answered.recursionAvailable,
    authenticData: answered.authenticData,
    checkingDisabled: message.checkingDisabled,
    rcode: answered.rcode,
    questions: message.questions,
    answers: answered.answers,
    authorities: answered.authorities,
    additionals: answered.additionals,
    edns: message.edns && replyEdns(message.edns, answered),
  }
}

/** Options that are sent back as they came; others, client subnets above all, are not for us. */
const echoed: ReadonlySet<number> = new Set([
  EDNS_OPTION.NSID,
  EDNS_OPTION.EXPIRE,
  EDNS_OPTION.TCP_KEEPALIVE,
  EDNS_OPTION.PADDING,
])

function replyEdns(edns: Edns, answered: Reply): Edns {
  const own: readonly EdnsOption[] = answered.options ?? []
  const kept = edns.options.filter(
    (option) => echoed.has(option.code) && !own.some((other) => other.code === option.code),
  )
  const options = kept.length + own.length === 0 ? [] : [...kept, ...own]
  return { udpSize: answered.udpSize ?? edns.udpSize, version: 0, dnssecOk: edns.dnssecOk, options }
}

function encodeReply(query: Query, answered: Reply): PacketReply {
  if (answered.silent) return undefined
  const message = replyMessage(query, answered)
  const announced = message.edns?.udpSize ?? maxPlainUdpBytes
  const udp = Math.max(maxPlainUdpBytes, announced)
  return encodeMessage(message, query.transport === 'udp' ? udp : maxMessageBytes)
}

/** A query that the server makes itself, for plugins and for start-up checks. */
export function ownQuery(
  question: { readonly name: string; readonly type: number },
  where: { readonly server: string; readonly id: number; readonly monotonicMs: number },
): Query {
  const message = queryMessage(where.id, question)
  const nowhere: Peer = { address: '127.0.0.1', port: 0 }
  return {
    message,
    question: message.questions[0]!,
    name: question.name.toLowerCase(),
    transport: 'tcp',
    remote: nowhere,
    local: nowhere,
    bytes: headerBytes,
    startedMs: where.monotonicMs,
    server: where.server,
    zone: '.',
    depth: 0,
  }
}
