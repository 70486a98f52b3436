// What every embedded store has in common: the log of recent commits, who watches it, and the
// state of the past, found by undoing the log backwards from the present.
import type { Entry, StoreEvent, Watcher, WatchHandle } from './store.ts'
import { StoreError } from './store.ts'

export interface Commit {
  readonly revision: number
  readonly events: readonly StoreEvent[]
}

export interface HistoryOptions {
  /** Revision of the present. */
  readonly revision: number
  /** Up to here history is forgotten. */
  readonly compacted: number
  /** Commits after one revision up to another that a backend kept from an earlier run. */
  readonly load?: (after: number, upTo: number) => readonly Commit[]
}

interface Subscription {
  readonly prefix: string
  readonly watcher: Watcher
  /** Everything up to here was delivered. */
  cursor: number
  ended: boolean
}

export class History {
  /** Revisions are consecutive, so a commit's place follows from its revision. */
  #commits: Commit[] = []
  #revision: number
  #compacted: number
  /** Commits after this revision are in memory. */
  #loaded: number
  #delivering = false
  #closed = false
  readonly #load: (after: number, upTo: number) => readonly Commit[]
  readonly #subscriptions = new Set<Subscription>()

  constructor(options: HistoryOptions) {
    this.#revision = options.revision
    this.#loaded = options.revision
    this.#compacted = options.compacted
    this.#load = options.load ?? (() => [])
  }

  get revision(): number {
    return this.#revision
  }

  get compacted(): number {
    return this.#compacted
  }

  /** Makes a commit part of the present and tells the watchers, in order and never re-entrantly. */
  append(commit: Commit): void {
    this.#commits.push(commit)
    this.#revision = commit.revision
    this.#deliver()
  }

  watch(prefix: string, after: number, watcher: Watcher): WatchHandle {
    const subscription: Subscription = { prefix, watcher, cursor: after, ended: false }
    const handle = { cancel: () => this.#drop(subscription) }
    const problem = this.#problemWith(after)
    if (problem) {
      queueMicrotask(() => {
        if (!subscription.ended) this.#end(subscription, problem)
      })
      return handle
    }
    if (after < this.#loaded) this.#loadAfter(after)
    this.#subscriptions.add(subscription)
    if (after < this.#revision) queueMicrotask(() => this.#deliver())
    return handle
  }

  /** Throws unless the state as of this revision can be had. */
  checkReadable(revision: number): void {
    const problem = this.#problemWith(revision)
    if (problem) throw problem
  }

  /** The keys under a prefix that changed after a revision, with what they were then. */
  undo(prefix: string, toRevision: number): Map<string, Entry | undefined> {
    if (toRevision < this.#loaded) this.#loadAfter(toRevision)
    const then = new Map<string, Entry | undefined>()
    for (let index = this.#commits.length - 1; index >= 0; index--) {
      const commit = this.#commits[index]!
      if (commit.revision <= toRevision) break
      for (let at = commit.events.length - 1; at >= 0; at--) {
        const event = commit.events[at]!
        if (event.key.startsWith(prefix)) then.set(event.key, event.previous)
      }
    }
    return then
  }

  /** The commits held in memory, newest first. */
  *backwards(): Generator<Commit> {
    for (let index = this.#commits.length - 1; index >= 0; index--) yield this.#commits[index]!
  }

  compact(revision: number): void {
    if (revision > this.#revision) throw this.#future(revision)
    if (revision <= this.#compacted) return
    this.#compacted = revision
    this.#loaded = Math.max(this.#loaded, revision)
    const first = this.#commits[0]?.revision ?? 0
    if (revision >= first) this.#commits = this.#commits.slice(revision - first + 1)
    for (const subscription of [...this.#subscriptions]) {
      if (subscription.cursor < revision) this.#end(subscription, this.#tooOld(subscription.cursor))
    }
  }

  close(): void {
    this.#closed = true
    const error = new StoreError('closed', 'cannot watch: the store is closed')
    for (const subscription of [...this.#subscriptions]) this.#end(subscription, error)
    this.#commits = []
  }

  #deliver(): void {
    if (this.#delivering) return
    this.#delivering = true
    try {
      // A watcher may cause further commits or watches; they wait for the next round.
      for (let again = true; again; ) {
        again = false
        for (const subscription of [...this.#subscriptions]) {
          again = this.#deliverTo(subscription) || again
        }
      }
    } finally {
      this.#delivering = false
    }
  }

  #deliverTo(subscription: Subscription): boolean {
    let delivered = false
    while (!subscription.ended && subscription.cursor < this.#revision) {
      const commit = this.#commitAt(subscription.cursor + 1)
      subscription.cursor += 1
      if (!commit) continue
      const { prefix } = subscription
      const all = commit.events.every((event) => event.key.startsWith(prefix))
      const events = all
        ? commit.events
        : commit.events.filter((event) => event.key.startsWith(prefix))
      if (events.length === 0) continue
      subscription.watcher.onEvents(events, commit.revision)
      delivered = true
    }
    return delivered
  }

  #commitAt(revision: number): Commit | undefined {
    const first = this.#commits[0]
    return first ? this.#commits[revision - first.revision] : undefined
  }

  #loadAfter(after: number): void {
    const older = this.#load(after, this.#loaded)
    this.#commits = [...older, ...this.#commits]
    this.#loaded = after
  }

  #problemWith(revision: number): StoreError | undefined {
    if (this.#closed) return new StoreError('closed', 'cannot read history: the store is closed')
    if (revision < this.#compacted) return this.#tooOld(revision)
    return revision > this.#revision ? this.#future(revision) : undefined
  }

  #tooOld(revision: number): StoreError {
    const message = `cannot read revision ${revision}: history starts at ${this.#compacted}`
    return new StoreError('compacted', message, { compactRevision: this.#compacted })
  }

  #future(revision: number): StoreError {
    return new StoreError('future', `cannot read revision ${revision}: now is ${this.#revision}`)
  }

  #drop(subscription: Subscription): void {
    subscription.ended = true
    this.#subscriptions.delete(subscription)
  }

  #end(subscription: Subscription, error: StoreError): void {
    this.#drop(subscription)
    subscription.watcher.onEnd(error)
  }
}
