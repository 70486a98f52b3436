// The list of plugins: CoreDNS's order, and the reference page that shows it.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { plugins, refusals } from './plugins.ts'

/** plugin.cfg of CoreDNS 1.14.7 (dns.md 2.2). */
const order =
  `root metadata geoip cancel proxyproto quic grpc_server https https3 timeouts multisocket
  reload nsid bufsize bind debug trace ready health pprof shed prometheus errors log dnstap local dns64
  any chaos loadbalance tsig rewrite autopath acl cache header dnssec tls minimal template transfer hosts
  route53 azure clouddns k8s_external kubernetes file auto secondary etcd loop forward grpc erratic whoami
  on sign view nomad`.split(/\s+/)

const names = plugins.map(({ name }) => name)

describe('plugins', () => {
  it("stand in CoreDNS's order", () => {
    expect(names).toEqual(order.filter((name) => names.includes(name)))
  })

  it('are, with those refused by name, all that CoreDNS has', () => {
    expect([...names, ...refusals.keys()].sort()).toEqual([...order].sort())
  })

  it('are each in docs/reference/dns.md', () => {
    const page = readFileSync(new URL('../../docs/reference/dns.md', import.meta.url), 'utf8')
    const rows = page.split('\n').filter((line) => line.startsWith('| '))
    const listed = rows.slice(1).flatMap((row) => row.split('|')[1]!.trim().split(', '))
    expect([...listed].sort()).toEqual([...names].sort())
  })
})
