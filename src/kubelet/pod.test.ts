import { describe, expect, it } from 'vitest'
import type { Container, Pod } from '../api/types/core.gen.ts'
import { type Action, step } from './pod.ts'
import type { Exit, Instance, ObservedContainer, ObservedPod } from './pod-observed.ts'

const nowMs = 1_000_000

function podOf(spec: Partial<Pod['spec']>, metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'u', ...metadata },
    spec: { containers: [{ name: 'app', image: 'i' }], ...spec },
  }
}

const app = (name: string, more: Partial<Container> = {}): Container => ({
  name,
  image: 'i',
  ...more,
})

function instance(attempt = 0, more: Partial<Instance> = {}): Instance {
  const image = 'i'
  return {
    id: `c${attempt}`,
    attempt,
    image,
    imageID: '',
    startedAtMs: 0,
    postStart: 'done',
    ...more,
  }
}

const running = (more: Partial<ObservedContainer> = {}): ObservedContainer => ({
  state: 'running',
  instance: instance(),
  started: true,
  ready: true,
  ...more,
})

function exited(exitCode: number, more: Partial<ObservedContainer> = {}): ObservedContainer {
  const exit: Exit = { exitCode, finishedAtMs: nowMs }
  return { state: 'exited', instance: instance(0, { exit }), started: false, ready: false, ...more }
}

function observed(
  containers: Record<string, ObservedContainer>,
  more: Partial<ObservedPod> = {},
): ObservedPod {
  return {
    startTimeMs: 0,
    volumes: { state: 'mounted' },
    sandbox: { state: 'ready', ips: ['10.244.0.2'] },
    containers: new Map(Object.entries(containers)),
    gone: false,
    torndown: false,
    ...more,
  }
}

/** "start app 0", "stop app", "signal app SIGTERM": the actions as words. */
function words(action: Action): string {
  const { type, ...rest } = action as Record<string, unknown>
  const shown = ['container', 'attempt', 'signal', 'graceSeconds']
  return [type, ...shown.filter((key) => key in rest).map((key) => rest[key])].join(' ')
}

function check(pod: Pod, seen: ObservedPod, expected: readonly string[], wakeInMs?: number): void {
  const { actions, wakeAtMs } = step(pod, seen, nowMs)
  expect(actions.map(words)).toEqual(expected)
  expect(wakeAtMs === undefined ? undefined : wakeAtMs - nowMs).toBe(wakeInMs)
}

describe('step() on the way up', () => {
  const none = { state: 'none', ips: [] } as const

  it('mounts volumes, then makes the sandbox, then starts containers in spec order', () => {
    const pod = podOf({ containers: [app('b'), app('a')] })
    check(pod, observed({}, { volumes: { state: 'none' }, sandbox: none }), ['mountVolumes'])
    check(pod, observed({}, { volumes: { state: 'mounting' }, sandbox: none }), [])
    check(pod, observed({}, { sandbox: none }), ['startSandbox'])
    check(pod, observed({}), ['start b 0', 'start a 0'])
  })

  it('waits for the retry of what failed', () => {
    const volumes = { state: 'none', retryAtMs: nowMs + 7000 } as const
    check(podOf({}), observed({}, { volumes, sandbox: none }), [], 7000)
    const failure = { reason: 'ErrImagePull', message: '', retryAtMs: nowMs + 10_000 }
    const waiting = { state: 'none', failure, started: false, ready: false } as const
    check(podOf({}), observed({ app: waiting }), [], 10_000)
  })

  it('lets a postStart hook delay the next container only', () => {
    const hook = { postStart: { exec: { command: ['true'] } } }
    const pod = podOf({ containers: [app('a', { lifecycle: hook }), app('b')] })
    check(pod, observed({}), ['start a 0'])
    const inHook = running({ instance: instance(0, { postStart: 'running' }) })
    check(pod, observed({ a: inHook }), [])
    check(pod, observed({ a: running() }), ['start b 0'])
  })
})

describe('step() with init containers (C69)', () => {
  const sidecar = app('s', { restartPolicy: 'Always' })
  const pod = podOf({ initContainers: [app('a'), sidecar, app('b')] })

  it('runs them in order, a sidecar counting once it has started', () => {
    check(pod, observed({}), ['start a 0'])
    check(pod, observed({ a: running() }), [])
    check(pod, observed({ a: exited(0) }), ['start s 0'])
    check(pod, observed({ a: exited(0), s: running({ started: false }) }), [])
    check(pod, observed({ a: exited(0), s: running() }), ['start b 0'])
    check(pod, observed({ a: exited(0), s: running(), b: exited(0) }), ['start app 0'])
  })

  it('restarts a sidecar at any time, and never a regular one once apps began', () => {
    const up = { a: exited(1), s: exited(0), b: exited(0), app: running() }
    check(pod, observed(up), ['start s 1'])
  })

  it('retries a failed one, and gives the Pod up with Never', () => {
    check(pod, observed({ a: exited(1) }), ['start a 1'])
    const never = podOf({ restartPolicy: 'Never', initContainers: [app('a')] })
    check(never, observed({ a: exited(1) }), ['terminate 30'])
  })

  it('stops sidecars once no app container runs and none will (C69)', () => {
    const job = podOf({ restartPolicy: 'Never', initContainers: [sidecar] })
    const seen = { s: running(), app: exited(0) }
    check(job, observed(seen), ['terminate 30'])
    const termination = { sinceMs: nowMs, graceSeconds: 30 }
    check(job, observed(seen, { termination }), ['stop s'])
  })

  it('begins anew in a new sandbox', () => {
    const exit = { exitCode: 0, finishedAtMs: 0 }
    const earlier = { instance: instance(2, { exit, earlierSandbox: true }) }
    const lost = { a: exited(0, earlier), s: exited(0, earlier), app: exited(137, earlier) }
    check(pod, observed(lost), ['start a 3'])
  })
})

describe('step() on restarts (C64)', () => {
  it('restarts at once the first time, then after 10 s measured from the end', () => {
    check(podOf({}), observed({ app: exited(1) }), ['start app 1'])
    const backoff = { delayMs: 10_000, sinceMs: nowMs - 500 }
    check(podOf({}), observed({ app: exited(1, { backoff }) }), [], 10_000)
  })

  it('does not wait when the image was changed', () => {
    const backoff = { delayMs: 300_000, sinceMs: nowMs }
    const pod = podOf({ containers: [app('app', { image: 'new' })] })
    check(pod, observed({ app: exited(1, { backoff }) }), ['start app 1'])
    check(pod, observed({ app: running() }), ['stop app'])
  })

  it('follows the restart policy', () => {
    check(podOf({ restartPolicy: 'OnFailure' }), observed({ app: exited(1) }), ['start app 1'])
    check(podOf({ restartPolicy: 'OnFailure' }), observed({ app: exited(0) }), ['terminate 30'])
    check(podOf({ restartPolicy: 'Never' }), observed({ app: exited(3) }), ['terminate 30'])
  })

  it('stops what a probe gave up, with the grace of the probe (TM3)', () => {
    const unhealthy = { message: 'gone', graceSeconds: 5 }
    const { actions } = step(podOf({}), observed({ app: running({ unhealthy }) }), nowMs)
    expect(actions).toEqual([
      { type: 'stop', container: 'app', message: 'gone', deadlineMs: nowMs + 5000 },
    ])
  })
})

describe('step() on the way down', () => {
  const deleted = (graceSeconds: number) => ({
    deletionTimestamp: '2026-01-01T00:00:00Z',
    deletionGracePeriodSeconds: graceSeconds,
  })
  const since = (agoMs: number, graceSeconds: number) => ({
    termination: { sinceMs: nowMs - agoMs, graceSeconds },
  })

  it('takes the grace of the deletion, at least a second, and only ever shortens it (C71)', () => {
    check(podOf({}, deleted(30)), observed({ app: running() }), ['terminate 30'])
    check(podOf({}, deleted(0)), observed({ app: running() }), ['terminate 1'])
    const stop = { deadlineMs: nowMs + 29_000, preStop: 'done', signalledAtMs: nowMs } as const
    const seen = observed({ app: running({ stop }) }, since(1000, 30))
    check(podOf({}, deleted(5)), seen, ['terminate 5'], 29_000)
    check(podOf({}, deleted(60)), seen, [], 29_000)
  })

  it('lets all preStop hooks begin together and signals each when its own is done (C70)', () => {
    const sidecar = app('s', { restartPolicy: 'Always' })
    const pod = podOf({ initContainers: [sidecar] }, deleted(30))
    const both = { s: running(), app: running() }
    check(pod, observed(both, since(0, 30)), ['stop s', 'stop app'])
    const inHook = { deadlineMs: nowMs + 30_000, preStop: 'running' } as const
    const hooks = { s: running({ stop: inHook }), app: running({ stop: inHook }) }
    check(pod, observed(hooks, since(0, 30)), [], 30_000)
    const stop = { deadlineMs: nowMs + 30_000, preStop: 'done' } as const
    const done = { s: running({ stop }), app: running({ stop }) }
    check(pod, observed(done, since(0, 30)), ['signal app SIGTERM'], 30_000)
    const left = { s: running({ stop }), app: exited(0) }
    check(pod, observed(left, since(0, 30)), ['signal s SIGTERM'])
  })

  it('does not let a hook or an app outlast the grace', () => {
    const stop = { deadlineMs: nowMs, preStop: 'running' } as const
    check(podOf({}, deleted(5)), observed({ app: running({ stop }) }, since(5000, 5)), [
      'signal app SIGTERM',
    ])
  })

  it('gives nothing beyond the grace when the node itself ends', () => {
    const stop = { deadlineMs: nowMs, preStop: 'done', signalledAtMs: nowMs - 1000 } as const
    const sinceMs = nowMs - 1000
    const seen = (nodeEnds?: true) =>
      observed(
        { app: running({ stop }) },
        { termination: { sinceMs, graceSeconds: 1, ...(nodeEnds ? { nodeEnds } : {}) } },
      )
    check(podOf({}), seen(true), ['kill app'])
    check(podOf({}), seen(), [], 1000)
  })

  it('kills at the end of the grace, but two seconds after the signal at the earliest', () => {
    const late = { deadlineMs: nowMs - 1, preStop: 'done', signalledAtMs: nowMs - 500 } as const
    const seen = observed({ app: running({ stop: late }) }, since(5000, 5))
    check(podOf({}, deleted(5)), seen, [], 1500)
    const over = { ...late, signalledAtMs: nowMs - 2000 }
    check(podOf({}, deleted(5)), observed({ app: running({ stop: over }) }, since(5000, 5)), [
      'kill app',
    ])
    const killed = { ...over, killedAtMs: nowMs }
    check(podOf({}, deleted(5)), observed({ app: running({ stop: killed }) }, since(5000, 5)), [])
  })

  it('sends the signal that the container asks for', () => {
    const stop = { deadlineMs: nowMs + 1000, preStop: 'done' } as const
    const container = app('app', { lifecycle: { stopSignal: 'SIGQUIT' } })
    const pod = podOf({ containers: [container] }, deleted(5))
    check(pod, observed({ app: running({ stop }) }, since(0, 5)), ['signal app SIGQUIT'])
  })

  it('takes the Pod down once, when nothing runs and nothing is being made', () => {
    const down = since(0, 30)
    check(podOf({}, deleted(30)), observed({ app: exited(0) }, down), ['teardown'])
    const starting = { state: 'starting', ips: [] } as const
    check(podOf({}, deleted(30)), observed({}, { ...down, sandbox: starting }), [])
    check(podOf({}, deleted(30)), observed({ app: exited(0) }, { ...down, torndown: true }), [])
  })

  it('ends a Pod whose object is gone, whose time is over, which is over, or was refused', () => {
    check(podOf({}), observed({ app: running() }, { gone: true }), ['terminate 1'])
    const late = podOf({ activeDeadlineSeconds: 1000 })
    check(late, observed({ app: running() }), ['terminate 30'])
    check(podOf({ activeDeadlineSeconds: 1005 }), observed({ app: running() }), [], 5000)
    const over: Pod = { ...podOf({}), status: { phase: 'Succeeded' } }
    check(over, observed({}), ['terminate 1'])
    const refusal = { reason: 'OutOfpods', message: '' }
    check(podOf({}), observed({}, { refusal }), ['terminate 1'])
  })
})
