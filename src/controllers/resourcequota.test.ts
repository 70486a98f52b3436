import { expect, test } from 'vitest'
import { countedResources, countUsage } from '../api/core/quota-usage.ts'
import type { KubeObject } from '../api/machinery/resource.ts'
import { pods, resourcequotas, services } from '../api/resources.gen.ts'
import type { Pod, ResourceQuota } from '../api/types/core.gen.ts'
import type { Watch } from '../client/controller.ts'
import { buildPod, buildService } from './build.ts'
import { Play } from './play.ts'
import { resourceQuotaController } from './resourcequota.ts'

const quota = (
  hard: Readonly<Record<string, string>>,
  spec: Partial<ResourceQuota['spec']> = {},
): ResourceQuota => ({ metadata: { namespace: 'default', name: 'q' }, spec: { hard, ...spec } })

const asking = (name: string, cpu: string, memory: string, facts = {}): Pod =>
  buildPod(name, {
    ...facts,
    spec: { containers: [{ name: 'c', resources: { requests: { cpu, memory } } }] },
  })

function check(
  [hard, spec]: Parameters<typeof quota>,
  found: Readonly<Record<string, readonly KubeObject[]>>,
  want: Readonly<Record<string, string>>,
) {
  expect(countUsage(quota(hard, spec), new Map(Object.entries(found)))).toEqual(want)
}

test('countUsage() counts what there is of each name, and 0 for what there is none of', () => {
  check([{ pods: '5', services: '2' }], { pods: [], services: [] }, { pods: '0', services: '0' })
  const two = [asking('a', '250m', '1Gi'), asking('b', '750m', '512Mi')]
  const hard = { pods: '5', 'requests.cpu': '2', memory: '4Gi', 'limits.cpu': '4' }
  const used = { pods: '2', 'requests.cpu': '1', memory: '1536Mi', 'limits.cpu': '0' }
  check([hard], { pods: two }, used)
  check([{ widgets: '3', pods: '1' }], { pods: two }, { pods: '2' })
  check([{ 'count/widgets.example.com': '3' }], {}, {})
})

test('countUsage() leaves out finished Pods, but counts them as objects', () => {
  const done = asking('a', '1', '1Gi', { phase: 'Succeeded' })
  const hard = { pods: '5', 'requests.cpu': '2', 'count/pods': '9' }
  check([hard], { pods: [done] }, { pods: '0', 'requests.cpu': '0', 'count/pods': '1' })
})

test('countUsage() counts only Pods within the scopes', () => {
  const both = [buildPod('idle'), asking('busy', '1', '1Gi')]
  check([{ pods: '5' }, { scopes: ['BestEffort'] }], { pods: both }, { pods: '1' })
  check(
    [{ services: '5' }, { scopes: ['BestEffort'] }],
    { services: [buildService('w')] },
    {
      services: '0',
    },
  )
})

test('countedResources() names what has to be listed', () => {
  expect(countedResources(['requests.cpu', 'count/deployments.apps', 'secrets'])).toEqual([
    'pods',
    'secrets',
    'deployments.apps',
  ])
  expect(countedResources(['requests.storage'])).toEqual(['persistentvolumeclaims'])
})

const controller = resourceQuotaController({
  discover: async () => ({ resources: [], failures: [] }),
  workers: 1,
  resyncMs: 1000,
})

test('the status is written once, on the state of the quota that was counted from', () => {
  const play = new Play()
  const read = play.put(resourcequotas, quota({ pods: '5' }))
  play.run(controller, 'default/q', { quota: read, used: { pods: '1' } })
  const written = play.get(resourcequotas, 'default/q')
  expect(written.status).toEqual({ hard: { pods: '5' }, used: { pods: '1' } })
  expect(play.run(controller, 'default/q', { quota: written, used: { pods: '1' } })).toEqual([])
  expect(
    controller.reconcile('default/q', play.snapshot(controller), {
      nowMs: 0,
      random: { next: () => 0 } as never,
      observed: { quota: read, used: { pods: '2' } },
    }).changes,
  ).toMatchObject([
    { type: 'update', object: { metadata: { resourceVersion: read.metadata.resourceVersion } } },
  ])
})

test('a quota is counted anew when something goes or ends, not when something is added', () => {
  const play = new Play()
  play.put(resourcequotas, quota({ pods: '5' }))
  const keysOf = (plural: string, object: KubeObject, old?: KubeObject) => {
    const watches = controller.watches as readonly unknown[] as readonly Watch[]
    const watch = watches.find(({ resource }) => resource.plural === plural)
    return watch?.keys?.(object, old, play.snapshot(controller))
  }
  const pod = play.put(pods, buildPod('p'))
  expect(keysOf('pods', pod)).toEqual([])
  expect(keysOf('pods', { ...pod, metadata: { ...pod.metadata, labels: {} } }, pod)).toEqual([])
  expect(keysOf('pods', { ...pod, status: { phase: 'Failed' } } as Pod, pod)).toEqual(['default/q'])
  play.remove(pods, 'default/p')
  expect(keysOf('pods', pod)).toEqual(['default/q'])
  const service = play.put(services, buildService('web'))
  const ports = play.put(services, buildService('web', { type: 'NodePort' }))
  expect(keysOf('services', service, ports)).toEqual(['default/q'])
})
