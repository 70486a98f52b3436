// Whether and when a container that ended runs again.
import type { Container } from '../api/types/core.gen.ts'
import type { Backoff, Exit, Instance } from './pod-observed.ts'

const firstDelayMs = 10_000
const maxDelayMs = 300_000
/** A container that ran this long since its last restart begins anew. */
const forgetAfterMs = 600_000

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never'

/** A sidecar is an init container that is restarted always. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

export function mayRestart(policy: RestartPolicy, exit: Exit): boolean {
  if (policy === 'Always') return true
  return policy === 'OnFailure' && exit.exitCode !== 0
}

/** The pause between the newest instance's end and its next start: none before the first restart. */
export function restartDelayMs(backoff: Backoff | undefined, exit: Exit): number {
  if (!backoff || exit.finishedAtMs - backoff.sinceMs > forgetAfterMs) return 0
  return backoff.delayMs
}

/**
 * What the next start leaves behind: the pause before the one after it. None where the container was
 * lost with its sandbox, as all are when the node agent ends: that is no crash of its own.
 */
export function nextBackoff(
  backoff: Backoff | undefined,
  instance: Instance,
  nowMs: number,
): Backoff | undefined {
  if (instance.earlierSandbox) return undefined
  const fresh = !backoff || nowMs - backoff.sinceMs > forgetAfterMs || instance.exit === undefined
  const delayMs = fresh ? firstDelayMs : Math.min(backoff.delayMs * 2, maxDelayMs)
  return { delayMs, sinceMs: nowMs }
}

/** "10s", "2m40s", "5m0s": as Go prints a duration. */
export function formatDelay(delayMs: number): string {
  const seconds = Math.round(delayMs / 1000)
  const minutes = Math.floor(seconds / 60)
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`
}

const firstMountDelayMs = 500
const maxMountDelayMs = 122_000

/** Pause before volumes are mounted again: 500 ms, doubling, up to two minutes and two seconds. */
export function mountDelayMs(failures: number): number {
  return Math.min(firstMountDelayMs * 2 ** Math.max(0, failures - 1), maxMountDelayMs)
}

/** Pause before an image is asked for again: 10 s, doubling, up to five minutes. */
export function pullDelayMs(failures: number): number {
  return Math.min(firstDelayMs * 2 ** Math.max(0, failures - 1), maxDelayMs)
}
