// Bytes of a protobuf message, written from the last field to the first: a message's length is
// known when its tag is written, and no size has to be computed beforehand.

const initialSize = 4096
const maxKept = 1024 * 1024

export class ProtobufWriter {
  #buffer: Buffer = Buffer.allocUnsafe(initialSize)
  /** Everything from here to the end of the buffer is written. */
  #start = initialSize

  /** Bytes written so far; the difference of two marks is the length of what lies between. */
  get mark(): number {
    return this.#buffer.length - this.#start
  }

  /** A copy of what was written; the writer starts anew. */
  finish(): Buffer {
    const result = Buffer.from(this.#buffer.subarray(this.#start))
    // One large list must not hold its memory for ever.
    if (this.#buffer.length > maxKept) this.#buffer = Buffer.allocUnsafe(initialSize)
    this.#start = this.#buffer.length
    return result
  }

  #reserve(size: number): number {
    if (this.#start < size) {
      const used = this.#buffer.subarray(this.#start)
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, used.length + size * 2))
      used.copy(larger, larger.length - used.length)
      this.#start = larger.length - used.length
      this.#buffer = larger
    }
    this.#start -= size
    return this.#start
  }

  raw(bytes: Uint8Array): void {
    // Reserved first: it may put another buffer in place.
    const start = this.#reserve(bytes.length)
    this.#buffer.set(bytes, start)
  }

  text(text: string): number {
    const size = Buffer.byteLength(text)
    const start = this.#reserve(size)
    if (size === text.length && size < 24) {
      for (let index = 0; index < size; index++) {
        this.#buffer[start + index] = text.charCodeAt(index)
      }
    } else this.#buffer.write(text, start, 'utf8')
    return size
  }

  /** A non-negative integer below 2^53. */
  varint(value: number): void {
    if (value < 0x80) {
      const start = this.#reserve(1)
      this.#buffer[start] = value
      return
    }
    let size = 1
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
    let position = this.#reserve(size)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[position++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[position] = rest
  }

  /** Any int64; negative numbers take ten bytes. */
  integer(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)) {
      this.varint(value)
      return
    }
    let rest = BigInt.asUintN(64, BigInt(value))
    const bytes: number[] = []
    while (rest >= 0x80n) {
      bytes.push(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    bytes.push(Number(rest))
    this.raw(Uint8Array.from(bytes))
  }

  double(value: number): void {
    const start = this.#reserve(8)
    this.#buffer.writeDoubleLE(value, start)
  }
}
