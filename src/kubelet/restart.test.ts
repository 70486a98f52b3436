import { describe, expect, it } from 'vitest'
import type { Backoff, Instance } from './pod-observed.ts'
import { countResult, initialProbeState, type ProbeKind, timingOf } from './probe-state.ts'
import { formatDelay, mountDelayMs, nextBackoff, pullDelayMs, restartDelayMs } from './restart.ts'

const exited = (finishedAtMs: number): Instance => ({
  ...{ id: 'c', attempt: 0, image: 'i', imageID: '', startedAtMs: 0, postStart: 'done' },
  exit: { exitCode: 1, finishedAtMs },
})

describe('the pause before a restart (CS5)', () => {
  /** A container that runs so long each time; the pauses before its restarts, in seconds. */
  const pauses = (runMs: readonly number[]): number[] => {
    let nowMs = 0
    let backoff: Backoff | undefined
    return runMs.map((ranMs) => {
      nowMs += ranMs
      const instance = exited(nowMs)
      const pauseMs = restartDelayMs(backoff, instance.exit!)
      nowMs += pauseMs
      backoff = nextBackoff(backoff, instance, nowMs)
      return pauseMs / 1000
    })
  }

  it('is 0, 10, 20, 40 ... 300 seconds from the end of the one before (C64)', () => {
    expect(pauses(Array(8).fill(100))).toEqual([0, 10, 20, 40, 80, 160, 300, 300])
  })

  it('begins anew after ten minutes without a crash', () => {
    expect(pauses([100, 100, 100, 601_000, 100, 100])).toEqual([0, 10, 20, 0, 10, 20])
  })

  it('does not count a container that was lost with the node agent', () => {
    const lost: Instance = { ...exited(1000), earlierSandbox: true }
    expect(restartDelayMs(undefined, lost.exit!)).toBe(0)
    const backoff = nextBackoff(undefined, lost, 1000)
    expect(restartDelayMs(backoff, exited(2000).exit!)).toBe(0)
  })

  it('for volumes is half a second, doubling up to two minutes', () => {
    expect([1, 2, 3, 20].map((failures) => mountDelayMs(failures) / 1000)).toEqual([0.5, 1, 2, 122])
  })

  it('for an image is 10 s, doubling up to five minutes', () => {
    expect([1, 2, 3, 9].map((failures) => pullDelayMs(failures) / 1000)).toEqual([10, 20, 40, 300])
  })

  it('is written as Go writes it', () => {
    expect([10_000, 40_000, 160_000, 300_000].map(formatDelay)).toEqual([
      '10s',
      '40s',
      '2m40s',
      '5m0s',
    ])
  })
})

describe('countResult() (PB3)', () => {
  const published = (kind: ProbeKind, probe: object, results: string): string => {
    const timing = timingOf(probe)
    let state = initialProbeState(kind)
    return [...results]
      .map((result) => {
        state = countResult(state, result === '+' ? 'success' : 'failure', timing)
        return state.published[0]
      })
      .join('')
  }

  it('changes what is published only after enough equal results in a row', () => {
    const twoAndTwo = { successThreshold: 2, failureThreshold: 2 }
    expect(published('readiness', twoAndTwo, '+-++-+--++')).toBe('fffssssffs')
    expect(published('liveness', {}, '--+---')).toBe('sssssf')
    expect(published('startup', { failureThreshold: 3 }, '--+')).toBe('uus')
  })
})
