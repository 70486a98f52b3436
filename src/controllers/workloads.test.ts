// StatefulSets, DaemonSets, Jobs and budgets, played with a kubelet of a few lines.
import { expect, test } from 'vitest'
import { isPodReady } from '../api/core/pod-state.ts'
import {
  controllerrevisions,
  daemonsets,
  jobs,
  nodes,
  persistentvolumeclaims,
  poddisruptionbudgets,
  pods,
  statefulsets,
} from '../api/resources.gen.ts'
import type { DaemonSetSpec, StatefulSetSpec } from '../api/types/apps.gen.ts'
import type { JobSpec } from '../api/types/batch.gen.ts'
import type { PodStatus } from '../api/types/core.gen.ts'
import type { Controller } from '../client/controller.ts'
import { buildNode, buildPod } from './build.ts'
import { daemonSetController } from './daemonset/daemonset.ts'
import { nodeOf } from './daemonset/placement.ts'
import { disruptionController } from './disruption.ts'
import { formatIndexes, parseIndexes } from './job/indexes.ts'
import { jobController, ttlAfterFinishedController } from './job/job.ts'
import { Play } from './play.ts'
import { statefulSetController } from './statefulset/statefulset.ts'

const template = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
})
const selector = { matchLabels: { app: 'web' } }

class World {
  readonly play = new Play()
  readonly #controllers: readonly Controller[]

  constructor(...controllers: readonly Controller[]) {
    this.#controllers = controllers
  }

  settle(): void {
    this.play.settleAll(this.#controllers)
  }

  /** Names of live Pods, "!" before one that is not ready, "~" before one that terminates. */
  pods(): readonly string[] {
    return this.play
      .list(pods)
      .map(
        (pod) =>
          `${pod.metadata.deletionTimestamp ? '~' : ''}${isPodReady(pod) ? '' : '!'}${pod.metadata.name}`,
      )
      .sort()
  }

  become(name: string, phase: NonNullable<PodStatus['phase']> = 'Running'): void {
    const pod = this.play.get(pods, `default/${name}`)
    const { status } = buildPod('x', {
      phase,
      ready: phase === 'Running',
      since: new Date(this.play.nowMs).toISOString(),
    })
    this.play.put(pods, {
      ...pod,
      spec: { ...pod.spec, nodeName: nodeOf(pod) ?? 'n1' },
      status,
    })
    this.settle()
  }

  reap(): void {
    for (const { metadata } of this.play.list(pods)) {
      if (metadata.deletionTimestamp) this.play.remove(pods, `default/${metadata.name}`)
    }
    this.settle()
  }
}

function stateful(spec: Partial<StatefulSetSpec> = {}) {
  const world = new World(statefulSetController({ workers: 1 }))
  const put = (changed: Partial<StatefulSetSpec>) => {
    const old = world.play.list(statefulsets)[0]
    const base: StatefulSetSpec = old?.spec ?? {
      replicas: 3,
      serviceName: 'web',
      selector,
      template: template('a'),
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    }
    const metadata = old?.metadata ?? {
      namespace: 'default',
      name: 'web',
      uid: 'uid-s',
      generation: 1,
    }
    world.play.put(statefulsets, { ...old, metadata, spec: { ...base, ...changed } })
    world.settle()
  }
  put(spec)
  const images = () =>
    world.play
      .list(pods)
      .map((pod) => `${pod.metadata.name}=${pod.spec.containers[0]?.image}`)
      .sort()
  return { world, put, images, status: () => world.play.get(statefulsets, 'default/web').status }
}

test('C41 SS2 Pods come in order, each when the one before is ready, with name and host name', () => {
  const { world, status } = stateful()
  expect(world.pods()).toEqual(['!web-0'])
  world.become('web-0')
  expect(world.pods()).toEqual(['!web-1', 'web-0'])
  world.become('web-1')
  world.become('web-2')
  expect(world.play.get(pods, 'default/web-2')).toMatchObject({
    metadata: {
      labels: {
        'statefulset.kubernetes.io/pod-name': 'web-2',
        'apps.kubernetes.io/pod-index': '2',
      },
    },
    spec: { hostname: 'web-2', subdomain: 'web' },
  })
  expect(status()).toMatchObject({
    replicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    currentReplicas: 3,
    updatedReplicas: 3,
  })
  expect(world.play.list(controllerrevisions)).toHaveLength(1)
})

test('C42 scale down goes from the top, one at a time', () => {
  const { world, put } = stateful({ podManagementPolicy: 'Parallel' })
  for (const name of ['web-0', 'web-1', 'web-2']) world.become(name)
  put({ podManagementPolicy: 'OrderedReady', replicas: 1 })
  expect(world.pods()).toEqual(['web-0', 'web-1', '~web-2'])
  world.reap()
  expect(world.pods()).toEqual(['web-0', '~web-1'])
  world.reap()
  expect(world.pods()).toEqual(['web-0'])
})

test('C42 SS3 an update goes down to the partition; below it the old revision stays', () => {
  const { world, put, images, status } = stateful({
    podManagementPolicy: 'Parallel',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } },
  })
  for (const name of ['web-0', 'web-1', 'web-2']) world.become(name)
  put({ template: template('b') })
  expect(world.pods()).toEqual(['web-0', 'web-1', '~web-2'])
  world.reap()
  world.become('web-2')
  expect(images()).toEqual(['web-0=a', 'web-1=a', 'web-2=b'])
  world.play.remove(pods, 'default/web-0')
  world.settle()
  expect(images()).toEqual(['web-0=a', 'web-1=a', 'web-2=b'])
  world.become('web-0')
  put({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } } })
  for (const name of ['web-1', 'web-0']) {
    world.reap()
    world.become(name)
  }
  expect(images()).toEqual(['web-0=b', 'web-1=b', 'web-2=b'])
  expect(status()?.currentRevision).toBe(status()?.updateRevision)
})

test('C43 a finished Pod is made again under its name; claims stay when Pods go', () => {
  const claim = { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce' as const] } }
  const { world, put } = stateful({
    replicas: 2,
    podManagementPolicy: 'Parallel',
    volumeClaimTemplates: [claim],
  })
  world.become('web-0', 'Succeeded')
  world.reap()
  expect(world.pods()).toEqual(['!web-0', '!web-1'])
  put({ replicas: 0 })
  world.reap()
  expect(world.pods()).toEqual([])
  expect(world.play.list(persistentvolumeclaims).map(({ metadata }) => metadata.name)).toEqual([
    'data-web-0',
    'data-web-1',
  ])
})

function daemons(spec: Partial<DaemonSetSpec> = {}) {
  const world = new World(daemonSetController({ workers: 1 }))
  for (const name of ['n1', 'n2', 'n3'])
    world.play.put(nodes, {
      ...buildNode(name),
      spec: name === 'n3' ? { unschedulable: true } : {},
    })
  const put = (changed: Partial<DaemonSetSpec>) => {
    const old = world.play.list(daemonsets)[0]
    const metadata = old?.metadata ?? {
      namespace: 'default',
      name: 'web',
      uid: 'uid-d',
      generation: 1,
    }
    world.play.put(daemonsets, {
      ...old,
      metadata,
      spec: { selector, template: template('a'), ...old?.spec, ...changed },
    })
    world.settle()
  }
  put(spec)
  const on = () =>
    Object.fromEntries(
      world.play.list(pods).map((pod) => {
        const terms =
          pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
            ?.nodeSelectorTerms
        return [terms?.[0]?.matchFields?.[0]?.values?.[0], pod.spec.containers[0]?.image]
      }),
    )
  const readyAll = () => {
    for (const { metadata } of world.play.list(pods))
      if (!metadata.deletionTimestamp) world.become(metadata.name)
  }
  return {
    world,
    put,
    on,
    readyAll,
    status: () => world.play.get(daemonsets, 'default/web').status,
  }
}

test('C44 DS1 one Pod for each Node, cordoned ones too, bound by affinity', () => {
  const { world, on, status, readyAll } = daemons()
  expect(on()).toEqual({ n1: 'a', n2: 'a', n3: 'a' })
  readyAll()
  expect(status()).toMatchObject({
    desiredNumberScheduled: 3,
    currentNumberScheduled: 3,
    numberReady: 3,
    numberAvailable: 3,
  })
  const taint = { key: 'k', effect: 'NoExecute' as const }
  world.play.put(nodes, { ...buildNode('n2'), spec: { taints: [taint] } })
  world.settle()
  world.reap()
  expect(Object.keys(on()).sort()).toEqual(['n1', 'n3'])
})

test('C44 DS2 an update replaces one Pod at a time', () => {
  const { world, put, on, readyAll } = daemons()
  readyAll()
  put({ template: template('b') })
  const ending = () => world.pods().filter((name) => name.startsWith('~')).length
  for (let round = 0; round < 3; round += 1) {
    expect(ending()).toBe(1)
    world.reap()
    readyAll()
  }
  expect(ending()).toBe(0)
  expect(on()).toEqual({ n1: 'b', n2: 'b', n3: 'b' })
})

function job(spec: Partial<JobSpec>) {
  const world = new World(jobController({ workers: 1 }))
  world.play.put(jobs, {
    metadata: { namespace: 'default', name: 'job', uid: 'uid-j', generation: 1 },
    spec: { selector, template: template('a'), completions: 1, parallelism: 1, ...spec },
  })
  world.settle()
  const active = () =>
    world.play
      .list(pods)
      .filter(
        ({ status, metadata }) =>
          status?.phase !== 'Succeeded' &&
          status?.phase !== 'Failed' &&
          !metadata.deletionTimestamp,
      )
  const end = (phase: 'Succeeded' | 'Failed') =>
    world.become(active()[0]?.metadata.name ?? '', phase)
  const status = () => world.play.get(jobs, 'default/job').status
  const conditions = () =>
    (status()?.conditions ?? [])
      .map(({ type, status: value, reason }) => `${type}=${value} ${reason}`)
      .sort()
  return { world, active, end, status, conditions }
}

test('C45 JB1 never more than parallelism at once, each success counted once', () => {
  const { world, active, end, status, conditions } = job({ completions: 5, parallelism: 2 })
  for (let done = 0; done < 5; done += 1) {
    expect(active()).toHaveLength(Math.min(2, 5 - done))
    end('Succeeded')
    expect(status()?.succeeded).toBe(done + 1)
  }
  expect(active()).toHaveLength(0)
  expect(conditions()).toEqual([
    'Complete=True CompletionsReached',
    'SuccessCriteriaMet=True CompletionsReached',
  ])
  expect(
    world.play.list(pods).every(({ metadata }) => (metadata.finalizers ?? []).length === 0),
  ).toBe(true)
})

test('C45 JB2 an Indexed Job tells which indexes are done', () => {
  const { world, active, end, status } = job({
    completions: 5,
    parallelism: 5,
    completionMode: 'Indexed',
  })
  expect(active().map(({ spec }) => spec.hostname)).toEqual([
    'job-0',
    'job-1',
    'job-2',
    'job-3',
    'job-4',
  ])
  expect(active()[0]?.spec.containers[0]?.env?.[0]?.name).toBe('JOB_COMPLETION_INDEX')
  for (let done = 0; done < 5; done += 1) end('Succeeded')
  expect(status()).toMatchObject({ succeeded: 5, completedIndexes: '0-4' })
  expect(world.play.list(pods)).toHaveLength(5)
})

test('C45 JB2 failures wait before the next try, and end the Job over the limit', () => {
  const { world, active, end, status, conditions } = job({ backoffLimit: 1 })
  end('Failed')
  expect(active()).toHaveLength(0)
  expect(conditions()).toEqual([])
  world.play.nowMs += 10_000
  world.settle()
  end('Failed')
  expect(status()?.failed).toBe(2)
  expect(conditions()).toEqual([
    'Failed=True BackoffLimitExceeded',
    'FailureTarget=True BackoffLimitExceeded',
  ])
})

test('JB2 a suspended Job has no Pods and no start time', () => {
  const { active, status, conditions } = job({ suspend: true })
  expect(active()).toHaveLength(0)
  expect(status()?.startTime).toBeUndefined()
  expect(conditions()).toEqual(['Suspended=True JobSuspended'])
})

test('JB2 a finished Job goes when its time to live is over', () => {
  const { world, end } = job({ ttlSecondsAfterFinished: 5 })
  end('Succeeded')
  const ttl = ttlAfterFinishedController()
  expect(world.play.run(ttl, 'default/job')).toEqual([])
  world.play.nowMs += 5000
  expect(world.play.run(ttl, 'default/job').map(({ type }) => type)).toEqual(['delete'])
})

test.each([
  ['', []],
  ['0,1', [0, 1]],
  ['0-2', [0, 1, 2]],
  ['0,2-4,6,7', [0, 2, 3, 4, 6, 7]],
])('formatIndexes() writes %s, parseIndexes() reads it', (text, indexes) => {
  expect(formatIndexes(indexes)).toBe(text)
  expect([...parseIndexes(text)]).toEqual(indexes)
})

test('PD1 a budget counts healthy Pods and tells how many may go', () => {
  const world = new World(disruptionController())
  for (const name of ['a', 'b', 'c']) world.play.put(pods, buildPod(name))
  world.play.put(poddisruptionbudgets, {
    metadata: { namespace: 'default', name: 'b', generation: 1 },
    spec: { selector, minAvailable: 2 },
  })
  world.settle()
  const status = () => world.play.get(poddisruptionbudgets, 'default/b').status
  expect(status()).toMatchObject({
    expectedPods: 3,
    currentHealthy: 3,
    desiredHealthy: 2,
    disruptionsAllowed: 1,
  })
  world.play.put(pods, buildPod('a', { ready: false }))
  world.settle()
  expect(status()).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 0 })
  expect(status()?.conditions?.map(({ status: value, reason }) => `${value} ${reason}`)).toEqual([
    'False InsufficientPods',
  ])
})
