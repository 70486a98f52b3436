// Watches: the initial state if asked for, then every change, in the watcher's encoding. A frame is
// made once for a change and an encoding, however many watch. A slow client is not given more than
// it reads: it follows the cache's log at its own pace, and only ends when that no longer reaches back.
//
//   state, log ──catch up──> live <──events── cache
//                  ^          │
//                  └──────────┘  too much unread
import type { KubeObject } from '../api/machinery/resource.ts'
import { statusError } from '../api/machinery/status.ts'
import { encode } from '../api/schema/encode.ts'
import { encodeWatchFrame } from '../api/schema/protobuf.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Cache, CacheEvent, CacheListener } from './cache.ts'
import type { CacheEntry } from './cache-entry.ts'
import type { Sink } from './call.ts'
import { encodeCached, encodeTyped } from './encode.ts'
import type { EncodeOptions } from './encoding.ts'
import { partialOf } from './encoding.ts'
import type { Filter, ListQuery } from './list-options.ts'
import { plainJson } from './negotiate.ts'
import type { Served } from './served.ts'
import { tableOf } from './tables.ts'

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'

/** A client that leaves this much unread is given no more until it has read it. */
const maxBufferedBytes = 1024 * 1024
const chunkBytes = 64 * 1024
/** A client that takes nothing at all for so long is cut off; it may come back and resume. */
const stallMs = 30_000
const bookmarkEveryMs = 60_000
/** A last bookmark before the server's own timeout, so that the next watch starts from it. */
const bookmarkBeforeEndMs = 2000
const minTimeoutMs = 1800_000

export interface WatchRequest {
  readonly served: Served
  readonly namespace: string
  readonly query: ListQuery
  readonly filter: Filter
  readonly encoding: EncodeOptions
  /** Where to begin; undefined: with the state as it is now. */
  readonly after: number | undefined
}

export interface WatchDeps {
  readonly cache: Cache
  readonly clock: Clock
  readonly random: Random
  /** Counts frames, for metrics. */
  readonly onFrames?: (served: Served, count: number) => void
}

export class Watch implements CacheListener {
  readonly #request: WatchRequest
  readonly #deps: WatchDeps
  readonly #sink: Sink
  readonly #timers: Timer[] = []
  #unlisten: () => void = () => {}
  #pending: Uint8Array[] = []
  #flushing = false
  /** Events are sent as they come; otherwise they wait in the log. */
  #live = false
  /** Changes up to this revision are written or pending. */
  #position = 0
  #ended = false
  #firstTable = true

  constructor(request: WatchRequest, deps: WatchDeps, sink: Sink) {
    this.#request = request
    this.#deps = deps
    this.#sink = sink
  }

  /** The log must reach back to `after` (Cache.reachBack). */
  start(): void {
    const { served, namespace, filter, after } = this.#request
    const scope =
      filter.name !== undefined && (namespace !== '' || !served.resource.namespaced)
        ? `${namespace === '' ? '' : `${namespace}/`}${filter.name}`
        : namespace === ''
          ? ''
          : `${namespace}/`
    this.#unlisten = served.cache.listen(scope, this)
    this.#startTimers()
    void this.#begin(after)
  }

  async #begin(after: number | undefined): Promise<void> {
    const { served, namespace, query } = this.#request
    this.#position = after ?? this.#deps.cache.revision
    if (after === undefined) {
      const state = served.cache.list(namespace)
      if (!(await this.#writeAll(this.#framesOfState(state, this.#position)))) return
    }
    await this.#catchUp()
    if (after === undefined || !query.sendInitialEvents || this.#ended) return
    this.#push(this.#bookmark(this.#deps.cache.revision, true))
  }

  onEvent(change: CacheEvent): void {
    if (!this.#live) return
    this.#position = change.revision
    const frame = this.#frameOfChange(change)
    if (frame) this.#push(frame)
  }

  onEnd(): void {
    this.#finish(() => this.#sink.end())
  }

  /** The client is gone. */
  stop(): void {
    this.#finish(() => {})
  }

  #encodingId(): string {
    const { media, includeObject } = this.#request.encoding
    return `${media.id};${media.as === 'table' ? includeObject : ''}`
  }

  #encodesTables(): boolean {
    return this.#request.encoding.media.as === 'table'
  }

  *#framesOfState(entries: readonly CacheEntry[], revision: number): Generator<Uint8Array> {
    const { filter, query } = this.#request
    for (const entry of entries) if (filter.matches(entry)) yield this.#frame('ADDED', entry)
    if (query.sendInitialEvents && query.allowWatchBookmarks) yield this.#bookmark(revision, true)
  }

  /** From the log until it is at its end; from then on events are sent as they come. */
  async #catchUp(): Promise<void> {
    for (;;) {
      const changes = this.#request.served.cache.changesAfter(this.#position)
      if (!changes) {
        this.#finish(() => this.#sink.abort())
        return
      }
      const last = changes.at(-1)
      if (!last) break
      this.#position = last.revision
      if (!(await this.#writeAll(this.#framesOfLog(changes)))) return
    }
    this.#live = true
  }

  *#framesOfLog(changes: readonly CacheEvent[]): Generator<Uint8Array> {
    const { namespace } = this.#request
    const scope = namespace === '' ? '' : `${namespace}/`
    for (const change of changes) {
      const frame = change.entry.key.startsWith(scope) ? this.#frameOfChange(change) : undefined
      if (frame) yield frame
    }
  }

  /** Undefined for a change that was never in the selection. */
  #frameOfChange(change: CacheEvent): Uint8Array | undefined {
    const { filter, served } = this.#request
    const now = change.type === 'put' && filter.matches(change.entry)
    const before = change.previous !== undefined && filter.matches(change.previous)
    if (!now && !before) return undefined
    const type: EventType = now ? (before ? 'MODIFIED' : 'ADDED') : 'DELETED'
    // What leaves the selection is shown as it last was in it, at the revision it left.
    const entry = now
      ? change.entry
      : change.type === 'delete'
        ? change.entry
        : change.previous!.at(change.revision)
    const id = `${type};${served.apiVersion};${this.#encodingId()}`
    // The first Table says more than those that all are sent; those who lag read at their own pace.
    const isOwn = this.#encodesTables() && this.#firstTable
    const known = isOwn ? undefined : change.frames.get(id)
    if (known) return known
    const frame = this.#frame(type, entry)
    if (this.#live && !isOwn) change.frames.set(id, frame)
    return frame
  }

  /** Chunk by chunk, as the client takes them. False when it is gone before the end. */
  async #writeAll(frames: Iterable<Uint8Array>): Promise<boolean> {
    let chunk: Uint8Array[] = []
    let size = 0
    for (const frame of frames) {
      chunk.push(frame)
      size += frame.length
      if (size < chunkBytes) continue
      this.#write(chunk)
      chunk = []
      size = 0
      await this.#drained()
      if (this.#ended) return false
    }
    if (chunk.length > 0) this.#write(chunk)
    return true
  }

  #push(frame: Uint8Array): void {
    if (this.#ended) return
    this.#pending.push(frame)
    this.#scheduleFlush()
  }

  /** All frames of one turn go out in one write. */
  #scheduleFlush(): void {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      if (this.#ended || this.#pending.length === 0) return
      const frames = this.#pending
      this.#pending = []
      this.#write(frames)
      if (this.#live && this.#sink.buffered() > maxBufferedBytes) void this.#waitForClient()
    })
  }

  async #waitForClient(): Promise<void> {
    this.#live = false
    await this.#drained()
    if (!this.#ended) await this.#catchUp()
  }

  /** Waits as long as the client takes something now and then. */
  async #drained(): Promise<void> {
    let timer: Timer | undefined
    const look = (before: number) => {
      timer = this.#deps.clock.after(stallMs, () => {
        const left = this.#sink.buffered()
        if (left < before) look(left)
        else this.#finish(() => this.#sink.abort())
      })
    }
    look(this.#sink.buffered())
    await this.#sink.drained()
    timer?.cancel()
  }

  #write(frames: readonly Uint8Array[]): void {
    this.#deps.onFrames?.(this.#request.served, frames.length)
    this.#sink.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
  }

  #frame(type: EventType, entry: CacheEntry): Uint8Array {
    const { served, encoding } = this.#request
    const { media } = encoding
    if (media.as === 'table') return this.#tableFrame(type, entry)
    const single = media.as === 'metadataList' ? { ...media, as: 'metadata' as const } : media
    const object = encodeCached(served, entry, single)
    return frameOf(type, object, media.encoding === 'protobuf')
  }

  /** Only the first Table of a watch says what its columns are. */
  #tableFrame(type: EventType, entry: CacheEntry): Uint8Array {
    const { served, encoding } = this.#request
    const nowMs = this.#deps.clock.now()
    const table = tableOf(served, [entry], { ...encoding, nowMs })
    const shown = this.#firstTable ? table : { ...table, columnDefinitions: null }
    this.#firstTable = false
    return frameOf(type, encodeTyped(shown, encoding.media), false)
  }

  #bookmark(revision: number, initialEnd: boolean): Uint8Array {
    const { served, encoding } = this.#request
    const { media } = encoding
    const metadata: Record<string, unknown> = { resourceVersion: String(revision) }
    if (initialEnd) metadata.annotations = { 'k8s.io/initial-events-end': 'true' }
    const object = { metadata } as unknown as KubeObject
    const protobuf = media.encoding === 'protobuf'
    if (media.as === 'metadata' || media.as === 'metadataList') {
      return frameOf('BOOKMARK', encodeTyped(partialOf(object, media), media), protobuf)
    }
    const typed = { kind: served.resource.kind, apiVersion: served.apiVersion, ...object }
    if (media.as === 'table') {
      const table = {
        ...tableOf(served, [], encoding),
        metadata: { resourceVersion: String(revision) },
      }
      return frameOf(
        'BOOKMARK',
        encodeTyped({ ...table, columnDefinitions: null } as object, media),
        false,
      )
    }
    if (served.custom) return frameOf('BOOKMARK', Buffer.from(JSON.stringify(typed)), false)
    const bytes = protobuf
      ? encodeTyped(typed, media)
      : Buffer.from(encode(served.resource.struct, typed))
    return frameOf('BOOKMARK', bytes, protobuf)
  }

  #startTimers(): void {
    const { clock, random } = this.#deps
    const { query } = this.#request
    const timeoutMs =
      query.timeoutSeconds !== undefined && query.timeoutSeconds > 0
        ? query.timeoutSeconds * 1000
        : minTimeoutMs * (1 + random.next())
    this.#timers.push(clock.after(timeoutMs, () => this.#finish(() => this.#sink.end())))
    if (!query.allowWatchBookmarks) return
    const beat = () => {
      const delay = bookmarkEveryMs * (0.75 + 0.5 * random.next())
      this.#timers[1] = clock.after(delay, () => {
        this.#sendBookmark()
        beat()
      })
    }
    beat()
    if (timeoutMs <= bookmarkBeforeEndMs) return
    const last = timeoutMs - bookmarkBeforeEndMs
    this.#timers[2] = clock.after(last, () => this.#sendBookmark())
  }

  #sendBookmark(): void {
    if (this.#ended || !this.#live) return
    this.#push(this.#bookmark(this.#deps.cache.revision, false))
  }

  #finish(close: () => void): void {
    if (this.#ended) return
    const { length } = this.#pending
    if (length > 0 && this.#sink.buffered() <= maxBufferedBytes) this.#write(this.#pending)
    this.#pending = []
    this.#ended = true
    this.#unlisten()
    for (const timer of this.#timers) timer?.cancel()
    close()
  }
}

const openings = new Map<EventType, Buffer>()
const closing = Buffer.from('}\n')

function frameOf(type: EventType, object: Uint8Array, protobuf: boolean): Uint8Array {
  if (protobuf) return encodeWatchFrame(type, object)
  let opening = openings.get(type)
  if (!opening) openings.set(type, (opening = Buffer.from(`{"type":"${type}","object":`)))
  return Buffer.concat([opening, object, closing])
}

/** What a watch from a forgotten revision gets instead of events. */
export function expiredFrame(request: WatchRequest, oldest: number): Uint8Array {
  const message = `too old resource version: ${request.after} (${oldest})`
  const { status } = statusError('Expired', message)
  const { media } = request.encoding
  const protobuf = media.encoding === 'protobuf'
  return frameOf('ERROR', encodeTyped(status, protobuf ? media : plainJson), protobuf)
}
