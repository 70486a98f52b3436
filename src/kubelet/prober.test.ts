import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Container, Probe } from '../api/types/core.gen.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { ContainerProber } from './prober.ts'
import type { RunningContainer, StreamSession } from './runtime.ts'

/** A container whose commands end with this code, at once. */
function running(exitCode: () => number): RunningContainer {
  const exec = (): StreamSession => {
    const output = () => new PassThrough().end()
    return {
      ...{ stdin: undefined, stdout: output(), stderr: output() },
      exited: Promise.resolve({ exitCode: exitCode() }),
      resize() {},
      close() {},
    }
  }
  return {
    ...{ id: 'c', startedAtMs: 0, exec, attach: exec },
    exited: new Promise(() => {}),
    signal() {},
    usage: () => ({ cpuSeconds: 0, memoryBytes: 0 }),
    remove: () => Promise.resolve(),
  }
}

const probe = (more: Partial<Probe> = {}): Probe => ({ exec: { command: ['x'] }, ...more })

function world(container: Partial<Container>) {
  const clock = new FakeClock()
  const state = { exitCode: 1, asked: [] as number[], failures: [] as string[] }
  const target = {
    container: { name: 'app', ...container },
    running: running(() => {
      state.asked.push(clock.now() - Date.UTC(2026, 0, 1))
      return state.exitCode
    }),
    podIP: '10.244.0.2',
  }
  const events = {
    onChange() {},
    onProbeFailure: (kind: string) => state.failures.push(kind),
    onProbeWarning() {},
  }
  const prober = new ContainerProber(target, events, { clock, userAgent: 'kube-probe/1.36' })
  return { clock, state, prober }
}

describe('ContainerProber', () => {
  it('is started and ready at once without probes', () => {
    const { prober } = world({})
    expect([prober.started, prober.ready, prober.unhealthy]).toEqual([true, true, undefined])
  })

  it('asks for readiness soon and ever slower until the first period is over, untold', async () => {
    const { clock, state, prober } = world({ readinessProbe: probe() })
    await clock.advance(9_999)
    expect(state.asked.slice(0, 6)).toEqual([0, 50, 150, 350, 750, 1550])
    expect(state.failures).toEqual([])
    await clock.advance(30_000)
    expect(state.failures.length).toBeGreaterThan(2)
    expect(prober.ready).toBe(false)
  })

  it('keeps to the period after the first success', async () => {
    const { clock, state, prober } = world({ readinessProbe: probe() })
    await clock.advance(100)
    state.exitCode = 0
    await clock.advance(60)
    expect(prober.ready).toBe(true)
    state.exitCode = 1
    state.asked.length = 0
    await clock.advance(30_000)
    expect(state.asked).toEqual([10_150, 20_150, 30_150])
    expect(prober.ready).toBe(false)
  })

  it('never hurries a liveness probe, and gives up after its failures (C64)', async () => {
    const { clock, state, prober } = world({
      livenessProbe: probe({ terminationGracePeriodSeconds: 7 }),
    })
    await clock.advance(19_999)
    expect([state.asked, prober.unhealthy]).toEqual([[0, 10_000], undefined])
    await clock.advance(1)
    expect(prober.unhealthy).toEqual({
      message: 'Container app failed liveness probe, will be restarted',
      graceSeconds: 7,
    })
    await clock.advance(60_000)
    expect(state.asked.length).toBe(3)
  })

  it('leaves the others alone until the startup probe succeeded (C65)', async () => {
    const startupProbe = probe({ periodSeconds: 1, failureThreshold: 30 })
    const { clock, state, prober } = world({ startupProbe, readinessProbe: probe() })
    await clock.advance(5_500)
    expect([prober.started, state.asked.length]).toEqual([false, 6])
    state.exitCode = 0
    await clock.advance(500)
    expect([prober.started, prober.ready]).toEqual([true, true])
  })

  it('keeps asking for readiness alone while the Pod ends (TM4)', async () => {
    const { clock, state, prober } = world({ livenessProbe: probe(), readinessProbe: probe() })
    state.exitCode = 0
    await clock.advance(0)
    prober.keepReadinessOnly()
    state.asked.length = 0
    await clock.advance(20_000)
    expect(state.asked).toEqual([10_000, 20_000])
    prober.stop()
    await clock.advance(60_000)
    expect(state.asked.length).toBe(2)
  })
})
