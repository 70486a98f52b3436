// A clock that moves only when told, for tests and stories.
import type { Clock, Timer } from './clock.ts'
import { sleepOn } from './clock.ts'

interface Pending {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
}

export class FakeClock implements Clock {
  #nowMs: number
  #order = 0
  readonly #pending = new Set<Pending>()

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): Timer {
    const entry = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback }
    this.#pending.add(entry)
    return { cancel: () => this.#pending.delete(entry) }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }

  /** Time until the next timer is due; undefined where none is pending. */
  nextDueMs(): number | undefined {
    const next = this.#nextDue(Number.POSITIVE_INFINITY)
    return next && Math.max(0, next.dueMs - this.#nowMs)
  }

  /** Moves time on, firing what falls due in order, with a turn of the event loop after each. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      await turn()
      const next = this.#nextDue(untilMs)
      if (!next) break
      this.#pending.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.callback()
    }
    this.#nowMs = untilMs
    await turn()
  }

  #nextDue(untilMs: number): Pending | undefined {
    let next: Pending | undefined
    for (const entry of this.#pending) {
      if (entry.dueMs > untilMs) continue
      const earlier = next === undefined || entry.dueMs < next.dueMs
      if (earlier || (entry.dueMs === next?.dueMs && entry.order < next.order)) next = entry
    }
    return next
  }
}

/** Lets promises and pending I/O callbacks run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
