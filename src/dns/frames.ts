// DNS over a stream: each message behind its length in two bytes (RFC 1035 4.2.2, RFC 7766).

export function frame(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(message.length + 2)
  framed[0] = message.length >> 8
  framed[1] = message.length & 0xff
  framed.set(message, 2)
  return framed
}

/** Cuts a stream into messages; what is incomplete waits for the next chunk. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array(0)

  /** Whether part of a message is waiting for its end. */
  get partial(): boolean {
    return this.#rest.length > 0
  }

  push(chunk: Uint8Array): readonly Uint8Array[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const messages: Uint8Array[] = []
    let at = 0
    while (at + 2 <= bytes.length) {
      const length = (bytes[at]! << 8) | bytes[at + 1]!
      if (at + 2 + length > bytes.length) break
      messages.push(bytes.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    // A copy: the chunk's buffer is not ours to keep.
    this.#rest = at === bytes.length ? new Uint8Array(0) : new Uint8Array(bytes.subarray(at))
    return messages
  }
}
