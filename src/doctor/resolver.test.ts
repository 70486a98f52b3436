import { describe, expect, test } from 'vitest'
import type { Pod } from '../api/types/core.gen.ts'
import {
  candidateNames,
  followLookup,
  guessLibc,
  type Libc,
  type Lookup,
  predictResolver,
} from './resolver.ts'
import { pod } from './test-objects.ts'

const kubelet = {
  clusterDNS: ['10.96.0.10'],
  clusterDomain: 'cluster.local',
  searches: ['corp.test'],
}
const predict = (spec: Partial<Pod['spec']>) =>
  predictResolver(pod('client', { spec: { containers: [], ...spec } }), kubelet)

describe('predictResolver()', () => {
  test('ClusterFirst: the cluster’s suffixes, then the node’s', () =>
    expect(predict({})).toEqual({
      nameservers: ['10.96.0.10'],
      searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'corp.test'],
      options: ['ndots:5'],
      ndots: 5,
      source: 'cluster',
    }))
  test('dnsConfig is added, and its ndots wins', () =>
    expect(
      predict({
        dnsConfig: {
          nameservers: ['203.0.113.1'],
          searches: ['x.test'],
          options: [{ name: 'ndots', value: '2' }],
        },
      }),
    ).toMatchObject({ nameservers: ['10.96.0.10', '203.0.113.1'], ndots: 2, options: ['ndots:2'] }))
  test('in the node’s network ClusterFirst is Default', () =>
    expect(predict({ hostNetwork: true })).toMatchObject({
      source: 'node',
      nameservers: [],
      ndots: 1,
    }))
  test('None is what dnsConfig says alone', () =>
    expect(predict({ dnsPolicy: 'None', dnsConfig: { nameservers: ['203.0.113.1'] } })).toEqual({
      ...{ nameservers: ['203.0.113.1'], searches: [], options: [], ndots: 1, source: 'pod' },
    }))
})

describe('candidateNames()', () => {
  const resolver = { ...predict({}), searches: ['a.test', 'b.test'], ndots: 2 }
  test.each<[string, Libc, readonly string[]]>([
    ['web', 'glibc', ['web.a.test.', 'web.b.test.', 'web.']],
    ['web', 'musl', ['web.a.test.', 'web.b.test.', 'web.']],
    ['x.y.z', 'glibc', ['x.y.z.', 'x.y.z.a.test.', 'x.y.z.b.test.']],
    ['x.y.z', 'musl', ['x.y.z.']],
    ['web.', 'glibc', ['web.']],
  ])('%s by %s', (name, libc, names) => expect(candidateNames(name, resolver, libc)).toEqual(names))
})

describe('followLookup()', () => {
  const answers: Readonly<Record<string, Lookup>> = {
    'a.': { name: 'a.', rcode: 'NXDOMAIN', addresses: [] },
    'b.': { name: 'b.', rcode: 'SERVFAIL', addresses: [] },
    'c.': { name: 'c.', rcode: 'NOERROR', addresses: ['10.96.0.1'] },
  }
  const follow = (libc: Libc) => {
    const { asked, found } = followLookup(['a.', 'b.', 'c.'], (name) => answers[name], libc)
    return [asked.map(({ name }) => name), found?.name]
  }
  test('glibc goes on after SERVFAIL', () =>
    expect(follow('glibc')).toEqual([['a.', 'b.', 'c.'], 'c.']))
  test('musl ends there', () => expect(follow('musl')).toEqual([['a.', 'b.'], undefined]))
})

test.each([
  ['nginx:alpine', 'musl'],
  ['docker.io/library/alpine:3.20', 'musl'],
  ['debian:12', 'glibc'],
])('guessLibc(%s)', (image, libc) => expect(guessLibc(image)).toBe(libc))
