import { describe, expect, test } from 'vitest'
import type { Pod } from '../../api/types/core.gen.ts'
import { diagnose } from '../diagnose.ts'
import type { DnsSeen } from '../snapshot.ts'
import {
  causesOf,
  dnsPod,
  dnsService,
  healthy,
  messagesOf,
  secondsAgo,
  service,
} from '../test-objects.ts'
import {
  dnsForbidden,
  dnsLoop,
  dnsPodsDown,
  dnsServiceMissing,
  dnsStale,
  dnsUnsynced,
} from './dns.ts'

const dns = (change: Partial<DnsSeen>) => ({ dns: { ...healthy().dns, ...change } })
const down = dnsPod('coredns-a', { ready: false })
const leaving = (one: Pod): Pod => ({
  ...one,
  metadata: { ...one.metadata, deletionTimestamp: secondsAgo(5) },
})

describe('D01', () => {
  test.each<[string, Partial<DnsSeen>, readonly string[]]>([
    ['all is well', {}, []],
    ['no Service', { service: undefined }, ['2 DNS Pods run, but there is no Service kube-dns']],
    [
      'another selector',
      { service: service('kube-dns', { selector: { app: 'dns' } }) },
      ['kube-dns selects app=dns; the DNS Pods carry k8s-app=kube-dns'],
    ],
    ['another kind of DNS altogether', { service: undefined, pods: [] }, []],
  ])('%s', (_, change, messages) =>
    expect(messagesOf(dnsServiceMissing, dns(change))).toEqual(messages),
  )
})

describe('D02', () => {
  test.each<[string, Partial<DnsSeen>, readonly string[]]>([
    ['all is well', {}, []],
    ['no Pod', { pods: [] }, ['no DNS Pod at all (k8s-app=kube-dns)']],
    [
      'one of two',
      { pods: [down, dnsPod('b')] },
      ['1 of 2 DNS Pods ready: container app is not ready'],
    ],
    [
      'a Pod of a moment ago',
      { pods: [dnsPod('a', { ready: false, created: secondsAgo(2) })] },
      [
        '0 of 1 DNS Pod ready: container app is not ready (settling: its youngest Pod was made 2 s ago)',
      ],
    ],
    ['a rollout: the Pod of before ends', { pods: [leaving(down), dnsPod('b')] }, []],
    [
      'the last Pod ends, though it still says Ready',
      { pods: [leaving(dnsPod('a'))] },
      ['no DNS Pod at all (k8s-app=kube-dns)'],
    ],
    [
      'a rollout whose new Pod does not get ready',
      { pods: [leaving(dnsPod('a')), dnsPod('b', { ready: false })] },
      ['0 of 1 DNS Pod ready: container app is not ready'],
    ],
  ])('%s', (_, change, messages) => expect(messagesOf(dnsPodsDown, dns(change))).toEqual(messages))
  test('a Pod that ends proves nothing of DNS', () => {
    const { links } = diagnose({
      ...healthy(),
      ...dns({ pods: [leaving(dnsPod('a')), dnsPod('b')] }),
    })
    expect(links.find(({ link }) => link === 'dns')?.text).toBe(
      'kube-dns 10.96.0.10, 1 of 1 Pod ready',
    )
  })
})

describe('D03', () => {
  const line =
    'plugin/loop: Loop (127.0.0.1:41337 -> :53) detected for zone ".", see https://coredns.io/plugins/loop#troubleshooting.'
  test('reads the log of the crash', () =>
    expect(messagesOf(dnsLoop, dns({ logs: new Map([['a', `[FATAL] ${line}\n`]]) }))).toEqual([
      'DNS forwards to itself: the query came back from 127.0.0.1:41337',
    ]))
  test('is silent about other crashes', () =>
    expect(
      messagesOf(dnsLoop, dns({ logs: new Map([['a', 'plugin/errors: i/o timeout']]) })),
    ).toEqual([]))
  test('explains that the Pods are down', () =>
    expect(causesOf(dns({ pods: [down], logs: new Map([['coredns-a', line]]) }))).toEqual(['D03']))
})

describe('D04', () => {
  const access = (allowed: boolean) =>
    ['list', 'watch'].map((verb) => ({
      ...{ serviceAccount: 'system:serviceaccount:kube-system:coredns', verb, allowed, reason: '' },
      ...{ group: '', resource: 'services' },
    }))
  test('names what is refused', () =>
    expect(messagesOf(dnsForbidden, dns({ access: access(false) }))).toEqual([
      'coredns may not list services, watch services',
    ]))
  test('is silent when all is allowed, or nothing could be asked', () => {
    expect(messagesOf(dnsForbidden, dns({ access: access(true) }))).toEqual([])
    expect(messagesOf(dnsForbidden, dns({ access: [] }))).toEqual([])
  })
  test('explains that DNS is unsynced and down', () =>
    expect(
      causesOf(
        dns({
          access: access(false),
          pods: [down],
          ready: new Map([['coredns-a', { code: 503, body: 'kubernetes' }]]),
        }),
      ),
    ).toEqual(['D04']))
})

describe('D05', () => {
  test.each<[string, Partial<DnsSeen>, number]>([
    ['all is well', {}, 0],
    ['/ready names the plugin', { ready: new Map([['a', { code: 503, body: 'kubernetes' }]]) }, 1],
    ['/ready names another', { ready: new Map([['a', { code: 503, body: 'erratic' }]]) }, 0],
    [
      'SERVFAIL in its own zone',
      {
        answers: [
          {
            pod: 'a',
            name: 'web.shop.svc.cluster.local.',
            type: 'A',
            rcode: 'SERVFAIL',
            addresses: [],
            ms: 1,
          },
        ],
      },
      1,
    ],
    [
      'SERVFAIL outside',
      {
        answers: [
          { pod: 'a', name: 'example.com.', type: 'A', rcode: 'SERVFAIL', addresses: [], ms: 1 },
        ],
      },
      0,
    ],
  ])('%s', (_, change, count) => expect(messagesOf(dnsUnsynced, dns(change))).toHaveLength(count))
})

describe('D16', () => {
  const answers = (rcode: string, addresses: readonly string[]) =>
    dns({
      answers: [
        { pod: 'a', name: 'web.shop.svc.cluster.local.', type: 'A', rcode, addresses, ms: 1 },
      ],
    })
  test('a replica that does not know the Service', () =>
    expect(messagesOf(dnsStale, answers('NXDOMAIN', []))).toEqual([
      'replica a answers NXDOMAIN for web.shop.svc.cluster.local.',
    ]))
  test('a replica with the address of before', () =>
    expect(messagesOf(dnsStale, answers('NOERROR', ['10.96.0.99']))).toHaveLength(1))
  test('is silent about the right answer, and about headless Services', () => {
    expect(messagesOf(dnsStale, {})).toEqual([])
    const services = [service('web', { clusterIP: 'None' })]
    expect(messagesOf(dnsStale, { services, ...answers('NOERROR', ['10.244.0.5']) })).toEqual([])
  })
})

test('a DNS Service of this test is what the healthy shop has', () =>
  expect(causesOf({ dns: { ...healthy().dns, service: dnsService() } })).toEqual([]))
