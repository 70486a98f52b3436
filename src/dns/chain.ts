// What passes between plugins: a query goes down the chain, a reply comes up. Both are plain data,
// and a reply that needs no upstream comes back in the same turn.
import { RCODE } from './wire/codes.ts'
import type { EdnsOption, Message, Question, ResourceRecord } from './wire/message.ts'

export interface Peer {
  readonly address: string
  readonly port: number
}

export type Transport = 'udp' | 'tcp' | 'tls' | 'https'

export interface Query {
  readonly message: Message
  /** The one question, as received or as a plugin above rewrote it. */
  readonly question: Question
  /** Its name in lower case. */
  readonly name: string
  readonly transport: Transport
  readonly remote: Peer
  readonly local: Peer
  /** Of the packet. */
  readonly bytes: number
  /** clock.monotonic() at arrival. */
  readonly startedMs: number
  /** As metrics name the listener: "dns://:53". */
  readonly server: string
  /** Of the server block. */
  readonly zone: string
  /** How many lookups of the server's own led here; 0 for a client's query. */
  readonly depth: number
}

export interface Reply {
  readonly rcode: number
  readonly authoritative: boolean
  readonly truncated: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
  /** Who wrote it. */
  readonly plugin: string
  /** What went wrong, for the errors plugin. */
  readonly error?: string
  /** Added to the OPT record of a client that sent one. */
  readonly options?: readonly EdnsOption[]
  /** Takes the place of the client's EDNS size. */
  readonly udpSize?: number
  /** The client gets no answer at all. */
  readonly silent?: true
}

export type Serve = (query: Query) => Reply | Promise<Reply>

export interface Timeouts {
  readonly readMs: number
  readonly writeMs: number
  readonly idleMs: number
  readonly maxQueries: number
}

/** CoreDNS's, for TCP connections. */
export const defaultTimeouts: Timeouts = {
  readMs: 3000,
  writeMs: 5000,
  idleMs: 10_000,
  maxQueries: Number.POSITIVE_INFINITY,
}

const none: readonly ResourceRecord[] = []

export function reply(plugin: string, fields: Partial<Reply> = {}): Reply {
  return {
    rcode: RCODE.NOERROR,
    authoritative: false,
    truncated: false,
    recursionAvailable: false,
    authenticData: false,
    answers: none,
    authorities: none,
    additionals: none,
    plugin,
    ...fields,
  }
}

/** SERVFAIL with the reason that the errors plugin prints. */
export const failure = (plugin: string, error: string): Reply =>
  reply(plugin, { rcode: RCODE.SERVFAIL, error })

/** Applies `change` to a reply, at once where it is there. */
export function onReply<T>(
  answered: Reply | Promise<Reply>,
  change: (reply: Reply) => T,
): T | Promise<T> {
  return answered instanceof Promise ? answered.then(change) : change(answered)
}

export const endOfChain: Serve = () => failure('', 'no next plugin found')

/** The query with another question. */
export function withQuestion(query: Query, question: Question): Query {
  const message = { ...query.message, questions: [question] }
  return { ...query, message, question, name: question.name.toLowerCase() }
}
