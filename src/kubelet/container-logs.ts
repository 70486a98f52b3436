// Container logs as readers ask for them: tail, since, follow, limit; over files and live writers.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { ContainerLogWriter } from './container-log.ts'

export interface LogOptions {
  readonly follow: boolean
  readonly timestamps: boolean
  readonly tailLines?: number
  readonly sinceMs?: number
  readonly limitBytes?: number
  readonly stream?: 'All' | 'Stdout' | 'Stderr'
}

export interface LogSink {
  /** False asks for a pause until drained. */
  write(bytes: Buffer): boolean
  drained(): Promise<void>
  readonly closed: AbortSignal
}

const chunkBytes = 64 * 1024
const newline = 0x0a

/** Writers that are still at work, by path, so that a follower is told instead of having to look. */
export class ContainerLogs {
  readonly #writers = new Map<string, ContainerLogWriter>()

  add(writer: ContainerLogWriter): void {
    this.#writers.set(writer.path, writer)
    const forget = writer.follow(() => {
      if (!writer.ended) return
      forget()
      if (this.#writers.get(writer.path) === writer) this.#writers.delete(writer.path)
    })
  }

  /** Hands over what was asked for; with follow, until the container ends. Throws if there is no file. */
  async read(path: string, options: LogOptions, sink: LogSink): Promise<void> {
    const reader = new LogReader(path, options, sink)
    try {
      await reader.run(this.#writers.get(path))
    } finally {
      reader.close()
    }
  }
}

class LogReader {
  readonly #path: string
  readonly #options: LogOptions
  readonly #sink: LogSink
  readonly #buffer = Buffer.allocUnsafe(chunkBytes)
  #fd: number
  #rest: Buffer = Buffer.alloc(0)
  #left: number
  /** Whether the line before went on, so that the next part gets no time of its own. */
  #continues = false

  constructor(path: string, options: LogOptions, sink: LogSink) {
    this.#path = path
    this.#options = options
    this.#sink = sink
    this.#left = options.limitBytes ?? Number.POSITIVE_INFINITY
    this.#fd = openSync(path, 'r')
  }

  close(): void {
    closeSync(this.#fd)
  }

  async run(writer: ContainerLogWriter | undefined): Promise<void> {
    const { tailLines, follow } = this.#options
    let position = tailLines === undefined ? 0 : tailPosition(this.#fd, tailLines)
    const live = follow && writer && !writer.ended ? writer : undefined
    let changed = waitable(live, this.#sink.closed)
    for (;;) {
      const wasOver = !live || live.ended
      position = await this.#readFrom(position)
      if (this.#left <= 0 || this.#sink.closed.aborted) break
      if (live && this.#rotated()) {
        position = 0
        continue
      }
      if (wasOver) break
      await changed.next
      changed = waitable(live, this.#sink.closed)
    }
    changed.cancel()
  }

  async #readFrom(start: number): Promise<number> {
    let position = start
    while (this.#left > 0 && !this.#sink.closed.aborted) {
      const length = readSync(this.#fd, this.#buffer, 0, chunkBytes, position)
      if (length === 0) break
      position += length
      const bytes = Buffer.concat([this.#rest, this.#buffer.subarray(0, length)])
      const end = bytes.lastIndexOf(newline) + 1
      this.#rest = Buffer.from(bytes.subarray(end))
      if (!this.#emit(bytes.subarray(0, end))) await this.#sink.drained()
    }
    return position
  }

  /** The path now names a younger file, and this one was read to its end. */
  #rotated(): boolean {
    let fd: number
    try {
      fd = openSync(this.#path, 'r')
    } catch {
      return false
    }
    const same = fstatSync(fd).ino === fstatSync(this.#fd).ino
    closeSync(same ? fd : this.#fd)
    if (!same) this.#fd = fd
    return !same
  }

  #emit(lines: Buffer): boolean {
    const out: Buffer[] = []
    let start = 0
    while (start < lines.length) {
      const end = lines.indexOf(newline, start)
      const text = this.#format(lines.subarray(start, end))
      if (text) out.push(text)
      start = end + 1
    }
    let bytes = Buffer.concat(out)
    if (bytes.length > this.#left) bytes = bytes.subarray(0, this.#left)
    this.#left -= bytes.length
    return bytes.length === 0 || this.#sink.write(bytes)
  }

  /** "TIME STREAM TAG TEXT" */
  #format(line: Buffer): Buffer | undefined {
    const afterTime = line.indexOf(0x20)
    const afterStream = line.indexOf(0x20, afterTime + 1)
    const afterTag = line.indexOf(0x20, afterStream + 1)
    if (afterTag < 0) return undefined
    const time = line.toString('latin1', 0, afterTime)
    const { sinceMs, stream = 'All', timestamps } = this.#options
    if (sinceMs !== undefined && Date.parse(time) < sinceMs) return undefined
    const from = line.toString('latin1', afterTime + 1, afterStream)
    if (stream !== 'All' && stream.toLowerCase() !== from) return undefined
    const full = line[afterStream + 1] === 0x46
    const head = timestamps && !this.#continues ? Buffer.from(`${time} `) : Buffer.alloc(0)
    this.#continues = !full
    return Buffer.concat([
      head,
      line.subarray(afterTag + 1),
      full ? Buffer.from('\n') : Buffer.alloc(0),
    ])
  }
}

/** Resolves at the writer's next change or when the reader leaves; taken before reading, so none is missed. */
function waitable(
  writer: ContainerLogWriter | undefined,
  closed: AbortSignal,
): { next: Promise<void>; cancel(): void } {
  let cancel = () => {}
  const next = new Promise<void>((resolve) => {
    const done = () => {
      cancel()
      resolve()
    }
    const forget = writer?.follow(done)
    closed.addEventListener('abort', done)
    cancel = () => {
      forget?.()
      closed.removeEventListener('abort', done)
    }
  })
  return { next, cancel }
}

/** Where the last lines of a file begin. */
function tailPosition(fd: number, lines: number): number {
  const { size } = fstatSync(fd)
  const buffer = Buffer.allocUnsafe(chunkBytes)
  // The newline at the very end closes the last line and begins none.
  let wanted = lines + 1
  let position = size
  while (position > 0) {
    const length = Math.min(chunkBytes, position)
    position -= length
    readSync(fd, buffer, 0, length, position)
    for (let index = length - 1; index >= 0; index--) {
      if (buffer[index] === newline && --wanted === 0) return position + index + 1
    }
  }
  return 0
}
