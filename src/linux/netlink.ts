// A netlink socket: requests, dumps and batches, answered synchronously (the kernel handles a
// request inside send, so nothing here waits), and a listener for events on the event loop.
import { Socket } from 'node:net'
import { constants } from 'node:os'
import { describeErrno, SystemError, syscall, trySyscall } from './ffi.ts'
import {
  attributeText,
  messageHeaderLength,
  type NetlinkMessage,
  NetlinkWriter,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  parseAttributes,
  parseMessages,
} from './netlink-message.ts'

export const NETLINK_ROUTE = 0
export const NETLINK_SOCK_DIAG = 4
export const NETLINK_NETFILTER = 12

const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0x80000
const SOCK_NONBLOCK = 0x800
const MSG_DONTWAIT = 0x40
const MSG_TRUNC = 0x20
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const SOL_NETLINK = 270
const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const NLMSGERR_ATTR_MSG = 1

/** A dump that other writers keep disturbing is repeated this often before it is taken as it is. */
const maxDumpAttempts = 5
/** The largest answer to one recv: the kernel builds dumps in skbs of up to 32 KiB. */
const receiveBufferLength = 256 * 1024

export interface NetlinkRequest {
  readonly type: number
  /** NLM_F_REQUEST and NLM_F_ACK are added. */
  readonly flags: number
  readonly payload: Uint8Array
}

/** The kernel's answer to one message of a batch. */
export interface NetlinkReply {
  readonly seq: number
  /** 0 for an acknowledgement, else the positive errno. */
  readonly errno: number
  /** The kernel's own sentence, where it has one. */
  readonly text: string
}

/** Opens a socket in the network namespace of the calling thread, where it stays. */
export function openNetlink(protocol: number): NetlinkSocket {
  return new NetlinkSocket(openDescriptor(protocol, 0))
}

/** One conversation with the kernel. Not to be shared between threads; close it. */
export class NetlinkSocket {
  #fd: number
  #seq = 1
  readonly #receive = Buffer.allocUnsafe(receiveBufferLength)

  constructor(fd: number) {
    this.#fd = fd
  }

  get closed(): boolean {
    return this.#fd < 0
  }

  /** Sequence numbers for callers that write their own messages (`send`). */
  takeSeq(): number {
    this.#seq = (this.#seq + 1) >>> 0 || 1
    return this.#seq
  }

  /** Sends one request and returns what came before its acknowledgement. Throws SystemError. */
  request(type: number, flags: number, payload: Uint8Array): NetlinkMessage[] {
    return this.requests([{ type, flags, payload }])[0]!
  }

  /**
   * Sends many requests in one datagram and returns the replies of each. The kernel runs them in
   * order and does not stop at a failure; the first one is thrown, after all were answered.
   */
  requests(list: readonly NetlinkRequest[]): NetlinkMessage[][] {
    if (list.length === 0) return []
    const writer = new NetlinkWriter()
    const indexOf = new Map<number, number>()
    for (const [index, { type, flags, payload }] of list.entries()) {
      const seq = this.takeSeq()
      indexOf.set(seq, index)
      const mark = writer.beginMessage(type, flags | NLM_F_REQUEST | NLM_F_ACK, seq)
      writer.raw(payload)
      writer.endMessage(mark)
    }
    this.send(writer.bytes)
    const replies: NetlinkMessage[][] = list.map(() => [])
    let failure: SystemError | undefined
    let pending = list.length
    while (pending > 0) {
      for (const message of this.receive()) {
        const index = indexOf.get(message.seq)
        if (index === undefined) continue
        if (message.type !== NLMSG_ERROR) {
          if (message.type !== NLMSG_NOOP) replies[index]!.push(copyMessage(message))
          continue
        }
        pending--
        const reply = parseReply(message)
        if (reply.errno !== 0) failure ??= replyError(`netlink message ${list[index]!.type}`, reply)
      }
    }
    if (failure) throw failure
    return replies
  }

  /** All objects a dump request names. Repeated when the kernel says it changed underneath. */
  dump(type: number, payload: Uint8Array): NetlinkMessage[] {
    for (let attempt = 1; ; attempt++) {
      const { messages, interrupted } = this.#dumpOnce(type, payload)
      if (!interrupted || attempt === maxDumpAttempts) return messages
    }
  }

  #dumpOnce(
    type: number,
    payload: Uint8Array,
  ): { messages: NetlinkMessage[]; interrupted: boolean } {
    const seq = this.takeSeq()
    const writer = new NetlinkWriter(64 + payload.length)
    const mark = writer.beginMessage(type, NLM_F_REQUEST | NLM_F_DUMP, seq)
    writer.raw(payload)
    writer.endMessage(mark)
    this.send(writer.bytes)
    const messages: NetlinkMessage[] = []
    let interrupted = false
    for (;;) {
      for (const message of this.receive()) {
        if (message.seq !== seq) continue
        if (message.flags & NLM_F_DUMP_INTR) interrupted = true
        if (message.type === NLMSG_ERROR) {
          const reply = parseReply(message)
          if (reply.errno !== 0) throw replyError(`netlink dump ${type}`, reply)
          return { messages, interrupted }
        }
        if (message.type === NLMSG_DONE) {
          const errno = message.payload.length >= 4 ? -message.payload.readInt32LE(0) : 0
          if (errno > 0) throw new SystemError(`netlink dump ${type}`, errno)
          return { messages, interrupted }
        }
        messages.push(copyMessage(message))
      }
    }
  }

  /** Sends bytes that already are messages. */
  send(bytes: Uint8Array): void {
    const sent = trySyscall('sendto', this.#fd, bytes, bytes.length, 0, kernelAddress, 12)
    if (sent < 0) throw new SystemError('netlink send', -sent)
  }

  /** The next datagram's messages. Throws EAGAIN when the kernel has nothing to say. */
  receive(): NetlinkMessage[] {
    const length = trySyscall(
      'recv',
      this.#fd,
      this.#receive,
      this.#receive.length,
      MSG_DONTWAIT | MSG_TRUNC,
    )
    if (length < 0) throw new SystemError('netlink receive', -length)
    if (length > this.#receive.length) throw new SystemError('netlink receive', EMSGSIZE)
    return parseMessages(this.#receive.subarray(0, length))
  }

  /** Throws away answers nobody waits for, after a failed batch. */
  drain(): void {
    while (
      trySyscall('recv', this.#fd, this.#receive, this.#receive.length, MSG_DONTWAIT) !== -EAGAIN
    );
  }

  /**
   * Asks for buffers of this size and returns the send size really in force (half of what the
   * kernel books): root gets what it asks for, a user namespace at most net.core.wmem_max.
   */
  resizeBuffers(length: number): number {
    const option = Buffer.alloc(4)
    option.writeInt32LE(length)
    const forced = trySyscall('setsockopt', this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, option, 4)
    if (forced < 0) syscall('setsockopt', this.#fd, SOL_SOCKET, SO_SNDBUF, option, 4)
    if (trySyscall('setsockopt', this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, option, 4) < 0) {
      syscall('setsockopt', this.#fd, SOL_SOCKET, SO_RCVBUF, option, 4)
    }
    const size = Buffer.alloc(4)
    size.writeUInt32LE(4)
    syscall('getsockopt', this.#fd, SOL_SOCKET, SO_SNDBUF, option, size)
    return option.readInt32LE(0) >>> 1
  }

  close(): void {
    if (this.#fd < 0) return
    syscall('close', this.#fd)
    this.#fd = -1
  }
}

export interface NetlinkEvents {
  onMessages(messages: readonly NetlinkMessage[]): void
  /** Events were lost (ENOBUFS): whoever keeps a copy must read it anew. Listening goes on. */
  onOverrun(): void
}

/** Listens to multicast groups, given by number. Never keeps the process alive. */
export function listenNetlink(
  protocol: number,
  groups: readonly number[],
  events: NetlinkEvents,
): { close(): void } {
  const fd = openDescriptor(protocol, SOCK_NONBLOCK)
  const option = Buffer.alloc(4)
  for (const group of groups) {
    option.writeUInt32LE(group)
    syscall('setsockopt', fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, option, 4)
  }
  let closed = false
  const listen = (): Socket => {
    const socket = readableSocket(fd)
    socket.on('data', (bytes) => events.onMessages(parseMessages(bytes)))
    socket.on('error', () => {
      // libuv gives the stream up on ENOBUFS; the descriptor itself is as good as before.
      if (closed) return
      current = listen()
      events.onOverrun()
    })
    return socket
  }
  let current = listen()
  return {
    close() {
      if (closed) return
      closed = true
      current.destroy()
      syscall('close', fd)
    },
  }
}

/**
 * Lets the event loop read a descriptor of a kind libuv does not know, with no thread and no
 * timer: a net.Socket is made on one end of a pair, and before the loop first polls it the
 * descriptor is put in that end's place. Each read returns one whole datagram (up to 64 KiB).
 */
function readableSocket(fd: number): Socket {
  const pair = Buffer.alloc(8)
  syscall('socketpair', 1, 1 | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)
  const seat = pair.readInt32LE(0)
  const socket = new Socket({ fd: seat, readable: true, writable: false })
  syscall('dup3', fd, seat, O_CLOEXEC)
  syscall('close', pair.readInt32LE(4))
  socket.unref()
  return socket
}

const O_CLOEXEC = 0x80000
const { EAGAIN, EMSGSIZE } = constants.errno
/** sockaddr_nl of the kernel: family, pid 0, no groups. */
const kernelAddress = Buffer.from([AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])

function openDescriptor(protocol: number, extraType: number): number {
  const fd = syscall('socket', AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | extraType, protocol)
  syscall('bind', fd, kernelAddress, kernelAddress.length)
  const on = Buffer.from([1, 0, 0, 0])
  // Both are niceties (kernel 4.12, 4.2): without them errors lack their sentence.
  trySyscall('setsockopt', fd, SOL_NETLINK, NETLINK_EXT_ACK, on, 4)
  trySyscall('setsockopt', fd, SOL_NETLINK, NETLINK_CAP_ACK, on, 4)
  return fd
}

/** Reads an NLMSG_ERROR message, which is an acknowledgement when its errno is 0. */
export function parseReply(message: NetlinkMessage): NetlinkReply {
  const { payload } = message
  const errno = payload.length >= 4 ? -payload.readInt32LE(0) : 0
  let text = ''
  if (message.flags & NLM_F_ACK_TLVS && payload.length >= 4 + messageHeaderLength) {
    const quoted = message.flags & NLM_F_CAPPED ? messageHeaderLength : payload.readUInt32LE(4)
    text = attributeText(parseAttributes(payload, 4 + quoted).get(NLMSGERR_ATTR_MSG))
  }
  return { seq: message.seq, errno, text }
}

function replyError(operation: string, reply: NetlinkReply): SystemError {
  const detail = describeErrno(reply.errno)
  return new SystemError(operation, reply.errno, reply.text ? `${detail} (${reply.text})` : detail)
}

/** The receive buffer is used again for the next datagram; what is kept must be copied. */
function copyMessage(message: NetlinkMessage): NetlinkMessage {
  return { ...message, payload: Buffer.from(message.payload) }
}
