// The watch cache: every stored object of every resource in memory, the recent changes to each,
// and who watches them. Fed by one watch on the store; everything that is read is read here.
//
//   /registry/pods/default/web                     one StorageCache a directory (stored.ts)
//   /registry/example.com/widgets/default/a
import { OrderedMap } from '../store/ordered-map.ts'
import type { Entry, Store, StoreEvent, WatchHandle } from '../store/store.ts'
import { StoreError } from '../store/store.ts'
import { CacheEntry } from './cache-entry.ts'

export interface CacheEvent {
  readonly type: 'put' | 'delete'
  readonly revision: number
  /** What is there now; for a delete what was there last, at the revision of the delete. */
  readonly entry: CacheEntry
  readonly previous: CacheEntry | undefined
  /** Watch frames by (event type, encoding), shared by those who are told as it happens. */
  readonly frames: Map<string, Uint8Array>
}

export interface CacheListener {
  onEvent(event: CacheEvent): void
  onEnd(): void
}

/**
 * What the changes in the log of one resource may weigh. Who wants older ones has them read from
 * the store's log (Cache.reachBack).
 */
export const maxLogBytes = 16 * 1024 * 1024
/** Of a change, beside the object's bytes: so many small ones are bounded, too. */
const changeBytes = 512

const weightOf = ({ entry }: CacheEvent): number => changeBytes + entry.stored.length

/** Objects of one resource. */
export class StorageCache {
  readonly prefix: string
  readonly entries = new OrderedMap<CacheEntry>()
  /** Changes after `logStart`, oldest first. */
  #log: CacheEvent[] = []
  #logBytes = 0
  #logStart: number
  /** By scope: "" for all, "ns/" for a namespace, "ns/name" for one object. */
  readonly #listeners = new Map<string, Set<CacheListener>>()

  constructor(prefix: string, revision: number) {
    this.prefix = prefix
    this.#logStart = revision
  }

  get(key: string): CacheEntry | undefined {
    return this.entries.get(key)
  }

  /** In the order of keys; `namespace` "" is all of them. */
  list(namespace: string): CacheEntry[] {
    const { start, end } = this.entries.range(namespace === '' ? '' : `${namespace}/`)
    const found: CacheEntry[] = []
    for (let index = start; index < end; index++) {
      found.push(this.entries.get(this.entries.keyAt(index)!)!)
    }
    return found
  }

  /** The log begins here: what was before is only in the store's. */
  begin(revision: number): void {
    this.#logStart = revision
  }

  /** What was worked out of the objects no longer holds: they are shown in another way now. */
  forgetEncodings(): void {
    for (const { key, stored, revision } of this.list('')) {
      this.entries.set(key, new CacheEntry(key, stored, revision))
    }
  }

  load(entry: Entry): void {
    const key = entry.key.slice(this.prefix.length)
    this.entries.set(key, new CacheEntry(key, entry.value, entry.modRevision))
  }

  apply(event: StoreEvent): void {
    const change = this.#change(event)
    if (event.type === 'put') this.entries.set(change.entry.key, change.entry)
    else this.entries.delete(change.entry.key)
    this.#log.push(change)
    this.#logBytes += weightOf(change)
    if (this.#logBytes > maxLogBytes) this.#shortenLog()
    if (this.#listeners.size > 0) this.#tellAll(change)
    change.frames.clear()
    change.previous?.release()
    if (event.type === 'delete') change.entry.release()
  }

  #tellAll(change: CacheEvent): void {
    this.#tell('', change)
    const { namespace, key } = change.entry
    if (namespace !== '') this.#tell(`${namespace}/`, change)
    this.#tell(key, change)
  }

  /** By a quarter at once, so that the log is seldom copied. */
  #shortenLog(): void {
    let count = 0
    while (this.#logBytes > maxLogBytes * 0.75 && count < this.#log.length) {
      this.#logBytes -= weightOf(this.#log[count]!)
      count++
    }
    this.#logStart = this.#log[count - 1]!.revision
    this.#log = this.#log.slice(count)
  }

  #change(event: StoreEvent): CacheEvent {
    const key = event.key.slice(this.prefix.length)
    const before = event.previous
    const known = this.entries.get(key)
    const previous =
      before && known?.revision === before.modRevision
        ? known
        : before && new CacheEntry(key, before.value, before.modRevision)
    const entry =
      event.type === 'delete' && previous
        ? previous.at(event.revision)
        : new CacheEntry(key, event.value, event.revision)
    return { type: event.type, revision: event.revision, entry, previous, frames: new Map() }
  }

  #tell(scope: string, change: CacheEvent): void {
    const listeners = this.#listeners.get(scope)
    if (listeners) for (const listener of [...listeners]) listener.onEvent(change)
  }

  listen(scope: string, listener: CacheListener): () => void {
    let listeners = this.#listeners.get(scope)
    if (!listeners) this.#listeners.set(scope, (listeners = new Set()))
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(scope) === listeners) {
        this.#listeners.delete(scope)
      }
    }
  }

  /** Changes after a revision in order, or undefined when the log does not reach back so far. */
  changesAfter(revision: number): readonly CacheEvent[] | undefined {
    if (revision < this.#logStart) return undefined
    let low = 0
    let high = this.#log.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#log[middle]!.revision <= revision) low = middle + 1
      else high = middle
    }
    return this.#log.slice(low)
  }

  /** The objects as they were at a revision; undefined when that is too long ago. */
  listAt(revision: number, namespace: string): CacheEntry[] | undefined {
    const changes = this.changesAfter(revision)
    if (!changes) return undefined
    if (changes.length === 0) return this.list(namespace)
    const scope = namespace === '' ? '' : `${namespace}/`
    const then = new OrderedMap<CacheEntry>()
    for (const entry of this.list(namespace)) then.set(entry.key, entry)
    for (let index = changes.length - 1; index >= 0; index--) {
      const { entry, previous } = changes[index]!
      if (!entry.key.startsWith(scope)) continue
      if (previous) then.set(entry.key, previous)
      else then.delete(entry.key)
    }
    const { start, end } = then.range('')
    return Array.from({ length: end - start }, (_, index) => then.get(then.keyAt(index)!)!)
  }

  get logStart(): number {
    return this.#logStart
  }

  /** Puts older changes, read from the store's own log, before those known. */
  extendLog(events: readonly StoreEvent[], start: number): void {
    const older = events
      .filter((event) => event.revision <= this.#logStart)
      .map((event) => this.#change(event))
    this.#setLog([...older, ...this.#log])
    this.#logStart = start
  }

  trim(revision: number): void {
    if (revision <= this.#logStart) return
    this.#setLog(this.changesAfter(revision) ?? [])
    this.#logStart = revision
  }

  #setLog(changes: readonly CacheEvent[]): void {
    this.#log = [...changes]
    this.#logBytes = changes.reduce((sum, change) => sum + weightOf(change), 0)
  }

  end(): void {
    for (const listeners of [...this.#listeners.values()]) {
      for (const listener of [...listeners]) listener.onEnd()
    }
  }
}

const registryPrefix = '/registry/'

interface Waiter {
  readonly revision: number
  readonly resolve: () => void
}

/** All resources, and how far they have followed the store. */
export class Cache {
  readonly #store: Store
  readonly #storages = new Map<string, StorageCache>()
  /** Objects of resources nobody asked for yet (custom ones are registered later). */
  readonly #onRevision = new Set<Waiter>()
  #revision = 0
  #watch: WatchHandle | undefined

  constructor(store: Store) {
    this.#store = store
  }

  get revision(): number {
    return this.#revision
  }

  /** Reads all there is and follows from there. `onEnd` is told when the store ends the watch. */
  async start(onEnd: (error: StoreError) => void): Promise<void> {
    const { entries, revision } = await this.#store.list(registryPrefix)
    this.#revision = revision
    for (const entry of entries) this.#storageOf(entry.key).load(entry)
    for (const storage of this.#storages.values()) storage.begin(revision)
    this.#watch = this.#store.watch(registryPrefix, revision, {
      onEvents: (events, at) => {
        this.#revision = at
        for (const event of events) this.#storageOf(event.key).apply(event)
        this.#wake()
      },
      onEnd,
    })
  }

  stop(): void {
    this.#watch?.cancel()
    for (const storage of this.#storages.values()) storage.end()
  }

  /** The cache of one resource; made when it is first asked for. */
  storage(prefix: string): StorageCache {
    let storage = this.#storages.get(prefix)
    if (!storage) {
      storage = new StorageCache(prefix, this.#revision)
      this.#storages.set(prefix, storage)
    }
    return storage
  }

  /** Directories of one level are known from the start; all others have two. */
  #storageOf(key: string): StorageCache {
    const first = key.indexOf('/', registryPrefix.length) + 1
    const known = this.#storages.get(key.slice(0, first))
    return known ?? this.storage(key.slice(0, key.indexOf('/', first) + 1))
  }

  /** Resolves once the cache shows a revision. */
  reach(revision: number): Promise<void> {
    const now = this.#current()
    if (revision <= now) return Promise.resolve()
    return new Promise((resolve) => this.#onRevision.add({ revision, resolve }))
  }

  /** As reach(), but calls back; returns how to stop waiting. */
  onReach(revision: number, resolve: () => void): () => void {
    const waiter = { revision, resolve }
    this.#onRevision.add(waiter)
    return () => this.#onRevision.delete(waiter)
  }

  #current(): number {
    return this.#revision
  }

  #wake(): void {
    if (this.#onRevision.size === 0) return
    for (const waiter of [...this.#onRevision]) {
      if (waiter.revision > this.#revision) continue
      this.#onRevision.delete(waiter)
      waiter.resolve()
    }
  }

  /**
   * Makes a resource's log reach back to a revision, from the store's log if need be: so watches
   * resume across a restart. Answers the oldest revision there is when it cannot.
   */
  async reachBack(storage: StorageCache, revision: number): Promise<number | undefined> {
    if (revision >= storage.logStart) return undefined
    const upTo = storage.logStart
    const events: StoreEvent[] = []
    const ended = await new Promise<StoreError | undefined>((resolve) => {
      // Every commit up to now is delivered before the marker's turn comes.
      const handle = this.#store.watch(storage.prefix, revision, {
        onEvents: (batch) => events.push(...batch.filter((event) => event.revision <= upTo)),
        onEnd: resolve,
      })
      setImmediate(() => {
        handle.cancel()
        resolve(undefined)
      })
    })
    if (ended) return ended.code === 'compacted' ? ended.compactRevision : upTo
    if (revision < storage.logStart) storage.extendLog(events, revision)
    return undefined
  }

  trim(revision: number): void {
    for (const storage of this.#storages.values()) storage.trim(revision)
  }
}
