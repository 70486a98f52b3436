// The cluster in memory: that it does what a cluster does, follows its clock, and repeats.
import { afterEach, expect, test } from 'vitest'
import { isPodReady } from '../api/core/pod-state.ts'
import {
  deployments,
  endpointslices,
  events,
  jobs,
  nodes,
  pods,
  services,
} from '../api/resources.gen.ts'
import type { Pod } from '../api/types/core.gen.ts'
import { buildDeployment, buildPod, buildService } from './build.ts'
import type { TestCluster, TestClusterConfig } from './testkit.ts'
import { startTestCluster } from './testkit.ts'

const running: TestCluster[] = []

async function start(config?: TestClusterConfig): Promise<TestCluster> {
  const cluster = await startTestCluster(config)
  running.push(cluster)
  return cluster
}

afterEach(async () => {
  for (const cluster of running.splice(0)) await cluster.stop()
})

const podsOf = async (cluster: TestCluster): Promise<readonly Pod[]> =>
  (await cluster.client.resource(pods).list({ namespace: 'default' })).items

test('a Deployment becomes Pods that run, and a Service finds them', async () => {
  const cluster = await start({ nodes: ['n1', 'n2'] })
  await cluster.apply([buildDeployment('web', { replicas: 3 }), buildService('web')])
  const ips = (await podsOf(cluster)).map(({ status }) => status?.podIP).sort()
  expect(ips).toHaveLength(3)
  const { items } = await cluster.client
    .resource(endpointslices)
    .list({ labelSelector: 'kubernetes.io/service-name=web' })
  expect(items.flatMap(({ endpoints }) => endpoints?.flatMap((e) => e.addresses)).sort()).toEqual(
    ips,
  )
})

test('the same calls give the same names, addresses and times', async () => {
  const run = async () => {
    const cluster = await start()
    await cluster.apply([buildDeployment('web', { replicas: 2 }), buildService('web')])
    const { items } = await cluster.client.resource(services).list()
    return JSON.stringify([await podsOf(cluster), items])
  }
  expect(await run()).toBe(await run())
})

test('a readiness probe finds what it is told, and ready is the default without one', async () => {
  const cluster = await start()
  const readinessProbe = { httpGet: { port: 80 } }
  const containers = [{ name: 'main', image: 'a', readinessProbe }]
  await cluster.apply([buildPod('probed', { containers }), buildPod('plain')])
  const ready = async () =>
    Object.fromEntries((await podsOf(cluster)).map((pod) => [pod.metadata.name, isPodReady(pod)]))
  expect(await ready()).toEqual({ probed: false, plain: true })
  await cluster.setReady('default/probed', true)
  await cluster.setReady('default/plain', false)
  expect(await ready()).toEqual({ probed: true, plain: false })
})

test('a readiness gate holds a Pod back until its condition is written', async () => {
  const cluster = await start()
  await cluster.apply([buildPod('gated', { readinessGates: [{ conditionType: 'test/open' }] })])
  const [before] = await podsOf(cluster)
  expect(isPodReady(before!)).toBe(false)
  const conditions = [{ type: 'test/open', status: 'True' }]
  await cluster.client
    .resource(pods)
    .patch(
      before!.metadata,
      { type: 'strategic', body: { status: { conditions } } },
      { subresource: 'status' },
    )
  await cluster.settle()
  expect(isPodReady((await podsOf(cluster))[0]!)).toBe(true)
})

test('a Pod that is deleted runs on for its preStop sleep, at most its grace period', async () => {
  const cluster = await start()
  const lifecycle = { preStop: { sleep: { seconds: 20 } } }
  const containers = [{ name: 'main', image: 'a', lifecycle }]
  await cluster.apply([buildPod('slow', { containers }), buildPod('cut', { containers })])
  const client = cluster.client.resource(pods)
  await client.delete({ namespace: 'default', name: 'slow' })
  await client.delete({ namespace: 'default', name: 'cut' }, { body: { gracePeriodSeconds: 5 } })
  const names = async () => (await podsOf(cluster)).map(({ metadata }) => metadata.name)
  await cluster.advance(4500)
  expect(await names()).toEqual(['cut', 'slow'])
  await cluster.advance(1000)
  expect(await names()).toEqual(['slow'])
  await cluster.advance(14_000)
  expect(await names()).toEqual(['slow'])
  await cluster.advance(1000)
  expect(await names()).toEqual([])
})

test('containers that end are started again, or end the Pod, as its restart policy says', async () => {
  const cluster = await start()
  await cluster.apply([buildPod('server'), buildPod('task', { restartPolicy: 'OnFailure' })])
  await cluster.exit('default/server', 1)
  await cluster.exit('default/task', 1)
  await cluster.exit('default/task', 0)
  const shown = (await podsOf(cluster)).map(({ metadata, status }) => [
    metadata.name,
    status?.phase,
    status?.containerStatuses?.[0]?.restartCount,
  ])
  expect(shown).toEqual([
    ['server', 'Running', 1],
    ['task', 'Succeeded', 1],
  ])
})

test('a Job is complete when its Pod has ended well', async () => {
  const cluster = await start()
  const template = { spec: { ...buildPod('x').spec, restartPolicy: 'Never' as const } }
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'once' },
    spec: { template },
  }
  await cluster.apply([job])
  const [pod] = await podsOf(cluster)
  await cluster.exit(`default/${pod?.metadata.name}`, 0)
  const { status } = await cluster.client.resource(jobs).get({ namespace: 'default', name: 'once' })
  expect(status?.succeeded).toBe(1)
  expect(status?.conditions?.some(({ type }) => type === 'Complete')).toBe(true)
})

test('a node that falls silent is not ready after 50 s, and again when it speaks', async () => {
  const cluster = await start({ nodes: ['n1', 'n2'] })
  await cluster.apply([buildPod('web', { nodeName: 'n1' })])
  const isReady = async () => {
    const { status } = await cluster.client.resource(nodes).get({ name: 'n1' })
    return status?.conditions?.find(({ type }) => type === 'Ready')?.status
  }
  await cluster.node('n1').stop()
  await cluster.advance(45_000)
  expect(await isReady()).toBe('True')
  await cluster.advance(20_000)
  expect(await isReady()).toBe('Unknown')
  expect(isPodReady((await podsOf(cluster))[0]!)).toBe(false)
  await cluster.node('n1').start()
  await cluster.settle()
  expect(await isReady()).toBe('True')
  expect(isPodReady((await podsOf(cluster))[0]!)).toBe(true)
})

test('without nodes Pods wait, and are told why', async () => {
  const cluster = await start({ nodes: [] })
  await cluster.apply([buildPod('web')])
  expect((await podsOf(cluster))[0]?.status?.phase).toBe('Pending')
  const { items } = await cluster.client.resource(events).list({ namespace: 'default' })
  expect(items.map(({ reason }) => reason)).toContain('FailedScheduling')
})

test('without controllers there is an API and nothing acts on it', async () => {
  const cluster = await start({ controllers: false })
  await cluster.apply([buildDeployment('web'), buildPod('alone', { nodeName: 'n1' })])
  const names = (await podsOf(cluster)).map(({ metadata, status }) => [
    metadata.name,
    status?.phase,
  ])
  expect(names).toEqual([['alone', 'Running']])
})

test('dual stack gives Pods and Services addresses of both families', async () => {
  const cluster = await start({ dualStack: true })
  const service = buildService('web', { ipFamilyPolicy: 'PreferDualStack' })
  await cluster.apply([buildPod('web'), service])
  const { items } = await cluster.client
    .resource(endpointslices)
    .list({ labelSelector: 'kubernetes.io/service-name=web' })
  expect(
    items.map(({ addressType, endpoints }) => [addressType, endpoints?.[0]?.addresses]).sort(),
  ).toEqual([
    ['IPv4', ['10.244.0.2']],
    ['IPv6', ['fd00:10:244::2']],
  ])
})

test("a client of somebody else has that user's rights", async () => {
  const cluster = await start()
  const nobody = cluster.clientFor({ name: 'nobody' })
  await expect(nobody.resource(deployments).list({ namespace: 'default' })).rejects.toThrow(
    'deployments.apps is forbidden: User "nobody" cannot list resource "deployments" in API group "apps" in the namespace "default"',
  )
})

test('settle() says what does not end', async () => {
  const cluster = await start()
  const write = async (count: number): Promise<void> => {
    const body = { data: { count: String(count) } }
    const metadata = { namespace: 'default', name: 'busy' }
    const resource = cluster.client.resource(services)
    if (count === 0) await resource.create(buildService('busy'))
    else
      await resource.patch(metadata, {
        type: 'merge',
        body: { metadata: { annotations: body.data } },
      })
    cluster.clock.after(500, () => void write(count + 1).catch(() => {}))
  }
  await write(0)
  await expect(cluster.settle()).rejects.toThrow(
    'cannot settle: something still writes after 120 s',
  )
})
