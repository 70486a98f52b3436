// UDP and TCP sockets of one address: packets in, packets out, nothing understood. An edge file, and
// the seam of a faster one: all it needs of the server is handlePacket().

import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Peer, Timeouts, Transport } from './chain.ts'
import { FrameReader, frame } from './frames.ts'
import type { PacketReply, RouteTable } from './server.ts'
import { handlePacket } from './server.ts'

/** Replies waited for at a stop. */
const graceMs = 5000
/** Kernel buffer for bursts; what the system's limit cuts off is not asked for again. */
const receiveBufferBytes = 4 * 1024 * 1024
/** Queries of one TCP connection under way; above it the connection is not read from. */
const maxPipelined = 256
/** Queries that wait for an upstream, of all clients together. */
const maxUnderWay = 20_000
const maxConnections = 10_000
const portAttempts = 20

export interface Credentials {
  readonly cert: string
  readonly key: string
  readonly ca?: string
  readonly requestCert: boolean
  readonly rejectUnauthorized: boolean
}

export interface Place {
  readonly host: string
  /** 0: the same free port for UDP and TCP. */
  readonly port: number
  /** DNS over TLS (RFC 7858): TCP alone. */
  readonly tls?: Credentials
}

export interface ListenerDeps {
  readonly clock: Clock
  readonly timeouts: Timeouts
}

export class Listener {
  /** Replaced by a reload between two packets. */
  table: RouteTable
  readonly #deps: ListenerDeps
  readonly #connections = new Set<Socket>()
  #udp: UdpSocket | undefined
  #tcp: Server | undefined
  #local: Peer = { address: '', port: 0 }
  #underWay = 0
  #idle: (() => void) | undefined

  constructor(table: RouteTable, deps: ListenerDeps) {
    this.table = table
    this.#deps = deps
  }

  get address(): Peer {
    return this.#local
  }

  async open({ host, port, tls }: Place): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const tcp = tls ? await createTlsServer(tls) : createServer(tcpOptions)
      tcp.maxConnections = maxConnections
      // Of TLS the socket below too, which is there before, and without, a finished handshake.
      tcp.on('connection', (socket: Socket) => this.#track(socket))
      tcp.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
        this.#connected(socket, tls ? 'tls' : 'tcp')
      })
      const bound = await listenTcp(tcp, host, port)
      try {
        if (!tls) this.#attachUdp(await bindUdp(host, bound))
      } catch (error) {
        await new Promise((resolve) => tcp.close(resolve))
        if (port !== 0 || attempt === portAttempts) throw error
        continue
      }
      this.#tcp = tcp
      this.#local = { address: host, port: bound }
      return
    }
  }

  /** A certificate that was renewed; connections that are open keep the old one. */
  renew(tls: Credentials): void {
    if (this.#tcp && 'setSecureContext' in this.#tcp) (this.#tcp as TlsServer).setSecureContext(tls)
  }

  #attachUdp(socket: UdpSocket): void {
    this.#udp = socket
    socket.on('message', (packet, from) => this.#received(socket, packet, from))
    // An ICMP error about a client that has gone; nobody is left to tell.
    socket.on('error', () => {})
  }

  /** No new queries; those under way are answered for up to five seconds. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#tcp?.close(resolve) ?? resolve(undefined))
    await new Promise<void>((resolve) => {
      if (this.#underWay === 0) return resolve()
      this.#idle = resolve
      this.#deps.clock.after(graceMs, resolve)
    })
    this.#udp?.close()
    this.#udp = undefined
    for (const connection of this.#connections) connection.destroySoon()
    this.#deps.clock.after(graceMs, () => {
      for (const connection of this.#connections) connection.destroy()
    })
    await closed
  }

  #received(socket: UdpSocket, packet: Uint8Array, from: RemoteInfo): void {
    const remote = { address: plainAddress(from.address), port: from.port }
    this.#answer(packet, { transport: 'udp', remote }, (bytes) => {
      if (bytes && this.#udp) socket.send(bytes, from.port, from.address)
    })
  }

  #track(socket: Socket): void {
    this.#connections.add(socket)
    socket.on('close', () => this.#connections.delete(socket))
  }

  #connected(socket: Socket, transport: Transport): void {
    const { timeouts, clock } = this.#deps
    const reader = new FrameReader()
    const remote = {
      address: plainAddress(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
    }
    let pipelined = 0
    let queries = 0
    let ended = false
    let reading: Timer | undefined
    let writing: Timer | undefined
    const isFull = () => pipelined >= maxPipelined || socket.writableNeedDrain
    const settle = () => {
      // A client that asks without reading the answers is not read from either.
      if (!socket.writableNeedDrain) writing = void writing?.cancel()
      else writing ??= clock.after(timeouts.writeMs, () => socket.destroy())
      if (isFull()) socket.pause()
      else if (socket.isPaused()) socket.resume()
      if (pipelined === 0 && (ended || queries >= timeouts.maxQueries)) socket.end()
    }
    const send = (bytes: PacketReply) => {
      pipelined--
      if (bytes && socket.writable) socket.write(frame(bytes))
      settle()
    }
    socket.setTimeout(timeouts.idleMs, () => socket.destroy())
    socket.on('drain', settle)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      reading?.cancel()
      writing?.cancel()
    })
    socket.on('end', () => {
      ended = true
      settle()
    })
    socket.on('data', (chunk) => {
      for (const packet of reader.push(chunk)) {
        if (queries++ >= timeouts.maxQueries) return
        pipelined++
        this.#answer(packet, { transport, remote }, send)
      }
      settle()
      // A message has to be whole within the read time, however slowly it drips in.
      if (!reader.partial) reading = void reading?.cancel()
      else reading ??= clock.after(timeouts.readMs, () => socket.destroy())
    })
  }

  /** `deliver` is called once, with nothing where no reply is to be sent. */
  #answer(
    packet: Uint8Array,
    from: { transport: Transport; remote: Peer },
    deliver: (bytes: PacketReply) => void,
  ): void {
    // Above this the kernel's queue and then the network drop, not our heap.
    if (this.#underWay >= maxUnderWay) return deliver(undefined)
    const monotonicMs = this.#deps.clock.monotonic()
    const answered = handlePacket(this.table, packet, { ...from, local: this.#local, monotonicMs })
    if (!(answered instanceof Promise)) return deliver(answered)
    this.#underWay++
    void answered.then(deliver).finally(() => {
      if (--this.#underWay === 0) this.#idle?.()
    })
  }
}

/** An IPv4 client of a socket that serves both families. */
const plainAddress = (address: string) =>
  address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address

const tcpOptions = { allowHalfOpen: true, noDelay: true }

/** Its module is only loaded where a Corefile asks for it. */
async function createTlsServer(tls: Credentials): Promise<TlsServer> {
  const { createServer: create } = await import('node:tls')
  return create({ ...tcpOptions, ...tls, ALPNProtocols: ['dot'], minVersion: 'TLSv1.2' })
}

function listenTcp(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, ...(host === '' ? {} : { host }), backlog: 1024 }, () => {
      server.off('error', reject)
      const bound = server.address()
      resolve(typeof bound === 'object' && bound ? bound.port : port)
    })
  })
}

/** Addresses come as numbers: nothing has to be looked up before a reply is sent. */
const noLookup = (
  host: string,
  _options: unknown,
  done: (error: Error | null, address: string, family: number) => void,
) => done(null, host, host.includes(':') ? 6 : 4)

/** Every address: both families by one socket, or IPv4 where the kernel has no IPv6. */
async function bindUdp(host: string, port: number): Promise<UdpSocket> {
  if (host !== '') return bindSocket(host.includes(':') ? 'udp6' : 'udp4', host, port)
  try {
    return await bindSocket('udp6', '::', port)
  } catch (error) {
    const { code } = error as { code?: string }
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL') throw error
    return bindSocket('udp4', '0.0.0.0', port)
  }
}

function bindSocket(type: 'udp4' | 'udp6', address: string, port: number): Promise<UdpSocket> {
  const socket = createSocket({ type, lookup: noLookup as never })
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      try {
        socket.setRecvBufferSize(receiveBufferBytes)
      } catch {
        // The default stays; the system allows no more.
      }
      resolve(socket)
    })
  })
}
