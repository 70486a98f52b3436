import { expect, test } from 'vitest'
import { endpoints, pods, services } from '../../api/resources.gen.ts'
import type { EndpointSubset, ServiceSpec } from '../../api/types/core.gen.ts'
import { buildPod, buildService, type PodFacts } from '../build.ts'
import { Play } from '../play.ts'
import { endpointsController } from './endpoints.ts'
import { repackSubsets, truncateSubsets } from './subsets.ts'

const key = 'default/web'

function start(spec: Partial<ServiceSpec> = {}, podFacts: Readonly<Record<string, PodFacts>> = {}) {
  const play = new Play()
  const controller = endpointsController({ workers: 1 })
  play.put(services, buildService('web', spec))
  for (const [name, facts] of Object.entries(podFacts)) play.put(pods, buildPod(name, facts))
  return {
    play,
    sync: () => play.settle(controller, key).map(({ type }) => type),
    subsets: () => (play.get(endpoints, key).subsets ?? []).map(line),
    object: () => play.get(endpoints, key),
  }
}

/** "10.244.0.1 !10.244.0.2 : a/8080": addresses, not ready ones with "!", then ports. */
const line = (subset: EndpointSubset): string =>
  [
    ...(subset.addresses ?? []).map(({ ip }) => ip),
    ...(subset.notReadyAddresses ?? []).map(({ ip }) => `!${ip}`),
    ':',
    ...(subset.ports ?? []).map(({ name, port }) => `${name ?? ''}/${port}`),
  ].join(' ')

test('C28 ready and not ready addresses stand apart, under the managed-by label', () => {
  const { sync, subsets, object } = start({}, { a: {}, b: { ips: ['10.244.0.2'], ready: false } })
  expect(sync()).toEqual(['create'])
  expect(sync()).toEqual([])
  expect(subsets()).toEqual(['10.244.0.1 !10.244.0.2 : /8080'])
  expect(object().metadata.labels).toEqual({
    'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
  })
  expect(object().metadata.ownerReferences).toBeUndefined()
})

test('C28 ports that the same addresses serve share a subset', () => {
  const naming = (a: number): PodFacts['spec'] => ({
    containers: [
      {
        name: 'c',
        ports: [
          { name: 'a', containerPort: a },
          { name: 'b', containerPort: 9090 },
        ],
      },
    ],
  })
  const ports = ['a', 'b'].map((name, i) => ({ name, port: 80 + i, targetPort: name }))
  const { sync, subsets } = start(
    { ports },
    { x: { spec: naming(8080)! }, y: { ips: ['10.244.0.2'], spec: naming(8081)! } },
  )
  sync()
  expect([...subsets()].sort()).toEqual([
    '10.244.0.1 10.244.0.2 : b/9090',
    '10.244.0.1 : a/8080',
    '10.244.0.2 : a/8081',
  ])
})

test('EP2 terminating Pods are left out, unless unready ones are published', () => {
  const ending = { p: { metadata: { deletionTimestamp: '2026-01-01T00:01:00Z' } } }
  const hidden = start({}, ending)
  hidden.sync()
  expect(hidden.subsets()).toEqual([])
  const published = start({ publishNotReadyAddresses: true }, ending)
  published.sync()
  expect(published.subsets()).toEqual(['10.244.0.1 : /8080'])
})

test('EP2 only the primary family is listed', () => {
  const { sync, subsets } = start(
    { ipFamilies: ['IPv6', 'IPv4'] },
    { p: { ips: ['10.244.0.1', 'fd00::1'] }, q: { ips: ['10.244.0.2'] } },
  )
  sync()
  expect(subsets()).toEqual(['fd00::1 : /8080'])
})

test('EP3 a headless Service without ports has a subset without ports', () => {
  const { sync, subsets, object } = start({ clusterIP: 'None', ports: [] }, { p: {} })
  sync()
  expect(subsets()).toEqual(['10.244.0.1 :'])
  expect(object().metadata.labels).toHaveProperty(['service.kubernetes.io/headless'], '')
})

test('C29 more than 1000 addresses are cut and annotated, until they fit again', () => {
  const many = Object.fromEntries(
    Array.from({ length: 1200 }, (_, i) => [`p${i}`, { ips: [`10.244.${i >> 8}.${i & 255}`] }]),
  )
  const { sync, object, play } = start({}, many)
  const annotation = () => object().metadata.annotations?.['endpoints.kubernetes.io/over-capacity']
  sync()
  expect(object().subsets?.[0]?.addresses).toHaveLength(1000)
  expect(annotation()).toBe('truncated')
  expect(sync()).toEqual([])
  for (let i = 0; i < 300; i += 1) play.remove(pods, `default/p${i}`)
  expect(sync()).toEqual(['update'])
  expect(object().subsets?.[0]?.addresses).toHaveLength(900)
  expect(annotation()).toBeUndefined()
})

test('C32 Endpoints of a Service that is gone go too, records of leader election stay', () => {
  const { play, sync } = start()
  sync()
  play.remove(services, key)
  expect(sync()).toEqual(['delete'])
  play.put(endpoints, {
    metadata: {
      namespace: 'default',
      name: 'web',
      annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' },
    },
  })
  expect(sync()).toEqual([])
})

test('repackSubsets() takes an address that is both ready and not for not ready', () => {
  const address = { ip: '10.0.0.1' }
  const ports = [{ port: 80, protocol: 'TCP' as const }]
  expect(
    repackSubsets([
      { addresses: [address], ports },
      { notReadyAddresses: [address], ports },
    ]),
  ).toEqual([{ notReadyAddresses: [address], ports }])
})

test('truncateSubsets() keeps ready addresses before others and shares out the rest', () => {
  const addresses = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ip: `10.0.0.${i}` }))
  const sizes = (subsets: readonly EndpointSubset[]) =>
    truncateSubsets(subsets).subsets.map((subset) => [
      subset.addresses?.length ?? 0,
      subset.notReadyAddresses?.length ?? 0,
    ])
  expect(sizes([{ addresses: addresses(600), notReadyAddresses: addresses(600) }])).toEqual([
    [600, 400],
  ])
  expect(
    sizes([
      { addresses: addresses(900), notReadyAddresses: addresses(5) },
      { addresses: addresses(300) },
    ]),
  ).toEqual([
    [750, 0],
    [250, 0],
  ])
})
