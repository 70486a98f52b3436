// What a row of probe results amounts to: the published result changes only once enough equal
// ones came one after the other.
import type { Probe } from '../api/types/core.gen.ts'

export type ProbeKind = 'startup' | 'liveness' | 'readiness'
export type ProbeResult = 'success' | 'failure' | 'unknown'

export interface ProbeState {
  readonly published: ProbeResult
  readonly last: ProbeResult
  readonly run: number
}

export interface ProbeTiming {
  readonly initialDelayMs: number
  readonly periodMs: number
  readonly timeoutMs: number
  readonly successThreshold: number
  readonly failureThreshold: number
}

export function timingOf(probe: Probe): ProbeTiming {
  return {
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
    periodMs: Math.max(1, probe.periodSeconds ?? 10) * 1000,
    timeoutMs: Math.max(1, probe.timeoutSeconds ?? 1) * 1000,
    successThreshold: Math.max(1, probe.successThreshold ?? 1),
    failureThreshold: Math.max(1, probe.failureThreshold ?? 3),
  }
}

/** A container begins alive, not ready, and not known to have started. */
export function initialProbeState(kind: ProbeKind): ProbeState {
  const published = { startup: 'unknown', liveness: 'success', readiness: 'failure' } as const
  return { published: published[kind], last: 'unknown', run: 0 }
}

export function countResult(
  state: ProbeState,
  result: 'success' | 'failure',
  timing: ProbeTiming,
): ProbeState {
  const run = state.last === result ? state.run + 1 : 1
  const threshold = result === 'success' ? timing.successThreshold : timing.failureThreshold
  return { published: run >= threshold ? result : state.published, last: result, run }
}
