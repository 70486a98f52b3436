// Netlink messages as bytes: a writer that fills one growing buffer in place, and the parser.
// Headers and rtnetlink are host-endian, nfnetlink attributes big-endian; hosts are little-endian.

export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

export const NLM_F_REQUEST = 0x1
export const NLM_F_MULTI = 0x2
export const NLM_F_ACK = 0x4
export const NLM_F_ECHO = 0x8
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP = 0x300
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800
/** On an error message: the failed request was cut to its header; attributes follow. */
export const NLM_F_CAPPED = 0x100
export const NLM_F_ACK_TLVS = 0x200

/** Set on an attribute that holds attributes. */
export const NLA_F_NESTED = 0x8000
const attributeTypeMask = 0x3fff
export const messageHeaderLength = 16

export interface NetlinkMessage {
  readonly type: number
  readonly flags: number
  readonly seq: number
  readonly pid: number
  readonly payload: Buffer
}

/** Rounds up to the 4 bytes that netlink aligns everything to. */
export function align4(length: number): number {
  return (length + 3) & ~3
}

/** Writes messages and attributes one after the other; lengths are filled in by the matching end. */
export class NetlinkWriter {
  #bytes: Buffer
  #length = 0

  constructor(initialSize = 4096) {
    this.#bytes = Buffer.allocUnsafe(initialSize)
  }

  get length(): number {
    return this.#length
  }

  /** What was written so far; valid until the next write. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Forgets what was written and keeps the memory. */
  reset(): void {
    this.#length = 0
  }

  /** Starts a message; returns the mark that endMessage wants. */
  beginMessage(type: number, flags: number, seq: number): number {
    const start = this.#reserve(messageHeaderLength)
    this.#bytes.writeUInt32LE(0, start)
    this.#bytes.writeUInt16LE(type, start + 4)
    this.#bytes.writeUInt16LE(flags, start + 6)
    this.#bytes.writeUInt32LE(seq >>> 0, start + 8)
    this.#bytes.writeUInt32LE(0, start + 12)
    return start
  }

  endMessage(start: number): void {
    this.#bytes.writeUInt32LE(this.#length - start, start)
  }

  /** Starts a nested attribute; returns the mark that endNest wants. */
  beginNest(type: number): number {
    const start = this.#reserve(4)
    this.#bytes.writeUInt16LE(type | NLA_F_NESTED, start + 2)
    return start
  }

  endNest(start: number): void {
    this.#bytes.writeUInt16LE(this.#length - start, start)
  }

  raw(bytes: Uint8Array): void {
    const start = this.#reserve(align4(bytes.length))
    this.#bytes.set(bytes, start)
    this.#bytes.fill(0, start + bytes.length, this.#length)
  }

  attribute(type: number, bytes: Uint8Array): void {
    const start = this.#header(type, bytes.length)
    this.#bytes.set(bytes, start)
    this.#bytes.fill(0, start + bytes.length, this.#length)
  }

  /** NUL-terminated, as the kernel wants its names. */
  string(type: number, text: string): void {
    const length = Buffer.byteLength(text) + 1
    const start = this.#header(type, length)
    this.#bytes.write(text, start)
    this.#bytes.fill(0, start + length - 1, this.#length)
  }

  u8(type: number, value: number): void {
    const start = this.#header(type, 1)
    this.#bytes.fill(0, start, this.#length)
    this.#bytes[start] = value
  }

  u16(type: number, value: number): void {
    const start = this.#header(type, 2)
    this.#bytes.fill(0, start, this.#length)
    this.#bytes.writeUInt16LE(value, start)
  }

  u16be(type: number, value: number): void {
    const start = this.#header(type, 2)
    this.#bytes.fill(0, start, this.#length)
    this.#bytes.writeUInt16BE(value, start)
  }

  u32(type: number, value: number): void {
    this.#bytes.writeUInt32LE(value >>> 0, this.#header(type, 4))
  }

  u32be(type: number, value: number): void {
    const start = this.#header(type, 4)
    this.#bytes.writeUInt32BE(value >>> 0, start)
  }

  u64be(type: number, value: bigint): void {
    const start = this.#header(type, 8)
    this.#bytes.writeBigUInt64BE(value, start)
  }

  #header(type: number, payloadLength: number): number {
    const start = this.#reserve(4 + align4(payloadLength))
    this.#bytes.writeUInt16LE(4 + payloadLength, start)
    this.#bytes.writeUInt16LE(type, start + 2)
    return start + 4
  }

  #reserve(length: number): number {
    const start = this.#length
    const end = start + length
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, start)
      this.#bytes = grown
    }
    this.#length = end
    return start
  }
}

/** The messages in what one recv returned. A cut-off tail is dropped, as the kernel's own macros do. */
export function parseMessages(bytes: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = []
  let offset = 0
  while (offset + messageHeaderLength <= bytes.length) {
    const length = bytes.readUInt32LE(offset)
    if (length < messageHeaderLength || offset + length > bytes.length) break
    messages.push({
      type: bytes.readUInt16LE(offset + 4),
      flags: bytes.readUInt16LE(offset + 6),
      seq: bytes.readUInt32LE(offset + 8),
      pid: bytes.readUInt32LE(offset + 12),
      payload: bytes.subarray(offset + messageHeaderLength, offset + length),
    })
    offset += align4(length)
  }
  return messages
}

/** Calls back with each attribute in order; the type comes without its flag bits. */
export function forEachAttribute(
  bytes: Buffer,
  onAttribute: (type: number, value: Buffer) => void,
  from = 0,
): void {
  let offset = from
  while (offset + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(offset)
    if (length < 4 || offset + length > bytes.length) return
    const type = bytes.readUInt16LE(offset + 2) & attributeTypeMask
    onAttribute(type, bytes.subarray(offset + 4, offset + length))
    offset += align4(length)
  }
}

/** Attributes by type; of repeated ones the last. */
export function parseAttributes(bytes: Buffer, from = 0): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>()
  forEachAttribute(bytes, (type, value) => attributes.set(type, value), from)
  return attributes
}

/** A NUL-terminated name. */
export function attributeText(value: Buffer | undefined): string {
  if (!value) return ''
  const end = value.indexOf(0)
  return value.toString('utf8', 0, end < 0 ? value.length : end)
}
