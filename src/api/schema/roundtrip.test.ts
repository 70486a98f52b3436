// Every recorded pair of JSON and protobuf, both ways, byte for byte.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decodeValue } from './decode.ts'
import { encode, wireValue } from './encode.ts'
import { decodeProtobuf, encodeProtobuf, encodeWatchFrame } from './protobuf.ts'
import { structOfKind } from './schema.ts'

interface Pair {
  readonly gvk: string
  readonly json: { apiVersion?: string; kind: string; type?: string; object?: Typed }
  readonly protobuf: string
}
interface Typed {
  readonly apiVersion: string
  readonly kind: string
}

const golden = new URL('../../../test/golden/roundtrip/', import.meta.url)
const pairs = readdirSync(golden).map((file): Pair & { name: string } => ({
  name: file.replace('.json', ''),
  ...(JSON.parse(readFileSync(new URL(file, golden), 'utf8')) as Pair),
}))

function structOf(pair: Pair): string {
  const slash = pair.gvk.lastIndexOf('/')
  const struct = structOfKind(pair.gvk.slice(0, slash), pair.gvk.slice(slash + 1))
  if (!struct) throw new Error(`no struct for ${pair.gvk}`)
  return struct
}

/** Discovery lists name no version of their own, neither in JSON nor in the envelope. */
const typeOf = ({ json }: Pair): Typed => ({ apiVersion: json.apiVersion ?? '', kind: json.kind })

/** Items of PartialObjectMetadataList name their kind in JSON only. */
function withoutItemKinds(value: unknown): unknown {
  const { items, ...rest } = value as { items: Record<string, unknown>[] }
  return { ...rest, items: items.map(({ metadata }) => ({ metadata })) }
}

/** Recorded by two requests, which the server answers in two orders. */
const unordered = (name: string) => name.endsWith('SelfSubjectRulesReview')
const isWatch = (name: string) => name.endsWith('WatchEvent')

test.each(pairs)('$name is its own canonical JSON', (pair) => {
  const decoded = decodeValue(structOf(pair), pair.json)
  expect(decoded).toMatchObject({ ok: true, strictErrors: [] })
  const text = encode(structOf(pair), decoded.ok && decoded.value)
  expect(JSON.parse(text)).toEqual(pair.json)
  expect(Object.keys(JSON.parse(text) as object)).toEqual(Object.keys(pair.json))
})

test.each(pairs.filter(({ name }) => !unordered(name) && !isWatch(name)))(
  '$name encodes to the recorded protobuf',
  (pair) => {
    const bytes = encodeProtobuf(typeOf(pair), structOf(pair), pair.json)
    expect(bytes.toString('base64')).toBe(pair.protobuf)
  },
)

test.each(pairs.filter(({ name }) => !unordered(name) && !isWatch(name)))(
  '$name decodes from the recorded protobuf',
  (pair) => {
    const decoded = decodeProtobuf(Buffer.from(pair.protobuf, 'base64'), {
      apiVersion: pair.json.apiVersion ?? 'v1',
      kind: pair.json.kind,
    })
    if (!decoded.ok) throw new Error(decoded.message)
    const { apiVersion, ...rest } = wireValue(structOf(pair), decoded.value)
    const value = pair.json.apiVersion === undefined ? rest : { apiVersion, ...rest }
    if (pair.name.includes('PartialObjectMetadataList')) {
      expect(withoutItemKinds(value)).toEqual(withoutItemKinds(pair.json))
    } else expect(value).toEqual(pair.json)
  },
)

test('encodeWatchFrame() is the recorded frame', () => {
  const pair = pairs.find(({ name }) => isWatch(name))!
  const object = pair.json.object!
  const struct = structOfKind(object.apiVersion, object.kind)!
  const frame = encodeWatchFrame(pair.json.type!, encodeProtobuf(object, struct, object))
  expect(frame.toString('base64')).toBe(pair.protobuf)
})
