// A store in one LMDB file. One process writes; commits made while a flush is under way share the
// next one, and each is answered after the flush that made it durable.
//
//   cur   key                    -> modRevision(6) createRevision(6) value
//   log   revision(8) index(4)   -> what the write replaced: flags(1) length(2) key [header value]
//   meta  "state"                -> format, revision, compacted revision
//
// The log holds what was, not what is: undone from the present backwards it gives every state
// and every event since the compacted revision, and each value is stored once.
import { mkdirSync } from 'node:fs'
import type { Database, RootDatabase } from 'lmdb'
import type { Commit } from './history.ts'
import { History } from './history.ts'
import { checkDataFile } from './lmdb-file.ts'
import type { LogRow } from './lmdb-rows.ts'
import { decodeEntry, decodeLogRow, encodeEntry, encodeLogRow, logKey } from './lmdb-rows.ts'
import { lockDirectory } from './lock.ts'
import { afterPrefix, OrderedMap } from './ordered-map.ts'
import type { PlannedEvent } from './plan.ts'
import { applyUndo, eventsOf, failedExpectation } from './plan.ts'
import type {
  CommitResult,
  Entry,
  Expectation,
  ListOptions,
  ListResult,
  Store,
  Watcher,
  WatchHandle,
  Write,
} from './store.ts'
import { StoreError } from './store.ts'

export interface LmdbStoreOptions {
  /** Made if it does not exist; belongs to the store alone. */
  readonly directory: string
  /** "none" answers before the disk has the data: a crash of the machine may lose or damage it. */
  readonly durability?: 'fsync' | 'none'
}

/** Throws StoreError: "unavailable" if another process has it open, "corrupt" if it is damaged. */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  const { directory } = options
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const unlock = lockDirectory(directory)
  try {
    checkDataFile(directory)
    return new LmdbStore(await openTables(options), unlock)
  } catch (error) {
    unlock()
    if (error instanceof StoreError) throw error
    throw new StoreError('corrupt', `cannot open store "${directory}": ${textOf(error)}`, {
      cause: error,
    })
  }
}

interface Tables {
  readonly root: RootDatabase<Buffer, string>
  readonly cur: Database<Buffer, string>
  readonly log: Database<Buffer, Buffer>
  readonly meta: Database<string, string>
}

interface State {
  readonly format: 1
  readonly revision: number
  readonly compacted: number
}

async function openTables(options: LmdbStoreOptions): Promise<Tables> {
  const { open } = await import('lmdb')
  const root = open<Buffer, string>({
    path: options.directory,
    noSubdir: false,
    maxDbs: 4,
    encoding: 'binary',
    // Plain LMDB commits: data, flush, then the meta page that makes them visible.
    overlappingSync: false,
    noSync: options.durability === 'none',
  })
  return {
    root,
    cur: root.openDB<Buffer, string>({ name: 'cur', encoding: 'binary' }),
    log: root.openDB<Buffer, Buffer>({ name: 'log', encoding: 'binary', keyEncoding: 'binary' }),
    meta: root.openDB<string, string>({ name: 'meta', encoding: 'string' }),
  }
}

function readState(tables: Tables): State {
  const text = tables.meta.get('state')
  if (text === undefined) return { format: 1, revision: 1, compacted: 0 }
  const state: State = JSON.parse(text)
  if (state.format === 1) return state
  throw new StoreError('corrupt', `cannot read store: format ${state.format} is not known`)
}

interface PendingCommit {
  readonly revision: number
  readonly events: readonly PlannedEvent[]
  resolve(): void
  reject(error: Error): void
}

class LmdbStore implements Store {
  readonly #tables: Tables
  readonly #unlock: () => void
  readonly #history: History
  /** Writes that are planned but not yet durable; undefined for a delete. */
  readonly #overlay = new Map<string, Entry | undefined>()
  #planned: number
  #queue: PendingCommit[] = []
  #reads: (() => void)[] = []
  #compactTo = 0
  #writing: Promise<void> | undefined
  #flushing = false
  #closed = false

  constructor(tables: Tables, unlock: () => void) {
    this.#tables = tables
    this.#unlock = unlock
    const { revision, compacted } = readState(tables)
    this.#planned = revision
    this.#history = new History({
      revision,
      compacted,
      load: (after, upTo) => this.#loadCommits(after, upTo),
    })
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#read(() => this.#stored(key))
  }

  list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    return this.#read(() => {
      const { atRevision } = options
      if (atRevision === undefined) return this.#listNow(prefix, options)
      this.#history.checkReadable(atRevision)
      return this.#listThen(prefix, options, atRevision)
    })
  }

  async commit(
    expectations: readonly Expectation[],
    writes: readonly Write[],
  ): Promise<CommitResult> {
    this.#checkOpen()
    const read = (key: string) =>
      this.#overlay.has(key) ? this.#overlay.get(key) : this.#stored(key)
    const failed = failedExpectation(expectations, read)
    if (failed) {
      // What stands in the way may itself not be durable yet; it is reported once it is.
      return this.#read(() => failed)
    }
    const revision = this.#planned + 1
    const events = eventsOf(writes, read, revision)
    if (events.length === 0) return this.#read(() => ({ ok: true, revision: this.revision() }))
    this.#planned = revision
    for (const event of events) {
      this.#overlay.set(event.key, event.type === 'put' ? event.entry : undefined)
    }
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ revision, events, resolve, reject })
      this.#wake()
    })
    return { ok: true, revision }
  }

  watch(prefix: string, afterRevision: number, watcher: Watcher): WatchHandle {
    return this.#history.watch(prefix, afterRevision, watcher)
  }

  revision(): number {
    return this.#history.revision
  }

  async compact(revision: number): Promise<void> {
    this.#checkOpen()
    await this.#read(() => this.#history.compact(revision))
    this.#compactTo = this.#history.compacted
    this.#wake()
    await this.#writing
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writing
    this.#history.close()
    await this.#tables.root.close()
    this.#unlock()
  }

  /** Reads see only what is durable: those that arrive during a flush run right after it. */
  async #read<Result>(read: () => Result): Promise<Result> {
    this.#checkOpen()
    if (!this.#flushing) return read()
    return new Promise((resolve, reject) => {
      this.#reads.push(() => {
        try {
          resolve(read())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  #wake(): void {
    this.#writing ??= this.#write()
  }

  async #write(): Promise<void> {
    // Commits made in the same tick share a flush.
    await Promise.resolve()
    while (this.#queue.length > 0 || this.#compactTo > 0) {
      const batch = this.#queue
      const compactTo = this.#compactTo
      this.#queue = []
      this.#compactTo = 0
      this.#flushing = true
      try {
        await this.#flush(batch, compactTo)
        this.#publish(batch)
      } catch (error) {
        this.#fail(batch, error)
      }
      this.#flushing = false
      for (const read of this.#reads.splice(0)) read()
    }
    this.#writing = undefined
  }

  async #flush(batch: readonly PendingCommit[], compactTo: number): Promise<void> {
    const { root, cur, log, meta } = this.#tables
    const revision = batch[batch.length - 1]?.revision ?? this.revision()
    // Part of the batch, which is awaited as a whole: each write alone need not be.
    await root.batch(() => {
      for (const commit of batch) {
        commit.events.forEach((event, index) => {
          void log.put(logKey(commit.revision, index), encodeLogRow(event))
          if (event.type === 'put') void cur.put(event.key, encodeEntry(event.entry))
          else void cur.remove(event.key)
        })
      }
      if (compactTo > 0) {
        const end = logKey(compactTo + 1, 0)
        for (const key of log.getKeys({ end })) void log.remove(key)
      }
      const state: State = { format: 1, revision, compacted: this.#history.compacted }
      void meta.put('state', JSON.stringify(state))
    })
    await root.flushed
  }

  #publish(batch: readonly PendingCommit[]): void {
    this.#tables.root.resetReadTxn()
    for (const commit of batch) {
      for (const event of commit.events) {
        const planned = event.type === 'put' ? event.entry : undefined
        if (this.#overlay.get(event.key) === planned) this.#overlay.delete(event.key)
      }
      this.#history.append({ revision: commit.revision, events: commit.events })
      commit.resolve()
    }
  }

  /** Later commits were planned on top of the lost ones, so they are lost too. */
  #fail(batch: readonly PendingCommit[], cause: unknown): void {
    const text = textOf(cause)
    const full = /ENOSPC|MDB_MAP_FULL|No space|map size|quota/i.test(text)
    const error = new StoreError(full ? 'full' : 'unavailable', `cannot write store: ${text}`, {
      cause,
    })
    for (const commit of [...batch, ...this.#queue]) commit.reject(error)
    this.#queue = []
    this.#overlay.clear()
    this.#planned = this.revision()
  }

  #stored(key: string): Entry | undefined {
    const row = this.#tables.cur.getBinary(key)
    return row && decodeEntry(key, row)
  }

  #listNow(prefix: string, options: ListOptions): ListResult {
    const { cur } = this.#tables
    const from = options.from !== undefined && options.from > prefix ? options.from : prefix
    const end = prefix === '' ? undefined : afterPrefix(prefix)
    const limit = options.limit ?? Number.POSITIVE_INFINITY
    const entries: Entry[] = []
    let remaining = 0
    const range = { ...(from === '' ? {} : { start: from }), ...(end ? { end } : {}) }
    for (const { key, value } of cur.getRange(range)) {
      if (entries.length < limit) entries.push(decodeEntry(key, value))
      else {
        remaining = cur.getKeysCount({ ...range, start: key })
        break
      }
    }
    return { entries, revision: this.revision(), more: remaining > 0, remaining }
  }

  #listThen(prefix: string, options: ListOptions, atRevision: number): ListResult {
    const then = new OrderedMap<Entry>()
    for (const entry of this.#listNow(prefix, {}).entries) then.set(entry.key, entry)
    applyUndo(then, this.#history.undo(prefix, atRevision))
    const { start, end } = then.range(prefix, options.from)
    const stop = Math.min(end, start + (options.limit ?? Number.POSITIVE_INFINITY))
    const entries: Entry[] = []
    for (let index = start; index < stop; index++) entries.push(then.get(then.keyAt(index)!)!)
    return { entries, revision: atRevision, more: stop < end, remaining: end - stop }
  }

  /** Rebuilds commits of an earlier run: each event's value is what the next write replaced. */
  #loadCommits(after: number, upTo: number): Commit[] {
    const values = new Map<string, Entry | undefined>()
    for (const commit of this.#history.backwards()) {
      for (const event of commit.events) values.set(event.key, event.previous)
    }
    // Backwards, from the last row at upTo down to the first after `after`.
    const last = 0xffffffff
    const range = { start: logKey(upTo, last), end: logKey(after, last), reverse: true }
    const commits: Commit[] = []
    let events: PlannedEvent[] = []
    let revision = 0
    const finish = () => {
      if (events.length > 0) commits.push({ revision, events: events.reverse() })
      events = []
    }
    for (const { value } of this.#tables.log.getRange(range)) {
      const row = decodeLogRow(value)
      if (row.revision !== revision) finish()
      revision = row.revision
      events.push(this.#eventOf(row, values))
      values.set(row.key, row.previous)
    }
    finish()
    return commits.reverse()
  }

  #eventOf(row: LogRow, values: Map<string, Entry | undefined>): PlannedEvent {
    const { key, type, revision, previous } = row
    const entry =
      type === 'delete' ? previous : values.has(key) ? values.get(key) : this.#stored(key)
    if (!entry) throw new StoreError('corrupt', `cannot read log of "${key}" at ${revision}`)
    const replaced = previous ? { previous } : {}
    return { type, key, revision, value: entry.value, ...replaced, entry }
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreError('closed', 'cannot use the store: it is closed')
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
