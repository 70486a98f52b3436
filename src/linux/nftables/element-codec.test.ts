import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatIp } from '../../lib/ip.ts'
import { NetlinkWriter } from '../netlink-message.ts'
import { encodeElement, parseElements } from './element-codec.ts'
import type { SetDeclaration } from './objects.ts'

function roundTrip(set: SetDeclaration, key: string, value: string): void {
  const writer = new NetlinkWriter(8)
  encodeElement(writer, set, { key, value })
  const read = parseElements(set, Buffer.from(writer.bytes))
  expect(read).toEqual([{ key, value, packets: undefined }])
}

const v4 = fc.ipV4().filter((ip) => !ip.includes('x'))
const v6 = fc
  .bigInt({ min: 0n, max: 2n ** 128n - 1n })
  .map((value) => formatIp({ family: 'IPv6', value }))
const protocol = fc.constantFrom('tcp', 'udp', 'sctp', '99')
const port = fc.integer({ min: 0, max: 65535 }).map(String)
const slot = fc
  .integer({ min: 0, max: 0xffffffff })
  .map((n) => `0x${n.toString(16).padStart(8, '0')}`)

test('an element comes back from its bytes', () => {
  for (const [address, type] of [
    [v4, 'ipv4_addr'],
    [v6, 'ipv6_addr'],
  ] as const) {
    const set: SetDeclaration = {
      name: 'ep',
      key: [type, 'inet_proto', 'inet_service', 'mark'],
      value: [type, 'inet_service'],
    }
    fc.assert(
      fc.property(fc.tuple(address, protocol, port, slot), fc.tuple(address, port), (key, value) =>
        roundTrip(set, key.join(' . '), value.join(' . ')),
      ),
    )
  }
})

test('a verdict comes back with its chain', () => {
  const set: SetDeclaration = { name: 'svc', key: ['inet_service'], value: 'verdict' }
  for (const verdict of ['drop', 'accept', 'return', 'goto c-3', 'jump rec-10800'])
    roundTrip(set, '80', verdict)
})

test('an interval comes back as the prefix it was', () => {
  const set: SetDeclaration = { name: 'fw', key: ['inet_service', 'ipv4_addr'], interval: true }
  for (const range of ['0.0.0.0/0', '10.0.0.0/8', '10.1.2.0/23', '10.1.2.3'])
    roundTrip(set, `80 . ${range}`, '')
})

test('what is no value of its type is refused by name', () => {
  const set: SetDeclaration = { name: 's', key: ['ipv4_addr', 'inet_service'] }
  const encode = (key: string) => () => encodeElement(new NetlinkWriter(), set, { key })
  for (const ip of ['1.2.3', '1.2.3.256', '1.2.3.', '1..3.4', '1.2.3.4.5', 'x', '::1'])
    expect(encode(`${ip} . 80`), ip).toThrow('cannot encode ipv4_addr')
  expect(encode('1.2.3.4 . 65536')).toThrow('cannot encode inet_service "65536"')
  expect(encode('1.2.3.4')).toThrow('cannot encode element')
})
