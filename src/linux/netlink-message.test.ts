import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  attributeText,
  forEachAttribute,
  NetlinkWriter,
  parseAttributes,
  parseMessages,
} from './netlink-message.ts'

const attribute = fc.record({
  type: fc.integer({ min: 1, max: 0x3fff }),
  value: fc.uint8Array({ maxLength: 40 }),
})
const message = fc.record({
  type: fc.integer({ min: 16, max: 0xffff }),
  flags: fc.integer({ min: 0, max: 0xffff }),
  seq: fc.integer({ min: 0, max: 0xffffffff }),
  attributes: fc.array(attribute, { maxLength: 6 }),
})

test('parseMessages() gives back what NetlinkWriter wrote', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
      const writer = new NetlinkWriter(16)
      for (const { type, flags, seq, attributes } of messages) {
        const mark = writer.beginMessage(type, flags, seq)
        for (const { type, value } of attributes) writer.attribute(type, value)
        writer.endMessage(mark)
      }
      const read = parseMessages(Buffer.from(writer.bytes)).map(({ type, flags, seq, payload }) => {
        const attributes: { type: number; value: Uint8Array }[] = []
        forEachAttribute(payload, (type, value) =>
          attributes.push({ type, value: new Uint8Array(value) }),
        )
        return { type, flags, seq, attributes }
      })
      expect(read).toEqual(messages)
    }),
  )
})

test('parsers never read past the end of hostile bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const { payload } of parseMessages(Buffer.from(bytes))) parseAttributes(payload)
      parseAttributes(Buffer.from(bytes))
    }),
  )
})

test('nested attributes carry their flag, and it is stripped when read', () => {
  const writer = new NetlinkWriter()
  const nest = writer.beginNest(4)
  writer.u32be(1, 7)
  writer.string(2, 'lo')
  writer.endNest(nest)
  expect(writer.bytes.toString('hex')).toBe('14000480' + '0800010000000007' + '070002006c6f0000')
  const inner = parseAttributes(parseAttributes(writer.bytes).get(4)!)
  expect(inner.get(1)!.readUInt32BE(0)).toBe(7)
  expect(attributeText(inner.get(2))).toBe('lo')
})
