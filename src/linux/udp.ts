// A UDP server socket that takes and answers datagrams in batches (recvmmsg, sendmmsg): several
// times what node:dgram does on one core. The wait for more is in libuv's pool, with a time limit.
import { constants } from 'node:os'
import { formatIp, ipFromBytes, ipToBytes, parseIp } from '../lib/ip.ts'
import { addressOf, SystemError, syscall, syscallInPool, trySyscall } from './ffi.ts'

export interface UdpOptions {
  readonly ip: string
  /** 0: any free port. */
  readonly port: number
  /** Several sockets share the port, and the kernel spreads clients over them. */
  readonly reusePort?: boolean
  readonly receiveBufferBytes?: number
}

export interface UdpPeer {
  readonly ip: string
  readonly port: number
}

/** Valid until the callback returns, but for what `later` gives. */
export interface Datagram {
  readonly bytes: Buffer
  readonly peer: UdpPeer
  /** Leaves with the other answers of this batch. */
  reply(bytes: Uint8Array): void
  /** For an answer that takes time: copies the address, and sends at once when called. */
  later(): (bytes: Uint8Array) => void
}

const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0x800 | 0x80000
const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_RCVBUFFORCE = 33
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const MSG_TRUNC = 0x20
const POLLIN = 1
const SHUT_RD = 0
const { EAGAIN } = constants.errno

const batchSize = 64
/** Longer datagrams are dropped: no DNS query needs more. */
const maxReceived = 4096
const maxBatched = 4096
/** struct mmsghdr, struct iovec and a sockaddr_in6, on 64-bit systems. */
const headerSize = 64
const iovecSize = 16
const nameSize = 32
/** So often a pool thread looks up from its wait. */
const pollMs = 1000
/** Batches taken before timers and other sockets get their turn. */
const batchesInARow = 8

/** Opens and binds at once, in the network namespace of the calling thread. Throws SystemError. */
export function openUdp(options: UdpOptions): UdpBatchSocket {
  const ip = parseIp(options.ip)
  if (!ip) throw new RangeError(`cannot bind a UDP socket: "${options.ip}" is no address`)
  const family = ip.family === 'IPv4' ? AF_INET : AF_INET6
  const fd = syscall('socket', family, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0)
  try {
    if (family === AF_INET6) setOption(fd, [IPPROTO_IPV6, IPV6_V6ONLY], 1)
    if (options.reusePort) setOption(fd, [SOL_SOCKET, SO_REUSEPORT], 1)
    if (options.receiveBufferBytes) growReceiveBuffer(fd, options.receiveBufferBytes)
    const name = encodeName(options)
    syscall('bind', fd, name, name.length)
    return new UdpBatchSocket(fd)
  } catch (error) {
    syscall('close', fd)
    throw error
  }
}

export class UdpBatchSocket {
  readonly address: UdpPeer
  readonly #fd: number
  readonly #incoming = new MessageBlock(maxReceived)
  readonly #outgoing = new MessageBlock(maxBatched)
  #queued = 0
  #isClosed = false
  #running: Promise<void> | undefined

  constructor(fd: number) {
    this.#fd = fd
    const name = Buffer.alloc(nameSize)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(nameSize)
    syscall('getsockname', fd, name, length)
    this.address = decodeName(name)
  }

  /** Calls back for every datagram from now on. It must not throw. */
  listen(onDatagram: (datagram: Datagram) => void): void {
    this.#running ??= this.#run(onDatagram)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    // Wakes the waiting poll; the kernel calls it an error for a socket without a peer.
    trySyscall('shutdown', this.#fd, SHUT_RD)
    await this.#running
    syscall('close', this.#fd)
  }

  async #run(onDatagram: (datagram: Datagram) => void): Promise<void> {
    const interest = Buffer.alloc(8)
    interest.writeInt32LE(this.#fd, 0)
    interest.writeInt16LE(POLLIN, 4)
    while (!this.#isClosed) {
      let taken = batchSize
      for (let turn = 0; turn < batchesInARow && taken === batchSize; turn++)
        taken = this.#takeBatch(onDatagram)
      if (this.#isClosed) return
      if (taken === batchSize) await new Promise((resolve) => setImmediate(resolve))
      else if (taken === 0) await syscallInPool('poll', interest, 1, pollMs)
    }
  }

  /** How many datagrams there were; their answers are on the way when it returns. */
  #takeBatch(onDatagram: (datagram: Datagram) => void): number {
    const incoming = this.#incoming
    incoming.resetNames()
    const count = trySyscall('recvmmsg', this.#fd, incoming.headers, batchSize, 0, null)
    if (count <= 0) return 0
    for (let index = 0; index < count; index++) {
      if (incoming.isTruncated(index)) continue
      onDatagram(new ReceivedDatagram(incoming, index, this))
    }
    this.flush()
    return count
  }

  /** For Datagram.reply: queues an answer to the sender of a received message. */
  queue(name: Buffer, bytes: Uint8Array): void {
    if (bytes.length > maxBatched) return this.sendTo(name, bytes)
    if (this.#queued === batchSize) this.flush()
    this.#outgoing.put(this.#queued++, name, bytes)
  }

  /** What does not go out now is lost, as datagrams are. */
  sendTo(name: Buffer, bytes: Uint8Array): void {
    if (!this.#isClosed)
      trySyscall('sendto', this.#fd, bytes, bytes.length, 0, name, nameLength(name))
  }

  flush(): void {
    let next = 0
    while (next < this.#queued) {
      const rest = this.#outgoing.headers.subarray(next * headerSize)
      const sent = trySyscall('sendmmsg', this.#fd, rest, this.#queued - next, 0)
      if (sent === -EAGAIN) break
      // An error is about the first of them (an unreachable client); the others follow.
      next += Math.max(1, sent)
    }
    this.#queued = 0
  }
}

class ReceivedDatagram implements Datagram {
  readonly #block: MessageBlock
  readonly #index: number
  readonly #socket: UdpBatchSocket

  constructor(block: MessageBlock, index: number, socket: UdpBatchSocket) {
    this.#block = block
    this.#index = index
    this.#socket = socket
  }

  get bytes(): Buffer {
    return this.#block.data(this.#index)
  }

  get peer(): UdpPeer {
    return decodeName(this.#block.name(this.#index))
  }

  reply(bytes: Uint8Array): void {
    this.#socket.queue(this.#block.name(this.#index), bytes)
  }

  later(): (bytes: Uint8Array) => void {
    const name = Buffer.from(this.#block.name(this.#index))
    return (bytes) => this.#socket.sendTo(name, bytes)
  }
}

/** An array of mmsghdr with all it points to, in one piece of memory that stays where it is. */
class MessageBlock {
  readonly headers: Buffer
  readonly #bytes: Buffer
  readonly #dataSize: number

  constructor(dataSize: number) {
    this.#dataSize = dataSize
    const each = headerSize + iovecSize + nameSize + dataSize
    this.#bytes = Buffer.allocUnsafeSlow(batchSize * each).fill(0)
    this.headers = this.#bytes.subarray(0, batchSize * headerSize)
    const base = addressOf(this.#bytes)
    for (let index = 0; index < batchSize; index++) {
      const header = index * headerSize
      const iovec = this.#iovecAt(index)
      this.#bytes.writeBigUInt64LE(base + BigInt(this.#nameAt(index)), header)
      this.#bytes.writeUInt32LE(nameSize, header + 8)
      this.#bytes.writeBigUInt64LE(base + BigInt(iovec), header + 16)
      this.#bytes.writeBigUInt64LE(1n, header + 24)
      this.#bytes.writeBigUInt64LE(base + BigInt(this.#dataAt(index)), iovec)
      this.#bytes.writeBigUInt64LE(BigInt(dataSize), iovec + 8)
    }
  }

  /** The kernel shortens them to what it wrote. */
  resetNames(): void {
    for (let index = 0; index < batchSize; index++)
      this.#bytes.writeUInt32LE(nameSize, index * headerSize + 8)
  }

  isTruncated(index: number): boolean {
    return (this.#bytes.readUInt32LE(index * headerSize + 48) & MSG_TRUNC) !== 0
  }

  name(index: number): Buffer {
    const at = this.#nameAt(index)
    return this.#bytes.subarray(at, at + nameSize)
  }

  data(index: number): Buffer {
    const at = this.#dataAt(index)
    return this.#bytes.subarray(at, at + this.#bytes.readUInt32LE(index * headerSize + 56))
  }

  put(index: number, name: Buffer, bytes: Uint8Array): void {
    this.#bytes.set(name, this.#nameAt(index))
    this.#bytes.set(bytes, this.#dataAt(index))
    this.#bytes.writeUInt32LE(nameLength(name), index * headerSize + 8)
    this.#bytes.writeBigUInt64LE(BigInt(bytes.length), this.#iovecAt(index) + 8)
  }

  #iovecAt(index: number): number {
    return batchSize * headerSize + index * iovecSize
  }

  #nameAt(index: number): number {
    return batchSize * (headerSize + iovecSize) + index * nameSize
  }

  #dataAt(index: number): number {
    return batchSize * (headerSize + iovecSize + nameSize) + index * this.#dataSize
  }
}

function nameLength(name: Buffer): number {
  return name.readUInt16LE(0) === AF_INET ? 16 : 28
}

function encodeName({ ip, port }: UdpPeer): Buffer {
  const parsed = parseIp(ip)!
  const isV4 = parsed.family === 'IPv4'
  const name = Buffer.alloc(isV4 ? 16 : 28)
  name.writeUInt16LE(isV4 ? AF_INET : AF_INET6, 0)
  name.writeUInt16BE(port, 2)
  name.set(ipToBytes(parsed), isV4 ? 4 : 8)
  return name
}

function decodeName(name: Buffer): UdpPeer {
  const isV4 = name.readUInt16LE(0) === AF_INET
  const bytes = isV4 ? name.subarray(4, 8) : name.subarray(8, 24)
  return { ip: formatIp(ipFromBytes(bytes)), port: name.readUInt16BE(2) }
}

function setOption(fd: number, [level, name]: readonly [number, number], value: number): void {
  const option = Buffer.alloc(4)
  option.writeInt32LE(value)
  syscall('setsockopt', fd, level, name, option, 4)
}

/** As large as the system lets us. */
function growReceiveBuffer(fd: number, length: number): void {
  try {
    setOption(fd, [SOL_SOCKET, SO_RCVBUFFORCE], length)
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    setOption(fd, [SOL_SOCKET, SO_RCVBUF], length)
  }
}
