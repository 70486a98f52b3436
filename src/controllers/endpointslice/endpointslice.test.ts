import { expect, test } from 'vitest'
import { endpointslices, nodes, pods, services } from '../../api/resources.gen.ts'
import type { Service, ServiceSpec } from '../../api/types/core.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery.gen.ts'
import { buildNode, buildPod, buildService, type PodFacts } from '../build.ts'
import { Play } from '../play.ts'
import { triggerTimeAnnotation } from '../trigger-time.ts'
import { endpointSliceController } from './endpointslice.ts'

const key = 'default/web'

function start(spec: Partial<ServiceSpec> = {}, podFacts: Readonly<Record<string, PodFacts>> = {}) {
  const play = new Play()
  const controller = endpointSliceController({ maxEndpointsPerSlice: 100, workers: 1 })
  play.put(nodes, buildNode('n1', { zone: 'a' }))
  play.put(nodes, buildNode('n2', { zone: 'b' }))
  play.put(services, buildService('web', spec))
  for (const [name, facts] of Object.entries(podFacts)) play.put(pods, buildPod(name, facts))
  const sync = () => play.settle(controller, key).map(({ type }) => type)
  const edit = (changed: Partial<ServiceSpec>, metadata: Partial<Service['metadata']> = {}) => {
    const service = play.get(services, key)
    play.put(services, {
      metadata: { ...service.metadata, ...metadata },
      spec: { ...service.spec, ...changed },
    })
  }
  return { play, controller, sync, edit, slices: () => play.list(endpointslices) }
}

const manyPods = (count: number, from = 1): Record<string, PodFacts> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `p${from + i}`,
      { ips: [`10.244.${Math.floor((from + i) / 250)}.${(from + i) % 250}`] },
    ]),
  )

/** One line an endpoint: "10.244.0.1 ready=t serving=t terminating=f p1@n1 zone=a". */
function lines(slice: EndpointSlice): readonly string[] {
  return (slice.endpoints ?? []).map((endpoint) => {
    const flags = Object.entries(endpoint.conditions ?? {}).map(([k, v]) => `${k}=${String(v)[0]}`)
    const hints = [
      ...(endpoint.hints?.forZones ?? []).map(({ name }) => `for=${name}`),
      ...(endpoint.hints?.forNodes ?? []).map(({ name }) => `forNode=${name}`),
    ]
    return [
      endpoint.addresses.join('+'),
      ...flags,
      `${endpoint.targetRef?.name}@${endpoint.nodeName ?? '-'}`,
      ...(endpoint.zone ? [`zone=${endpoint.zone}`] : []),
      ...(endpoint.hostname ? [`hostname=${endpoint.hostname}`] : []),
      ...hints,
    ].join(' ')
  })
}

const ports = (slice: EndpointSlice): readonly string[] =>
  (slice.ports ?? []).map(
    (port) =>
      `${port.name}:${port.port}/${port.protocol}${port.appProtocol ? ` ${port.appProtocol}` : ''}`,
  )

test('C1 a Service without Pods has one empty slice, and a second run writes nothing', () => {
  const { sync, slices } = start()
  expect(sync()).toEqual(['create'])
  expect(sync()).toEqual([])
  expect(slices()).toMatchObject([
    {
      addressType: 'IPv4',
      endpoints: [],
      ports: [],
      metadata: {
        name: expect.stringMatching(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/),
        labels: {
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [
          {
            apiVersion: 'v1',
            kind: 'Service',
            name: 'web',
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
    },
  ])
})

test('C2 the empty slice keeps its name when the first endpoints come', () => {
  const { play, sync, slices } = start()
  sync()
  const [{ metadata: before }] = slices() as [EndpointSlice]
  for (const [name, facts] of Object.entries(manyPods(3))) play.put(pods, buildPod(name, facts))
  expect(sync()).toEqual(['update'])
  const [slice] = slices() as [EndpointSlice]
  expect(slice.metadata.name).toBe(before.name)
  expect(ports(slice)).toEqual([':8080/TCP'])
  expect(lines(slice)).toEqual([
    '10.244.0.1 ready=t serving=t terminating=f p1@n1 zone=a',
    '10.244.0.2 ready=t serving=t terminating=f p2@n1 zone=a',
    '10.244.0.3 ready=t serving=t terminating=f p3@n1 zone=a',
  ])
  expect(slice.endpoints?.[0]?.targetRef).toEqual({
    kind: 'Pod',
    namespace: 'default',
    name: 'p1',
    uid: 'uid-p1',
  })
})

const named = (port: number, protocol: 'TCP' | 'UDP' = 'TCP') => ({
  containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port, protocol }] }],
})
const byName = { ports: [{ name: 'web', port: 80, targetPort: 'http', protocol: 'TCP' as const }] }

test('C4 Pods that resolve a name to different numbers sit in different slices', () => {
  const { sync, slices } = start(byName, {
    v1: { spec: { ...named(8080), nodeName: 'n1' } },
    v2: { spec: { ...named(9090), nodeName: 'n1' }, ips: ['10.244.0.2'] },
  })
  sync()
  expect(slices().map(ports)).toEqual([['web:8080/TCP'], ['web:9090/TCP']])
})

test('C5 C6 a name is looked up with its protocol, in sidecars too, not in other init containers', () => {
  const init = (restartPolicy?: string) => ({
    nodeName: 'n1',
    initContainers: [
      {
        name: 'i',
        ports: [{ name: 'http', containerPort: 7070, protocol: 'TCP' as const }],
        ...(restartPolicy ? { restartPolicy } : {}),
      },
    ],
  })
  const seen = (spec: PodFacts['spec']) => {
    const { sync, slices } = start(byName, { p: { spec: spec! } })
    sync()
    return slices().map((slice) => [ports(slice), slice.endpoints?.length])
  }
  expect(seen({ ...named(8080, 'UDP'), nodeName: 'n1' })).toEqual([[[], 1]])
  expect(seen(init('Always'))).toEqual([[['web:7070/TCP'], 1]])
  expect(seen(init())).toEqual([[[], 1]])
})

test('C8 an unnamed port has the empty name, and appProtocol is copied', () => {
  const { sync, slices } = start(
    { ports: [{ port: 80, targetPort: 8080, protocol: 'TCP', appProtocol: 'http' }] },
    { p: {} },
  )
  sync()
  expect(slices().map(ports)).toEqual([[':8080/TCP http']])
})

test('C9 a headless Service without ports publishes its Pods without ports', () => {
  const { sync, slices } = start({ clusterIP: 'None', ports: [] }, { p: {} })
  sync()
  expect(slices().map((slice) => [ports(slice), slice.endpoints?.length])).toEqual([[[], 1]])
  expect(slices()[0]?.metadata.labels).toHaveProperty(['service.kubernetes.io/headless'], '')
})

test('C10 C11 C12 conditions follow readiness, termination and publishNotReadyAddresses', () => {
  const seen = (publishNotReadyAddresses: boolean, facts: PodFacts) => {
    const { sync, slices } = start({ publishNotReadyAddresses }, { p: facts })
    sync()
    return lines(slices()[0]!).map((line) =>
      line.slice('10.244.0.1 '.length, -' p@n1 zone=a'.length),
    )
  }
  const ending = { metadata: { deletionTimestamp: '2026-01-01T00:01:00Z' } }
  expect(seen(false, { ready: false })).toEqual(['ready=f serving=f terminating=f'])
  expect(seen(true, { ready: false })).toEqual(['ready=t serving=f terminating=f'])
  expect(seen(false, ending)).toEqual(['ready=f serving=t terminating=t'])
  expect(seen(true, ending)).toEqual(['ready=t serving=t terminating=t'])
  expect(seen(true, { ...ending, ready: false })).toEqual(['ready=t serving=f terminating=t'])
})

test('C13 finished Pods and Pods without an address are no endpoints', () => {
  const { sync, slices } = start(
    {},
    {
      done: { phase: 'Succeeded' },
      broken: { phase: 'Failed' },
      young: { ips: [] },
    },
  )
  sync()
  expect(slices().map(lines)).toEqual([[]])
})

test('C15 C16 a Service that loses its selector or becomes ExternalName freezes its slices', () => {
  const { sync, edit, play, slices } = start({}, { p: {} })
  sync()
  edit({ selector: {} })
  play.remove(pods, 'default/p')
  expect(sync()).toEqual([])
  edit({ selector: { app: 'web' }, type: 'ExternalName' })
  expect(sync()).toEqual([])
  expect(slices()[0]?.endpoints).toHaveLength(1)
})

test('C17 slices of an earlier Service of the same name are deleted, not reused', () => {
  const { sync, play, slices } = start({}, { p: {} })
  sync()
  const [{ metadata: old }] = slices() as [EndpointSlice]
  play.remove(services, key)
  sync()
  play.put(services, buildService('web', {}, { uid: 'uid-new' }))
  expect(sync()).toEqual(['create', 'delete'])
  expect(slices()).toHaveLength(1)
  expect(slices()[0]?.metadata.name).not.toBe(old.name)
})

test('C18 250 Pods make slices of 100, 100 and 50, and one more Pod is one update', () => {
  const { sync, play, slices } = start({}, manyPods(250))
  expect(sync()).toEqual(['create', 'create', 'create'])
  expect(slices().map((slice) => slice.endpoints?.length)).toEqual([100, 100, 50])
  play.put(pods, buildPod('p251', manyPods(1, 251)['p251']))
  expect(sync()).toEqual(['update'])
  expect(slices().map((slice) => slice.endpoints?.length)).toEqual([100, 100, 51])
  for (let i = 1; i <= 60; i += 1) play.remove(pods, `default/p${i}`)
  for (const [name, facts] of Object.entries(manyPods(10, 300)))
    play.put(pods, buildPod(name, facts))
  expect(sync()).toEqual(['update'])
  expect(slices().map((slice) => slice.endpoints?.length)).toEqual([50, 100, 51])
})

test('ES23 a rolling restart of 100 Pods is updates only', () => {
  const { sync, play } = start({}, manyPods(100))
  sync()
  const types = new Set<string>()
  for (let i = 1; i <= 100; i += 10) {
    for (let j = i; j < i + 10; j += 1) play.remove(pods, `default/p${j}`)
    for (const [name, facts] of Object.entries(manyPods(10, 1000 + i)))
      play.put(pods, buildPod(name, facts))
    for (const type of sync()) types.add(type)
  }
  expect([...types]).toEqual(['update'])
})

test('C19 changes of a Pod that are none of an endpoint touch no Service and no slice', () => {
  const { sync, play, controller } = start({}, { p: {} })
  sync()
  const old = play.get(pods, 'default/p')
  const pod = play.put(pods, { ...old, metadata: { ...old.metadata, annotations: { a: 'b' } } })
  const watch = controller.watches[1] as unknown as {
    keys: (object: unknown, old: unknown, snapshot: unknown) => readonly string[]
  }
  expect(watch.keys(pod, old, play.snapshot(controller))).toEqual([])
  expect(sync()).toEqual([])
})

test('C14 relabelling a Pod touches the Services it left and joined', () => {
  const { play, controller } = start({}, { p: {} })
  play.put(services, buildService('api', { selector: { app: 'api' } }))
  play.put(services, buildService('all', { selector: { team: 'x' } }))
  const old = play.put(pods, buildPod('p', { metadata: { labels: { app: 'web', team: 'x' } } }))
  const watch = controller.watches[1] as unknown as {
    keys: (object: unknown, old: unknown, snapshot: unknown) => readonly string[]
  }
  const touched = (facts: PodFacts) => {
    const pod = play.put(pods, buildPod('p', facts))
    return [...watch.keys(pod, old, play.snapshot(controller))].sort()
  }
  const moved = { metadata: { labels: { app: 'api', team: 'x' } } }
  expect(touched(moved)).toEqual(['default/api', 'default/web'])
  expect(touched({ ...moved, ready: false })).toEqual(['default/all', 'default/api', 'default/web'])
  expect(touched({ metadata: old.metadata, ready: false })).toEqual(['default/all', 'default/web'])
})

test('C20 one independent set of slices for each family', () => {
  const { sync, edit, slices } = start(
    { ipFamilies: ['IPv4', 'IPv6'] },
    { p: { ips: ['10.244.0.1', 'FD00:0::1'] }, q: { ips: ['10.244.0.2'] } },
  )
  expect(sync()).toEqual(['create', 'create'])
  expect(
    slices().map((slice) => [slice.addressType, slice.endpoints?.map((e) => e.addresses[0])]),
  ).toEqual([
    ['IPv4', ['10.244.0.1', '10.244.0.2']],
    ['IPv6', ['fd00::1']],
  ])
  edit({ ipFamilies: ['IPv4'] })
  expect(sync()).toEqual(['delete'])
  expect(slices().map((slice) => slice.addressType)).toEqual(['IPv4'])
})

test('C21 hostname and subdomain give a hostname under this Service only', () => {
  const { sync, slices } = start(
    {},
    {
      a: { spec: { nodeName: 'n1', hostname: 'db-0', subdomain: 'web' } },
      b: { spec: { nodeName: 'n1', hostname: 'db-1', subdomain: 'other' }, ips: ['10.244.0.2'] },
    },
  )
  sync()
  expect(slices()[0]?.endpoints?.map(({ hostname }) => hostname)).toEqual(['db-0', undefined])
})

test('C22 labels of the Service are copied and follow, reserved ones never', () => {
  const { sync, edit, slices } = start({}, { p: {} })
  sync()
  edit({}, { labels: { team: 'x', 'service.kubernetes.io/headless': '' } })
  expect(sync()).toEqual(['update'])
  expect(slices()[0]?.metadata.labels).toEqual({
    team: 'x',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  })
  edit({}, { labels: { 'endpointslice.kubernetes.io/managed-by': 'me' } })
  expect(sync()).toEqual(['update'])
  expect(slices()[0]?.metadata.labels).not.toHaveProperty('team')
  expect(slices()[0]?.metadata.labels).toHaveProperty(
    ['endpointslice.kubernetes.io/managed-by'],
    'endpointslice-controller.k8s.io',
  )
})

test('C23 an edited slice is put right, a foreign one stays', () => {
  const { sync, play, slices } = start({}, { p: {} })
  sync()
  const [slice] = slices() as [EndpointSlice]
  play.put(endpointslices, { ...slice, endpoints: [{ addresses: ['203.0.113.9'] }] })
  play.put(endpointslices, {
    ...slice,
    metadata: {
      name: 'mine',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'web' },
    },
    endpoints: [],
  })
  expect(sync()).toEqual(['update'])
  expect(slices().map(({ endpoints }) => endpoints?.map((e) => e.addresses[0]))).toEqual([
    ['10.244.0.1'],
    [],
  ])
})

test('C24 the trigger time is the Ready transition, and goes with a change of labels alone', () => {
  const { sync, play, edit, slices } = start({}, { p: {} })
  const time = () => slices()[0]?.metadata.annotations?.[triggerTimeAnnotation]
  sync()
  expect(time()).toBe('2026-01-01T00:00:00Z')
  play.put(pods, buildPod('p', { ready: false, since: '2026-01-01T00:05:00Z' }))
  sync()
  expect(time()).toBe('2026-01-01T00:05:00Z')
  edit({}, { labels: { team: 'x' } })
  sync()
  expect(time()).toBeUndefined()
})

test('C25 trafficDistribution gives ready endpoints hints, which go with the field', () => {
  const { sync, edit, slices } = start(
    { trafficDistribution: 'PreferSameZone' },
    {
      a: {},
      b: { ips: ['10.244.0.2'], spec: { nodeName: 'n2' } },
      c: { ips: ['10.244.0.3'], ready: false },
    },
  )
  const hints = () => lines(slices()[0]!).map((line) => line.match(/for.*/)?.[0])
  sync()
  expect(hints()).toEqual(['for=a', 'for=b', undefined])
  edit({ trafficDistribution: 'PreferSameNode' })
  expect(sync()).toEqual(['update'])
  expect(hints()).toEqual(['for=a forNode=n1', 'for=b forNode=n2', undefined])
  edit({ trafficDistribution: 'PreferNobody' })
  expect(sync()).toEqual(['update'])
  expect(hints()).toEqual([undefined, undefined, undefined])
})

test('C26 Auto shares hints out by CPU, and gives up with an event where it cannot', () => {
  const zoned = Object.fromEntries(
    Object.entries(manyPods(6)).map(([name, facts], i) => [
      name,
      { ...facts, spec: { nodeName: i < 5 ? 'n1' : 'n2' } },
    ]),
  )
  const { sync, play, edit, slices } = start({}, zoned)
  edit({}, { annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } })
  sync()
  const hints = () =>
    lines(slices()[0]!)
      .map((line) => line.match(/for=(.*)/)?.[1])
      .sort()
  expect(hints()).toEqual(['a', 'a', 'a', 'b', 'b', 'b'])
  expect(play.events.map(({ type, reason, message }) => [type, reason, message])).toEqual([
    [
      'Normal',
      'TopologyAwareHintsEnabled',
      'Topology Aware Hints has been enabled, addressType: IPv4',
    ],
  ])
  for (let i = 2; i <= 6; i += 1) play.remove(pods, `default/p${i}`)
  sync()
  expect(hints()).toEqual([undefined])
  expect(play.events.at(-1)).toMatchObject({
    type: 'Warning',
    reason: 'TopologyAwareHintsDisabled',
    message: 'Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4',
  })
})

test('C27 a Pod whose Node is unknown is left out with an event, unless unready ones are published', () => {
  const lost = { p: { spec: { nodeName: 'gone' } } }
  const hidden = start({}, lost)
  hidden.sync()
  expect(hidden.slices().map(lines)).toEqual([[]])
  expect(hidden.play.events[0]?.reason).toBe('FailedToUpdateEndpointSlices')
  const published = start({ publishNotReadyAddresses: true }, lost)
  published.sync()
  expect(published.slices().map(lines)).toEqual([
    ['10.244.0.1 ready=t serving=t terminating=f p@gone'],
  ])
})

test('ES20 a Service being deleted gets no new slices', () => {
  const { sync, edit } = start({}, { p: {} })
  edit({}, { deletionTimestamp: '2026-01-01T00:01:00Z' })
  expect(sync()).toEqual([])
})
