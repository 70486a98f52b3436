// answer() as a table: what the conformance fixture does not hold (dns.md 1.3 to 1.12).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { externalName, namespace, service, slice } from '../../test/dns/market.ts'
import { answer } from './answer.ts'
import { reverseName } from './wire/address.ts'
import { parseType } from './wire/codes.ts'
import { formatRecord } from './wire/text.ts'
import { Zone } from './zone.ts'
import type { ZoneOptions, ZoneView } from './zone-view.ts'

const zone = new Zone(1_000_000)
for (const name of ['market', 'kube-system']) zone.setNamespace(namespace(name))
const web = { web: ['TCP', 80] } as const
const services = [
  service('kube-system/kube-dns', ['10.96.0.10', 'fd10::a'], { dns: ['UDP', 53] }),
  service('kube-system/dns-peers', ['None'], { dns: ['UDP', 53] }),
  service('market/both', ['None'], { http: ['TCP', 80], metrics: ['TCP', 9090] }),
  service('market/shared', ['None'], web),
  service('market/zoned', ['None'], web),
  service('market/silent', ['None']),
  service('market/bare', []),
  externalName('market/ip', '192.0.2.9'),
  externalName('market/a', 'b.market.svc.cluster.local'),
  externalName('market/b', 'c.market.svc.cluster.local'),
  externalName('market/c', 'shared.market.svc.cluster.local'),
  externalName('market/out', 'Mail.Test'),
  externalName('market/ping', 'pong.market.svc.cluster.local'),
  externalName('market/pong', 'ping.market.svc.cluster.local'),
]
const slices = [
  slice('kube-system/kube-dns', { dns: ['UDP', 53] }, [{ address: '10.244.0.2' }]),
  slice('market/both', { http: ['TCP', 8080], metrics: ['TCP', 9090] }, [
    { address: '10.244.0.5', hostname: 'b-0' },
    { address: '10.244.0.6', hostname: 'b-1' },
  ]),
  slice('market/both', { http: ['TCP', 8080], metrics: ['TCP', 9090] }, [
    { address: 'fd00::5', hostname: 'b-0' },
    { address: 'fd00::6', hostname: 'b-1' },
  ]),
  slice('market/shared', web, [
    { address: '10.244.0.5', hostname: 'same' },
    { address: '10.244.0.7', hostname: 'same' },
  ]),
  slice('market/zoned', web, [
    { address: '10.244.0.8', zone: 'eu-1.a' },
    { address: '10.244.0.9', zone: 'eu-1.b' },
  ]),
  slice('market/silent', {}, [{ address: '10.244.0.4' }]),
  slice('market/orphan', web, [{ address: '10.244.0.66', hostname: 'left' }]),
]
for (const each of services) zone.setService(each, 1_000_000)
for (const each of slices) zone.setSlice(each, 1_000_000)

const defaults: ZoneOptions = {
  ttl: 5,
  pods: 'insecure',
  endpointPodNames: false,
  ignoreEmptyService: false,
  zonal: false,
}

function view(options: Partial<ZoneOptions> = {}, origin = 'cluster.local.'): ZoneView {
  return {
    index: zone,
    options: { ...defaults, ...options },
    origin,
    reverse: origin.endsWith('arpa.'),
    primaryOrigin: 'cluster.local.',
    localAddresses: ['10.244.0.2'],
  }
}

/** Outcome and records; names below the Services' zone lose it, to be read. */
function ask(question: string, at: ZoneView = view()): string {
  const [text = '', type = 'A'] = question.replace('~', '.svc.cluster.local').split(' ')
  const name = text.endsWith('.') ? text : `${text}.`
  const query = { name, lower: name.toLowerCase(), type: parseType(type)! }
  const { outcome, answers, additionals, follow } = answer(at, query)
  const lines = [...answers, ...additionals].map(formatRecord).sort()
  const shown = lines.join('\n').replaceAll('.svc.cluster.local.', '~')
  return [outcome, shown, follow && `follow ${follow}`].filter(Boolean).join('\n')
}

const check = (question: string, expected: string, at?: ZoneView) =>
  expect(ask(question, at), question).toBe(expected)

describe('answer()', () => {
  it('weighs SRV records by addresses times ports, both families together', () => {
    const lines = ask('both.market~ SRV').split('\n')
    expect(lines.filter((line) => line.includes('SRV 0 12'))).toHaveLength(4)
    expect(lines.filter((line) => / A | AAAA /.test(line))).toHaveLength(4)
  })

  it('gives both addresses of a hostname that two endpoints share', () => {
    check(
      'same.shared.market~ A',
      'found\nsame.shared.market~ 5 IN A 10.244.0.5\nsame.shared.market~ 5 IN A 10.244.0.7',
    )
  })

  it('resolves Services without ports, which have no SRV', () => {
    check('silent.market~ A', 'found\nsilent.market~ 5 IN A 10.244.0.4')
    check('silent.market~ SRV', 'nodata')
    check('bare.market~ A', 'nodata')
  })

  it('hides an ExternalName that is an address, and a slice without a Service', () => {
    check('ip.market~ A', 'missing')
    check('orphan.market~ A', 'missing')
    const orphan = view({}, 'in-addr.arpa.')
    const owner = reverseName('10.244.0.66')
    check(`${owner} PTR`, `found\n${owner} 5 IN PTR left.orphan.market~`, orphan)
  })

  it('follows chains inside the zone, stops at loops, and leaves other names to the server', () => {
    check(
      'a.market~ A',
      [
        'found',
        'a.market~ 5 IN CNAME b.market~',
        'b.market~ 5 IN CNAME c.market~',
        'c.market~ 5 IN CNAME shared.market~',
        'shared.market~ 5 IN A 10.244.0.5',
        'shared.market~ 5 IN A 10.244.0.7',
      ].join('\n'),
    )
    check('ping.market~ A', 'nodata')
    check('ping.market~ CNAME', 'found\nping.market~ 5 IN CNAME pong.market~')
    check('out.market~ A', 'found\nout.market~ 5 IN CNAME Mail.Test.\nfollow Mail.Test.')
    check('_http._tcp.out.market~ SRV', 'missing')
    check('x.out.market~ A', 'missing')
  })

  it('gives a Pod one name per Service', () => {
    const owner = reverseName('10.244.0.5')
    check(
      `${owner} PTR`,
      `found\n${owner} 5 IN PTR b-0.both.market~\n${owner} 5 IN PTR same.shared.market~`,
      view({}, 'in-addr.arpa.'),
    )
    check(`${owner} A`, 'nodata', view({}, 'in-addr.arpa.'))
    check('5.0.244.10.x.in-addr.arpa PTR', 'missing', view({}, 'in-addr.arpa.'))
    check('0.244.10.in-addr.arpa PTR', 'missing', view({}, 'in-addr.arpa.'))
  })

  it('names the Service in front of this server as the name server', () => {
    const kubeDns = 'kube-dns.kube-system~'
    check(
      'cluster.local NS',
      `found\ncluster.local. 5 IN NS ${kubeDns}\n${kubeDns} 5 IN A 10.96.0.10\n${kubeDns} 5 IN AAAA fd10::a`,
    )
    check('ns.dns.cluster.local A', 'found\nns.dns.cluster.local. 5 IN A 10.96.0.10')
    check('NS.dns.Cluster.local AAAA', 'found\nNS.dns.Cluster.local. 5 IN AAAA fd10::a')
    check('ns.dns.cluster.local TXT', 'nodata')
  })

  it('answers for the topology zone that a name pins or prefers', () => {
    const zonal = view({ zonal: true })
    check(
      'eu-1.a.pin._zone.zoned.market~ A',
      'found\neu-1.a.pin._zone.zoned.market~ 5 IN A 10.244.0.8',
      zonal,
    )
    check('none.pin._zone.zoned.market~ A', 'nodata', zonal)
    expect(ask('none.prefer._zone.zoned.market~ A', zonal).split('\n')).toHaveLength(3)
    check('eu-1.a.near._zone.zoned.market~ A', 'missing', zonal)
    check('x.pin._zone.kube-dns.kube-system~ A', 'missing', zonal)
    check('eu-1.a.pin._zone.zoned.market~ A', 'missing')
  })

  it('reads Pod labels as addresses of one family', () => {
    const pod = (label: string) => `${label}.market.pod.cluster.local`
    check(`${pod('1-2-3-4')} A`, `found\n${pod('1-2-3-4')}. 5 IN A 1.2.3.4`)
    check(`${pod('1-2-3-4')} AAAA`, 'nodata')
    check(`${pod('--1')} AAAA`, `found\n${pod('--1')}. 5 IN AAAA ::1`)
    check(`${pod('1-2-3')} A`, 'missing')
    check(`${pod('x.1-2-3-4')} A`, 'missing')
    check('1-2-3-4.absent.pod.cluster.local A', 'missing')
  })

  it('wants underscores before port and protocol', () => {
    check(
      '_http._tcp.both.market~ A',
      'found\n_http._tcp.both.market~ 5 IN A 10.244.0.5\n_http._tcp.both.market~ 5 IN A 10.244.0.6',
    )
    check('http.tcp.both.market~ SRV', 'missing')
    check('_._tcp.both.market~ SRV', 'missing')
    check('*.market~ A', 'missing')
    check('a.b.c.both.market~ A', 'missing')
  })

  it('says the same of existence for every type', () => {
    const label = fc.constantFrom(
      'both',
      'b-0',
      'market',
      'svc',
      'pod',
      '_http',
      '_tcp',
      'x',
      'ping',
    )
    const name = fc
      .array(label, { maxLength: 5 })
      .map((labels) => [...labels, 'cluster.local'].join('.'))
    const type = fc.constantFrom('A', 'AAAA', 'SRV', 'TXT', 'MX', 'HTTPS', 'NS', 'SOA', 'ANY')
    fc.assert(
      fc.property(name, type, (owner, asked) => {
        const exists = (t: string) => !ask(`${owner} ${t}`).startsWith('missing')
        expect(exists(asked)).toBe(exists('A'))
      }),
    )
  })
})
