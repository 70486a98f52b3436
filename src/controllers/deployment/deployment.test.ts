import { expect, test } from 'vitest'
import { isPodActive, isPodReady } from '../../api/core/pod-state.ts'
import { deployments, pods, replicasets } from '../../api/resources.gen.ts'
import type { Deployment, DeploymentSpec, ReplicaSet } from '../../api/types/apps.gen.ts'
import { buildPod } from '../build.ts'
import { Play } from '../play.ts'
import { replicaSetController } from '../replicaset/replicaset.ts'
import { deploymentController } from './deployment.ts'
import { bounds } from './sizes.ts'
import { templateHash } from './template.ts'

const key = 'default/web'
const template = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
})

function start(spec: Partial<DeploymentSpec> = {}) {
  const play = new Play()
  const controllers = [deploymentController({ workers: 1 }), replicaSetController({ workers: 1 })]
  play.put(deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: 'default', name: 'web', uid: 'uid-d', generation: 1 },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: template('a'),
      progressDeadlineSeconds: 600,
      ...spec,
    },
  })
  const edit = (changed: Partial<DeploymentSpec>) => {
    const old = play.get(deployments, key)
    play.put(deployments, {
      ...old,
      metadata: { ...old.metadata, generation: (old.metadata.generation ?? 1) + 1 },
      spec: { ...old.spec, ...changed },
    })
  }
  const settle = () => play.settleAll(controllers)
  /** Lets up to `count` waiting Pods run and be ready; those of a broken image never are. */
  const run = (count = Number.POSITIVE_INFINITY) => {
    const waiting = play
      .list(pods)
      .filter(
        (pod) => isPodActive(pod) && !isPodReady(pod) && pod.spec.containers[0]?.image !== 'broken',
      )
    for (const pod of waiting.slice(0, count)) {
      const { status } = buildPod('x', { since: new Date(play.nowMs).toISOString() })
      play.put(pods, { ...pod, spec: { ...pod.spec, nodeName: 'n1' }, status })
    }
    return waiting.length > 0
  }
  /** Ends what terminates. */
  const reap = () => {
    const ending = play.list(pods).filter((pod) => pod.metadata.deletionTimestamp !== undefined)
    for (const { metadata } of ending) play.remove(pods, `default/${metadata.name}`)
    return ending.length > 0
  }
  const sets = () =>
    [...play.list(replicasets)]
      .sort((a, b) => revision(a) - revision(b))
      .map(
        (set) =>
          `${set.spec.template?.spec?.containers[0]?.image} r${revision(set)} ${set.spec.replicas}/${set.status?.replicas ?? 0}`,
      )
  const conditions = () =>
    (play.get(deployments, key).status?.conditions ?? [])
      .map((c) => `${c.type}=${c.status} ${c.reason}`)
      .sort()
  const finish = () => {
    settle()
    while ([run(), reap()].includes(true)) settle()
  }
  return {
    play,
    controllers,
    edit,
    settle,
    run,
    reap,
    sets,
    conditions,
    finish,
    status: () => play.get(deployments, key).status,
  }
}

const revision = (of: ReplicaSet | Deployment): number =>
  Number(of.metadata.annotations?.['deployment.kubernetes.io/revision'])

test('C33 a Deployment makes a ReplicaSet named by its template and tells its progress', () => {
  const { play, settle, run, conditions, status } = start()
  settle()
  const [set] = play.list(replicasets) as [ReplicaSet]
  expect(set).toMatchObject({
    metadata: {
      name: expect.stringMatching(/^web-[bcdfghjklmnpqrstvwxz2456789]+$/),
      labels: { app: 'web', 'pod-template-hash': set.metadata.name.slice(4) },
      annotations: {
        'deployment.kubernetes.io/revision': '1',
        'deployment.kubernetes.io/desired-replicas': '3',
        'deployment.kubernetes.io/max-replicas': '4',
      },
      ownerReferences: [{ kind: 'Deployment', uid: 'uid-d', controller: true }],
    },
    spec: { selector: { matchLabels: { 'pod-template-hash': set.metadata.name.slice(4) } } },
  })
  expect(revision(play.get(deployments, key))).toBe(1)
  expect(conditions()).toEqual([
    'Available=False MinimumReplicasUnavailable',
    'Progressing=True ReplicaSetUpdated',
  ])
  run(3)
  settle()
  expect(conditions()).toEqual([
    'Available=True MinimumReplicasAvailable',
    'Progressing=True NewReplicaSetAvailable',
  ])
  expect(status()).toMatchObject({
    observedGeneration: 1,
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    terminatingReplicas: 0,
  })
  expect(status()).not.toHaveProperty('unavailableReplicas')
  expect(play.events[0]).toMatchObject({
    reason: 'ScalingReplicaSet',
    message: `Scaled up replica set ${set.metadata.name} from 0 to 3`,
  })
})

test('C34 DP4 a rolling update of 10 stays between 8 available and 13 in all', () => {
  const { play, controllers, edit, finish, run, reap, sets } = start({ replicas: 10 })
  finish()
  edit({ template: template('b') })
  let most = 0
  let fewest = 10
  play.settleAll(controllers, () => {
    const active = play.list(pods).filter(isPodActive)
    most = Math.max(most, active.length)
    fewest = Math.min(fewest, active.filter(isPodReady).length)
    return [run(1), reap()].includes(true)
  })
  expect(most).toBe(13)
  expect(fewest).toBeGreaterThanOrEqual(8)
  expect(sets()).toEqual(['a r1 0/0', 'b r2 10/10'])
})

test('DP3 DP4 the first steps: new 3, old to 8, new 5', () => {
  const { edit, finish, settle, sets, reap } = start({ replicas: 10 })
  finish()
  edit({ template: template('b') })
  settle()
  reap()
  settle()
  expect(sets()).toEqual(['a r1 8/8', 'b r2 5/5'])
})

test('C35 DP2 surge rounds up, unavailable down, and both 0 still moves', () => {
  const of = (replicas: number, maxSurge: string | number, maxUnavailable: string | number) => {
    const { play } = start({
      replicas,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
    })
    return bounds(play.get(deployments, key))
  }
  expect(of(7, '30%', '30%')).toEqual({ surge: 3, unavailable: 2 })
  expect(of(3, 0, '0%')).toEqual({ surge: 0, unavailable: 1 })
  expect(of(10, '25%', '25%')).toEqual({ surge: 3, unavailable: 2 })
})

test('C36 a broken image stops, misses its deadline, and undo heals with revision 3', () => {
  const { play, edit, finish, settle, sets, conditions } = start({
    replicas: 4,
    progressDeadlineSeconds: 30,
  })
  finish()
  edit({ template: template('broken') })
  finish()
  expect(sets()).toEqual(['a r1 3/3', 'broken r2 2/2'])
  expect(conditions()).toContain('Progressing=True ReplicaSetUpdated')
  play.nowMs += 31_000
  settle()
  expect(conditions()).toContain('Progressing=False ProgressDeadlineExceeded')
  edit({ template: template('a') })
  finish()
  expect(sets()).toEqual(['broken r2 0/0', 'a r3 4/4'])
  expect(conditions()).toContain('Progressing=True NewReplicaSetAvailable')
  const set = play.list(replicasets).find((candidate) => revision(candidate) === 3)
  expect(set?.metadata.annotations).toHaveProperty(
    ['deployment.kubernetes.io/revision-history'],
    '1',
  )
})

test('C37 a paused Deployment scales and does not roll, and rolls when resumed', () => {
  const { edit, finish, sets, conditions } = start()
  finish()
  edit({ paused: true, template: template('b'), replicas: 6 })
  finish()
  expect(sets()).toEqual(['a r1 6/6'])
  expect(conditions()).toContain('Progressing=Unknown DeploymentPaused')
  edit({ paused: false })
  finish()
  expect(sets()).toEqual(['a r1 0/0', 'b r2 6/6'])
})

test('C38 Recreate never has old and new Pods at once, terminating ones counted', () => {
  const { play, controllers, edit, finish, run, reap, sets } = start({
    strategy: { type: 'Recreate' },
  })
  finish()
  edit({ template: template('b') })
  play.settleAll(controllers, () => {
    const images = new Set(play.list(pods).map((pod) => pod.spec.containers[0]?.image))
    expect(images.size).toBeLessThan(2)
    return [reap(), run()].includes(true)
  })
  expect(sets()).toEqual(['a r1 0/0', 'b r2 3/3'])
})

test('C40 DP8 only as many old ReplicaSets stay as the limit says', () => {
  const { play, edit, finish } = start({ replicas: 1, revisionHistoryLimit: 10 })
  finish()
  for (let i = 0; i < 12; i += 1) {
    edit({ template: template(`v${i}`) })
    finish()
  }
  expect(
    play
      .list(replicasets)
      .map(revision)
      .sort((a, b) => a - b),
  ).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
})

test('DP1 a name taken by a foreign ReplicaSet leads to another hash', () => {
  const { play, settle, status } = start()
  const name = `web-${templateHash(template('a'), undefined)}`
  play.put(replicasets, {
    metadata: { namespace: 'default', name, labels: { app: 'foreign' } },
    spec: { replicas: 0, selector: { matchLabels: { app: 'foreign' } } },
  })
  settle()
  expect(status()?.collisionCount).toBe(1)
  expect(play.list(replicasets)).toHaveLength(2)
})

test('DP6 scaling in the middle of a rollout is shared out by size', () => {
  const { edit, finish, settle, sets, reap } = start({
    replicas: 10,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
  })
  finish()
  edit({ template: template('broken') })
  settle()
  reap()
  settle()
  expect(sets()).toEqual(['a r1 8/8', 'broken r2 5/5'])
  edit({ replicas: 15 })
  settle()
  expect(sets()).toEqual(['a r1 11/11', 'broken r2 7/7'])
})

test('DP7 annotations of the Deployment reach the ReplicaSet, but for those of tools', () => {
  const { play, settle } = start()
  const old = play.get(deployments, key)
  const annotations = { note: 'kept', 'kubectl.kubernetes.io/last-applied-configuration': '{}' }
  play.put(deployments, { ...old, metadata: { ...old.metadata, annotations } })
  settle()
  expect(play.list(replicasets)[0]?.metadata.annotations).toEqual({
    note: 'kept',
    'deployment.kubernetes.io/revision': '1',
    'deployment.kubernetes.io/desired-replicas': '3',
    'deployment.kubernetes.io/max-replicas': '4',
  })
})

test('templateHash() does not depend on the order of fields or on empty ones', () => {
  const one = {
    metadata: { labels: { a: '1', b: '2' } },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  }
  const other = {
    spec: { containers: [{ image: 'x', name: 'c', env: [] }] },
    metadata: { labels: { b: '2', a: '1' } },
  }
  expect(templateHash(one, undefined)).toBe(templateHash(other, undefined))
  expect(templateHash(one, 1)).not.toBe(templateHash(one, undefined))
})
