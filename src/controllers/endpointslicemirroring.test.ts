import { expect, test } from 'vitest'
import { endpoints, endpointslices, services } from '../api/resources.gen.ts'
import type { EndpointSubset } from '../api/types/core.gen.ts'
import type { ObjectMeta } from '../api/types/meta.gen.ts'
import { buildService } from './build.ts'
import { endpointSliceMirroringController } from './endpointslicemirroring.ts'
import { Play } from './play.ts'

const key = 'default/web'
const ports = [{ port: 8080, protocol: 'TCP' as const }]

function start(subsets: readonly EndpointSubset[], metadata: Partial<ObjectMeta> = {}) {
  const play = new Play()
  const controller = endpointSliceMirroringController({ maxEndpointsPerSubset: 1000, workers: 1 })
  play.put(services, buildService('web', { selector: {} }))
  const write = (changed: readonly EndpointSubset[], meta: Partial<ObjectMeta> = {}) =>
    play.put(endpoints, {
      metadata: { uid: 'uid-ep', ...meta, namespace: 'default', name: 'web' },
      subsets: changed,
    })
  write(subsets, metadata)
  return {
    play,
    write,
    sync: () => play.settle(controller, key).map(({ type }) => type),
    slices: () => play.list(endpointslices),
    lines: () =>
      play
        .list(endpointslices)
        .map((slice) => [
          slice.addressType,
          ...(slice.endpoints ?? []).map(
            (e) => `${e.addresses[0]} ${JSON.stringify(e.conditions)}`,
          ),
        ]),
  }
}

test('C30 one slice for each family, with readiness as its only condition', () => {
  const { sync, lines } = start([
    {
      addresses: [{ ip: '198.51.100.1' }, { ip: '2001:DB8::1' }],
      notReadyAddresses: [{ ip: '198.51.100.2' }],
      ports,
    },
  ])
  expect(sync()).toEqual(['create', 'create'])
  expect(sync()).toEqual([])
  expect(lines()).toEqual([
    ['IPv4', '198.51.100.1 {"ready":true}', '198.51.100.2 {"ready":false}'],
    ['IPv6', '2001:db8::1 {"ready":true}'],
  ])
})

test('C30 the skip-mirror label takes the mirrors away', () => {
  const subsets = [{ addresses: [{ ip: '198.51.100.1' }], ports }]
  const { sync, write } = start(subsets)
  sync()
  write(subsets, { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } })
  expect(sync()).toEqual(['delete'])
})

test('C31 invalid addresses are told in an event, and a selector takes the mirrors away', () => {
  const { sync, play, lines } = start([
    { addresses: [{ ip: '198.51.100.1' }, { ip: 'nonsense' }], ports },
  ])
  sync()
  expect(lines()).toEqual([['IPv4', '198.51.100.1 {"ready":true}']])
  expect(play.events[0]).toMatchObject({
    type: 'Warning',
    reason: 'InvalidIPAddress',
    message: 'Skipped 1 invalid IP addresses when mirroring to EndpointSlices',
  })
  play.put(services, buildService('web'))
  expect(sync()).toEqual(['delete'])
})

test('MR3 labels and annotations are copied and follow, but for the two that are not', () => {
  const subsets = [{ addresses: [{ ip: '198.51.100.1' }], ports }]
  const { sync, write, slices } = start(subsets, {
    labels: { team: 'x' },
    annotations: { note: '1', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
  })
  sync()
  expect(slices()[0]?.metadata).toMatchObject({
    labels: {
      team: 'x',
      'kubernetes.io/service-name': 'web',
      'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
    },
    annotations: { note: '1' },
    ownerReferences: [{ kind: 'Endpoints', name: 'web', uid: 'uid-ep', controller: true }],
  })
  expect(slices()[0]?.metadata.annotations).toEqual({ note: '1' })
  write(subsets, { labels: { new: 'y' }, uid: 'uid-again' })
  expect(sync()).toEqual(['update'])
  expect(slices()[0]?.metadata.labels).not.toHaveProperty('team')
  expect(slices()[0]?.metadata.ownerReferences?.[0]?.uid).toBe('uid-again')
})

test('MR3 a slice that would go takes the place of one that would come', () => {
  const { sync, write, slices } = start([{ addresses: [{ ip: '198.51.100.1' }], ports }])
  sync()
  const name = slices()[0]?.metadata.name
  write([{ addresses: [{ ip: '198.51.100.1' }], ports: [{ port: 9090, protocol: 'TCP' }] }])
  expect(sync()).toEqual(['update'])
  expect(slices().map(({ metadata, ports: [port] = [] }) => [metadata.name, port?.port])).toEqual([
    [name, 9090],
  ])
})
