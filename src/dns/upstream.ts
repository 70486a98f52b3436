// Queries to other name servers over UDP, TCP and TLS: sockets reused, ids random, replies matched
// by id and question so that a forged packet has to guess both. An edge file: it owns the sockets.

import type { Socket as UdpSocket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:net'
import { connect as connectTcp } from 'node:net'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { FrameReader, frame } from './frames.ts'
import { encodeMessage } from './wire/encode.ts'
import type { Message } from './wire/message.ts'
import { decodeMessage } from './wire/message.ts'

export interface UpstreamAddress {
  readonly address: string
  readonly port: number
  /** DNS over TLS, with the name its certificate must bear. */
  readonly tls?: {
    readonly serverName?: string
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
  }
}

export interface UpstreamOptions {
  /** An idle connection is closed after this time. */
  readonly expireMs: number
  /** A connection takes no more queries after this time. */
  readonly maxAgeMs?: number
  /** Idle connections that are kept. */
  readonly maxIdle?: number
}

export interface ExchangeOptions {
  readonly transport: 'udp' | 'tcp'
  readonly timeoutMs: number
}

export interface Upstream {
  readonly address: UpstreamAddress
  /** Rejects with an Error worded as Go words it ("read udp ...: i/o timeout"). */
  exchange(message: Message, options: ExchangeOptions): Promise<Message>
  close(): void
}

export interface Exchange {
  open(address: UpstreamAddress, options: UpstreamOptions): Upstream
}

export function createExchange(deps: { clock: Clock; random: Random }): Exchange {
  return {
    open(address, options) {
      const connections = new Set<Connection>()
      return {
        address,
        exchange(message, { transport, timeoutMs }) {
          const stream = transport === 'tcp' || address.tls !== undefined
          const kind = stream ? 'tcp' : 'udp'
          retire(connections, { ...options, nowMs: deps.clock.monotonic() })
          let connection = pick(connections, kind)
          if (!connection) {
            const forget = (gone: Connection) => connections.delete(gone)
            const context = { ...deps, address, expireMs: options.expireMs, forget }
            connection = stream ? openStream(context) : openUdp(context)
            connections.add(connection)
          }
          return connection.exchange(message, timeoutMs)
        },
        close() {
          for (const connection of [...connections]) connection.close(new Error('closed'))
        },
      }
    },
  }
}

/** Queries under way on one socket; above it another is opened, up to a limit of sockets. */
const maxPending = 128
const maxSockets = 32

function pick(connections: ReadonlySet<Connection>, kind: 'udp' | 'tcp'): Connection | undefined {
  let best: Connection | undefined
  let count = 0
  for (const connection of connections) {
    if (connection.kind !== kind) continue
    count++
    if (!best || connection.pending < best.pending) best = connection
  }
  return best && (best.pending < maxPending || count >= maxSockets) ? best : undefined
}

/** Closes idle connections that are too old, or too many. */
function retire(
  connections: ReadonlySet<Connection>,
  { maxAgeMs = 0, maxIdle = 0, nowMs }: UpstreamOptions & { nowMs: number },
): void {
  if (maxAgeMs === 0 && maxIdle === 0) return
  let idle = 0
  for (const connection of [...connections]) {
    if (connection.pending > 0) continue
    const old = maxAgeMs > 0 && nowMs - connection.openedMs > maxAgeMs
    const surplus = maxIdle > 0 && ++idle > maxIdle
    if (old || surplus) connection.close(new Error('retired'))
  }
}

interface Context {
  readonly clock: Clock
  readonly random: Random
  readonly address: UpstreamAddress
  readonly expireMs: number
  forget(connection: Connection): void
}

interface Pending {
  readonly query: Message
  readonly resolve: (message: Message) => void
  readonly reject: (error: Error) => void
  readonly timer: Timer
}

class Connection {
  readonly kind: 'udp' | 'tcp'
  readonly openedMs: number
  readonly #context: Context
  readonly #pending = new Map<number, Pending>()
  readonly #send: (packet: Uint8Array) => void
  readonly #end: () => void
  #idle: Timer | undefined
  #closed = false

  constructor(
    kind: 'udp' | 'tcp',
    context: Context,
    socket: { send: (packet: Uint8Array) => void; end: () => void },
  ) {
    this.kind = kind
    this.openedMs = context.clock.monotonic()
    this.#context = context
    this.#send = socket.send
    this.#end = socket.end
  }

  get pending(): number {
    return this.#pending.size
  }

  exchange(message: Message, timeoutMs: number): Promise<Message> {
    const id = this.#freeId()
    const query = { ...message, id }
    const packet = encodeMessage(query)
    this.#idle?.cancel()
    return new Promise((resolve, reject) => {
      const { clock } = this.#context
      const timer = clock.after(timeoutMs, () => {
        this.#settle(id)?.reject(new Error(`${this.#describe('read')}: i/o timeout`))
      })
      this.#pending.set(id, { query, resolve, reject, timer })
      this.#send(packet)
    })
  }

  /** Bytes from the peer. What does not match a query under way is ignored. */
  receive(packet: Uint8Array): void {
    const reply = tryDecode(packet)
    const pending = reply && this.#pending.get(reply.id)
    if (!reply?.response || !pending || !isReplyTo(reply, pending.query)) return
    this.#settle(reply.id)?.resolve(reply)
  }

  close(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#idle?.cancel()
    this.#context.forget(this)
    this.#end()
    for (const id of [...this.#pending.keys()]) {
      this.#settle(id)?.reject(new Error(`${this.#describe('read')}: ${error.message}`))
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    pending?.timer.cancel()
    if (this.#pending.size === 0 && !this.#closed) {
      const { clock, expireMs } = this.#context
      this.#idle = clock.after(expireMs, () => this.close(new Error('idle')))
    }
    return pending
  }

  #freeId(): number {
    for (;;) {
      const [high, low] = this.#context.random.bytes(2)
      const id = (high! << 8) | low!
      if (!this.#pending.has(id)) return id
    }
  }

  #describe(verb: string): string {
    const { address, port } = this.#context.address
    return `${verb} ${this.kind} ${address.includes(':') ? `[${address}]` : address}:${port}`
  }
}

function tryDecode(packet: Uint8Array): Message | undefined {
  try {
    return decodeMessage(packet, { allowTrailing: true })
  } catch {
    return undefined
  }
}

function isReplyTo(reply: Message, query: Message): boolean {
  const asked = query.questions[0]!
  const echoed = reply.questions[0]
  if (!echoed) return reply.rcode !== 0
  const sameName = echoed.name.toLowerCase() === asked.name.toLowerCase()
  return sameName && echoed.type === asked.type && echoed.class === asked.class
}

function openUdp(context: Context): Connection {
  const { address, port } = context.address
  const socket: UdpSocket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  const waiting: Uint8Array[] = []
  let connected = false
  const transmit = (packet: Uint8Array) =>
    socket.send(packet, (error) => error && connection.close(translate(error)))
  const connection = new Connection('udp', context, {
    send: (packet) => (connected ? transmit(packet) : waiting.push(packet)),
    end: () => socket.close(),
  })
  socket.on('message', (packet) => connection.receive(packet))
  socket.on('error', (error) => connection.close(translate(error)))
  // Connected, so that the kernel drops strangers' packets and reports a closed port at once.
  socket.connect(port, address, () => {
    connected = true
    for (const packet of waiting.splice(0)) transmit(packet)
  })
  socket.unref()
  return connection
}

function openStream(context: Context): Connection {
  const waiting: Uint8Array[] = []
  let socket: Socket | undefined
  let ended = false
  const connection = new Connection('tcp', context, {
    send: (packet) => (socket ? socket.write(frame(packet)) : waiting.push(packet)),
    end: () => {
      ended = true
      socket?.destroy()
    },
  })
  const attach = (opened: Socket) => {
    socket = opened
    const reader = new FrameReader()
    opened.setNoDelay(true)
    opened.unref()
    opened.on('data', (chunk) => {
      for (const packet of reader.push(chunk)) connection.receive(packet)
    })
    opened.on('error', (error) => connection.close(translate(error)))
    opened.on('close', () => connection.close(new Error('EOF')))
    if (ended) opened.destroy()
    for (const packet of waiting.splice(0)) opened.write(frame(packet))
  }
  const { address, port, tls } = context.address
  if (!tls) attach(connectTcp({ host: address, port }))
  else void openTls(context.address).then(attach, (error: Error) => connection.close(error))
  return connection
}

async function openTls({ address, port, tls }: UpstreamAddress): Promise<Socket> {
  const { connect } = await import('node:tls')
  const { serverName, ca, cert, key } = tls ?? {}
  return connect({
    host: address,
    port,
    ALPNProtocols: ['dot'],
    ...(serverName ? { servername: serverName } : {}),
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
  })
}

/** The words in which Go programs report what the kernel said. */
function translate(error: Error & { code?: string }): Error {
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'connection reset by peer',
    EHOSTUNREACH: 'no route to host',
    ENETUNREACH: 'network is unreachable',
    ETIMEDOUT: 'i/o timeout',
  }
  return new Error(words[error.code ?? ''] ?? error.message)
}
