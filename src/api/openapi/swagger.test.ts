// The Swagger document: its protobuf read back by an independent reader, custom resources in it,
// and what becomes of schemas that Swagger cannot say.
import { gunzipSync } from 'node:zlib'
import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { groupsOf } from '../documents/discovery.ts'
import type { Resource } from '../machinery/resource.ts'
import { allResources } from '../resources.gen.ts'
import type { OpenApiForm } from './openapi.ts'
import { OpenApi } from './openapi.ts'
import type { Json } from './schemas.ts'
import { swaggerCustomDefinition } from './swagger-schemas.ts'

/** The part of gnostic's openapi.v2 that the document uses, by field name and number. */
const messages: Readonly<Record<string, string>> = {
  Document: `string swagger=1; Info info=2; Paths paths=8; SchemaMap definitions=9;
    ParameterMap parameters=10; repeated ScopesMap security=12; SecurityMap security_definitions=13;`,
  Info: 'string title=1; string version=2;',
  Any: 'string yaml=2;',
  NamedAny: 'string name=1; Any value=2;',
  Paths: 'repeated NamedPathItem path=2;',
  NamedPathItem: 'string name=1; PathItem value=2;',
  PathItem: `Operation get=2; Operation put=3; Operation post=4; Operation delete=5;
    Operation options=6; Operation head=7; Operation patch=8; repeated ParametersItem parameters=9;`,
  Operation: `repeated string tags=1; string operation_id=5; repeated string produces=6;
    repeated string consumes=7; repeated ParametersItem parameters=8; Responses responses=9;
    repeated string schemes=10; repeated NamedAny vendor_extension=13;`,
  ParametersItem: 'oneof oneof { Parameter parameter=1; Reference json_reference=2; }',
  Reference: 'string _ref=1;',
  Parameter: 'oneof oneof { BodyParameter body_parameter=1; NonBody non_body_parameter=2; }',
  NonBody: 'oneof oneof { QueryParameter query=3; PathParameter path=4; }',
  BodyParameter: 'string name=2; string in=3; bool required=4; Schema schema=5;',
  QueryParameter:
    'bool required=1; string in=2; string name=4; string type=6; bool unique_items=20;',
  PathParameter:
    'bool required=1; string in=2; string name=4; string type=5; bool unique_items=19;',
  ParameterMap: 'repeated NamedParameter additional_properties=1;',
  NamedParameter: 'string name=1; Parameter value=2;',
  Responses: 'repeated NamedResponse response_code=1;',
  NamedResponse: 'string name=1; ResponseValue value=2;',
  ResponseValue: 'oneof oneof { Response response=1; }',
  Response: 'string description=1; SchemaItem schema=2;',
  SchemaItem: 'oneof oneof { Schema schema=1; }',
  Schema: `string _ref=1; string format=2; string title=3; string description=4; Any default=5;
    double multiple_of=6; double maximum=7; bool exclusive_maximum=8; double minimum=9;
    bool exclusive_minimum=10; int64 max_length=11; int64 min_length=12; string pattern=13;
    int64 max_items=14; int64 min_items=15; bool unique_items=16; int64 max_properties=17;
    int64 min_properties=18; repeated string required=19; repeated Any enum=20;
    SchemaOrBoolean additional_properties=21; Strings type=22; Items items=23; SchemaMap properties=25;
    repeated NamedAny vendor_extension=31;`,
  SchemaOrBoolean: 'oneof oneof { Schema schema=1; bool boolean=2; }',
  Items: 'repeated Schema schema=1;',
  SchemaMap: 'repeated NamedSchema additional_properties=1;',
  NamedSchema: 'string name=1; Schema value=2;',
  Strings: 'repeated string value=1;',
  ScopesMap: 'repeated NamedScopes additional_properties=1;',
  NamedScopes: 'string name=1; Scopes value=2;',
  Scopes: 'repeated string value=1;',
  SecurityMap: 'repeated NamedSecurity additional_properties=1;',
  NamedSecurity: 'string name=1; Security value=2;',
  Security: 'oneof oneof { ApiKey api_key_security=2; }',
  ApiKey: 'string type=1; string name=2; string in=3; string description=4;',
}

const proto = Object.entries(messages).map(([name, fields]) => `message ${name} { ${fields} }`)
const root = protobuf.parse(`syntax="proto3"; ${proto.join('\n')}`, { keepCase: true }).root

interface Pair {
  readonly name: string
  readonly value?: unknown
}

const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
const onlyOne = new Set(['Items', 'Strings'])

/** A decoded message as the JSON it was made from. */
function toJson(type: protobuf.Type, value: Json): unknown {
  if (type.name === 'Any') return JSON.parse(String(value['yaml']))
  const fields = type.fieldsArray.filter(({ name }) => Object.hasOwn(value, name))
  const convert = (field: protobuf.Field, item: unknown) => {
    const inner = field.resolve().resolvedType
    return inner instanceof protobuf.Type ? toJson(inner, item as Json) : item
  }
  const read = (field: protobuf.Field): unknown => {
    const item = value[field.name]
    return Array.isArray(item) ? item.map((one) => convert(field, one)) : convert(field, item)
  }
  if (type.oneofsArray.length > 0) return fields[0] && read(fields[0])
  if (type.name === 'Scopes') return value['value'] ?? []
  if (onlyOne.has(type.name)) return (read(fields[0]!) as readonly unknown[])[0]
  const isMap = type.fieldsArray.length === 1 && type.fieldsArray[0]!.type.startsWith('Named')
  const entries = fields.flatMap((field): (readonly [string, unknown])[] => {
    const pairs = field.type.startsWith('Named') && (isMap || field.name === 'vendor_extension')
    if (!pairs) return [[field.name === '_ref' ? '$ref' : camel(field.name), read(field)]]
    return (read(field) as readonly Pair[]).map(({ name, value: own }) => [name, own])
  })
  return Object.fromEntries(entries)
}

const bytesOf = (openapi: OpenApi, form: OpenApiForm) => gunzipSync(openapi.swagger(form).packed)
const jsonOf = (openapi: OpenApi) => JSON.parse(bytesOf(openapi, 'json').toString()) as Swagger

function fromProtobuf(openapi: OpenApi): unknown {
  const type = root.lookupType('Document')
  const bytes = bytesOf(openapi, 'protobuf')
  const decoded = type.toObject(type.decode(bytes), { longs: Number }) as Json
  // Nothing was skipped: what the reader knows is all there is.
  expect(type.encode(type.fromObject(decoded)).finish().length).toBe(bytes.length)
  return toJson(type, decoded)
}

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

test('the protobuf says what the JSON says', { timeout: 30_000 }, () => {
  expect(fromProtobuf(builtIn)).toEqual(jsonOf(builtIn))
})

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

test('update() lets a custom resource join, in both forms', { timeout: 30_000 }, () => {
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
  const read = fromProtobuf(own) as Swagger
  expect(read.definitions).toEqual(definitions)
  expect(read.paths).toEqual(paths)
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
