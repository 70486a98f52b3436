// A store in memory, for tests and clusters that need not survive their process. The plain twin
// by which the other stores are measured.
import { History } from './history.ts'
import { OrderedMap } from './ordered-map.ts'
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

export function openMemoryStore(): Store {
  return new MemoryStore()
}

class MemoryStore implements Store {
  readonly #entries = new OrderedMap<Entry>()
  readonly #history = new History({ revision: 1, compacted: 0 })
  #closed = false

  async get(key: string): Promise<Entry | undefined> {
    this.#checkOpen()
    return this.#entries.get(key)
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    this.#checkOpen()
    const { atRevision } = options
    if (atRevision === undefined)
      return page(this.#entries, { ...options, prefix, revision: this.revision() })
    this.#history.checkReadable(atRevision)
    const then = new OrderedMap<Entry>()
    const { start, end } = this.#entries.range(prefix)
    for (let index = start; index < end; index++) {
      const key = this.#entries.keyAt(index)!
      then.set(key, this.#entries.get(key)!)
    }
    applyUndo(then, this.#history.undo(prefix, atRevision))
    return page(then, { ...options, prefix, revision: atRevision })
  }

  async commit(
    expectations: readonly Expectation[],
    writes: readonly Write[],
  ): Promise<CommitResult> {
    this.#checkOpen()
    const read = (key: string) => this.#entries.get(key)
    const failed = failedExpectation(expectations, read)
    if (failed) return failed
    const revision = this.revision() + 1
    const events = eventsOf(writes, read, revision)
    if (events.length === 0) return { ok: true, revision: this.revision() }
    for (const event of events) {
      if (event.type === 'delete') this.#entries.delete(event.key)
      else this.#entries.set(event.key, event.entry)
    }
    this.#history.append({ revision, events })
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
    this.#history.compact(revision)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#history.close()
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreError('closed', 'cannot use the store: it is closed')
  }
}

interface PageOptions extends ListOptions {
  readonly prefix: string
  readonly revision: number
}

function page(entries: OrderedMap<Entry>, options: PageOptions): ListResult {
  const { start, end } = entries.range(options.prefix, options.from)
  const stop = Math.min(end, start + (options.limit ?? Number.POSITIVE_INFINITY))
  const found: Entry[] = []
  for (let index = start; index < stop; index++) found.push(entries.get(entries.keyAt(index)!)!)
  return { entries: found, revision: options.revision, more: stop < end, remaining: end - stop }
}
