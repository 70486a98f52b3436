import { describe, expect, test } from 'vitest'
import type { Node } from '../api/types/core.gen.ts'
import type { ProxyConfig } from './config.ts'
import { plannerNode, primaryIP, selectNodePortAddresses } from './node-facts.ts'

const node = {
  metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'a' } },
  spec: { podCIDRs: ['10.244.3.0/24', 'fd00:244:0:3::/64'] },
  status: {
    addresses: [
      { type: 'Hostname', address: 'n1' },
      { type: 'ExternalIP', address: '203.0.113.4' },
      { type: 'InternalIP', address: '192.168.50.2' },
      { type: 'ExternalIP', address: '2001:DB8::4' },
    ],
  },
} as unknown as Node

const localAddresses = [
  { ip: '127.0.0.1', prefix: 8, scope: 'host' },
  { ip: '192.168.50.2', prefix: 24, scope: 'global' },
  { ip: '10.1.2.3', prefix: 8, scope: 'global' },
  { ip: '::1', prefix: 128, scope: 'host' },
] as const

function facts(config: Partial<ProxyConfig>, known: Node | undefined = node) {
  return {
    config: { nodeName: 'n1', ...config },
    node: known,
    localAddresses,
    serviceCIDRs: ['10.96.0.0/16', 'fd00:96::/112'],
  }
}

test('primaryIP() is the InternalIP, else the ExternalIP, in canonical form', () => {
  expect(primaryIP(node, 'IPv4')).toBe('192.168.50.2')
  expect(primaryIP(node, 'IPv6')).toBe('2001:db8::4')
  expect(primaryIP(undefined, 'IPv4')).toBeUndefined()
})

describe('selectNodePortAddresses()', () => {
  const choice = {
    family: 'IPv4',
    nodeIP: '192.168.50.2',
    addresses: ['192.168.50.2', '10.1.2.3'],
  } as const
  const check = (entries: readonly string[], expected: 'all' | readonly string[]) =>
    test(`of ${JSON.stringify(entries)}`, () => {
      expect(selectNodePortAddresses(entries, choice)).toEqual(expected)
    })
  check([], ['192.168.50.2'])
  check(['primary'], ['192.168.50.2'])
  check(['all'], 'all')
  check(['0.0.0.0/0'], 'all')
  check(['10.0.0.0/8'], ['10.1.2.3'])
  check(['primary', '10.0.0.0/8'], ['10.1.2.3', '192.168.50.2'])
  check(['172.16.0.0/12'], [])
  check(['fd00::/8'], 'all')
  check(['localhost'], [])
})

describe('the local detector', () => {
  const check = (name: string, config: Partial<ProxyConfig>, expected: unknown) =>
    test(name, () => {
      expect(plannerNode(facts(config), 'IPv4').config.localDetector).toEqual(expected)
    })
  check('is the podCIDR of this node by default', {}, { field: 'ip saddr', value: '10.244.3.0/24' })
  const clusterCIDR = 'fd00:244::/48,10.244.0.0/16'
  check(
    'is the clusterCIDR where one is given',
    { clusterCIDR },
    { field: 'ip saddr', value: '10.244.0.0/16' },
  )
  check('is nothing for a family without CIDR', { clusterCIDR: 'fd00::/48' }, undefined)
  const prefix = { interfaceNamePrefix: 'veth' }
  check(
    'is an interface prefix',
    { detectLocalMode: 'InterfaceNamePrefix', detectLocal: prefix },
    { field: 'iifname', value: 'veth*' },
  )
  check(
    'is a bridge',
    { detectLocalMode: 'BridgeInterface', detectLocal: { bridgeInterface: 'br0' } },
    { field: 'iifname', value: 'br0' },
  )
})

test('plannerNode() keeps the families apart and loopback out', () => {
  const { config, topology } = plannerNode(facts({ nodePortAddresses: ['all'] }), 'IPv4')
  expect(config).toMatchObject({
    family: 'ip',
    masqueradeMark: 0x4000,
    nodePortAddresses: 'all',
    localAddresses: ['10.1.2.3', '192.168.50.2'],
    serviceCIDRs: ['10.96.0.0/16'],
    nodeIP: '192.168.50.2',
  })
  expect(topology).toEqual({ name: 'n1', topologyZone: 'a' })
  expect(plannerNode(facts({ masqueradeBit: 31 }), 'IPv6').config).toMatchObject({
    family: 'ip6',
    masqueradeMark: 0x80000000,
    serviceCIDRs: ['fd00:96::/112'],
  })
})
