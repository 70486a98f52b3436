// SPDY/3.1 as far as Kubernetes uses it: streams with headers, both ways, over one connection.
// kubectl's port-forward speaks it inside a WebSocket, older clients after an HTTP upgrade.
// Neither side keeps windows (client-go's library does not); a full stream holds the connection back.
import { Duplex } from 'node:stream'
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib'
import { spdyDictionary } from './spdy-dictionary.ts'

export type SpdyHeaders = Readonly<Record<string, string>>

const types = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7, headers: 8 } as const
const flagFin = 1
const controlBit = 0x80000000
const version = 3
const headLength = 8
/** What a peer may make us hold: frames and streams beyond it end the connection. */
const maxFrameBytes = 4 * 1024 * 1024
const maxStreams = 2048
const maxDataBytes = 32 * 1024
const statusCancel = 5

export class SpdyStream extends Duplex {
  readonly id: number
  readonly headers: SpdyHeaders
  readonly #session: SpdySession
  #halfClosed = false

  constructor(id: number, headers: SpdyHeaders, session: SpdySession) {
    super({ allowHalfOpen: true, readableHighWaterMark: 256 * 1024 })
    this.id = id
    this.headers = headers
    this.#session = session
  }

  override _read(): void {
    this.#session.resumeFor(this)
  }

  override _write(
    chunk: Buffer,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    this.#session.sendData(this.id, chunk, callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#halfClosed = true
    this.#session.sendFin(this.id, callback)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#halfClosed) this.#session.sendReset(this.id)
    this.#session.forget(this)
    callback(error)
  }
}

export class SpdySession {
  readonly #connection: Duplex
  readonly #onStream: (stream: SpdyStream) => void
  readonly #streams = new Map<number, SpdyStream>()
  readonly #blocked = new Set<SpdyStream>()
  readonly #inflate: Inflate = createInflate({ dictionary: spdyDictionary })
  readonly #deflate: Deflate = createDeflate({ dictionary: spdyDictionary })
  #received: Buffer = Buffer.alloc(0)
  #work: Promise<void> = Promise.resolve()
  #sending: Promise<void> = Promise.resolve()
  #nextId: number
  #closed = false

  /** Streams the peer opens are handed over once they are accepted. */
  constructor(
    connection: Duplex,
    side: 'client' | 'server',
    onStream: (stream: SpdyStream) => void,
  ) {
    this.#connection = connection
    this.#onStream = onStream
    this.#nextId = side === 'client' ? 1 : 2
    connection.on('data', (chunk: Buffer) => {
      this.#work = this.#work.then(() => this.#take(chunk))
    })
    for (const event of ['end', 'close', 'error'] as const) {
      connection.once(event, () => {
        this.#work = this.#work.then(() => this.#end())
      })
    }
    for (const stream of [this.#inflate, this.#deflate]) stream.on('error', () => this.close())
  }

  async open(headers: SpdyHeaders): Promise<SpdyStream> {
    const id = this.#nextId
    this.#nextId += 2
    const stream = new SpdyStream(id, headers, this)
    this.#streams.set(id, stream)
    const head = Buffer.alloc(10)
    head.writeUInt32BE(id, 0)
    await this.#sendHeaders(types.synStream, head, headers)
    return stream
  }

  close(): void {
    this.#connection.end()
    void this.#end()
  }

  async #take(chunk: Buffer): Promise<void> {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    while (this.#received.length >= headLength && !this.#closed) {
      const length = this.#received.readUInt32BE(4) & 0xffffff
      if (length > maxFrameBytes) return this.close()
      if (this.#received.length < headLength + length) break
      const frame = this.#received.subarray(0, headLength + length)
      this.#received = this.#received.subarray(headLength + length)
      await this.#frame(frame)
    }
  }

  async #frame(frame: Buffer): Promise<void> {
    const first = frame.readUInt32BE(0)
    const fin = (frame[4]! & flagFin) !== 0
    const payload = frame.subarray(headLength)
    if ((first & controlBit) === 0) return this.#data(first, payload, fin)
    const type = first & 0xffff
    if (type === types.synStream && payload.length >= 10) await this.#synStream(payload, fin)
    else if (type === types.synReply && payload.length >= 4) {
      // The block has to be read even if nobody wants it: later ones are compressed against it.
      await this.#readHeaders(payload.subarray(4))
      if (fin) this.#streams.get(payload.readUInt32BE(0))?.push(null)
    } else if (type === types.rstStream && payload.length >= 8) {
      this.#streams.get(payload.readUInt32BE(0) & 0x7fffffff)?.destroy()
    } else if (type === types.ping) this.#ping(frame)
    else if (type === types.headers && payload.length >= 4)
      await this.#readHeaders(payload.subarray(4))
  }

  #data(id: number, payload: Buffer, fin: boolean): void {
    const stream = this.#streams.get(id)
    if (!stream || stream.destroyed) return
    if (payload.length > 0 && !stream.push(Buffer.from(payload))) {
      this.#blocked.add(stream)
      this.#connection.pause()
    }
    if (fin) stream.push(null)
  }

  async #synStream(payload: Buffer, fin: boolean): Promise<void> {
    const id = payload.readUInt32BE(0) & 0x7fffffff
    const headers = await this.#readHeaders(payload.subarray(10))
    if (this.#streams.size >= maxStreams || this.#streams.has(id)) return this.sendReset(id)
    const stream = new SpdyStream(id, headers, this)
    this.#streams.set(id, stream)
    const head = Buffer.alloc(4)
    head.writeUInt32BE(id, 0)
    await this.#sendHeaders(types.synReply, head, {})
    if (fin) stream.push(null)
    this.#onStream(stream)
  }

  /** An odd number is the client's own: it is sent back, and answers to ours are dropped. */
  #ping(frame: Buffer): void {
    const id = frame.readUInt32BE(headLength)
    if (id % 2 !== this.#nextId % 2) this.#connection.write(frame)
  }

  async #readHeaders(block: Buffer): Promise<SpdyHeaders> {
    const bytes = await transformed(this.#inflate, block)
    const headers: Record<string, string> = {}
    let offset = 4
    const text = (): string => {
      const length = offset + 4 <= bytes.length ? bytes.readUInt32BE(offset) : 0
      const value = bytes.toString('utf8', offset + 4, offset + 4 + length)
      offset += 4 + length
      return value
    }
    const count = bytes.length >= 4 ? bytes.readUInt32BE(0) : 0
    for (let index = 0; index < count && offset < bytes.length; index++) {
      const name = text().toLowerCase()
      headers[name] = text()
    }
    return headers
  }

  /** In order: each block is compressed against those before it. */
  #sendHeaders(type: number, head: Buffer, headers: SpdyHeaders): Promise<void> {
    this.#sending = this.#sending.then(async () => {
      const block = await transformed(this.#deflate, encodeHeaders(headers))
      this.#sendControl(type, Buffer.concat([head, block]))
    })
    return this.#sending
  }

  #sendControl(type: number, payload: Buffer): void {
    if (this.#closed || !this.#connection.writable) return
    const head = Buffer.alloc(headLength)
    head.writeUInt32BE((controlBit | (version << 16) | type) >>> 0, 0)
    head.writeUInt32BE(payload.length, 4)
    this.#connection.write(Buffer.concat([head, payload]))
  }

  sendData(id: number, chunk: Buffer, callback: (error?: Error | null) => void): void {
    if (this.#closed || !this.#connection.writable) {
      callback(new Error('the connection is closed'))
      return
    }
    const frames: Buffer[] = []
    for (let start = 0; start < chunk.length; start += maxDataBytes) {
      frames.push(...dataFrame(id, chunk.subarray(start, start + maxDataBytes), 0))
    }
    this.#connection.write(Buffer.concat(frames), callback)
  }

  sendFin(id: number, callback: (error?: Error | null) => void): void {
    if (this.#closed || !this.#connection.writable) return callback()
    this.#connection.write(Buffer.concat(dataFrame(id, Buffer.alloc(0), flagFin)), () => callback())
  }

  sendReset(id: number): void {
    const payload = Buffer.alloc(8)
    payload.writeUInt32BE(id, 0)
    payload.writeUInt32BE(statusCancel, 4)
    this.#sendControl(types.rstStream, payload)
  }

  resumeFor(stream: SpdyStream): void {
    if (this.#blocked.delete(stream) && this.#blocked.size === 0) this.#connection.resume()
  }

  forget(stream: SpdyStream): void {
    this.#streams.delete(stream.id)
    this.resumeFor(stream)
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    for (const stream of [...this.#streams.values()]) stream.destroy()
    this.#inflate.close()
    this.#deflate.close()
  }
}

function dataFrame(id: number, chunk: Buffer, flags: number): Buffer[] {
  const head = Buffer.alloc(headLength)
  head.writeUInt32BE(id, 0)
  head.writeUInt32BE((flags << 24) | chunk.length, 4)
  return [head, chunk]
}

function encodeHeaders(headers: SpdyHeaders): Buffer {
  const entries = Object.entries(headers)
  const parts: Buffer[] = [uint32(entries.length)]
  for (const [name, value] of entries) {
    for (const text of [name.toLowerCase(), value]) {
      const bytes = Buffer.from(text)
      parts.push(uint32(bytes.length), bytes)
    }
  }
  return Buffer.concat(parts)
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** What a compressor makes of one block, flushed so that the peer can read it at once. */
function transformed(stream: Inflate | Deflate, block: Buffer): Promise<Buffer> {
  const parts: Buffer[] = []
  const collect = (chunk: Buffer) => parts.push(chunk)
  return new Promise((resolve, reject) => {
    stream.on('data', collect)
    stream.once('error', reject)
    stream.write(block)
    stream.flush(constants.Z_SYNC_FLUSH, () => {
      stream.off('data', collect)
      stream.off('error', reject)
      resolve(Buffer.concat(parts))
    })
  })
}
