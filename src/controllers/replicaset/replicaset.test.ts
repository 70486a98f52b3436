import { expect, test } from 'vitest'
import { statusError } from '../../api/machinery/status.ts'
import { pods, replicasets } from '../../api/resources.gen.ts'
import type { ReplicaSetSpec } from '../../api/types/apps.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import { buildPod, type PodFacts } from '../build.ts'
import { Play } from '../play.ts'
import { podsToDelete } from './ranking.ts'
import { replicaSetController } from './replicaset.ts'

const key = 'default/web'

function start(spec: Partial<ReplicaSetSpec> = {}) {
  const play = new Play()
  const controller = replicaSetController({ workers: 1 })
  const put = (changed: Partial<ReplicaSetSpec>) =>
    play.put(replicasets, {
      metadata: { uid: 'uid-rs', namespace: 'default', name: 'web' },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c' }] } },
        ...changed,
      },
    })
  put(spec)
  const scale = (replicas: number) => {
    const set = play.get(replicasets, key)
    play.put(replicasets, { ...set, spec: { ...set.spec, replicas } })
  }
  /** What the kubelet would do to all that wait. */
  const becomeReady = () => {
    for (const pod of play.list(pods)) {
      const status = buildPod('x', { since: new Date(play.nowMs).toISOString() }).status
      play.put(pods, { ...pod, spec: { ...pod.spec, nodeName: 'n1' }, status })
    }
  }
  const status = () => play.get(replicasets, key).status
  return { play, controller, scale, becomeReady, status, sync: () => play.settle(controller, key) }
}

test('RS1 RS2 makes the missing Pods in batches of 1, 2, 4', () => {
  const { play, controller } = start({ replicas: 8 })
  const outcome = controller.reconcile(key, play.snapshot(controller), {
    nowMs: 0,
    random: { next: () => 0.5, bytes: (n) => new Uint8Array(n) },
  })
  expect(outcome.changes.slice(0, 4).map((step) => (step as readonly unknown[]).length)).toEqual([
    1, 2, 4, 1,
  ])
})

test('RS2 a Pod has the labels of its template, the controller reference and a drawn name', () => {
  const { play, sync } = start()
  sync()
  expect(play.list(pods)).toHaveLength(3)
  expect(play.list(pods)[0]).toMatchObject({
    metadata: {
      name: expect.stringMatching(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/),
      generateName: 'web-',
      labels: { app: 'web' },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', uid: 'uid-rs', controller: true },
      ],
    },
  })
  expect(play.events.map(({ reason, message }) => `${reason} ${message}`)[0]).toMatch(
    /^SuccessfulCreate Created pod: web-/,
  )
})

test('RS4 counts in the status; zero is left out, but for terminating ones', () => {
  const { sync, status, becomeReady, scale } = start()
  sync()
  expect(status()).toEqual({
    replicas: 3,
    fullyLabeledReplicas: 3,
    terminatingReplicas: 0,
    observedGeneration: 1,
  })
  becomeReady()
  sync()
  expect(status()).toMatchObject({ readyReplicas: 3, availableReplicas: 3 })
  scale(1)
  sync()
  expect(status()).toMatchObject({ replicas: 1, terminatingReplicas: 2 })
})

test('C40 available lags ready by minReadySeconds, and the run asks to be called then', () => {
  const { play, controller, sync, status, becomeReady } = start({ minReadySeconds: 5 })
  sync()
  becomeReady()
  play.nowMs += 2000
  sync()
  expect(status()).toMatchObject({ readyReplicas: 3 })
  expect(status()).not.toHaveProperty('availableReplicas')
  const outcome = controller.reconcile(key, play.snapshot(controller), {
    nowMs: play.nowMs,
    random: { next: () => 0, bytes: (n) => new Uint8Array(n) },
  })
  expect(outcome.requeueAfterMs).toBe(3000)
  play.nowMs += 3000
  sync()
  expect(status()).toMatchObject({ availableReplicas: 3 })
})

test('RS4 a refused Pod is told in a condition, which goes when it succeeds', () => {
  const { play, controller, status } = start()
  play.refuse = (change) =>
    change.type === 'create' ? statusError('Forbidden', 'exceeded quota') : undefined
  play.run(controller, key)
  expect(status()?.conditions).toMatchObject([
    { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' },
  ])
  expect(play.events).toMatchObject([
    { type: 'Warning', reason: 'FailedCreate', message: 'Error creating: exceeded quota' },
  ])
  expect(play.run(controller, key)).toEqual([])
  play.refuse = () => undefined
  play.settle(controller, key)
  expect(status()?.conditions).toBeUndefined()
})

test('F5 a matching orphan is adopted only after a live look, and counts', () => {
  const { play, controller } = start({ replicas: 1 })
  play.put(pods, buildPod('own'))
  expect(play.run(controller, key, true).map(({ type }) => type)).toEqual(['patch', 'update'])
  expect(play.get(pods, 'default/own').metadata.ownerReferences).toMatchObject([
    { uid: 'uid-rs', controller: true },
  ])
  expect(play.list(pods)).toHaveLength(1)
})

test('F5 an owned Pod that matches no more is released and replaced', () => {
  const { play, sync } = start({ replicas: 1 })
  sync()
  const [pod] = play.list(pods) as [Pod]
  play.put(pods, { ...pod, metadata: { ...pod.metadata, labels: { app: 'other' } } })
  sync()
  expect(play.get(pods, `default/${pod.metadata.name}`).metadata.ownerReferences).toEqual([])
  expect(play.list(pods)).toHaveLength(2)
})

function checkFirst(
  one: PodFacts,
  other: PodFacts,
  neighbours: (pod: Pod) => number = () => 1,
): void {
  const [dies, stays] = [buildPod('dies', one), buildPod('stays', other)]
  const nowMs = Date.parse('2026-01-02T00:00:00Z')
  for (const order of [
    [dies, stays],
    [stays, dies],
  ]) {
    expect(podsToDelete(order, 1, { nowMs, neighbours })).toEqual([dies])
  }
}
const cost = (value: string) => ({
  metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': value } },
})

test('RS3 C39 the first difference decides which Pod dies first', () => {
  checkFirst({ spec: { nodeName: '' } }, { ready: false })
  checkFirst({ phase: 'Pending' }, { phase: 'Running' })
  checkFirst({ phase: 'Unknown' }, { phase: 'Running', ready: false })
  checkFirst({ ready: false, ...cost('100') }, {})
  checkFirst(cost('-10'), {})
  checkFirst(cost('5'), cost('10'))
  checkFirst(cost('-1'), cost('nonsense'))
  checkFirst({}, { spec: { nodeName: 'n2' } }, (pod) => (pod.spec.nodeName === 'n1' ? 2 : 1))
  checkFirst({ since: '2026-01-01T23:59:00Z' }, { since: '2026-01-01T00:00:00Z' })
  checkFirst(
    { metadata: { creationTimestamp: '2026-01-01T23:59:00Z' } },
    { metadata: { creationTimestamp: '2026-01-01T00:00:00Z' } },
  )
})

test('RS3 ages of like magnitude are a tie, decided by uid', () => {
  const older = buildPod('a', { since: '2026-01-01T00:00:00Z', metadata: { uid: '1' } })
  const newer = buildPod('b', { since: '2026-01-01T01:00:00Z', metadata: { uid: '2' } })
  const nowMs = Date.parse('2026-01-02T00:00:00Z')
  expect(podsToDelete([newer, older], 1, { nowMs, neighbours: () => 1 })).toEqual([older])
})
