// Plugins as chains of one server block, over real sockets with stub upstreams.
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Stub } from '../../../test/dns/client.ts'
import { ask, exchangeUdp, startStub } from '../../../test/dns/client.ts'
import { FixtureApi } from '../../../test/dns/market.ts'
import type { TestServer } from '../../../test/dns/server.ts'
import { startTestServer } from '../../../test/dns/server.ts'
import { FakeClock } from '../../lib/fake-clock.ts'
import { seededRandom } from '../../lib/random.ts'
import type { Query, Reply } from '../chain.ts'
import { failure, reply } from '../chain.ts'
import { parseCorefile } from '../corefile.ts'
import { FrameReader, frame } from '../frames.ts'
import type { Host } from '../host.ts'
import { silentLines } from '../lines.ts'
import { Metrics } from '../metrics.ts'
import { ownQuery } from '../server.ts'
import { parseType } from '../wire/codes.ts'
import { encodeMessage } from '../wire/encode.ts'
import { decodeMessage } from '../wire/message.ts'
import { formatRecord, parseRecord } from '../wire/text.ts'
import { cache } from './cache.ts'
import { shuffle } from './loadbalance.ts'

const api = new FixtureApi()
const open: { stop(): Promise<void> }[] = []
const stubs: Stub[] = []
const directory = mkdtempSync(join(tmpdir(), 'signpost-hosts-'))

async function start(corefile: string): Promise<TestServer> {
  const server = await startTestServer(corefile, api)
  open.push(server.dns)
  return server
}

async function stub(...records: string[]): Promise<Stub> {
  const made = await startStub(records)
  stubs.push(made)
  return made
}

afterAll(async () => {
  await Promise.all(open.map((dns) => dns.stop()))
  for (const each of stubs) each.close()
  rmSync(directory, { recursive: true })
})

/** A port where nothing listens. */
async function closedPort(): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(resolve))
  return port
}

const found = 'NOERROR rd ra\n--\na.test. 60 IN A 192.0.2.1'

describe('forward', () => {
  it('relays, tries the next upstream, and leaves excepted names to the next plugin', async () => {
    const up = await stub('a.test. 60 A 192.0.2.1')
    const server = await start(`. {
      forward . 127.0.0.1:${await closedPort()} 127.0.0.1:${up.port} {
        policy sequential
        except own.test
      }
      whoami
    }`)
    expect(await server.query('a.test A')).toBe(found)
    expect(await server.query('a.test A')).toBe(found)
    expect(await server.query('x.own.test A')).toContain('127.0.0.1')
    expect(up.asked).not.toContain('x.own.test.')
  })

  it('is SERVFAIL with its reason in the log when nobody answers', async () => {
    const server = await start(`. {\n errors\n forward . 127.0.0.1:${await closedPort()}\n}`)
    expect(await server.query('a.test A')).toBe('SERVFAIL rd')
    await expect
      .poll(() => server.lines.join('\n'))
      .toMatch(
        /\[ERROR\] plugin\/errors: 2 a\.test\. A: read udp 127\.0\.0\.1:\d+: connection refused/,
      )
  })

  it('refuses above max_concurrent', async () => {
    const silent = createSocket('udp4')
    await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve))
    const server = await start(
      `. {\n forward . 127.0.0.1:${silent.address().port} {\n max_concurrent 1\n read_timeout 300ms\n}\n}`,
    )
    const first = server.query('a.test A')
    const second = await Promise.race([first, server.query('b.test A')])
    expect(second).toBe('REFUSED rd')
    expect(await first).toBe('SERVFAIL rd')
    silent.close()
  })

  it('asks again over TCP for what was cut, with prefer_udp', async () => {
    const cut = createSocket('udp4')
    const whole = createServer((socket) => {
      const reader = new FrameReader()
      socket.on('data', (chunk) => {
        for (const packet of reader.push(chunk)) {
          const answers = [parseRecord('a.test. 60 A 192.0.2.1')]
          const answer = { ...decodeMessage(packet), response: true, answers }
          socket.write(frame(encodeMessage({ ...answer, recursionAvailable: true })))
        }
      })
    })
    await new Promise<void>((resolve) => whole.listen(0, '127.0.0.1', resolve))
    const { port } = whole.address() as { port: number }
    await new Promise<void>((resolve) => cut.bind(port, '127.0.0.1', resolve))
    cut.on('message', (packet, from) => {
      const answer = { ...decodeMessage(packet), response: true, truncated: true }
      cut.send(encodeMessage(answer), from.port, from.address)
    })
    const server = await start(`. {\n forward . 127.0.0.1:${port} {\n prefer_udp\n}\n}`)
    expect(await server.query('a.test A')).toBe(found)
    const relaying = await start(`. {\n forward . 127.0.0.1:${port}\n}`)
    expect(await relaying.query('a.test A')).toBe('NOERROR tc rd')
    await relaying.dns.stop()
    await server.dns.stop()
    cut.close()
    await new Promise((resolve) => whole.close(resolve))
  })

  it('ignores replies with another question', async () => {
    const liar = createSocket('udp4')
    await new Promise<void>((resolve) => liar.bind(0, '127.0.0.1', resolve))
    liar.on('message', (packet, from) => {
      const query = decodeMessage(packet)
      const send = (message: typeof query) =>
        liar.send(encodeMessage(message), from.port, from.address)
      const question = { ...query.questions[0]!, name: 'forged.test.' }
      const forged = [parseRecord('a.test. 60 A 203.0.113.66')]
      send({ ...query, response: true, questions: [question], answers: forged })
      send({ ...query, response: true, id: query.id ^ 1, answers: forged })
      const answers = [parseRecord('a.test. 60 A 192.0.2.1')]
      send({ ...query, response: true, recursionAvailable: true, answers })
    })
    const server = await start(`. {\n forward . 127.0.0.1:${liar.address().port}\n}`)
    expect(await server.query('a.test A')).toBe(found)
    liar.close()
  })

  it('reuses its socket, until it is too old', async () => {
    const ports: number[] = []
    const up = createSocket('udp4')
    await new Promise<void>((resolve) => up.bind(0, '127.0.0.1', resolve))
    up.on('message', (packet, from) => {
      ports.push(from.port)
      up.send(encodeMessage({ ...decodeMessage(packet), response: true }), from.port, from.address)
    })
    const ask3 = async (property: string) => {
      ports.length = 0
      const server = await start(
        `. {\n forward . 127.0.0.1:${up.address().port} {\n ${property}\n}\n}`,
      )
      for (let i = 0; i < 3; i++) await server.query('a.test A')
      return new Set(ports).size
    }
    expect(await ask3('expire 10s')).toBe(1)
    expect(await ask3('max_age 1us')).toBe(3)
    up.close()
  })

  it('hands over to the next forward on the rcodes it is told', async () => {
    const nothing = await stub()
    const up = await stub('a.test. 60 A 192.0.2.1')
    const server = await start(
      `. {\n forward . 127.0.0.1:${nothing.port} {\n next NXDOMAIN\n}\n forward . 127.0.0.1:${up.port}\n}`,
    )
    expect(await server.query('a.test A')).toBe(found)
    expect(nothing.asked).toEqual(['a.test.'])
  })
})

describe('cache', () => {
  /** The plugin alone before a list of replies, under a fake clock. */
  function cached(lines: string, replies: (Reply | undefined)[]) {
    const clock = new FakeClock()
    const host = { clock, random: seededRandom(1), log: silentLines, metrics: new Metrics() }
    const text = `. {\n${lines}\n}`
    const [block] = parseCorefile(
      { file: 'C', text },
      { read: () => undefined, environment: () => '' },
    ).blocks
    const part = cache.parse(block!.lines, { zones: ['.'], schemes: ['dns'], port: 53 })
    const serve = part.create!(host as unknown as Host).serve!(() => {
      const next = replies.shift()
      if (!next) throw new Error('asked once too often')
      return next
    })
    const query = (name: string, type = 'A'): Query => {
      const where = { server: 'dns://:53', id: 1, monotonicMs: clock.monotonic() }
      return ownQuery({ name, type: parseType(type)! }, where)
    }
    const show = async (name: string) => {
      const { rcode, answers } = await serve(query(name))
      return [rcode, ...answers.map(formatRecord)].join(' ')
    }
    return { clock, show }
  }

  const positive = (line: string) => reply('up', { answers: [parseRecord(line)] })
  const soa = parseRecord('test. 60 IN SOA ns.test. host.test. 1 2 3 4 60')

  it('counts down, answers in the case of the query, and asks again when the time is over', async () => {
    const line = 'a.test. 20 IN A 192.0.2.1'
    const { clock, show } = cached('cache 30', [positive(line), positive(line)])
    expect(await show('a.test.')).toBe(`0 ${line}`)
    await clock.advance(7500)
    expect(await show('A.test.')).toBe('0 A.test. 12 IN A 192.0.2.1')
    await clock.advance(13_000)
    expect(await show('a.test.')).toBe(`0 ${line}`)
  })

  it('clamps the live reply too, up and down', async () => {
    const { show } = cached('cache 30', [
      positive('a.test. 900 IN A 192.0.2.1'),
      positive('b.test. 0 IN A 192.0.2.1'),
    ])
    expect(await show('a.test.')).toBe('0 a.test. 30 IN A 192.0.2.1')
    expect(await show('b.test.')).toBe('0 b.test. 5 IN A 192.0.2.1')
  })

  it('keeps denials with a SOA and failures for a while, and nothing that was cut', async () => {
    const cut = { ...positive('c.test. 9 IN A 192.0.2.1'), truncated: true }
    const { clock, show } = cached('cache 30', [
      reply('up', { rcode: 3, authorities: [soa] }),
      failure('up', 'no'),
      cut,
      cut,
      reply('up', { rcode: 3 }),
      reply('up', { rcode: 3 }),
      positive('b.test. 9 IN A 192.0.2.1'),
    ])
    expect([await show('a.test.'), await show('a.test.')]).toEqual(['3', '3'])
    expect([await show('b.test.'), await show('b.test.')]).toEqual(['2', '2'])
    await show('c.test.')
    await show('c.test.')
    await show('d.test.')
    await show('d.test.')
    await clock.advance(5001)
    expect(await show('b.test.')).toContain('192.0.2.1')
  })

  it('keeps nothing of the kubernetes plugin: its names are fresh', async () => {
    const own = { ...positive('a.test. 9 IN A 192.0.2.1'), plugin: 'kubernetes' }
    const { show } = cached('cache 30', [
      own,
      reply('kubernetes', { rcode: 3, authorities: [soa] }),
    ])
    expect(await show('a.test.')).toContain('192.0.2.1')
    expect(await show('a.test.')).toBe('3')
  })

  it('serves stale while upstream fails, with TTL 0', async () => {
    const line = 'a.test. 10 IN A 192.0.2.1'
    const { clock, show } = cached('cache {\n serve_stale 1h verify\n}', [
      positive(line),
      failure('up', 'down'),
      positive(line),
    ])
    await show('a.test.')
    await clock.advance(11_000)
    expect(await show('a.test.')).toBe('0 a.test. 0 IN A 192.0.2.1')
    expect(await show('a.test.')).toBe(`0 ${line}`)
  })

  it('fetches a name that is asked often before it runs out', async () => {
    const { clock, show } = cached('cache {\n prefetch 2 1m 50%\n}', [
      positive('a.test. 10 IN A 192.0.2.1'),
      positive('a.test. 10 IN A 192.0.2.2'),
    ])
    await show('a.test.')
    await clock.advance(6000)
    await show('a.test.')
    await show('a.test.')
    expect(await show('a.test.')).toBe('0 a.test. 10 IN A 192.0.2.2')
  })

  it('holds no more than its capacity', async () => {
    const replies = ['a', 'b', 'c', 'a'].map((name) => positive(`${name}.test. 60 IN A 192.0.2.1`))
    const { show } = cached('cache {\n success 2\n}', replies)
    for (const name of ['a', 'b', 'c', 'c', 'b', 'a']) await show(`${name}.test.`)
    expect(replies).toEqual([])
  })
})

describe('hosts', () => {
  it('answers names, wildcards and pointers from its file and its lines', async () => {
    const file = join(directory, 'hosts')
    writeFileSync(file, '192.0.2.7 node-1 node-1.test # a node\nfd00::7 node-1.test\nnonsense x\n')
    const server = await start(`. {
      hosts ${file} {
        192.0.2.8 *.wild.test
        ttl 60
        fallthrough own.test
      }
      whoami
    }`)
    const check = async (question: string, expected: string) =>
      expect(await server.query(question), question).toBe(expected)
    await check('Node-1.test A', 'NOERROR aa rd\n--\nNode-1.test. 60 IN A 192.0.2.7')
    await check('node-1.test AAAA', 'NOERROR aa rd\n--\nnode-1.test. 60 IN AAAA fd00::7')
    await check('node-1 AAAA', 'NOERROR aa rd')
    await check('x.wild.test A', 'NOERROR aa rd\n--\nx.wild.test. 60 IN A 192.0.2.8')
    await check('x.y.wild.test A', 'SERVFAIL rd')
    await check(
      '7.2.0.192.in-addr.arpa PTR',
      'NOERROR aa rd\n--\n7.2.0.192.in-addr.arpa. 60 IN PTR node-1.\n7.2.0.192.in-addr.arpa. 60 IN PTR node-1.test.',
    )
    expect(await server.query('x.own.test A')).toContain('127.0.0.1')
  })
})

describe('loadbalance', () => {
  it('puts aliases first and spreads addresses, losing none', () => {
    const records = [
      'a.test. 1 A 192.0.2.1',
      'a.test. 1 A 192.0.2.2',
      'a.test. 1 TXT x',
      'c.test. 1 CNAME a.test.',
      'a.test. 1 A 192.0.2.3',
    ].map((line) => parseRecord(line))
    const random = seededRandom(3)
    const firsts = new Map<string, number>()
    for (let run = 0; run < 600; run++) {
      const lines = shuffle(records, random).map(formatRecord)
      expect(lines.slice(0, 2)).toEqual(['c.test. 1 IN CNAME a.test.', 'a.test. 1 IN TXT "x"'])
      expect([...lines].sort()).toEqual(records.map(formatRecord).sort())
      firsts.set(lines[2]!, (firsts.get(lines[2]!) ?? 0) + 1)
    }
    expect(firsts.size).toBe(3)
    for (const count of firsts.values()) expect(count).toBeGreaterThan(140)
  })
})

describe('small plugins', () => {
  it('bufsize lowers what the client announced', async () => {
    const server = await start('. {\n bufsize 700\n whoami\n}')
    const edns = { udpSize: 4096, version: 0, dnssecOk: false, options: [] }
    const answer = decodeMessage(await exchangeUdp(server.port, ask('a.test A', { edns })))
    expect(answer.edns?.udpSize).toBe(700)
  })

  it('local answers localhost, chaos the version', async () => {
    const server = await start('. {\n local\n chaos Signpost-1\n}')
    expect(await server.query('localhost A')).toContain('127.0.0.1')
    const question = { name: 'version.bind.', type: 16, class: 3 }
    const answer = await exchangeUdp(server.port, ask('. A', { questions: [question] }))
    expect(formatRecord(decodeMessage(answer).answers[0]!)).toBe(
      'version.bind. 0 CH TXT "Signpost-1"',
    )
  })
})
