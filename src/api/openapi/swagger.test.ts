// The Swagger document: custom resources in it, and what becomes of schemas that it cannot say.
// Against upstream's, and in protobuf: test/conformance.
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { groupsOf } from '../documents/discovery.ts'
import type { Resource } from '../machinery/resource.ts'
import { allResources } from '../resources.gen.ts'
import { OpenApi } from './openapi.ts'
import type { Json } from './schemas.ts'
import { swaggerCustomDefinition } from './swagger-schemas.ts'

const jsonOf = (openapi: OpenApi) =>
  JSON.parse(gunzipSync(openapi.swagger('json').packed).toString()) as Swagger

interface Swagger {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly definitions: Readonly<Record<string, Json>>
}

interface Operation {
  readonly operationId: string
  readonly consumes: readonly string[]
  readonly parameters: readonly { readonly name?: string; readonly $ref?: string }[]
}

const builtIn = new OpenApi({ groups: groupsOf(allResources) })

test('both forms have one hash, and are built once', () => {
  expect(builtIn.swagger('json').hash).toBe(builtIn.swagger('protobuf').hash)
  expect(builtIn.swagger('json').packed).toBe(builtIn.swagger('json').packed)
})

test('dryRun and fieldValidation stand in the operation, where kubectl before 1.27 looks', () => {
  const { patch } = jsonOf(builtIn).paths['/api/v1/namespaces/{namespace}/services/{name}']!
  const names = patch!.parameters.map(({ name, $ref }) => name ?? $ref?.replace(/-.*/, ''))
  expect(names).toEqual([
    '#/parameters/body',
    'dryRun',
    '#/parameters/fieldManager',
    'fieldValidation',
    '#/parameters/force',
  ])
})

const things: Resource = {
  group: 'stable.example.com',
  version: 'v1',
  kind: 'CronTab',
  plural: 'crontabs',
  singular: 'crontab',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [{ name: 'status', kind: 'CronTab', verbs: ['get', 'patch', 'update'] }],
  struct: '',
}

const crontab: Json = {
  type: 'object',
  required: ['spec'],
  properties: {
    apiVersion: { type: 'string' },
    metadata: {
      allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }],
    },
    spec: {
      type: 'object',
      properties: {
        replicas: { type: 'integer', minimum: -1, maximum: 10, default: 1 },
        ratio: { type: 'number', multipleOf: 0.5, maxLength: 3 },
        port: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }] },
        labels: { type: 'object', additionalProperties: { type: 'string', enum: ['a', 'b'] } },
        any: { type: 'object', additionalProperties: false },
      },
    },
  },
  'x-kubernetes-group-version-kind': [
    { group: 'stable.example.com', kind: 'CronTab', version: 'v1' },
  ],
}

test('update() lets a custom resource join', () => {
  const own = new OpenApi({ groups: groupsOf(allResources) })
  const before = own.swagger('json')
  const groups = groupsOf([...allResources, things])
  own.update({ groups, customSchema: () => crontab })
  expect(own.swagger('json').hash).not.toBe(before.hash)
  const { paths, definitions } = jsonOf(own)
  const base = '/apis/stable.example.com/v1/namespaces/{namespace}/crontabs'
  expect(paths[base]!['post']!.consumes).toEqual(['application/json', 'application/yaml'])
  expect(paths[`${base}/{name}`]!['patch']!.operationId).toBe(
    'patchStableExampleComV1NamespacedCronTab',
  )
  expect(definitions['com.example.stable.v1.CronTab']!['properties']).toEqual({
    apiVersion: { type: 'string' },
    metadata: { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
    spec: {
      type: 'object',
      properties: {
        replicas: { type: 'integer', minimum: -1, maximum: 10 },
        ratio: { type: 'number', multipleOf: 0.5, maxLength: 3 },
        port: { 'x-kubernetes-int-or-string': true },
        labels: { type: 'object', additionalProperties: { type: 'string', enum: ['a', 'b'] } },
        any: { type: 'object', additionalProperties: false },
      },
    },
  })
})

test.each<readonly [string, Json, Json]>([
  [
    'what may be null has no type, and is not required',
    {
      type: 'object',
      required: ['a', 'b'],
      properties: {
        a: { type: 'string', nullable: true },
        b: { type: 'array', nullable: true, items: { type: 'string' } },
      },
    },
    { type: 'object', properties: { a: {}, b: {} } },
  ],
  [
    'what keeps unknown fields lists none',
    {
      type: 'object',
      properties: {
        a: {
          type: 'object',
          'x-kubernetes-preserve-unknown-fields': true,
          properties: { b: { type: 'string' } },
        },
      },
    },
    { type: 'object', properties: { a: { 'x-kubernetes-preserve-unknown-fields': true } } },
  ],
  [
    'an object that keeps unknown fields at its root is any object',
    {
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      properties: { spec: { type: 'object' } },
    },
    { type: 'object' },
  ],
  [
    'alternatives go; a list without items has no type',
    {
      type: 'object',
      oneOf: [{ required: ['a'] }],
      not: { required: ['b'] },
      allOf: [{ required: ['a'] }],
      properties: { a: { type: 'array' } },
    },
    { type: 'object', properties: { a: {} } },
  ],
])('swaggerCustomDefinition(): %s', (_, schema, expected) => {
  expect(swaggerCustomDefinition(schema)).toEqual(expected)
})
