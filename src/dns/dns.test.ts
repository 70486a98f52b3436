// The component over loopback: UDP and TCP with a client that is not ours, reload without a lost
// query, readiness, metrics, log lines, lameduck.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import dnsPacket from 'dns-packet'
import { afterAll, describe, expect, it } from 'vitest'
import type { Stub } from '../../test/dns/client.ts'
import { ask, describeReply, exchangeTcp, exchangeUdp, startStub } from '../../test/dns/client.ts'
import { FixtureApi, fillMarket } from '../../test/dns/market.ts'
import type { TestServer } from '../../test/dns/server.ts'
import { startTestServer } from '../../test/dns/server.ts'
import { connectCluster } from './connect.ts'
import { FrameReader, frame } from './frames.ts'

const directory = mkdtempSync(join(tmpdir(), 'signpost-dns-'))
const open: { stop(): Promise<void> }[] = []
const api = new FixtureApi()
fillMarket(api)

async function start(...args: Parameters<typeof startTestServer>): Promise<TestServer> {
  const server = await startTestServer(...args)
  open.push(server.dns)
  return server
}

afterAll(async () => {
  await Promise.all(open.map((dns) => dns.stop()))
  rmSync(directory, { recursive: true })
})

const till = 'till.market.svc.cluster.local'
const market = 'kubernetes cluster.local in-addr.arpa ip6.arpa'

async function get(server: TestServer, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${server.dns.httpPort(':0')}${path}`)
  return `${response.status} ${await response.text()}`
}

describe('startDns()', () => {
  it('is understood by dns-packet, over UDP and pipelined over TCP', async () => {
    const server = await start(`. {\n${market}\n}`, api)
    const query = (name: string, id: number) =>
      dnsPacket.encode({ type: 'query', id, questions: [{ type: 'A', name }] })
    const reply = dnsPacket.decode(Buffer.from(await exchangeUdp(server.port, query(till, 77))))
    expect(reply.id).toBe(77)
    expect(reply.answers).toMatchObject([{ name: till, type: 'A', ttl: 5, data: '10.110.0.11' }])
    const packets = Array.from({ length: 50 }, (_, id) => query(till, id))
    const replies = await exchangeTcp(server.port, packets)
    const ids = replies.map((each) => dnsPacket.decode(Buffer.from(each)).id ?? -1)
    expect(ids.sort((a, b) => a - b)).toEqual(packets.map((_, id) => id))
  })

  it('reads queries above 512 bytes', async () => {
    const server = await start(`. {\n${market}\n}`, api)
    const padding = { code: 12, data: new Uint8Array(1500) }
    const edns = { udpSize: 4096, version: 0, dnssecOk: false, options: [padding] }
    expect(await server.query(`${till} A`, { edns })).toContain('NOERROR aa rd')
  })

  it('fails before it opens a socket where the Corefile is bad', async () => {
    await expect(startTestServer('. {\n nope\n}', api)).rejects.toThrow("Unknown directive 'nope'")
  })

  it('fails where there are no in-cluster credentials', async () => {
    const config = { watchSlices: true, watchPods: false, podNames: false }
    await expect(connectCluster(config)).rejects.toThrow('unable to load in-cluster configuration')
  })

  it('reloads without losing a query, and keeps the old Corefile when the new one is bad', async () => {
    const file = join(directory, 'Corefile')
    const write = (ttl: string) => writeFileSync(file, `. {\n${market} {\n ttl ${ttl}\n}\n}\n`)
    write('7')
    const server = await start({ file }, api)
    const ttl = async () => /(\d+) IN A/.exec(await server.query(`${till} A`))?.[1]
    let asking = true
    let asked = 0
    const storm = (async () => {
      for (; asking; asked++) await exchangeUdp(server.port, ask(`${till} A`))
    })()
    expect(await ttl()).toBe('7')
    for (const next of ['8', '9', '10']) {
      write(next)
      await server.dns.reload()
      expect(await ttl()).toBe(next)
    }
    write('nonsense')
    await server.dns.reload()
    expect(await ttl()).toBe('10')
    expect(
      server.lines.filter((line) => line.includes('Corefile changed but reload failed')),
    ).toHaveLength(1)
    asking = false
    await storm
    expect(asked).toBeGreaterThan(5)
  })

  it('is ready once the zone is, and says what it waits for until then', async () => {
    const waiting = await start(
      `. {\n${market} {\n startup_timeout 0s\n}\nready :0\n}`,
      new FixtureApi({ silent: true }),
    )
    expect(await get(waiting, '/ready')).toBe('503 kubernetes')
    const synced = await start(`. {\n${market}\nready :0\nhealth :0\n}`, api)
    expect(await get(synced, '/ready')).toBe('200 OK')
    expect(await get(synced, '/health')).toBe('200 OK')
    expect(await get(synced, '/other')).toMatch(/^404/)
  })

  it("counts queries under CoreDNS's names", async () => {
    const server = await start(`. {\n${market}\nprometheus :0\nerrors\n}`, api)
    await server.query(`${till} A`)
    await server.query(`absent.${till} A`)
    await server.queryTcp(`${till} AAAA`)
    const text = await get(server, '/metrics')
    const labels = 'server="dns://:0",zone=".",view=""'
    for (const line of [
      `coredns_dns_requests_total{${labels},proto="udp",family="1",type="A"} 2`,
      `coredns_dns_requests_total{${labels},proto="tcp",family="1",type="AAAA"} 1`,
      `coredns_dns_responses_total{${labels},rcode="NXDOMAIN",plugin="kubernetes"} 1`,
      `coredns_dns_request_duration_seconds_count{${labels}} 3`,
      'coredns_plugin_enabled{server="dns://:0",zone=".",view="",name="kubernetes"} 1',
    ]) {
      expect(text).toContain(`${line}\n`)
    }
  })

  it("prints CoreDNS's lines", async () => {
    const server = await start(`. {\n${market}\nlog\nerrors\n}`, api)
    await server.query(`TILL.market.svc.cluster.local A`)
    await server.query('elsewhere.test A')
    await expect.poll(() => server.lines.length).toBeGreaterThan(4)
    expect(server.lines.slice(0, 2)).toEqual(['.:0', 'CoreDNS-1.14.7'])
    const shown = server.lines.slice(3).map((line) => line.replace(/:\d+ - |[\d.e-]+s$/g, '~'))
    expect(shown).toEqual([
      '[INFO] 127.0.0.1~4660 "A IN till.market.svc.cluster.local. udp 47 false 512" NOERROR qr,aa,rd 92 ~',
      '[INFO] 127.0.0.1~4660 "A IN elsewhere.test. udp 32 false 512" SERVFAIL qr,rd 32 ~',
      '[ERROR] plugin/errors: 2 elsewhere.test. A: no next plugin found',
    ])
  })

  it('goes on answering in the lameduck period, unready', async () => {
    const server = await start(`. {\n${market}\nready :0\nhealth :0 {\n lameduck 300ms\n}\n}`, api)
    expect(await get(server, '/ready')).toBe('200 OK')
    const stopping = server.dns.stop()
    expect(await get(server, '/ready')).toMatch(/^503/)
    expect(await server.query(`${till} A`)).toContain('NOERROR')
    await stopping
    await expect(get(server, '/health')).rejects.toThrow()
    expect(server.lines).toContain('[INFO] plugin/health: Going into lameduck mode for 300ms')
  })
})

describe('loop', () => {
  it('ends the process when forwarded queries come back', async () => {
    const port = 40_000 + (process.pid % 20_000)
    let fatal = ''
    const tell = (message: string) => {
      fatal ||= message
    }
    await start(`.:${port} {\n loop\n forward . 127.0.0.1:${port}\n}`, api, { fatal: tell })
    await expect.poll(() => fatal, { timeout: 4000 }).toContain('detected for zone "."')
    expect(fatal).toMatch(/^plugin\/loop: Loop \(127\.0\.0\.1:\d+ -> :\d+\)/)
  })

  it('is content with an upstream that answers', async () => {
    const stub: Stub = await startStub([])
    const port = 41_000 + (process.pid % 20_000)
    let fatal = ''
    await start(`.:${port} {\n loop\n forward . 127.0.0.1:${stub.port}\n}`, api, {
      fatal: (message) => {
        fatal = message
      },
    })
    await expect.poll(() => stub.asked.length).toBe(1)
    expect(fatal).toBe('')
    stub.close()
  })
})

describe('TCP', () => {
  it('closes a connection whose message never becomes whole', async () => {
    const server = await start(`. {\n${market}\ntimeouts {\n read 50ms\n}\n}`, api)
    const socket = connect({ port: server.port, host: '127.0.0.1' })
    socket.write(Uint8Array.of(0, 40, 1, 2, 3))
    await new Promise((resolve) => socket.once('close', resolve))
  })

  it('stops reading from a client that does not read, and answers the others', async () => {
    const server = await start(`. {\n${market}\n}`, api)
    const socket = connect({ port: server.port, host: '127.0.0.1' })
    const fleet = frame(ask('fleet.market.svc.cluster.local A'))
    const storm = Buffer.concat(Array.from({ length: 2000 }, () => fleet))
    socket.pause()
    let sent = 0
    // Until neither side takes any more: the server's pause has reached us.
    await new Promise<void>((resolve) => {
      const more = () => {
        sent++
        if (sent < 200 && socket.write(storm)) more()
        else if (sent >= 200) resolve()
        else {
          const stalled = setTimeout(resolve, 300)
          socket.once('drain', () => {
            clearTimeout(stalled)
            more()
          })
        }
      }
      more()
    })
    expect(sent).toBeLessThan(200)
    expect(await server.queryTcp(`${till} A`)).toContain('NOERROR')
    socket.destroy()
  })

  it('answers what was asked before the client shut its side', async () => {
    const server = await start(`. {\n${market}\n}`, api)
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.end(frame(ask(`${till} A`)))
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    const [reply] = new FrameReader().push(Buffer.concat(chunks))
    expect(describeReply(reply!)).toContain('10.110.0.11')
  })
})
