import { describe, expect, test } from 'vitest'
import type { Pod } from '../../api/types/core.gen.ts'
import type { Asked, DnsAnswer } from '../snapshot.ts'
import { dnsService, healthy, messagesOf, pod, service } from '../test-objects.ts'
import {
  notClusterFirst,
  otherNameserver,
  searchAmplification,
  shortName,
  wildcardCapture,
} from './names.ts'

const client = (spec: Partial<Pod['spec']> = {}): Pod =>
  pod('client', { namespace: 'app', spec: { nodeName: 'n1', containers: [], ...spec } })
const from = { namespace: 'app', name: 'client' }
const outside = (name: string): Asked => ({ namespace: 'app', name, external: true, client: from })

describe('N01', () => {
  const asked = (name: string): Asked => ({
    ...{ namespace: 'app', name, client: from },
    service: { namespace: 'app', name: name.split('.')[0]! },
  })
  test('a short name from another namespace', () =>
    expect(
      messagesOf(shortName, { asked: asked('web'), services: [], namesakes: [service('web')] }),
    ).toEqual(['from app, "web" means web.app; yours is web.shop']))
  test('is silent when the name says its namespace, and when the Service is there', () => {
    expect(
      messagesOf(shortName, { asked: asked('web.app'), services: [], namesakes: [service('web')] }),
    ).toEqual([])
    const own = service('web', {}, { namespace: 'app' })
    expect(messagesOf(shortName, { asked: asked('web'), services: [own], namesakes: [] })).toEqual(
      [],
    )
  })
})

describe('N03', () => {
  const check = (name: string, spec: Partial<Pod['spec']> = {}) =>
    messagesOf(searchAmplification, { asked: outside(name), clients: [client(spec)] })
  test('counts both families and the name itself', () =>
    expect(check('api.example.com')).toEqual([
      'one lookup of api.example.com is 8 queries, 6 of them in vain (ndots:5, 3 search suffixes)',
    ]))
  test.each([
    ['a trailing dot', 'api.example.com.', {}],
    ['enough dots', 'a.b.c.d.example.com', {}],
    ['ndots:2', 'api.example.com', { dnsConfig: { options: [{ name: 'ndots', value: '2' }] } }],
    ["the node's own resolver", 'api.example.com', { dnsPolicy: 'Default' as const }],
  ])('is silent with %s', (_, name, spec) => expect(check(name, spec)).toEqual([]))
})

describe('N05', () => {
  const answer = (addresses: readonly string[]): DnsAnswer => ({
    ...{ pod: 'coredns-a', name: 'signpost-no-such-name.corp.test.', type: 'A', ms: 1 },
    ...{ rcode: addresses.length > 0 ? 'NOERROR' : 'NXDOMAIN', addresses },
  })
  const check = (searches: readonly string[], addresses: readonly string[]) =>
    messagesOf(wildcardCapture, {
      clients: [client({ dnsConfig: { searches } })],
      dns: { ...healthy().dns, answers: [answer(addresses)] },
    })
  test('a name that nobody has is answered', () =>
    expect(check(['corp.test'], ['203.0.113.9'])).toEqual([
      '*.corp.test is a wildcard: every name with few dots resolves to 203.0.113.9',
    ]))
  test('is silent without a wildcard, and about the cluster’s own suffixes', () => {
    expect(check(['corp.test'], [])).toEqual([])
    expect(check([], ['203.0.113.9'])).toEqual([])
  })
})

describe('N06', () => {
  const check = (address: string, spec: Partial<Pod['spec']> = {}) =>
    messagesOf(otherNameserver, {
      clients: [client(spec)],
      dns: { ...healthy().dns, service: dnsService(address) },
    })
  test('the DNS Service has another address than the kubelet hands out', () =>
    expect(check('10.96.0.53')).toEqual(['asks 10.96.0.10; the cluster DNS is at 10.96.0.53']))
  test('is silent when they agree, and about Pods with another policy', () => {
    expect(check('10.96.0.10')).toEqual([])
    expect(check('10.96.0.53', { dnsPolicy: 'Default' })).toEqual([])
  })
  test('is silent where a cache on the node stands in front', () => {
    const kubelet = { clusterDNS: ['169.254.20.10'], clusterDomain: 'cluster.local' }
    expect(
      messagesOf(otherNameserver, { clients: [client()], kubelets: new Map([['n1', kubelet]]) }),
    ).toEqual([])
  })
})

describe('N07', () => {
  const check = (spec: Partial<Pod['spec']>) =>
    messagesOf(notClusterFirst, { clients: [client(spec)] })
  test.each([
    [
      { dnsPolicy: 'Default' as const },
      "dnsPolicy Default: asks the node's name servers, which know no Services",
    ],
    [
      { hostNetwork: true },
      "a Pod in the node's network with dnsPolicy ClusterFirst asks the node's name servers, which know no Services",
    ],
    [
      { dnsPolicy: 'None' as const, dnsConfig: { nameservers: ['203.0.113.53'] } },
      'dnsPolicy None: asks 203.0.113.53, which know no Services',
    ],
  ])('%j', (spec, message) => expect(check(spec)).toEqual([message]))
  test.each([
    [{}],
    [{ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' as const }],
    [{ dnsPolicy: 'None' as const, dnsConfig: { nameservers: ['10.96.0.10'] } }],
  ])('is silent about %j', (spec) => expect(check(spec)).toEqual([]))
  test('a DNS server itself asks the node’s', () => {
    const server = pod('coredns', {
      labels: { 'k8s-app': 'kube-dns' },
      spec: { dnsPolicy: 'Default', containers: [] },
    })
    expect(messagesOf(notClusterFirst, { clients: [server] })).toEqual([])
  })
})
