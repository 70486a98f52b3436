// Zone folded from events = zone rebuilt from what is left; what is ignored; when the serial moves.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { externalName, namespace, service, slice } from '../../test/dns/market.ts'
import type { Pod, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import { keyOf } from '../client/informer.ts'
import { Zone } from './zone.ts'
import { endpointLabel, pruneService, pruneSlice, zoneService, zoneSlice } from './zone-objects.ts'

const key = fc.constantFrom('a/x', 'a/y', 'b/x')
const address = fc.constantFrom('10.1.0.1', '10.1.0.2', 'fd00::1', 'fd00:0::2')
const ports = fc.constantFrom({}, { web: ['TCP', 80] as const }, { dns: ['UDP', 53] as const })

const anyService: fc.Arbitrary<Service> = fc.oneof(
  fc.tuple(key, fc.array(address, { maxLength: 2 }), ports).map(([k, a, p]) => service(k, a, p)),
  fc.tuple(key, ports).map(([k, p]) => service(k, ['None'], p)),
  fc.tuple(key, fc.constantFrom('mail.test', '192.0.2.1', '')).map(([k, t]) => externalName(k, t)),
)
const endpoint = fc.record({
  address,
  hostname: fc.constantFrom('', 'h-0', 'h-1'),
  pod: fc.constantFrom('', 'pod-0'),
  ready: fc.boolean(),
})
const anySlice: fc.Arbitrary<EndpointSlice> = fc
  .tuple(key, ports, fc.array(endpoint, { maxLength: 3 }), fc.constantFrom('1', '2'))
  .map(([k, p, endpoints, suffix]) => {
    const made = slice(k, p, endpoints)
    return { ...made, metadata: { ...made.metadata, name: `${made.metadata.name}-${suffix}` } }
  })
const anyPod: fc.Arbitrary<Pod> = fc
  .tuple(
    key,
    fc.constantFrom('10.1.0.1', '10.1.0.2', undefined),
    fc.constantFrom('Running', 'Failed'),
  )
  .map(([k, podIP, phase]) => ({
    metadata: { namespace: k.split('/')[0]!, name: k.split('/')[1]! },
    spec: { containers: [] },
    status: { podIP, phase } as Pod['status'],
  }))

type Event =
  | { readonly kind: 'service'; readonly object: Service; readonly gone: boolean }
  | { readonly kind: 'slice'; readonly object: EndpointSlice; readonly gone: boolean }
  | { readonly kind: 'pod'; readonly object: Pod; readonly gone: boolean }

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('service' as const), object: anyService, gone: fc.boolean() }),
  fc.record({ kind: fc.constant('slice' as const), object: anySlice, gone: fc.boolean() }),
  fc.record({ kind: fc.constant('pod' as const), object: anyPod, gone: fc.boolean() }),
)

function apply(zone: Zone, { kind, object, gone }: Event): void {
  const key = keyOf(object)
  if (kind === 'service') return gone ? zone.deleteService(key, 0) : zone.setService(object, 0)
  if (kind === 'slice') return gone ? zone.deleteSlice(key, 0) : zone.setSlice(object, 0)
  return gone ? zone.deletePod(key, 0) : zone.setPod(object, 0)
}

describe('Zone', () => {
  it('folded from events equals the zone rebuilt from what is left', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const folded = new Zone(0)
        const left = new Map<string, Event>()
        for (const each of events) {
          apply(folded, each)
          const id = `${each.kind} ${keyOf(each.object)}`
          if (each.gone) left.delete(id)
          else left.set(id, each)
        }
        const rebuilt = new Zone(0)
        for (const each of left.values()) apply(rebuilt, each)
        expect(folded.snapshot()).toEqual(rebuilt.snapshot())
      }),
    )
  })

  it('knows the same of a pruned object', () => {
    fc.assert(
      fc.property(anyService, anySlice, (s, e) => {
        expect(zoneService(pruneService(s))).toEqual(zoneService(s))
        expect(zoneSlice(pruneSlice(e, true))).toEqual(zoneSlice(e))
      }),
    )
  })

  it('moves its serial for what a name shows, and for nothing else', () => {
    const zone = new Zone(1000)
    const web = service('a/web', ['10.96.0.9'], { http: ['TCP', 80] })
    zone.setService(web, 5000)
    expect(zone.serial).toBe(5)
    zone.setService({ ...web, metadata: { ...web.metadata, labels: { a: 'b' } } }, 9000)
    zone.setNamespace(namespace('a'))
    expect(zone.serial).toBe(5)
    const unready = slice('a/web', {}, [{ address: '10.1.0.1', ready: false }])
    zone.setSlice(unready, 10_000)
    zone.setSlice(slice('a/web', {}, [{ address: '10.1.0.1' }]), 12_000)
    expect(zone.serial).toBe(12)
    zone.deleteService('a/web', 15_000)
    expect(zone.serial).toBe(15)
  })
})

describe('endpointLabel()', () => {
  const check = (address: string, expected: string, podNames = false) => {
    const endpoint = { address, hostname: '', podName: 'pod-0', topologyZone: '' }
    expect(endpointLabel(endpoint, podNames)).toBe(expected)
  }

  it('is the dashed address, or the Pod name where that is asked for', () => {
    check('10.120.3.7', '10-120-3-7')
    check('fd12::1', 'fd12--1')
    check('fd00:40:1::', 'fd00-40-1--0')
    check('10.120.3.7', 'pod-0', true)
  })
})
