// OpenAPI in protobuf, read back by another reader than our writer: it must say what the JSON says.
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { groupsOf } from '../../src/api/documents/discovery.ts'
import type { Resource } from '../../src/api/machinery/resource.ts'
import type { Json } from '../../src/api/openapi/openapi.ts'
import { OpenApi } from '../../src/api/openapi/openapi.ts'
import { allResources } from '../../src/api/resources.gen.ts'
import { openApiV3Messages, readGnostic, swaggerMessages } from '../support/gnostic.ts'

const things: Resource = {
  group: 'stable.example.com',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  singular: 'thing',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [{ name: 'status', kind: 'Thing', verbs: ['get', 'patch', 'update'] }],
  struct: '',
}

/** What the built-in kinds have none of: limits, alternatives, defaults that are empty. */
const schema: Json = {
  type: 'object',
  description: 'ein Ding, größer als ASCII',
  required: ['number'],
  minProperties: 1,
  maxProperties: 9,
  properties: {
    number: {
      type: 'number',
      minimum: -1.5,
      maximum: 10,
      exclusiveMaximum: true,
      exclusiveMinimum: true,
      multipleOf: 0.5,
      default: 0,
    },
    text: {
      type: 'string',
      title: 't',
      pattern: '^a+$',
      minLength: 1,
      maxLength: 300,
      default: '',
    },
    flag: { type: 'boolean', default: false, nullable: true },
    list: {
      type: 'array',
      items: { type: 'integer' },
      minItems: 1,
      maxItems: 2,
      uniqueItems: true,
    },
    map: { type: 'object', additionalProperties: { type: 'string', enum: ['a', 'b'] } },
    open: { type: 'object', additionalProperties: true },
    closed: { type: 'object', additionalProperties: false },
    port: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
    not: { type: 'string', not: { pattern: 'b' }, oneOf: [{ minLength: 2 }] },
    rules: {
      type: 'object',
      'x-kubernetes-validations': [{ rule: 'self.a > 1', message: '"a": more' }],
    },
  },
  'x-kubernetes-group-version-kind': [
    { group: 'stable.example.com', kind: 'Thing', version: 'v1' },
  ],
}

const groups = groupsOf([...allResources, things])
const openapi = new OpenApi({ groups, customSchema: () => schema })

test('/openapi/v2', { timeout: 30_000 }, () => {
  const bytes = gunzipSync(openapi.swagger('protobuf').packed)
  const json: unknown = JSON.parse(gunzipSync(openapi.swagger('json').packed).toString())
  expect(readGnostic(swaggerMessages, bytes)).toEqual(json)
})

/** gnostic has defaults of three types: of objects and lists it keeps only that there is one. */
function withoutTypedDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTypedDefaults)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(
    ([key, item]) => key !== 'default' || (typeof item !== 'object' && item !== undefined),
  )
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutTypedDefaults(item)]))
}

const { paths } = openapi.index() as { paths: Readonly<Record<string, unknown>> }

test.each(Object.keys(paths))('/openapi/v3/%s', { timeout: 30_000 }, (path) => {
  const read = readGnostic(openApiV3Messages, openapi.document(path, 'protobuf')!.body)
  const json: unknown = JSON.parse(openapi.document(path)!.body.toString())
  expect(withoutTypedDefaults(read)).toEqual(withoutTypedDefaults(json))
})
