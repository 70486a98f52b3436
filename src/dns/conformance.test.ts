// The conformance table of CoreDNS 1.14.7 (measured there; the numbers are the table's), asked over
// real sockets: records as zone-file lines.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Stub } from '../../test/dns/client.ts'
import { ask, describeReply, edns, exchangeUdp, startStub } from '../../test/dns/client.ts'
import { cellarTill, craneSlice, FixtureApi, fillMarket } from '../../test/dns/market.ts'
import type { TestServer } from '../../test/dns/server.ts'
import { startTestServer } from '../../test/dns/server.ts'
import { endpointslices, services } from '../api/resources.gen.ts'
import { decodeMessage } from './wire/message.ts'

const zone = '.svc.cluster.local'
/** "~" stands for the Services' part of the zone, in questions and answers. */
const expand = (text: string) => text.replaceAll('~', zone)

let stub: Stub
let api: FixtureApi
const servers: TestServer[] = []
let p: TestServer
let q: TestServer
let b: TestServer

async function start(corefile: string, source = api): Promise<TestServer> {
  const server = await startTestServer(corefile, source)
  servers.push(server)
  return server
}

beforeAll(async () => {
  stub = await startStub(['mail.partner.test. 120 A 198.51.100.40'])
  api = new FixtureApi()
  fillMarket(api)
  const upstream = `forward . 127.0.0.1:${stub.port}`
  const reverse = 'in-addr.arpa ip6.arpa'
  p = await start(`. {
    kubernetes cluster.local ${reverse} {
      pods verified
      fallthrough ${reverse}
      ttl 30
    }
    ${upstream}
  }`)
  q = await start(`. {
    kubernetes cluster.local ${reverse} {
      pods insecure
      endpoint_pod_names
      ignore empty_service
      namespaces market
      fallthrough ${reverse}
      ttl 30
    }
    ${upstream}
  }`)
  b = await start(`cluster.local ${reverse} {\n  kubernetes\n}`)
})

afterAll(async () => {
  await Promise.all(servers.map(({ dns }) => dns.stop()))
  stub.close()
})

/** The reply without its SOA's serial, sorted within sections. */
async function check(server: TestServer, question: string, expected: string): Promise<void> {
  const reply = await server.query(expand(question))
  expect(reply.replace(/(SOA \S+ \S+) \d+/, '$1 N'), question).toBe(expand(expected).trim())
}

const soa = (ttl: number, owner = 'cluster.local.') =>
  `--\n--\n${owner} ${ttl} IN SOA ns.dns.${owner} hostmaster.${owner} N 7200 1800 86400 ${ttl}`
const nodata = `NOERROR aa rd\n${soa(30)}`
const nxdomain = `NXDOMAIN aa rd\n${soa(30)}`
const found = (...lines: string[]) => ['NOERROR aa rd', '--', ...lines].join('\n')
const glue = (...lines: string[]) => ['--', '--', ...lines].join('\n')

type Case = readonly [number: string, question: string, expected: string]

const forward: readonly Case[] = [
  ['1', 'till.market~ A', found('till.market~. 30 IN A 10.110.0.11')],
  ['2', 'till.market~ AAAA', nodata],
  ['3', 'till.cellar~ A', found('till.cellar~. 30 IN A 10.110.0.21')],
  ['4', 'stall.market~ A', found('stall.market~. 30 IN A 10.110.0.12')],
  ['5', 'stall.market~ AAAA', found('stall.market~. 30 IN AAAA fd10::12')],
  ['6', 'vault.cellar~ A', found('vault.cellar~. 30 IN A 10.110.0.22')],
  ['7', 'plain.cellar~ A', found('plain.cellar~. 30 IN A 10.110.0.23')],
  ['8', 'plain.cellar~ SRV', nodata],
  ['9', 'absent.market~ A', nxdomain],
  ['10', 'till.absent~ A', nxdomain],
  ['11', 'market~ A', nodata],
  ['12', 'attic~ AAAA', nodata],
  ['13', 'absent~ A', nxdomain],
  ['14', 'svc.cluster.local A', nodata],
  ['15', 'cluster.local A', nodata],
  [
    '16',
    'cluster.local SOA',
    found(
      'cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. N 7200 1800 86400 30',
    ),
  ],
  ['17', 'elsewhere.cluster.local A', nxdomain],
  ['18', 'dns-version.cluster.local TXT', found('dns-version.cluster.local. 28800 IN TXT "1.1.0"')],
  [
    '19',
    '_pay._tcp.till.market~ SRV',
    `${found('_pay._tcp.till.market~. 30 IN SRV 0 100 8443 till.market~.')}
${glue('till.market~. 30 IN A 10.110.0.11')}`,
  ],
  [
    '20',
    '_scan._udp.till.market~ SRV',
    `${found('_scan._udp.till.market~. 30 IN SRV 0 100 9999 till.market~.')}
${glue('till.market~. 30 IN A 10.110.0.11')}`,
  ],
  ['21', '_pay._udp.till.market~ SRV', nxdomain],
  ['22', '_pay._tcp.till.market~ A', found('_pay._tcp.till.market~. 30 IN A 10.110.0.11')],
  [
    '23',
    'till.market~ SRV',
    `${found('till.market~. 30 IN SRV 0 50 8443 till.market~.', 'till.market~. 30 IN SRV 0 50 9999 till.market~.')}
${glue('till.market~. 30 IN A 10.110.0.11')}`,
  ],
  [
    '24',
    '_web._tcp.stall.market~ SRV',
    `${found('_web._tcp.stall.market~. 30 IN SRV 0 50 80 stall.market~.')}
${glue('stall.market~. 30 IN A 10.110.0.12', 'stall.market~. 30 IN AAAA fd10::12')}`,
  ],
  [
    '25',
    'crane.market~ A',
    found('crane.market~. 30 IN A 10.120.2.1', 'crane.market~. 30 IN A 10.120.2.2'),
  ],
  ['26', 'crane.market~ AAAA', found('crane.market~. 30 IN AAAA fd12::1')],
  ['27', 'crane-0.crane.market~ A', found('crane-0.crane.market~. 30 IN A 10.120.2.1')],
  ['28', 'crane-1.crane.market~ AAAA', nodata],
  ['29', 'crane-2.crane.market~ A', nxdomain],
  [
    '30',
    '_ctl._tcp.crane.market~ SRV',
    `${found(
      '_ctl._tcp.crane.market~. 30 IN SRV 0 33 6000 crane-0.crane.market~.',
      '_ctl._tcp.crane.market~. 30 IN SRV 0 33 6000 crane-1.crane.market~.',
    )}
${glue(
  'crane-0.crane.market~. 30 IN A 10.120.2.1',
  'crane-0.crane.market~. 30 IN AAAA fd12::1',
  'crane-1.crane.market~. 30 IN A 10.120.2.2',
)}`,
  ],
  [
    '31',
    'barrow.market~ A',
    found('barrow.market~. 30 IN A 10.120.3.7', 'barrow.market~. 30 IN A 10.120.3.8'),
  ],
  ['32', '10-120-3-7.barrow.market~ A', found('10-120-3-7.barrow.market~. 30 IN A 10.120.3.7')],
  ['33', 'barrow-x.barrow.market~ A', nxdomain],
  [
    '34',
    'barrow.market~ SRV',
    `${found(
      'barrow.market~. 30 IN SRV 0 50 7070 10-120-3-7.barrow.market~.',
      'barrow.market~. 30 IN SRV 0 50 7070 10-120-3-8.barrow.market~.',
    )}
${glue('10-120-3-7.barrow.market~. 30 IN A 10.120.3.7', '10-120-3-8.barrow.market~. 30 IN A 10.120.3.8')}`,
  ],
  ['35', 'hollow.market~ A', nxdomain],
  ['36', 'left-till.till.market~ A', found('left-till.till.market~. 30 IN A 10.120.1.5')],
  ['37', '10-120-1-4.till.market~ A', found('10-120-1-4.till.market~. 30 IN A 10.120.1.4')],
  ['38', '10-120-1-5.till.market~ A', nxdomain],
  [
    '39',
    'ledger.market~ A',
    found(
      'ledger.market~. 30 IN CNAME mail.partner.test.',
      'mail.partner.test. 120 IN A 198.51.100.40',
    ),
  ],
  ['40', 'ledger.market~ AAAA', found('ledger.market~. 30 IN CNAME mail.partner.test.')],
  ['41', 'ledger.market~ CNAME', found('ledger.market~. 30 IN CNAME mail.partner.test.')],
  ['42', 'ledger.market~ SRV', nodata],
  [
    '43',
    'alias.market~ A',
    found('alias.market~. 30 IN CNAME till.market~.', 'till.market~. 30 IN A 10.110.0.11'),
  ],
  ['44', 'alias.market~ AAAA', nodata],
  ['45', 'ring.market~ A', nodata],
  ['46', 'lost.market~ A', nodata],
  ['46b', 'lost.market~ CNAME', found('lost.market~. 30 IN CNAME gone.market~.')],
  [
    '47',
    '10-120-1-4.market.pod.cluster.local A',
    found('10-120-1-4.market.pod.cluster.local. 30 IN A 10.120.1.4'),
  ],
  ['48', '10-120-1-4.cellar.pod.cluster.local A', nxdomain],
  ['49', 'market.pod.cluster.local A', nodata],
  [
    '50',
    '11.0.110.10.in-addr.arpa PTR',
    found('11.0.110.10.in-addr.arpa. 30 IN PTR till.market~.'),
  ],
  [
    '51',
    `${'2.1.0.0'}.${'0.'.repeat(24)}0.1.d.f.ip6.arpa PTR`,
    found(`2.1.0.0.${'0.'.repeat(24)}0.1.d.f.ip6.arpa. 30 IN PTR stall.market~.`),
  ],
  [
    '52',
    '1.2.120.10.in-addr.arpa PTR',
    found('1.2.120.10.in-addr.arpa. 30 IN PTR crane-0.crane.market~.'),
  ],
  [
    '53',
    '7.3.120.10.in-addr.arpa PTR',
    found('7.3.120.10.in-addr.arpa. 30 IN PTR 10-120-3-7.barrow.market~.'),
  ],
  [
    '54',
    '9.9.120.10.in-addr.arpa PTR',
    'NXDOMAIN rd ra\n--\n--\ntest. 60 IN SOA ns.test. host.test. N 2 3 4 60',
  ],
  ['56', 'TiLl.MaRkEt~ A', found('TiLl.MaRkEt~. 30 IN A 10.110.0.11')],
  ['57', 'till.market~ HTTPS', nodata],
  ['57b', 'absent.market~ HTTPS', nxdomain],
  ['58', 'till.market~ ANY', nodata],
]

describe('configuration P', () => {
  for (const [number, question, expected] of forward) {
    it(`${number}. ${question}`, () => check(p, question, expected))
  }

  it('59. cuts 80 addresses to a prefix in 512 bytes, with TC', async () => {
    const packet = await exchangeUdp(p.port, ask(expand('fleet.market~ A')))
    expect(packet.length).toBeLessThanOrEqual(512)
    const reply = decodeMessage(packet)
    expect([reply.truncated, reply.authoritative, reply.answers.length]).toEqual([true, true, 29])
  })

  it('60. sends all 80 to EDNS 4096, and over TCP', async () => {
    const packet = await exchangeUdp(p.port, ask(expand('fleet.market~ A'), edns(4096)))
    const reply = decodeMessage(packet)
    expect([reply.truncated, reply.answers.length, reply.edns?.udpSize]).toEqual([false, 80, 4096])
    const overTcp = await p.queryTcp(expand('fleet.market~ A'))
    expect(overTcp.split('\n').filter((line) => line.includes(' IN A '))).toHaveLength(80)
  })

  it('61. UPDATE is NOTIMP, two questions FORMERR, EDNS version 1 BADVERS', async () => {
    const bytes = async (packet: Uint8Array) => Buffer.from(await exchangeUdp(p.port, packet))
    const update = await bytes(ask(expand('till.market~ A'), { opcode: 5 }))
    expect(update.toString('hex')).toBe('1234a9040000000000000000')
    const question = { name: 'a.', type: 1, class: 1 }
    const two = await bytes(ask('a. A', { questions: [question, question] }))
    expect(two.toString('hex')).toBe('123481010000000000000000')
    const version = decodeMessage(await bytes(ask(expand('till.market~ A'), edns(4096, 1))))
    expect([version.rcode, version.answers.length, version.edns?.version]).toEqual([16, 0, 0])
  })
})

describe('configuration Q', () => {
  const cases: readonly Case[] = [
    ['63', 'till.cellar~ A', nxdomain],
    [
      '63b',
      '192-0-2-1.market.pod.cluster.local A',
      found('192-0-2-1.market.pod.cluster.local. 30 IN A 192.0.2.1'),
    ],
    ['64', 'stall.market~ A', nxdomain],
    ['64b', 'barrow-x.barrow.market~ A', found('barrow-x.barrow.market~. 30 IN A 10.120.3.7')],
  ]
  for (const [number, question, expected] of cases) {
    it(`${number}. ${question}`, () => check(q, question, expected))
  }
})

describe('configuration B', () => {
  it('55. a PTR that is not there has the SOA of the reverse zone', () =>
    check(b, '23.113.0.203.in-addr.arpa PTR', `NXDOMAIN aa rd\n${soa(5, 'in-addr.arpa.')}`))

  it('62. other classes and other names are REFUSED', async () => {
    await check(b, 'mail.partner.test A', 'REFUSED rd')
    const question = { name: expand('till.market~.'), type: 1, class: 3 }
    const reply = await exchangeUdp(b.port, ask('. A', { questions: [question] }))
    expect(describeReply(reply)).toBe('REFUSED rd')
  })

  it('65. Pod names are missing where pods are disabled', () =>
    check(b, '10-120-1-4.market.pod.cluster.local A', `NXDOMAIN aa rd\n${soa(5)}`))

  it('66. before the API answers: SERVFAIL with a SOA, but what needs no data is there', async () => {
    const silent = await start(
      'cluster.local {\n  kubernetes {\n    startup_timeout 0s\n  }\n}',
      new FixtureApi({ silent: true }),
    )
    await check(silent, 'till.market~ A', `SERVFAIL aa rd\n${soa(5)}`)
    const version = 'dns-version.cluster.local'
    await check(silent, `${version} TXT`, found(`${version}. 28800 IN TXT "1.1.0"`))
    expect(await silent.query('cluster.local SOA')).toMatch(
      /^NOERROR aa rd\n--\ncluster.local. 5 IN SOA/,
    )
  })
})

describe('other configurations', () => {
  it('58. any answers ANY with a HINFO', async () => {
    const server = await start('. {\n  any\n  kubernetes cluster.local\n}')
    const owner = expand('till.market~.')
    await check(
      server,
      'till.market~ ANY',
      `NOERROR rd\n--\n${owner} 8482 IN HINFO "ANY obsoleted" "See RFC 8482"`,
    )
  })

  it("67. kubeadm's cache flattens the TTLs of the zones it is disabled for too", async () => {
    const server = await start(`. {
      errors
      kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
      }
      forward . 127.0.0.1:${stub.port} {
        max_concurrent 1000
      }
      cache 30 {
        disable success cluster.local
        disable denial cluster.local
      }
      loop
      loadbalance
    }`)
    const version = 'dns-version.cluster.local'
    await check(server, `${version} TXT`, found(`${version}. 30 IN TXT "1.1.0"`))
    await check(
      server,
      'ledger.market~ A',
      found(
        'ledger.market~. 30 IN CNAME mail.partner.test.',
        'mail.partner.test. 30 IN A 198.51.100.40',
      ),
    )
  })
})

describe('events', () => {
  const eventually = (assertion: () => Promise<void>) =>
    expect.poll(assertionResult(assertion)).toBe(true)
  const assertionResult = (assertion: () => Promise<void>) => () =>
    assertion().then(
      () => true,
      () => false,
    )

  it('68. a deleted Service leaves both zones', async () => {
    api.delete(services, cellarTill)
    await eventually(() => check(p, 'till.cellar~ A', nxdomain))
    expect(await p.query('21.0.110.10.in-addr.arpa PTR')).toMatch(/^NXDOMAIN rd ra/)
    api.put(services, cellarTill)
  })

  it('69. an endpoint that becomes ready joins', async () => {
    api.put(endpointslices, craneSlice(true))
    const name = 'crane-2.crane.market~'
    await eventually(() => check(p, `${name} A`, found(`${name}. 30 IN A 10.120.2.3`)))
    const reply = await p.query(expand('_ctl._tcp.crane.market~ SRV'))
    expect(reply.match(/SRV 0 25 6000/g)).toHaveLength(3)
    api.put(endpointslices, craneSlice(false))
  })
})
