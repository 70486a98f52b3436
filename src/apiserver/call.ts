// A request as the pipeline sees it and the answer it gives, whatever carried them: a socket of
// HTTP/1.1 or h2 (listener.ts, respond.ts), or a caller in the same process (transport.ts).
import type { Duplex } from 'node:stream'
import type { User } from './rbac/attributes.ts'

/** Lower-case names; repeated headers are joined by Node's rules, set ones kept in `rawHeaders`. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>

/** What TLS proved about the client. */
export interface PeerCertificate {
  readonly commonName: string
  readonly organizations: readonly string[]
  /** Upper-case hex SHA-256 of the certificate. */
  readonly fingerprint256: string
  /** May sign in as a user; a front proxy's certificate may not. */
  readonly issuedBy: 'client' | 'requestheader'
}

export interface Upgrade {
  readonly socket: Duplex
  /** Bytes that came with the request's head. */
  readonly head: Buffer
  /** The request as node:http has it; WebSocket libraries want it. */
  readonly request: unknown
}

export interface ApiCall {
  readonly method: string
  /** Without the query; percent-encoding as sent. */
  readonly path: string
  readonly query: URLSearchParams
  /** With its "?", or "". */
  readonly search: string
  readonly headers: Headers
  /** All of the body; rejects with 413 beyond the limit. */
  body(): Promise<Buffer>
  /** Called once when the client is gone or the answer is complete. */
  onClose(callback: () => void): void
  readonly remoteAddress: string
  readonly peer?: PeerCertificate | undefined
  /** Set for callers in this process: they need not prove who they are. */
  readonly user?: User | undefined
  /** The client wants to leave HTTP. */
  readonly upgrade?: Upgrade | undefined
  /** The body as it arrives, for proxied requests. */
  stream(): AsyncIterable<Uint8Array>
}

export type AnswerHeaders = Record<string, string | string[]>

/** Takes a streamed body. */
export interface Sink {
  write(chunk: Uint8Array): void
  end(): void
  /** Breaks the connection off, so that the client knows that the body is not complete. */
  abort(): void
  /** Bytes written but not yet taken by the client. */
  buffered(): number
  /** Resolves when the client has taken what was written, or is gone. */
  drained(): Promise<void>
}

export interface Answer {
  readonly code: number
  readonly headers: AnswerHeaders
  /** Joined as it stands. Absent: no body. */
  readonly body?: readonly Uint8Array[] | undefined
  /** Instead of a body: called with where to write once the head is on its way. */
  readonly start?: ((sink: Sink) => void) | undefined
  /** The connection was taken over (see ApiCall.upgrade); there is nothing to answer. */
  readonly taken?: true | undefined
}

/** The connection now belongs to a stream handler. */
export const taken: Answer = { code: 101, headers: {}, taken: true }

export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}
