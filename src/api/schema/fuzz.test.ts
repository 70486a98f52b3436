// Whatever comes in: an object or a refusal, never a crash; and the two walks agree.
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { converterOf } from './convert.ts'
import { decodeValue } from './decode.ts'
import { diagnose } from './diagnose.ts'
import { encode } from './encode.ts'
import { documentOf } from './json-text.ts'
import { decodeMessage, decodeProtobuf, encodeProtobuf } from './protobuf.ts'
import { structOfKind } from './schema.ts'

interface Pair {
  readonly gvk: string
  readonly json: Record<string, unknown> & { apiVersion: string; kind: string }
  readonly protobuf: string
}

const golden = new URL('../../../test/golden/roundtrip/', import.meta.url)
const pairs = readdirSync(golden)
  .map((file) => JSON.parse(readFileSync(new URL(file, golden), 'utf8')) as Pair)
  // Items of these lists name their kind in JSON and not in protobuf.
  .filter(({ json }) => json.kind !== 'PartialObjectMetadataList')
  .filter(({ json }) => json.apiVersion && structOfKind(json.apiVersion, json.kind))

const anyPair = fc.constantFrom(...pairs)
const structOf = ({ json }: Pair) => structOfKind(json.apiVersion, json.kind)!

/** All paths into a value, so that any part of it can be replaced. */
function pathsOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (value === null || typeof value !== 'object') return [path]
  return [path, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))]
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return by
  if (Array.isArray(value)) {
    return value.map((item, index) => (String(index) === key ? replaced(item, rest, by) : item))
  }
  const bag = value as Record<string, unknown>
  return { ...bag, [key]: replaced(bag[key], rest, by) }
}

const damaged = fc
  .tuple(anyPair, fc.nat(), fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(null)))
  .map(([pair, which, by]) => {
    const paths = pathsOf(pair.json)
    return { struct: structOf(pair), value: replaced(pair.json, paths[which % paths.length]!, by) }
  })

test('an object with any one value replaced is decoded or refused', () => {
  fc.assert(
    fc.property(damaged, ({ struct, value }) => {
      const decoded = decodeValue(struct, value)
      if (!decoded.ok) {
        expect(decoded.message).not.toBe('')
        return
      }
      // What was decoded is canonical: it encodes, and decodes to itself.
      const text = encode(struct, decoded.value)
      const again = decodeValue(struct, JSON.parse(text))
      expect(again).toMatchObject({ ok: true, strictErrors: [] })
      expect(encode(struct, again.ok && again.value)).toBe(text)
    }),
    { numRuns: 1000 },
  )
})

test('the fast walk counts a problem exactly when the slow walk has words for it', () => {
  fc.assert(
    fc.property(damaged, ({ struct, value }) => {
      const conversion = { wrong: 0, unknown: 0, wire: false, nullLists: false }
      converterOf(struct)(value ?? {}, conversion)
      const { failure, strict } = diagnose(struct, documentOf(value))
      expect(failure !== undefined).toBe(conversion.wrong > 0)
      if (failure === undefined) expect(strict.length > 0).toBe(conversion.unknown > 0)
    }),
    { numRuns: 1000 },
  )
})

test('damaged protobuf is decoded or refused', () => {
  const cuts = fc.tuple(anyPair, fc.nat(), fc.nat(255), fc.boolean())
  fc.assert(
    fc.property(cuts, ([pair, at, byte, cut]) => {
      const bytes = Buffer.from(pair.protobuf, 'base64')
      const position = 4 + (at % (bytes.length - 4))
      bytes[position] = byte
      const given = cut ? bytes.subarray(0, position) : bytes
      const decoded = decodeProtobuf(given, pair.json)
      if (!decoded.ok) {
        expect(decoded.message).not.toBe('')
        return
      }
      expect(encode(decoded.struct, decoded.value)).toBeTypeOf('string')
    }),
    { numRuns: 2000 },
  )
})

test('what is decoded from JSON survives protobuf', () => {
  fc.assert(
    fc.property(damaged, ({ struct, value }) => {
      const decoded = decodeValue<Record<string, unknown>>(struct, value)
      if (!decoded.ok) return
      const { apiVersion = 'v1', kind = 'Status' } = decoded.value as Partial<Pair['json']>
      if (structOfKind(apiVersion, kind) !== struct) return
      const bytes = encodeProtobuf({ apiVersion, kind }, struct, decoded.value)
      const back = decodeProtobuf(bytes, { apiVersion, kind })
      if (!back.ok) throw new Error(back.message)
      const options = { nullLists: true }
      const typed = { ...decoded.value, apiVersion, kind }
      expect(encode(struct, back.value, options)).toBe(encode(struct, typed, options))
    }),
    { numRuns: 1000 },
  )
})

test('messages nested too deeply are refused', () => {
  // JSONSchemaProps.not is field 28; the length of each level is that of all inside it.
  let message = Buffer.alloc(0)
  for (let depth = 0; depth < 5000; depth++) {
    const length: number[] = []
    for (let rest = message.length; ; rest >>= 7) {
      length.push(rest >= 0x80 ? (rest & 0x7f) | 0x80 : rest)
      if (rest < 0x80) break
    }
    message = Buffer.concat([Buffer.from([0xe2, 0x01, ...length]), message])
  }
  expect(() => decodeMessage('apiextensions.v1.JSONSchemaProps', message)).toThrow(
    'proto: exceeded max depth',
  )
})
