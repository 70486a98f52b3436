// The way to the API for callers in the same process: the same pipeline without a socket. Has the
// shape of client/client.ts's Transport.
import type { Answer, ApiCall, Sink } from './call.ts'
import type { Pipeline } from './pipeline.ts'
import type { User } from './rbac/attributes.ts'

export interface LocalRequest {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal?: AbortSignal
}

export interface LocalResponse {
  readonly code: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Uint8Array>
}

export interface LocalTransport {
  request(request: LocalRequest): Promise<LocalResponse>
  close(): void
}

export function localTransport(pipeline: Pipeline, user: User): LocalTransport {
  return {
    request: async (request) => {
      request.signal?.throwIfAborted()
      const closers: (() => void)[] = []
      const close = () => {
        for (const closer of closers.splice(0)) closer()
      }
      const answer = await pipeline(callOf(request, user, closers))
      return { code: answer.code, headers: flatten(answer), body: bodyOf(answer, request, close) }
    },
    close: () => {},
  }
}

function callOf(request: LocalRequest, user: User, closers: (() => void)[]): ApiCall {
  const { path: target, method, headers = {} } = request
  const mark = target.indexOf('?')
  const search = mark < 0 ? '' : target.slice(mark)
  const lower: Record<string, string> = {}
  for (const name of Object.keys(headers)) lower[name.toLowerCase()] = headers[name]!
  const body = Buffer.from(request.body ?? [])
  let query: URLSearchParams | undefined
  return {
    method,
    path: mark < 0 ? target : target.slice(0, mark),
    search,
    get query() {
      query ??= new URLSearchParams(search)
      return query
    },
    headers: lower,
    body: async () => body,
    onClose: (callback) => closers.push(callback),
    remoteAddress: '127.0.0.1',
    user,
    stream: async function* () {
      yield body
    },
  }
}

function flatten({ headers }: Answer): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    flat[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return flat
}

async function* bodyOf(
  answer: Answer,
  { signal }: LocalRequest,
  close: () => void,
): AsyncGenerator<Uint8Array> {
  if (!answer.start) {
    for (const piece of answer.body ?? []) yield piece
    return
  }
  const queue = new ChunkQueue()
  const abort = () => queue.fail(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  answer.start(queue)
  try {
    for (;;) {
      const chunk = await queue.next()
      if (chunk === undefined) return
      yield chunk
    }
  } finally {
    signal?.removeEventListener('abort', abort)
    queue.close()
    close()
  }
}

/** A Sink that is read as it fills. */
class ChunkQueue implements Sink {
  readonly #chunks: Uint8Array[] = []
  #bytes = 0
  #ended = false
  #closed = false
  #error: unknown
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void)[] = []

  write(chunk: Uint8Array): void {
    if (this.#closed) return
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    this.#wakeReader?.()
  }

  end(): void {
    this.#ended = true
    this.#wakeReader?.()
  }

  abort(): void {
    this.fail(new Error('cannot read on: the server ended the stream'))
  }

  fail(error: unknown): void {
    this.#error = error ?? new Error('aborted')
    this.#wakeReader?.()
    this.#wakeWriters()
  }

  /** Nobody reads any more. */
  close(): void {
    this.#closed = true
    this.#wakeWriters()
  }

  buffered(): number {
    return this.#bytes
  }

  drained(): Promise<void> {
    if (this.#bytes === 0 || this.#closed || this.#error !== undefined) return Promise.resolve()
    return new Promise((resolve) => this.#wakeWriter.push(resolve))
  }

  #wakeWriters(): void {
    for (const wake of this.#wakeWriter.splice(0)) wake()
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error
      const chunk = this.#chunks.shift()
      if (chunk) {
        this.#bytes -= chunk.length
        if (this.#bytes === 0) this.#wakeWriters()
        return chunk
      }
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve
      })
    }
  }
}
