// Container logs as Kubernetes keeps them: a file of lines "TIME STREAM TAG TEXT", where the tag
// is F for a full line and P for one that goes on. The writer rotates, and tells who follows.
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../lib/clock.ts'

export type LogStream = 'stdout' | 'stderr'

/** A longer line is cut into parts, so that no line takes unbounded memory. */
const maxLineBytes = 16 * 1024
const maxFileBytes = 10 * 1024 * 1024
const maxFiles = 5
const newline = 0x0a

export class ContainerLogWriter {
  readonly path: string
  readonly #clock: Clock
  readonly #rests = new Map<LogStream, Buffer>()
  readonly #followers = new Set<() => void>()
  #fd: number
  #length = 0
  #ended = false

  constructor(path: string, clock: Clock) {
    this.path = path
    this.#clock = clock
    mkdirSync(dirname(path), { recursive: true })
    this.#fd = openSync(path, 'a', 0o640)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Bytes as the program wrote them; lines may arrive in pieces. */
  write(stream: LogStream, chunk: Buffer): void {
    if (this.#ended) return
    const rest = this.#rests.get(stream)
    const bytes = rest ? Buffer.concat([rest, chunk]) : chunk
    const { parts, remainder } = splitLines(bytes)
    if (remainder.length > 0) this.#rests.set(stream, Buffer.from(remainder))
    else this.#rests.delete(stream)
    this.#append(parts.map((part) => this.#format(stream, part)))
  }

  /** Writes what came without a newline, and tells the followers that nothing more will come. */
  end(): void {
    if (this.#ended) return
    const rests = [...this.#rests].map(([stream, text]) =>
      this.#format(stream, { text, full: false }),
    )
    this.#append(rests)
    this.#ended = true
    closeSync(this.#fd)
    this.#notify()
  }

  /** Calls back after something was written, after a rotation and at the end. */
  follow(onChange: () => void): () => void {
    this.#followers.add(onChange)
    return () => this.#followers.delete(onChange)
  }

  #format(stream: LogStream, part: LogPart): Buffer {
    const head = `${new Date(this.#clock.now()).toISOString()} ${stream} ${part.full ? 'F' : 'P'} `
    return Buffer.concat([Buffer.from(head), part.text, Buffer.from('\n')])
  }

  #append(lines: readonly Buffer[]): void {
    if (lines.length === 0) return
    const bytes = Buffer.concat(lines)
    writeSync(this.#fd, bytes)
    this.#length += bytes.length
    if (this.#length >= maxFileBytes) this.#rotate()
    this.#notify()
  }

  /** PATH.1 is the newest of the old ones. A follower reads the old file to its end by descriptor. */
  #rotate(): void {
    closeSync(this.#fd)
    rmSync(`${this.path}.${maxFiles - 1}`, { force: true })
    for (let index = maxFiles - 2; index >= 1; index--) {
      renameIfThere(`${this.path}.${index}`, `${this.path}.${index + 1}`)
    }
    renameIfThere(this.path, `${this.path}.1`)
    this.#fd = openSync(this.path, 'a', 0o640)
    this.#length = 0
  }

  #notify(): void {
    for (const onChange of [...this.#followers]) onChange()
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch {
    return
  }
}

export interface LogPart {
  readonly text: Buffer
  readonly full: boolean
}

/** Lines without their newline, long ones in parts, and what is not yet a line. */
export function splitLines(bytes: Buffer): { parts: LogPart[]; remainder: Buffer } {
  const parts: LogPart[] = []
  let start = 0
  while (start < bytes.length) {
    const end = bytes.indexOf(newline, start)
    const stop = end < 0 ? bytes.length : end
    while (stop - start > maxLineBytes) {
      parts.push({ text: bytes.subarray(start, start + maxLineBytes), full: false })
      start += maxLineBytes
    }
    if (end < 0) break
    parts.push({ text: bytes.subarray(start, end), full: true })
    start = end + 1
  }
  return { parts, remainder: bytes.subarray(start) }
}
