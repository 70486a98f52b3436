// Pods that wait to be scheduled: ready to be tried, waiting out their back-off, or known not to
// fit until something changes.
import type { Pod } from '../api/types/core.gen.ts'
import { keyOf } from '../client/informer.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { priorityOf } from './nodes.ts'

const firstBackoffMs = 1000
const maxBackoffMs = 10_000
/** However unlikely it is that it fits by now. */
const maxUnschedulableMs = 5 * 60_000

export interface Waiting {
  readonly key: string
  pod: Pod
  readonly queuedMs: number
  attempts: number
}

type State = 'active' | 'trying' | 'backoff' | 'unschedulable'

interface Entry extends Waiting {
  state: State
  failedMs: number
  /** Something changed while it was being tried. */
  moved: boolean
  /** It failed by an error, not because it fits nowhere: its back-off is waited out. */
  erred: boolean
  timer: Timer | undefined
}

export class SchedulingQueue {
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  readonly #active: Entry[] = []
  #taker: ((waiting: Waiting | undefined) => void) | undefined
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#entries.size
  }

  /** A Pod that is new, or changed in a way that may let it fit. */
  put(pod: Pod, mayFitNow: boolean): void {
    const key = keyOf(pod)
    const known = this.#entries.get(key)
    if (!known) {
      const entry: Entry = {
        key,
        pod,
        queuedMs: this.#clock.monotonic(),
        attempts: 0,
        state: 'backoff',
        failedMs: 0,
        moved: false,
        erred: false,
        timer: undefined,
      }
      this.#entries.set(key, entry)
      this.#activate(entry)
      return
    }
    known.pod = pod
    if (mayFitNow) this.#move(known)
  }

  remove(key: string): void {
    const entry = this.#entries.get(key)
    if (!entry) return
    entry.timer?.cancel()
    this.#entries.delete(key)
    const at = this.#active.indexOf(entry)
    if (at >= 0) this.#active.splice(at, 1)
  }

  /** The Pod to try next: highest priority, then longest waiting. undefined once closed. */
  take(): Promise<Waiting | undefined> {
    return new Promise((resolve) => {
      this.#taker = resolve
      this.#hand()
    })
  }

  /** The Pod of the last take() did not fit, or could not be bound. */
  failed(waiting: Waiting, retrySoon = false): void {
    const entry = this.#entries.get(waiting.key)
    if (entry?.state !== 'trying') return
    entry.failedMs = this.#clock.monotonic()
    entry.erred = retrySoon
    if (retrySoon || entry.moved) {
      this.#backOff(entry)
      return
    }
    entry.state = 'unschedulable'
    entry.timer = this.#clock.after(maxUnschedulableMs, () => this.#activate(entry))
  }

  /** Something changed in the cluster: these Pods, all unless told, may fit now. */
  move(mayFitNow: (pod: Pod) => boolean = () => true): void {
    for (const entry of this.#entries.values()) if (mayFitNow(entry.pod)) this.#move(entry)
  }

  close(): void {
    this.#closed = true
    for (const entry of this.#entries.values()) entry.timer?.cancel()
    this.#hand()
  }

  #move(entry: Entry): void {
    if (entry.state === 'trying') entry.moved = true
    if (entry.state === 'unschedulable') this.#backOff(entry)
  }

  #backOff(entry: Entry): void {
    entry.timer?.cancel()
    const backoffMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (entry.attempts - 1))
    const leftMs = entry.failedMs + backoffMs - this.#clock.monotonic()
    if (leftMs <= 0) {
      this.#activate(entry)
      return
    }
    entry.state = 'backoff'
    entry.timer = this.#clock.after(leftMs, () => this.#activate(entry))
    this.#hand()
  }

  #activate(entry: Entry): void {
    entry.timer?.cancel()
    entry.timer = undefined
    entry.state = 'active'
    // Kept sorted, the next one last; new ones mostly wait longest and go to the front.
    let at = 0
    while (at < this.#active.length && !isBefore(this.#active[at]!, entry)) at += 1
    this.#active.splice(at, 0, entry)
    this.#hand()
  }

  #hand(): void {
    const taker = this.#taker
    if (!taker) return
    if (this.#closed) {
      this.#taker = undefined
      taker(undefined)
      return
    }
    const entry = this.#active.pop() ?? this.#soonestBackedOff()
    if (!entry) return
    this.#taker = undefined
    entry.timer?.cancel()
    entry.state = 'trying'
    entry.moved = false
    entry.attempts += 1
    taker(entry)
  }

  /** With nothing else to do, a back-off is not waited out (KEP-5142, SchedulerPopFromBackoffQ). */
  #soonestBackedOff(): Entry | undefined {
    let soonest: Entry | undefined
    for (const entry of this.#entries.values()) {
      if (entry.state !== 'backoff' || entry.erred) continue
      if (!soonest || entry.failedMs < soonest.failedMs) soonest = entry
    }
    return soonest
  }
}

const isBefore = (one: Waiting, other: Waiting): boolean =>
  priorityOf(one.pod) !== priorityOf(other.pod)
    ? priorityOf(one.pod) > priorityOf(other.pod)
    : one.queuedMs <= other.queuedMs
