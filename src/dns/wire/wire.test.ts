// decodeMessage(encodeMessage(m)) = m; bytes agree with dns-packet; no input escapes WireError.
import dnsPacket from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatType, TYPE } from './codes.ts'
import { encodeMessage } from './encode.ts'
import type { Message, ResourceRecord } from './message.ts'
import { decodeMessage, queryMessage } from './message.ts'
import { decodeName, encodeName, isBelow, labelsOf, nameBytes, nameEnd } from './name.ts'
import { addressRecord, nameRecord, soaRecord, srvRecord, txtRecord } from './rdata.ts'
import { formatRecord, parseRecord } from './text.ts'
import { WireError } from './wire-error.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'))

const label = fc.uint8Array({ minLength: 1, maxLength: 12 })
const wireName = fc.array(label, { maxLength: 6 }).map((labels) => {
  const parts = labels.flatMap((bytes) => [Uint8Array.of(bytes.length), bytes])
  return Uint8Array.from(Buffer.concat([...parts, Uint8Array.of(0)]))
})
const name = wireName.map((bytes) => decodeName(bytes, 0))
const plainName = fc
  .array(fc.stringMatching(/^[a-z0-9_-]{1,9}$/), { minLength: 1, maxLength: 5 })
  .map((labels) => `${labels.join('.')}.`)
const ttl = fc.integer({ min: 0, max: 0x7fffffff })
const u16 = fc.integer({ min: 0, max: 0xffff })
const owner = fc.record({ name, ttl })

const record: fc.Arbitrary<ResourceRecord> = fc.oneof(
  fc.tuple(owner, fc.ipV4()).map(([o, address]) => addressRecord(o, address)),
  fc.tuple(owner, fc.ipV6()).map(([o, address]) => addressRecord(o, address)),
  fc.tuple(owner, name).map(([o, target]) => nameRecord(o, TYPE.CNAME, target)),
  fc
    .tuple(owner, u16, name)
    .map(([o, n, target]) => srvRecord(o, { priority: n, weight: 1, port: n, target })),
  fc
    .tuple(owner, name, name, ttl)
    .map(([o, mname, rname, n]) =>
      soaRecord(o, { mname, rname, serial: n, refresh: 1, retry: 2, expire: 3, minimum: n }),
    ),
  fc
    .tuple(owner, fc.array(fc.string(), { minLength: 1, maxLength: 3 }))
    .map(([o, t]) => txtRecord(o, t)),
  fc
    .tuple(owner, fc.uint8Array({ maxLength: 40 }))
    .map(([o, data]) => ({ ...addressRecord(o, '192.0.2.1'), type: 65_280, data })),
)
const records = fc.array(record, { maxLength: 6 })
const edns = fc.option(
  fc.record({
    udpSize: u16,
    version: fc.constant(0),
    dnssecOk: fc.boolean(),
    options: fc.array(fc.record({ code: u16, data: fc.uint8Array({ maxLength: 9 }) }), {
      maxLength: 2,
    }),
  }),
  { nil: undefined },
)
const message: fc.Arbitrary<Message> = fc.record({
  id: u16,
  response: fc.boolean(),
  opcode: fc.integer({ min: 0, max: 15 }),
  authoritative: fc.boolean(),
  truncated: fc.boolean(),
  recursionDesired: fc.boolean(),
  recursionAvailable: fc.boolean(),
  authenticData: fc.boolean(),
  checkingDisabled: fc.boolean(),
  rcode: fc.integer({ min: 0, max: 15 }),
  questions: fc.array(fc.record({ name, type: u16, class: u16 }), { minLength: 1, maxLength: 2 }),
  answers: records,
  authorities: records,
  additionals: records,
  edns,
})

describe('decodeMessage()', () => {
  it('reads back what encodeMessage() wrote', () => {
    fc.assert(
      fc.property(message, (m) => {
        expect(decodeMessage(encodeMessage(m))).toEqual(m)
      }),
    )
  })

  it('throws nothing but WireError, whatever the bytes', () => {
    const anything = fc.uint8Array({ maxLength: 200 })
    const mutated = fc
      .tuple(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.nat())
      .map(([m, changes, cut]) => {
        const bytes = encodeMessage(m)
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        return bytes.subarray(0, bytes.length - (cut % 4))
      })
    fc.assert(
      fc.property(fc.oneof(anything, mutated), (bytes) => {
        try {
          decodeMessage(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  const head = '1234 0100 0001 0000 0000 0000'
  const refuse = (bytes: string, code: string) =>
    expect(() => decodeMessage(hex(bytes))).toThrow(expect.objectContaining({ code }))

  it('refuses counts that lie, trailing bytes, loops and broken names', () => {
    refuse('1234', 'short')
    refuse(head, 'short')
    refuse(`${head} 00 0001 0001 ff`, 'trailing')
    refuse(`${head} c00c 0001 0001`, 'pointer')
    refuse(`${head} 0161 c00e 0001 0001`, 'pointer')
    refuse(`${head} 40 0001 0001`, 'pointer')
    refuse(`${head} 3f 6161`, 'short')
    refuse(`1234 8100 0000 0001 0000 0000 00 0001 0001 00000001 0003 010203`, 'rdata')
    refuse(`1234 8100 0000 0001 0000 0000 00 0001 0001 00000001 0005 0102030405`, 'rdata')
    refuse(`1234 8100 0000 0000 0000 0002 ${'00 0029 1000 00000000 0000'.repeat(2)}`, 'opt')
    refuse(`1234 8100 0000 0000 0000 0001 0161 00 0029 1000 00000000 0000`, 'opt')
    const label63 = `3f${'61'.repeat(63)}`
    refuse(`${head} ${label63.repeat(4)} 00 0001 0001`, 'name')
  })

  it('keeps no view of the packet', () => {
    const packet = encodeMessage({
      ...queryMessage(1, { name: 'a.test.' }),
      answers: [addressRecord({ name: 'a.test.', ttl: 1 }, '192.0.2.1')],
    })
    const decoded = decodeMessage(Buffer.from(packet.buffer, packet.byteOffset, packet.length))
    packet.fill(0)
    expect(formatRecord(decoded.answers[0]!)).toBe('a.test. 1 IN A 192.0.2.1')
  })
})

describe('encodeMessage()', () => {
  const oracleRecord = fc.oneof(
    fc.tuple(plainName, ttl, fc.ipV4()).map(([n, t, a]) => addressRecord({ name: n, ttl: t }, a)),
    fc
      .tuple(plainName, ttl, plainName)
      .map(([n, t, target]) => nameRecord({ name: n, ttl: t }, TYPE.CNAME, target)),
    fc
      .tuple(plainName, ttl, plainName, u16)
      .map(([n, t, target, port]) =>
        srvRecord({ name: n, ttl: t }, { priority: 0, weight: 100, port, target }),
      ),
  )

  it('is read by dns-packet as the same records', () => {
    fc.assert(
      fc.property(plainName, fc.array(oracleRecord, { maxLength: 8 }), (question, answers) => {
        const m = { ...queryMessage(7, { name: question }), response: true, answers }
        const read = dnsPacket.decode(Buffer.from(encodeMessage(m)))
        const lines = (read.answers ?? []).map((answer) => {
          const a = answer as unknown as { name: string; type: string; ttl: number; data: unknown }
          const srv = a.data as { priority: number; weight: number; port: number; target: string }
          const data = a.type === 'SRV' ? `0 100 ${srv.port} ${srv.target}.` : String(a.data)
          return `${a.name}. ${a.ttl} IN ${a.type} ${a.type === 'CNAME' ? `${data}.` : data}`
        })
        expect(lines).toEqual(answers.map(formatRecord))
      }),
    )
  })

  it('reads what dns-packet writes', () => {
    fc.assert(
      fc.property(plainName, fc.ipV4(), u16, (question, address, id) => {
        const packet = dnsPacket.encode({
          type: 'response',
          id,
          questions: [{ type: 'A', name: question.slice(0, -1) }],
          answers: [{ type: 'A', name: question.slice(0, -1), ttl: 5, data: address }],
        })
        const read = decodeMessage(packet)
        expect(read.id).toBe(id)
        expect(read.answers.map(formatRecord)).toEqual([`${question} 5 IN A ${address}`])
      }),
    )
  })

  it('cuts at the limit, sets TC and stays a message', () => {
    const limit = fc.integer({ min: 300, max: 700 })
    fc.assert(
      fc.property(message, limit, (m, bytes) => {
        const room =
          bytes + encodeMessage({ ...m, answers: [], authorities: [], additionals: [] }).length
        const packet = encodeMessage(m, room)
        expect(packet.length).toBeLessThanOrEqual(room)
        const read = decodeMessage(packet)
        const all = (x: Message) => [...x.answers, ...x.authorities, ...x.additionals]
        expect(read.truncated).toBe(m.truncated || all(read).length < all(m).length)
        expect(all(read)).toEqual(all(m).slice(0, all(read).length))
        expect(read.edns).toEqual(m.edns)
      }),
    )
  })

  it('never compresses SRV targets (RFC 2782)', () => {
    const m = {
      ...queryMessage(1, { name: 'a.test.' }),
      answers: [
        srvRecord(
          { name: 'a.test.', ttl: 1 },
          { priority: 0, weight: 1, port: 1, target: 'a.test.' },
        ),
      ],
    }
    expect(Buffer.from(encodeMessage(m)).includes('a.test.'.slice(0, 1), 30)).toBe(true)
    expect(encodeMessage(m).length).toBe(12 + 12 + 2 + 10 + 6 + 8)
  })
})

describe('names', () => {
  it('have one text per wire form', () => {
    fc.assert(
      fc.property(wireName, (bytes) => {
        const text = decodeName(bytes, 0)
        expect(nameEnd()).toBe(bytes.length)
        const target = new Uint8Array(600)
        expect(target.slice(0, encodeName(text, target, 0))).toEqual(bytes)
        expect(nameBytes(text)).toBe(bytes.length)
      }),
    )
  })

  it('refuse empty labels, long labels and long names', () => {
    const refuse = (text: string) =>
      expect(() => encodeName(text, new Uint8Array(1024), 0)).toThrow(WireError)
    refuse('a..b.')
    refuse('.a.')
    refuse(`${'a'.repeat(64)}.`)
    refuse(`${'a.'.repeat(128)}`)
    refuse('a\\999.')
    expect(encodeName('a.'.repeat(127), new Uint8Array(1024), 0)).toBe(255)
  })

  it('isBelow() compares whole labels', () => {
    expect(isBelow('a.b.', 'b.')).toBe(true)
    expect(isBelow('b.', 'b.')).toBe(true)
    expect(isBelow('ab.', 'b.')).toBe(false)
    expect(isBelow('a\\.b.', 'b.')).toBe(false)
    expect(isBelow('a\\\\.b.', 'b.')).toBe(true)
    expect(labelsOf('a\\.b.c.')).toEqual(['a\\.b', 'c'])
  })
})

describe('parseRecord()', () => {
  const same = (line: string) => expect(formatRecord(parseRecord(line))).toBe(line)

  it('reads back every line formatRecord() writes', () => {
    same('a.test. 30 IN A 192.0.2.1')
    same('a.test. 30 IN AAAA fd00::1')
    same('a.test. 0 IN MX 10 mail.test.')
    same('a.test. 5 IN TXT "one" "two \\"quoted\\" \\009"')
    same('a.test. 5 IN SRV 0 100 8443 till.test.')
    same('a.test. 5 IN SOA ns.test. host.test. 1 7200 1800 86400 30')
    same('a.test. 5 IN CAA 0 "issue" "ca.test"')
    same('a.test. 5 IN HTTPS 1 . alpn="h2,h3" port="8443" ipv4hint="192.0.2.1"')
    same('a.test. 5 IN NAPTR 1 2 "S" "SIP+D2U" "" _sip._udp.test.')
    same('a.test. 5 IN TYPE65280 \\# 3 010203')
  })

  it('refuses what is no record', () => {
    const refuse = (line: string) => expect(() => parseRecord(line)).toThrow(WireError)
    for (const line of ['', 'a.', 'a. A', 'a. A 1.2.3', 'a. A 1.2.3.4 x', 'a. NOPE 1']) refuse(line)
  })

  it('names types it does not know by number', () => expect(formatType(65_534)).toBe('TYPE65534'))
})
