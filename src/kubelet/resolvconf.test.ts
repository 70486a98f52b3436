import { describe, expect, it } from 'vitest'
import type { Pod } from '../api/types/core.gen.ts'
import { buildHosts, hostnameOf } from './hosts.ts'
import { buildResolvConf, formatResolvConf, parseResolvConf } from './resolvconf.ts'

const cluster = { servers: ['10.96.0.10'], domain: 'cluster.local' }
const node = parseResolvConf(
  '# made by hand\nnameserver 203.0.113.53\nsearch example.org.\noptions edns0\n',
)

function podOf(spec: Partial<Pod['spec']>): Pod {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: 'u' },
    spec: { containers: [], ...spec },
  }
}

function check(
  spec: Partial<Pod['spec']>,
  expected: string,
  warnings: readonly string[] = [],
): void {
  const result = buildResolvConf(podOf(spec), cluster, node)
  expect(formatResolvConf(result.conf)).toBe(expected)
  expect(result.warnings.map(({ reason }) => reason)).toEqual(warnings)
}

const clusterFirst = `search shop.svc.cluster.local svc.cluster.local cluster.local example.org
nameserver 10.96.0.10
options ndots:5
`
const nodeOwn = 'search example.org\nnameserver 203.0.113.53\noptions edns0\n'

describe('buildResolvConf() (C62)', () => {
  it('for each policy, with and without the host network', () => {
    check({}, clusterFirst)
    check({ dnsPolicy: 'ClusterFirst', hostNetwork: true }, nodeOwn)
    check({ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }, clusterFirst)
    check({ dnsPolicy: 'Default' }, nodeOwn)
    check({ dnsPolicy: 'Default', hostNetwork: true }, nodeOwn)
    check({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'] } }, 'nameserver 1.1.1.1\n')
  })

  it('merges dnsConfig: servers and searches are added, options replaced by name', () => {
    check(
      {
        dnsConfig: {
          nameservers: ['10.96.0.10', '1.1.1.1'],
          searches: ['corp.example'],
          options: [{ name: 'ndots', value: '2' }, { name: 'use-vc' }],
        },
      },
      `search shop.svc.cluster.local svc.cluster.local cluster.local example.org corp.example
nameserver 10.96.0.10
nameserver 1.1.1.1
options ndots:2 use-vc
`,
    )
  })

  it('cuts a fourth nameserver and a search list over the limits, and says so', () => {
    const nameservers = ['1.0.0.1', '1.0.0.2', '1.0.0.3']
    check(
      { dnsConfig: { nameservers } },
      clusterFirst.replace('options', 'nameserver 1.0.0.1\nnameserver 1.0.0.2\noptions'),
      ['DNSConfigForming'],
    )
    const searches = Array.from({ length: 40 }, (_, index) => `s${index}.example`)
    const { conf, warnings } = buildResolvConf(podOf({ dnsConfig: { searches } }), cluster, node)
    expect([conf.searches.length, warnings[0]?.reason]).toEqual([32, 'DNSConfigForming'])
  })

  it('falls back to the node without a cluster DNS, and says so', () => {
    const { conf, warnings } = buildResolvConf(podOf({}), { ...cluster, servers: [] }, node)
    expect(formatResolvConf(conf)).toBe(nodeOwn)
    expect(warnings[0]?.reason).toBe('MissingClusterDNS')
  })
})

describe('hostnameOf() (DN5)', () => {
  const check = (metadataName: string, spec: Partial<Pod['spec']>, expected: unknown) => {
    const pod = { ...podOf(spec), metadata: { name: metadataName, namespace: 'shop' } }
    expect(hostnameOf(pod, 'cluster.local')).toEqual(expected)
  }

  it('is the override, the hostname, or the name cut to a label', () => {
    check('web', { hostnameOverride: 'o.example', hostname: 'h' }, { hostname: 'o.example' })
    check('web', { hostname: 'h' }, { hostname: 'h' })
    check(`${'a'.repeat(62)}-.b`, {}, { hostname: 'a'.repeat(62) })
  })

  it('is the full name on request, unless that is too long for the kernel', () => {
    const spec = { subdomain: 's', setHostnameAsFQDN: true }
    check('web', spec, { hostname: 'web.s.shop.svc.cluster.local' })
    const long = hostnameOf({ ...podOf({ ...spec, hostname: 'a'.repeat(60) }) }, 'cluster.local')
    expect(long).toHaveProperty('error')
  })
})

describe('buildHosts() (C63)', () => {
  it('has a line for each address, with the full name if there is a subdomain, then aliases', () => {
    const pod = podOf({
      subdomain: 'nodes',
      hostAliases: [{ ip: '203.0.113.7', hostnames: ['a.example', 'b.example'] }],
    })
    const text = buildHosts(pod, { podIPs: ['10.244.0.2'], clusterDomain: 'cluster.local' })
    expect(text).toContain('10.244.0.2\tweb.nodes.shop.svc.cluster.local\tweb\n')
    expect(
      text.endsWith('# Entries added by HostAliases.\n203.0.113.7\ta.example\tb.example\n'),
    ).toBe(true)
  })

  it("is the node's own file for the host network", () => {
    const request = { podIPs: [], clusterDomain: 'cluster.local', nodeHosts: '127.0.0.1 me\n' }
    expect(buildHosts(podOf({ hostNetwork: true }), request)).toBe(
      '# Kubernetes-managed hosts file (host network).\n127.0.0.1 me\n',
    )
  })
})
