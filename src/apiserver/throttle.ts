// Fairness in its simplest form: so many requests at a time, writes and reads apart, a short queue
// behind each, and 429 for the rest. Health, watches, streams and administrators are never held up.
import { statusError } from '../api/machinery/status.ts'
import type { Clock } from '../lib/clock.ts'
import type { Exchange, Stage } from './pipeline.ts'

export interface ThrottleConfig {
  readonly maxRequestsInflight?: number
  readonly maxMutatingRequestsInflight?: number
}

const defaultReading = 400
const defaultWriting = 200
const maxQueued = 1000
const maxWaitMs = 15_000

const reading = new Set(['get', 'list'])
const streaming = new Set(['exec', 'attach', 'portforward', 'proxy', 'log'])

/** Leases keep nodes and leaders alive: they have seats of their own. */
const reservedForLeases = 40

export function throttleStage(config: ThrottleConfig, clock: Clock): Stage {
  const reads = new Seats(config.maxRequestsInflight ?? defaultReading, clock)
  const writes = new Seats(config.maxMutatingRequestsInflight ?? defaultWriting, clock)
  const leases = new Seats(reservedForLeases, clock)
  return (exchange) => {
    const { info } = exchange
    if (isExempt(exchange)) return undefined
    const seats = info.resource === 'leases' ? leases : reading.has(info.verb) ? reads : writes
    const leave = () => exchange.onDone.push(() => seats.leave())
    const waiting = seats.take()
    if (!waiting) {
      leave()
      return undefined
    }
    return waiting.then(() => {
      leave()
      return undefined
    })
  }
}

function isExempt({ info, user, call }: Exchange): boolean {
  if (!info.isResource || info.verb === 'watch' || streaming.has(info.subresource)) return true
  return call.user !== undefined || user.groups.includes('system:masters')
}

class Seats {
  readonly #clock: Clock
  #free: number
  readonly #queue: (() => void)[] = []

  constructor(count: number, clock: Clock) {
    this.#free = count
    this.#clock = clock
  }

  /** undefined: a seat is taken. */
  take(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--
      return undefined
    }
    if (this.#queue.length >= maxQueued) return Promise.reject(this.#tooMany())
    return new Promise((resolve, reject) => {
      const enter = () => {
        timer.cancel()
        resolve()
      }
      const timer = this.#clock.after(maxWaitMs, () => {
        this.#queue.splice(this.#queue.indexOf(enter), 1)
        reject(this.#tooMany())
      })
      this.#queue.push(enter)
    })
  }

  leave(): void {
    const next = this.#queue.shift()
    if (next) next()
    else this.#free++
  }

  #tooMany() {
    const message = 'Too many requests, please try again later.'
    return statusError('TooManyRequests', message, { retryAfterSeconds: 1 })
  }
}
