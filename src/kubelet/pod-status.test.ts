import { describe, expect, it } from 'vitest'
import type { Container, Pod, PodStatus } from '../api/types/core.gen.ts'
import type { Exit, ObservedContainer, ObservedPod } from './pod-observed.ts'
import { podStatus } from './pod-status.ts'

const nowMs = Date.UTC(2026, 0, 1)
const context = { nowMs, runtime: 'process', hostIPs: ['192.168.50.2'] }

function podOf(spec: Partial<Pod['spec']> = {}, status?: PodStatus): Pod {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'u', generation: 3 },
    spec: { containers: [{ name: 'app', image: 'i' }], ...spec },
    ...(status ? { status } : {}),
  }
}

const born = { id: 'c', attempt: 0, image: 'i', imageID: 'host://i', startedAtMs: nowMs } as const

const running = (more: Partial<ObservedContainer> = {}): ObservedContainer => ({
  state: 'running',
  instance: { ...born, postStart: 'done' },
  started: true,
  ready: true,
  ...more,
})

function exited(exit: Partial<Exit>, more: Partial<ObservedContainer> = {}): ObservedContainer {
  const end = { exitCode: 0, finishedAtMs: nowMs, ...exit }
  const instance = { ...born, postStart: 'done', exit: end } as const
  return { state: 'exited', instance, started: false, ready: false, ...more }
}

function observed(
  containers: Record<string, ObservedContainer>,
  more: Partial<ObservedPod> = {},
): ObservedPod {
  return {
    startTimeMs: nowMs,
    volumes: { state: 'mounted' },
    sandbox: { state: 'ready', ips: ['10.244.0.2'] },
    containers: new Map(Object.entries(containers)),
    gone: false,
    torndown: false,
    ...more,
  }
}

/** The conditions that are not True, with their reason; then those that are. */
function conditions(status: PodStatus): Record<string, string> {
  return Object.fromEntries(
    (status.conditions ?? []).map(({ type, status: value, reason, message }) => [
      type,
      [value, reason, message].filter(Boolean).join(' '),
    ]),
  )
}

describe('podStatus() gives the phase', () => {
  const ended = { termination: { sinceMs: nowMs, graceSeconds: 30 } }
  const sidecar: Container = { name: 's', restartPolicy: 'Always' }
  const init: Container = { name: 'i' }
  const cases: readonly [string, Pod, ObservedPod, PodStatus['phase']][] = [
    ['Pending before anything started', podOf(), observed({}), 'Pending'],
    ['Running with a running container', podOf(), observed({ app: running() }), 'Running'],
    [
      'Pending while one of two has never started',
      podOf({ containers: [{ name: 'app' }, { name: 'b' }] }),
      observed({ app: running() }),
      'Pending',
    ],
    [
      'Running while it waits to be restarted',
      podOf(),
      observed({ app: exited({ exitCode: 1 }) }),
      'Running',
    ],
    [
      'Succeeded when all ended well (C73)',
      podOf({ restartPolicy: 'OnFailure' }),
      observed({ app: exited({}) }, ended),
      'Succeeded',
    ],
    [
      'Failed when one did not (C73)',
      podOf({ restartPolicy: 'Never' }),
      observed({ app: exited({ exitCode: 3 }) }),
      'Failed',
    ],
    [
      'Running until every container has stopped (PH3)',
      podOf({ restartPolicy: 'Never', initContainers: [sidecar] }),
      observed({ app: exited({}), s: running() }, ended),
      'Running',
    ],
    [
      'Succeeded whatever a sidecar ended with (PH2)',
      podOf({ restartPolicy: 'Never', initContainers: [sidecar] }),
      observed({ app: exited({}), s: exited({ exitCode: 137 }) }, ended),
      'Succeeded',
    ],
    [
      'Failed when an init container failed for good (PH1)',
      podOf({ restartPolicy: 'Never', initContainers: [init] }),
      observed({ i: exited({ exitCode: 1 }) }),
      'Failed',
    ],
    ['Failed when deleted before it started (PH2)', podOf(), observed({}, ended), 'Failed'],
    [
      'what it was once it is terminal',
      podOf({}, { phase: 'Succeeded' }),
      observed({ app: running() }),
      'Succeeded',
    ],
  ]
  for (const [name, pod, seen, phase] of cases) {
    it(name, () => expect(podStatus(pod, seen, context).phase).toBe(phase))
  }
})

describe('podStatus() gives conditions', () => {
  it('all True for a ready Pod, with the generation they speak of', () => {
    const status = podStatus(podOf(), observed({ app: running() }), context)
    expect(new Set(Object.values(conditions(status)))).toEqual(new Set(['True']))
    expect(status.conditions?.every(({ observedGeneration }) => observedGeneration === 3)).toBe(
      true,
    )
  })

  it('with the names of what is not ready (PC2)', () => {
    const seen = observed({ app: running({ ready: false }) })
    expect(conditions(podStatus(podOf(), seen, context))).toMatchObject({
      Ready: 'False ContainersNotReady containers with unready status: [app]',
      ContainersReady: 'False ContainersNotReady containers with unready status: [app]',
      Initialized: 'True',
    })
  })

  it('with the readiness gates that are missing or not True (C68)', () => {
    const gates = { readinessGates: [{ conditionType: 'lb/ready' }] }
    const seen = observed({ app: running() })
    expect(conditions(podStatus(podOf(gates), seen, context))['Ready']).toBe(
      'False ReadinessGatesNotReady corresponding condition of pod readiness gate "lb/ready" does not exist.',
    )
    const gate = { type: 'lb/ready', status: 'True' } as const
    const open = podOf(gates, { conditions: [gate] })
    expect(conditions(podStatus(open, seen, context))['Ready']).toBe('True')
  })

  it('counting a sidecar for readiness, and its start for initialisation (IN2)', () => {
    const pod = podOf({ initContainers: [{ name: 's', restartPolicy: 'Always' }] })
    const seen = observed({ s: running({ started: false, ready: false }) })
    expect(conditions(podStatus(pod, seen, context))).toMatchObject({
      Initialized: 'False ContainersNotInitialized containers with incomplete status: [s]',
      ContainersReady: 'False ContainersNotReady containers with unready status: [s app]',
    })
  })

  it('keeping the time of the last change while the status stays', () => {
    const lastTransitionTime = '2025-12-31T00:00:00Z'
    const before: PodStatus = {
      conditions: [
        { type: 'Ready', status: 'True', lastTransitionTime },
        { type: 'ContainersReady', status: 'False', lastTransitionTime },
      ],
    }
    const status = podStatus(podOf({}, before), observed({ app: running() }), context)
    const times = Object.fromEntries(
      status.conditions!.map((condition) => [condition.type, condition.lastTransitionTime]),
    )
    expect(times['Ready']).toBe(lastTransitionTime)
    expect(times['ContainersReady']).toBe('2026-01-01T00:00:00Z')
  })
})

describe('podStatus() gives container states', () => {
  const stateOf = (pod: Pod, seen: ObservedPod) => {
    const status = podStatus(pod, seen, context).containerStatuses![0]!
    return { ...status.state, last: status.lastState }
  }

  it('waiting, with what it waits for', () => {
    expect(stateOf(podOf(), observed({}))).toMatchObject({
      waiting: { reason: 'ContainerCreating' },
    })
    const withInit = podOf({ initContainers: [{ name: 'i' }] })
    expect(stateOf(withInit, observed({}))).toMatchObject({
      waiting: { reason: 'PodInitializing' },
    })
    const failure = { reason: 'ErrImagePull', message: 'no such image', retryAtMs: nowMs }
    const seen: ObservedContainer = { state: 'none', failure, started: false, ready: false }
    expect(stateOf(podOf(), observed({ app: seen }))).toMatchObject({
      waiting: { reason: 'ErrImagePull', message: 'no such image' },
    })
  })

  it('CrashLoopBackOff while a restart is due, the end before it as last state (CS5)', () => {
    const backoff = { delayMs: 20_000, sinceMs: nowMs }
    const seen = observed({ app: exited({ exitCode: 3 }, { backoff }) })
    expect(stateOf(podOf(), seen)).toMatchObject({
      waiting: {
        reason: 'CrashLoopBackOff',
        message: 'back-off 20s restarting failed container=app pod=web_default(u)',
      },
      last: { terminated: { exitCode: 3, reason: 'Error', containerID: 'process://c' } },
    })
  })

  it('terminated, with the reason or one from the code (CS2)', () => {
    const never = podOf({ restartPolicy: 'Never' })
    const reason = (exit: Partial<Exit>) =>
      stateOf(never, observed({ app: exited(exit) })).terminated?.reason
    expect(reason({})).toBe('Completed')
    expect(reason({ exitCode: 137, signal: 9 })).toBe('Error')
    expect(reason({ exitCode: 128, reason: 'StartError' })).toBe('StartError')
  })

  it('not running before the postStart hook has returned (TM1)', () => {
    const seen = running({ instance: { ...born, postStart: 'running' } })
    const status = podStatus(podOf(), observed({ app: seen }), context).containerStatuses![0]!
    expect([status.state?.waiting?.reason, status.ready]).toEqual(['ContainerCreating', false])
  })

  it('app containers by name, init containers in spec order (CS1)', () => {
    const pod = podOf({
      containers: [{ name: 'b' }, { name: 'a' }],
      initContainers: [{ name: 'z' }, { name: 'y' }],
    })
    const status = podStatus(pod, observed({}), context)
    expect(status.containerStatuses?.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(status.initContainerStatuses?.map(({ name }) => name)).toEqual(['z', 'y'])
  })
})
