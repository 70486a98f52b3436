import { describe, expect, test } from 'vitest'
import type { Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import { ownerOfSlice, type ServicePort, servicePorts } from './serviceports.ts'
import { service, slice } from './test-objects.ts'

const options = { family: 'IPv4', nodeName: 'n1' } as const

function addresses(ports: readonly ServicePort[]): string[] {
  return ports.map(
    ({ portName, protocol, endpoints }) =>
      `${portName}/${protocol}: ${endpoints.map(({ ip, port }) => `${ip}:${port}`).join(' ')}`,
  )
}

function check(object: Service, slices: readonly EndpointSlice[], expected: readonly string[]) {
  expect(addresses(servicePorts(object, slices, options))).toEqual(expected)
}

describe('servicePorts() joins slices by port name and protocol', () => {
  test('one port name may stand for different numbers in different slices', () => {
    const slices = [slice(['8080'], ['10.244.0.1']), slice(['9090'], ['10.244.0.2'])]
    check(service('web', ['80']), slices, ['/tcp: 10.244.0.1:8080 10.244.0.2:9090'])
  })
  test('the order of ports in a slice does not matter', () => {
    const slices = [
      slice(['http:8080', 'admin:9090'], ['10.244.0.1']),
      slice(['admin:9091', 'http:8081'], ['10.244.0.2']),
    ]
    check(service('web', ['http:80', 'admin:90']), slices, [
      'http/tcp: 10.244.0.1:8080 10.244.0.2:8081',
      'admin/tcp: 10.244.0.1:9090 10.244.0.2:9091',
    ])
  })
  test('TCP and UDP of one number are two ports', () => {
    const slices = [
      slice(['tcp:53', 'udp:53/UDP'], ['10.244.0.1']),
      slice(['udp:53/UDP'], ['10.244.0.2']),
    ]
    check(service('web', ['tcp:53', 'udp:53/UDP']), slices, [
      'tcp/tcp: 10.244.0.1:53',
      'udp/udp: 10.244.0.1:53 10.244.0.2:53',
    ])
  })
  test('a slice port without name or number is skipped', () => {
    const ports = [{ port: 8080 }, { name: '' }, { name: '', port: 0 }]
    check(service('web', ['80']), [slice([], ['10.244.0.1'], { ports })], ['/tcp: '])
  })
  test('the same address in two slices is one endpoint, local if any copy is', () => {
    const slices = [slice(['8080'], ['10.244.0.1']), slice(['8080'], ['10.244.0.1 local'])]
    const [port] = servicePorts(service('web', ['80']), slices, options)
    expect(port!.endpoints.map(({ ip, isLocal }) => [ip, isLocal])).toEqual([['10.244.0.1', true]])
    const reversed = servicePorts(service('web', ['80']), slices.reverse(), options)
    expect(reversed[0]!.endpoints).toEqual(port!.endpoints)
  })
  test('absent conditions mean ready, serving, not terminating; no nodeName is not local', () => {
    const [port] = servicePorts(
      service('web', ['80']),
      [slice(['8080'], [{ addresses: ['10.244.0.1', '10.244.0.9'] }])],
      options,
    )
    expect(port!.endpoints).toEqual([
      {
        ip: '10.244.0.1',
        port: 8080,
        ready: true,
        serving: true,
        terminating: false,
        isLocal: false,
      },
    ])
  })
})

describe('servicePorts() serves nothing', () => {
  const slices = [slice(['8080'], ['10.244.0.1'])]
  const cases: Record<string, Service> = {
    'for a headless Service': service('web', ['80'], { clusterIP: 'None', clusterIPs: ['None'] }),
    'before a clusterIP is claimed': service('web', ['80'], { clusterIP: '', clusterIPs: [] }),
    'for ExternalName, even with a clusterIP': service('web', ['80'], { type: 'ExternalName' }),
    'for another proxy': service('web', ['80'], {
      object: {
        metadata: {
          namespace: 'default',
          name: 'web',
          labels: { 'service.kubernetes.io/service-proxy-name': '' },
        },
      },
    }),
    'in a family it does not have': service('web', ['80'], {
      clusterIP: 'fd00::1',
      clusterIPs: ['fd00::1'],
      ipFamilies: ['IPv6'],
    }),
  }
  for (const [name, object] of Object.entries(cases))
    test(name, () => expect(servicePorts(object, slices, options)).toEqual([]))
})

describe('servicePorts() finds the frontends', () => {
  const find = (object: Service, more: object = {}) =>
    servicePorts(object, [], { ...options, ...more })[0]!

  test('each family has its own clusterIP', () => {
    const dual = service('web', ['80'], {
      clusterIPs: ['fd00::1', '10.96.0.7'],
      clusterIP: 'fd00::1',
      ipFamilies: ['IPv6', 'IPv4'],
    })
    expect(find(dual).clusterIP).toBe('10.96.0.7')
    expect(find(dual, { family: 'IPv6' }).clusterIP).toBe('fd00::1')
  })
  test('externalIPs count for every type, unless they are switched off', () => {
    const object = service('web', ['80'], { externalIPs: ['198.51.100.7', 'fd00::7'] })
    expect(find(object).externalIPs).toEqual(['198.51.100.7'])
    expect(find(object, { allowExternalIPs: false }).externalIPs).toEqual([])
  })
  test('a load balancer address counts unless it is a proxy or a name', () => {
    const ingress = [
      { ip: '198.51.100.1' },
      { ip: '198.51.100.2', ipMode: 'VIP' },
      { ip: '198.51.100.3', ipMode: 'Proxy' },
      { hostname: 'lb.example.com' },
    ]
    const object = service('web', ['80'], {
      type: 'LoadBalancer',
      object: { status: { loadBalancer: { ingress } } },
    })
    expect(find(object).loadBalancerIPs).toEqual(['198.51.100.1', '198.51.100.2'])
  })
  test('source ranges are trimmed, of the family, and none within another', () => {
    const loadBalancerSourceRanges = [' 10.1.0.0/16 ', '10.0.0.0/8', 'fd00::/8', '192.0.2.7/32']
    const object = service('web', ['80'], { loadBalancerSourceRanges })
    expect(find(object).sourceRanges).toEqual(['10.0.0.0/8', '192.0.2.7'])
  })
  test('externalTrafficPolicy counts only with something external', () => {
    const policy = { externalTrafficPolicy: 'Local' } as const
    expect(find(service('web', ['80'], policy)).externalPolicy).toBe('Cluster')
    expect(find(service('web', ['80@30080'], policy)).externalPolicy).toBe('Local')
    const external = { ...policy, externalIPs: ['198.51.100.7'] }
    expect(find(service('web', ['80'], external)).externalPolicy).toBe('Local')
  })
  test('ClientIP affinity lasts three hours unless told', () => {
    const affine = { sessionAffinity: 'ClientIP' } as const
    expect(find(service('web', ['80'], affine)).affinitySeconds).toBe(10_800)
    const short = { ...affine, sessionAffinityConfig: { clientIP: { timeoutSeconds: 2 } } }
    expect(find(service('web', ['80'], short)).affinitySeconds).toBe(2)
    expect(find(service('web', ['80'])).affinitySeconds).toBeUndefined()
  })
})

test('ownerOfSlice() knows slices that are not for the proxy', () => {
  const labels = { 'kubernetes.io/service-name': 'web' }
  const owner = (more: Partial<EndpointSlice>) => ownerOfSlice(slice([], [], more))
  expect(owner({})).toBe('default/web')
  expect(owner({ addressType: 'FQDN' })).toBeUndefined()
  expect(owner({ metadata: { namespace: 'default', name: 's' } })).toBeUndefined()
  const headless = { ...labels, 'service.kubernetes.io/headless': '' }
  expect(owner({ metadata: { namespace: 'default', name: 's', labels: headless } })).toBeUndefined()
})
