// rewrite, template, acl and header as chains of one server block, asked over real sockets.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Stub } from '../../../test/dns/client.ts'
import { ask, exchangeUdp, startStub } from '../../../test/dns/client.ts'
import { FixtureApi, fillMarket } from '../../../test/dns/market.ts'
import type { TestServer } from '../../../test/dns/server.ts'
import { startTestServer } from '../../../test/dns/server.ts'
import { decodeMessage } from '../wire/message.ts'

const api = new FixtureApi()
fillMarket(api)
const open: TestServer[] = []
let stub: Stub

beforeAll(async () => {
  stub = await startStub([
    'web.inner.test. 60 A 192.0.2.1',
    'alias.inner.test. 60 CNAME web.inner.test.',
    'alias.inner.test. 60 A 192.0.2.1',
  ])
})

afterAll(async () => {
  await Promise.all(open.map(({ dns }) => dns.stop()))
  stub.close()
})

/** Asks a block made of these lines, before the market and the stub. */
async function check(lines: string, question: string, expected: string): Promise<void> {
  const server = await startTestServer(
    `. {\n${lines}\nkubernetes cluster.local\nforward . 127.0.0.1:${stub.port}\n}`,
    api,
  )
  open.push(server)
  expect(await server.query(question), question).toBe(expected)
}

const web = (owner: string, ttl = 60) => `NOERROR rd ra\n--\n${owner} ${ttl} IN A 192.0.2.1`

describe('rewrite', () => {
  it('asks for another name and answers for the one that was asked', async () => {
    const till = 'till.market.svc.cluster.local'
    await check(
      `rewrite name shop.example ${till}`,
      'Shop.example A',
      'NOERROR aa rd\n--\nShop.example. 5 IN A 10.110.0.11',
    )
    await check(
      'rewrite name exact web.outer.test web.inner.test',
      'web.outer.test A',
      web('web.outer.test.'),
    )
    await check(
      'rewrite name suffix .outer.test .inner.test answer auto',
      'web.outer.test A',
      web('web.outer.test.'),
    )
    await check(
      'rewrite name suffix .outer.test .inner.test',
      'web.outer.test A',
      web('web.inner.test.'),
    )
    await check(
      'rewrite name prefix x-web web answer auto',
      'x-web.inner.test A',
      web('x-web.inner.test.'),
    )
    await check(
      'rewrite name substring outer inner answer auto',
      'web.outer.test A',
      web('web.outer.test.'),
    )
  })

  it('reads patterns in Go syntax, and the answer back by patterns of its own', async () => {
    await check(
      `rewrite stop {
        name regex (?i)^(\\w+)\\.outer\\.test\\.$ {1}.inner.test
        answer name ^(\\w+)\\.inner\\.test\\.$ {1}.outer.test
      }`,
      'web.outer.test A',
      web('web.outer.test.'),
    )
    await check(
      'rewrite name suffix .outer.test .inner.test answer auto answer value (.*)\\.inner\\.test\\. {1}.seen.test',
      'alias.outer.test CNAME',
      'NOERROR rd ra\n--\nalias.outer.test. 60 IN CNAME web.seen.test.',
    )
  })

  it('stops at the first rule that matches, unless told to go on', async () => {
    const rules = (mode: string) =>
      `rewrite ${mode} name a.test b.test\nrewrite name b.test web.inner.test`
    await check(rules('continue'), 'a.test A', web('a.test.'))
    await check(
      rules('stop'),
      'a.test A',
      'NXDOMAIN rd ra\n--\n--\ntest. 60 IN SOA ns.test. host.test. 1 2 3 4 60',
    )
  })

  it('changes types, TTLs and rcodes', async () => {
    await check('rewrite type TXT A', 'web.inner.test TXT', web('web.inner.test.'))
    await check('rewrite ttl web.inner.test 5-10', 'web.inner.test A', web('web.inner.test.', 10))
    await check('rewrite ttl suffix .test 90-', 'web.inner.test A', web('web.inner.test.', 90))
    const soa = '\n--\n--\ntest. 60 IN SOA ns.test. host.test. 1 2 3 4 60'
    await check('rewrite rcode suffix .test NXDOMAIN SERVFAIL', 'no.test A', `SERVFAIL rd ra${soa}`)
  })

  it('restores the question', async () => {
    const server = await startTestServer(
      `. {\nrewrite name a.test web.inner.test\nforward . 127.0.0.1:${stub.port}\n}`,
      api,
    )
    open.push(server)
    const answer = decodeMessage(await exchangeUdp(server.port, ask('A.test A')))
    expect(answer.questions).toEqual([{ name: 'A.test.', type: 1, class: 1 }])
  })

  it('refuses rules it cannot follow', async () => {
    for (const rule of ['name a', 'nope a b', 'name regex ( b', 'ttl a x', 'edns0 local set 1 2']) {
      await expect(startTestServer(`. {\nrewrite ${rule}\n}`, api)).rejects.toThrow('Corefile:2')
    }
  })
})

describe('template', () => {
  const answer = '"{{ .Name }} 60 IN A 192.0.2.{{ .Group.last }}"'

  it('makes answers of groups, and leaves other names and types alone', async () => {
    const lines = `template IN A test {
      match ^ip-(?P<last>[0-9]+)\\.test\\.$
      answer ${answer}
      fallthrough
    }`
    const owner = 'ip-7.test.'
    await check(lines, 'ip-7.test A', `NOERROR aa rd\n--\n${owner} 60 IN A 192.0.2.7`)
    await check(lines, 'web.inner.test A', web('web.inner.test.'))
    const soa = '\n--\n--\ntest. 60 IN SOA ns.test. host.test. 1 2 3 4 60'
    await check(lines, 'ip-7.test AAAA', `NXDOMAIN rd ra${soa}`)
  })

  it('is SERVFAIL without a match and without fallthrough, and can be a denial', async () => {
    await check(`template IN A test {\nmatch ^x\nanswer ${answer}\n}`, 'y.test A', 'SERVFAIL rd')
    await check(
      'template ANY ANY invalid {\nrcode NXDOMAIN\nauthority "invalid. 60 IN SOA ns.invalid. h.invalid. 1 2 3 4 5"\n}',
      'x.invalid MX',
      'NXDOMAIN aa rd\n--\n--\ninvalid. 60 IN SOA ns.invalid. h.invalid. 1 2 3 4 5',
    )
  })

  it('refuses what it cannot compute', async () => {
    const corefile = '. {\ntemplate IN A {\nanswer "{{ .Nope }} A 1.2.3.4"\n}\n}'
    await expect(startTestServer(corefile, api)).rejects.toThrow('Corefile:3')
  })
})

describe('acl', () => {
  it('blocks, filters and allows by address and type, first rule first', async () => {
    const rules = `acl {
      allow net 192.0.2.0/24
      block type TXT net 127.0.0.0/8
      filter type MX
      allow
    }`
    await check(rules, 'web.inner.test TXT', 'REFUSED rd')
    await check(rules, 'web.inner.test MX', 'NOERROR rd')
    await check(rules, 'web.inner.test A', web('web.inner.test.'))
    await check('acl {\nblock net 128.0.0.0/1\n}', 'web.inner.test A', web('web.inner.test.'))
    await check('acl own.test {\nblock\n}', 'web.inner.test A', web('web.inner.test.'))
  })
})

describe('header', () => {
  it('sets and clears flags of the response', () =>
    check(
      'header {\nresponse set aa\nresponse clear ra\n}',
      'web.inner.test A',
      'NOERROR aa rd\n--\nweb.inner.test. 60 IN A 192.0.2.1',
    ))
})
