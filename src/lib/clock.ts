// Time, handed in: everything but this file asks a Clock. Tests use FakeClock (fake-clock.ts).

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. */
  now(): number
  /** Milliseconds that never jump, for measuring and for expiry. */
  monotonic(): number
  /** Calls back once after delayMs. A pending timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer
  /** Resolves after delayMs; rejects with the signal's reason when it is aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** Longest delay setTimeout takes; longer ones are cut to it. */
const maxDelayMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), maxDelayMs))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  sleep: (delayMs, signal) => sleepOn(systemClock, delayMs, signal),
}

/** Clock.sleep made of Clock.after, for every implementation. */
export function sleepOn(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const onAbort = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** RFC 3339 in whole seconds, as metav1.Time writes it. */
export function formatTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
}

/** RFC 3339 with six digits, as metav1.MicroTime writes it. */
export function formatMicroTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`
}
