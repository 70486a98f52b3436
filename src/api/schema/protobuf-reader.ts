// Reading protobuf's wire format: tags, varints, lengths. Errors are worded as gogo/protobuf's.

/** A message that cannot be read. */
export class ProtobufError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ProtobufError'
  }
}

export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

const shortText = 16

/** Messages inside messages; recursion must end before the stack does. */
const maxDepth = 1000

/** Groups inside groups, the only recursion of skipping. */
const maxGroupDepth = 64

export class ProtobufReader {
  readonly #bytes: Buffer
  #position: number
  #end: number
  #depth = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#position = 0
    this.#end = bytes.length
  }

  get done(): boolean {
    return this.#position >= this.#end
  }

  #byte(): number {
    if (this.#position >= this.#end) throw new ProtobufError('unexpected EOF')
    return this.#bytes[this.#position++]!
  }

  /** Unsigned, for tags and lengths; what is beyond 2^53 loses its low digits. */
  varint(): number {
    let byte = this.#byte()
    if (byte < 0x80) return byte
    let value = byte & 0x7f
    let factor = 0x80
    for (let count = 1; count < 10; count++) {
      byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      factor *= 0x80
    }
    throw new ProtobufError('proto: integer overflow')
  }

  /** A signed 64-bit integer. */
  integer(): number {
    const start = this.#position
    const value = this.varint()
    if (value <= Number.MAX_SAFE_INTEGER) return value
    let exact = 0n
    for (let index = this.#position - 1; index >= start; index--) {
      exact = (exact << 7n) | BigInt(this.#bytes[index]! & 0x7f)
    }
    return Number(BigInt.asIntN(64, exact))
  }

  double(): number {
    const start = this.#take(8)
    return this.#bytes.readDoubleLE(start)
  }

  #take(length: number): number {
    const start = this.#position
    if (length < 0 || length > this.#end - start) throw new ProtobufError('unexpected EOF')
    this.#position = start + length
    return start
  }

  text(): string {
    const length = this.varint()
    const start = this.#take(length)
    // Short ASCII, which most text is, is quicker to read here than across the border to C++.
    if (length <= shortText) {
      let text = ''
      for (let index = start; index < start + length; index++) {
        const byte = this.#bytes[index]!
        if (byte >= 0x80) return this.#bytes.toString('utf8', start, start + length)
        text += String.fromCharCode(byte)
      }
      return text
    }
    return this.#bytes.toString('utf8', start, start + length)
  }

  bytes(): Buffer {
    const length = this.varint()
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** Narrows reading to the message that begins here; hand the answer to `leave`. */
  enter(): number {
    const length = this.varint()
    if (length > this.#end - this.#position) throw new ProtobufError('unexpected EOF')
    if (++this.#depth > maxDepth) throw new ProtobufError('proto: exceeded max depth')
    const outer = this.#end
    this.#end = this.#position + length
    return outer
  }

  leave(outer: number): void {
    this.#end = outer
    this.#depth--
  }

  skip(wireType: number, depth = 0): void {
    switch (wireType) {
      case wireTypes.varint:
        this.varint()
        return
      case wireTypes.fixed64:
        this.#take(8)
        return
      case wireTypes.bytes:
        this.#take(this.varint())
        return
      case wireTypes.fixed32:
        this.#take(4)
        return
      case 3:
        this.#skipGroup(depth + 1)
        return
      default:
        throw new ProtobufError(`proto: illegal wireType ${wireType}`)
    }
  }

  #skipGroup(depth: number): void {
    if (depth > maxGroupDepth) throw new ProtobufError('proto: groups nested too deeply')
    for (;;) {
      const wireType = this.varint() & 7
      if (wireType === 4) return
      this.skip(wireType, depth)
    }
  }
}
