// Carries connections of one frontend through this process: the way without nf_tables.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'

export interface Target {
  readonly ip: string
  readonly port: number
}

/** What a forwarder asks for each connection; the answer may change at any time. */
export interface TargetChoice {
  readonly targets: readonly Target[]
  /** Present: a client stays with its target for this long after its last connection. */
  readonly affinitySeconds?: number | undefined
}

export interface ForwarderDeps {
  readonly clock: Clock
  readonly random: Random
  choice(): TargetChoice
}

export interface Forwarder {
  close(): Promise<void>
}

const connectTimeoutMs = 5000
/** The first target and two more. */
const maxAttempts = 3
const udpIdleMs = 60_000
const maxUdpClients = 8192
const maxWaiting = 16

/** Picks targets at random, or as the client's record says. */
class Picker {
  readonly #deps: ForwarderDeps
  readonly #records = new Map<string, { key: string; untilMs: number }>()

  constructor(deps: ForwarderDeps) {
    this.#deps = deps
  }

  pick(client: string, tried: ReadonlySet<string>): Target | undefined {
    const { targets, affinitySeconds } = this.#deps.choice()
    const usable = targets.filter((target) => !tried.has(keyOf(target)))
    if (usable.length === 0) return undefined
    const nowMs = this.#deps.clock.monotonic()
    const record = this.#records.get(client)
    const kept =
      affinitySeconds !== undefined && record && record.untilMs > nowMs
        ? usable.find((target) => keyOf(target) === record.key)
        : undefined
    const chosen = kept ?? usable[Math.floor(this.#deps.random.next() * usable.length)]!
    if (affinitySeconds === undefined) this.#records.delete(client)
    else
      this.#records.set(client, {
        key: keyOf(chosen),
        untilMs: nowMs + affinitySeconds * 1000,
      })
    return chosen
  }
}

/** Listens on the frontend's own address. Rejects when it cannot be bound. */
export function forwardTcp(at: Target, deps: ForwarderDeps): Promise<Forwarder> {
  const picker = new Picker(deps)
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
  server.on('connection', (client) => {
    open.add(client)
    client.on('close', () => open.delete(client))
    client.on('error', () => client.destroy())
    reachTarget(client, { picker, clock: deps.clock, tried: new Set() })
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: at.ip, port: at.port }, () =>
      resolve({ close: () => closeTcp(server, open) }),
    )
  })
}

function closeTcp(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  for (const socket of open) socket.destroy()
  return new Promise((resolve) => server.close(() => resolve()))
}

function reachTarget(
  client: Socket,
  attempt: { picker: Picker; clock: Clock; tried: Set<string> },
): void {
  const { picker, tried } = attempt
  const target =
    tried.size < maxAttempts ? picker.pick(client.remoteAddress ?? '', tried) : undefined
  if (!target) return void client.resetAndDestroy()
  tried.add(keyOf(target))
  const upstream = connect({
    host: target.ip,
    port: target.port,
    allowHalfOpen: true,
    noDelay: true,
  })
  const timer = attempt.clock.after(connectTimeoutMs, () =>
    upstream.destroy(new Error('timed out')),
  )
  upstream.once('close', () => timer.cancel())
  const onFailure = (): void => reachTarget(client, attempt)
  upstream.once('error', onFailure)
  upstream.once('connect', () => {
    upstream.off('error', onFailure)
    timer.cancel()
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroySoon())
    client.on('close', () => upstream.destroy())
    // Each direction ends by itself: one side may be done asking and still be answered.
    client.pipe(upstream)
    upstream.pipe(client)
  })
}

/** One socket on the frontend's address, and one towards the target for each client. */
export function forwardUdp(at: Target, deps: ForwarderDeps): Promise<Forwarder> {
  const forwarder = new UdpForwarder(at, deps)
  return forwarder.open()
}

interface UdpClient {
  readonly upstream: UdpSocket
  readonly target: Target
  /** What came before the socket was connected, which takes a turn of the event loop. */
  waiting: Buffer[] | undefined
  timer: Timer
}

class UdpForwarder implements Forwarder {
  readonly #at: Target
  readonly #deps: ForwarderDeps
  readonly #picker: Picker
  readonly #socket: UdpSocket
  readonly #clients = new Map<string, UdpClient>()

  constructor(at: Target, deps: ForwarderDeps) {
    this.#at = at
    this.#deps = deps
    this.#picker = new Picker(deps)
    this.#socket = createSocket(at.ip.includes(':') ? 'udp6' : 'udp4')
    this.#socket.on('message', (message, from) => this.#forward(message, from))
  }

  open(): Promise<Forwarder> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject)
      this.#socket.bind(this.#at.port, this.#at.ip, () => {
        this.#socket.off('error', reject)
        this.#socket.on('error', () => {})
        resolve(this)
      })
    })
  }

  close(): Promise<void> {
    for (const key of [...this.#clients.keys()]) this.#drop(key)
    return new Promise((resolve) => this.#socket.close(() => resolve()))
  }

  #forward(message: Buffer, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`
    const { targets } = this.#deps.choice()
    const known = this.#clients.get(key)
    // A flow stays with its target for as long as that may serve, and no longer.
    if (known && !targets.some((target) => keyOf(target) === keyOf(known.target))) this.#drop(key)
    const client = this.#clients.get(key) ?? this.#admit(key, from)
    if (!client) return
    client.timer.cancel()
    client.timer = this.#deps.clock.after(udpIdleMs, () => this.#drop(key))
    if (!client.waiting) client.upstream.send(message)
    else if (client.waiting.length < maxWaiting) client.waiting.push(message)
  }

  #admit(key: string, from: RemoteInfo): UdpClient | undefined {
    if (this.#clients.size >= maxUdpClients) return undefined
    const target = this.#picker.pick(from.address, new Set())
    if (!target) return undefined
    const upstream = createSocket(target.ip.includes(':') ? 'udp6' : 'udp4')
    upstream.on('error', () => this.#drop(key))
    upstream.on('message', (answer) => this.#socket.send(answer, from.port, from.address))
    const timer = this.#deps.clock.after(udpIdleMs, () => this.#drop(key))
    const client: UdpClient = { upstream, target, timer, waiting: [] }
    upstream.connect(target.port, target.ip, () => {
      for (const message of client.waiting ?? []) upstream.send(message)
      client.waiting = undefined
    })
    this.#clients.set(key, client)
    return client
  }

  #drop(key: string): void {
    const client = this.#clients.get(key)
    if (!client) return
    this.#clients.delete(key)
    client.timer.cancel()
    client.upstream.close()
  }
}

function keyOf({ ip, port }: Target): string {
  return `${ip} ${port}`
}
