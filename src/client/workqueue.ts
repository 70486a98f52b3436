// A queue of keys: a key is handed to one worker at a time, waits while it is being worked on,
// and comes back later with growing delay when it failed (client-go's workqueue).
import type { Clock, Timer } from '../lib/clock.ts'

export interface BackoffLimits {
  readonly baseMs: number
  readonly maxMs: number
}

/** client-go's default: 5 ms doubling to 1000 s. */
export const defaultBackoff: BackoffLimits = { baseMs: 5, maxMs: 1_000_000 }

/** Retries over all keys together: 10 a second, 100 at once. */
const bucketPerSecond = 10
const bucketBurst = 100

export class WorkQueue {
  readonly #clock: Clock
  readonly #backoff: BackoffLimits
  readonly #ready: string[] = []
  /** Queued, or to be queued again once its worker is done. */
  readonly #dirty = new Set<string>()
  readonly #processing = new Set<string>()
  readonly #failures = new Map<string, number>()
  readonly #delayed = new Map<string, { readonly dueMs: number; readonly timer: Timer }>()
  readonly #takers: ((key: string | undefined) => void)[] = []
  #bucketDebt = 0
  #bucketAtMs: number
  #closed = false

  constructor(clock: Clock, backoff: BackoffLimits = defaultBackoff) {
    this.#clock = clock
    this.#backoff = backoff
    this.#bucketAtMs = clock.monotonic()
  }

  get length(): number {
    return this.#ready.length
  }

  add(key: string): void {
    if (this.#closed || this.#dirty.has(key)) return
    this.#dirty.add(key)
    if (this.#processing.has(key)) return
    this.#ready.push(key)
    this.#hand()
  }

  /** Adds the key after a delay; of several delays the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return
    if (delayMs <= 0) {
      this.add(key)
      return
    }
    const dueMs = this.#clock.monotonic() + delayMs
    const waiting = this.#delayed.get(key)
    if (waiting && waiting.dueMs <= dueMs) return
    waiting?.timer.cancel()
    const timer = this.#clock.after(delayMs, () => {
      this.#delayed.delete(key)
      this.add(key)
    })
    this.#delayed.set(key, { dueMs, timer })
  }

  /** Adds the key after its back-off; answers how often it has now failed in a row. */
  retry(key: string): number {
    const failures = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, failures)
    const ownMs = Math.min(this.#backoff.maxMs, this.#backoff.baseMs * 2 ** (failures - 1))
    this.addAfter(key, Math.max(ownMs, this.#bucketDelayMs()))
    return failures
  }

  /** The key succeeded: its next failure counts as the first. */
  forget(key: string): void {
    this.#failures.delete(key)
  }

  /** The next key, or undefined once the queue is closed. Must be followed by done(). */
  take(): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#takers.push(resolve)
      this.#hand()
    })
  }

  done(key: string): void {
    this.#processing.delete(key)
    if (!this.#dirty.has(key) || this.#closed) return
    this.#ready.push(key)
    this.#hand()
  }

  close(): void {
    this.#closed = true
    for (const { timer } of this.#delayed.values()) timer.cancel()
    this.#delayed.clear()
    for (const taker of this.#takers.splice(0)) taker(undefined)
  }

  #hand(): void {
    if (this.#closed) {
      for (const taker of this.#takers.splice(0)) taker(undefined)
      return
    }
    while (this.#ready.length > 0 && this.#takers.length > 0) {
      const key = this.#ready.shift()!
      this.#dirty.delete(key)
      this.#processing.add(key)
      this.#takers.shift()!(key)
    }
  }

  #bucketDelayMs(): number {
    const nowMs = this.#clock.monotonic()
    const refilled = ((nowMs - this.#bucketAtMs) / 1000) * bucketPerSecond
    this.#bucketDebt = Math.max(0, this.#bucketDebt - refilled) + 1
    this.#bucketAtMs = nowMs
    return (Math.max(0, this.#bucketDebt - bucketBurst) / bucketPerSecond) * 1000
  }
}
