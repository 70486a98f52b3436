// handlePacket() whatever the bytes: a reply that is a message, or none; and no amplification.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ask, edns } from '../../test/dns/client.ts'
import { reply } from './chain.ts'
import type { Arrival, RouteTable } from './server.ts'
import { handlePacket } from './server.ts'
import { encodeMessage } from './wire/encode.ts'
import { decodeMessage, queryMessage } from './wire/message.ts'
import { addressRecord } from './wire/rdata.ts'

const crashes: unknown[] = []
const many = Array.from({ length: 100 }, (_, i) =>
  addressRecord({ name: 'big.test.', ttl: 1 }, `192.0.2.${i}`),
)
const table: RouteTable = {
  server: 'dns://:53',
  anyClass: false,
  crashed: (error) => crashes.push(error),
  routes: [
    {
      zone: 'test.',
      serve: (query) => {
        if (query.name === 'crash.test.') throw new Error('boom')
        return reply('t', { authoritative: true, answers: query.name === 'big.test.' ? many : [] })
      },
    },
    { zone: 'sub.test.', serve: () => reply('sub', { rcode: 5 }) },
    { zone: 'late.test.', serve: () => Promise.reject(new Error('late')) },
  ],
}
const peer = { address: '127.0.0.1', port: 1 }
const udp: Arrival = { transport: 'udp', remote: peer, local: peer, monotonicMs: 0 }

const handle = (packet: Uint8Array, arrival = udp) =>
  handlePacket(table, packet, arrival) as Uint8Array | undefined

describe('handlePacket()', () => {
  it('answers anything with a message or not at all', () => {
    const name = fc.constantFrom('big.test.', 'a.sub.test.', 'x.', '.')
    const valid = fc
      .tuple(name, fc.nat(0xffff), fc.boolean(), fc.nat(0xffff))
      .map(([owner, type, withEdns, size]) => {
        const message = queryMessage(7, { name: owner, type })
        return encodeMessage(withEdns ? { ...message, ...edns(size) } : message)
      })
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 })
    const mutated = fc.tuple(valid, changes).map(([packet, list]) => {
      for (const [at, value] of list) packet[at % packet.length] = value
      return packet
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), mutated), (packet) => {
        const answer = handle(packet)
        if (!answer) return
        expect(answer.slice(0, 2)).toEqual(packet.slice(0, 2))
        expect(answer[2]! & 0x80).toBe(0x80)
        const read = decodeMessage(answer)
        const size = read.edns ? Math.max(512, read.edns.udpSize) : 512
        expect(answer.length).toBeLessThanOrEqual(size)
      }),
      { numRuns: 3000 },
    )
    expect(crashes).toEqual([])
  })

  it('never answers an answer, or a header that is cut off', () => {
    const packet = ask('a.test A')
    expect(handle(packet.subarray(0, 11))).toBeUndefined()
    packet[2]! |= 0x80
    expect(handle(packet)).toBeUndefined()
  })

  it('ignores bytes behind the message', () => {
    const packet = Buffer.concat([ask('a.test A'), Buffer.from('garbage')])
    expect(decodeMessage(handle(packet)!).rcode).toBe(0)
  })

  it('takes the longest zone, offers DS to the parent and refuses the rest', () => {
    const rcode = (question: string) => decodeMessage(handle(ask(question))!).rcode
    expect(rcode('a.sub.test A')).toBe(5)
    expect(rcode('sub.test A')).toBe(5)
    expect(rcode('sub.test DS')).toBe(0)
    expect(rcode('asub.test A')).toBe(0)
    expect(rcode('elsewhere A')).toBe(5)
  })

  it('echoes the question in its case, RD, CD and the EDNS size', () => {
    const answer = handle(ask('A.tEsT TXT', { ...edns(1400), checkingDisabled: true }))
    const read = decodeMessage(answer!)
    expect(read.questions[0]!.name).toBe('A.tEsT.')
    expect([read.recursionDesired, read.checkingDisabled, read.edns?.udpSize]).toEqual([
      true,
      true,
      1400,
    ])
    expect(decodeMessage(handle(ask('a.test A'))!).edns).toBeUndefined()
  })

  it('keeps NSID and padding, and drops cookies and client subnets', () => {
    const options = [3, 8, 10, 12].map((code) => ({ code, data: Uint8Array.of(1) }))
    const sent = { edns: { udpSize: 1232, version: 0, dnssecOk: true, options } }
    const read = decodeMessage(handle(ask('a.test A', sent))!)
    expect(read.edns).toMatchObject({ dnssecOk: true })
    expect(read.edns?.options.map(({ code }) => code)).toEqual([3, 12])
  })

  it('makes SERVFAIL of a bug, at once or late, and tells of it', async () => {
    crashes.length = 0
    expect(decodeMessage(handle(ask('crash.test A'))!).rcode).toBe(2)
    const late = await handlePacket(table, ask('late.test A'), udp)
    expect(decodeMessage(late!).rcode).toBe(2)
    expect(crashes.map(String)).toEqual(['Error: boom', 'Error: late'])
  })
})
