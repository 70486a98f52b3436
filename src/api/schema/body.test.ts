// Refusals recorded from kube-apiserver 1.36.
import { beforeAll, expect, test } from 'vitest'
import type { BodyFormat, FieldValidation } from './body.ts'
import { decodeBody } from './body.ts'
import { loadYaml } from './yaml-text.ts'

const expectedKinds = {
  ConfigMap: { apiVersion: 'v1', kind: 'ConfigMap', struct: 'core.v1.ConfigMap' },
  Service: { apiVersion: 'v1', kind: 'Service', struct: 'core.v1.Service' },
  Pod: { apiVersion: 'v1', kind: 'Pod', struct: 'core.v1.Pod' },
  Lease: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', struct: 'coordination.v1.Lease' },
  Deployment: { apiVersion: 'apps/v1', kind: 'Deployment', struct: 'apps.v1.Deployment' },
} as const

interface Given {
  readonly kind?: keyof typeof expectedKinds
  readonly format?: BodyFormat
  readonly fieldValidation?: FieldValidation
}

async function read(body: string | Uint8Array, given: Given = {}): Promise<unknown> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  try {
    return await decodeBody(bytes, given.format ?? 'json', {
      expected: expectedKinds[given.kind ?? 'ConfigMap'],
      fieldValidation: given.fieldValidation ?? 'Strict',
    })
  } catch (error) {
    return (error as Error).message
  }
}

async function check(body: string | Uint8Array, expected: unknown, given: Given = {}) {
  expect(await read(body, given)).toEqual(expected)
}

beforeAll(loadYaml)

const unrecognised = (text: string) =>
  `the object provided is unrecognized (must be of type ConfigMap): ${text}`

test.each([
  ['{"kind":', 'unexpected end of JSON input ({"kind":)'],
  ['', 'unexpected end of JSON input (<empty>)'],
  [
    '[1]',
    'json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b315d)',
  ],
  [
    '"x"',
    'json: cannot unmarshal string into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (227822)',
  ],
  [
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"tr"}} x',
    `invalid character 'x' after top-level value ({"apiVersion":"v1","kind":"Con ...)`,
  ],
])('decodeBody() refuses the JSON %j', (body, message) =>
  check(body, unrecognised(`couldn't get version/kind; json parse error: ${message}`)),
)

test('decodeBody() refuses what is no protobuf', async () => {
  const prefix = 'provided data does not appear to be a protobuf message, expected prefix'
  await check(
    Uint8Array.from([0, 1, 2, 3, 4]),
    unrecognised(`${prefix} [107 56 115 0] (0001020304)`),
    {
      format: 'protobuf',
    },
  )
  await check(Buffer.from('k8s\0'), unrecognised('empty body (6b387300)'), { format: 'protobuf' })
})

test('decodeBody() refuses kinds that are not the expected one', async () => {
  const scheme = 'in scheme "pkg/api/legacyscheme/scheme.go:30"'
  await check(
    '{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{}}',
    'Service in version "v1" cannot be handled as a ConfigMap: converting (v1.Service) to (core.ConfigMap): unknown conversion',
  )
  await check(
    '{"apiVersion":"apps/v1","kind":"ConfigMap"}',
    `ConfigMap in version "v1" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "apps/v1" ${scheme}`,
  )
  await check(
    '{"apiVersion":"v1","kind":"Foo"}',
    `Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" ${scheme}`,
  )
})

const inConfigMap = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: '

test('decodeBody() refuses values of the wrong type', async () => {
  const service = (ports: string) =>
    `{"apiVersion":"v1","kind":"Service","metadata":{"name":"bad"},"spec":{"ports":${ports}}}`
  const refused = 'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal'
  await check(
    service('[{"port":"80"}]'),
    `${refused} string into Go struct field ServicePort.spec.ports.port of type int32`,
    { kind: 'Service' },
  )
  await check(
    service('{"a":1}'),
    `${refused} object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort`,
    { kind: 'Service' },
  )
  await check(
    service('[{"port":80.0}]'),
    `${refused} number 80.0 into Go struct field ServicePort.spec.ports.port of type int32`,
    { kind: 'Service' },
  )
  await check(
    service('[{"port":99999999999}]'),
    `${refused} number 99999999999 into Go struct field ServicePort.spec.ports.port of type int32`,
    { kind: 'Service' },
  )
  await check(
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y2}\ndata: {a: yes}\n',
    `${inConfigMap}json: cannot unmarshal bool into Go struct field ConfigMap.data of type string`,
    { format: 'yaml' },
  )
})

test('decodeBody() names the Go types of enumerations and resource lists', async () => {
  const inService = 'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal'
  await check(
    '{"kind":"Service","spec":{"type":5}}',
    `${inService} number into Go struct field ServiceSpec.spec.type of type v1.ServiceType`,
    { kind: 'Service' },
  )
  await check(
    '{"kind":"Service","spec":{"ipFamilies":[4]}}',
    `${inService} number into Go struct field ServiceSpec.spec.ipFamilies of type v1.IPFamily`,
    { kind: 'Service' },
  )
  await check(
    '{"kind":"Pod","spec":{"containers":[{"resources":{"limits":"x"}}]}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList',
    { kind: 'Pod' },
  )
})

test('decodeBody() refuses malformed quantities and times', async () => {
  await check(
    '{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"resources":{"limits":{"cpu":"abc"}}}]}}',
    `Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
    { kind: 'Pod' },
  )
  await check(
    '{"kind":"Lease","spec":{"renewTime":"2024-01-01T00:00:00.5Z"}}',
    'Lease in version "v1" cannot be handled as a Lease: parsing time "2024-01-01T00:00:00.5Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse ".5Z" as ".000000"',
    { kind: 'Lease' },
  )
})

test.each([
  [
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"u","foo":1},"data":{"a":"b"},"bar":{"c":1}}',
    'unknown field "metadata.foo", unknown field "bar"',
  ],
  [
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"a":"1","a":"2"},"data":{"b":"3"}}',
    'duplicate field "data.a", duplicate field "data"',
  ],
  ['{"Data":{"a":"b"}}', 'unknown field "Data"'],
])('decodeBody() reports the unknown and repeated fields of %s', (body, list) =>
  check(body, `${inConfigMap}strict decoding error: ${list}`),
)

test('decodeBody() names unknown fields inside lists', () =>
  check(
    '{"kind":"Deployment","spec":{"template":{"spec":{"containers":[{"name":"c","imagee":"y","ports":[{"containerport":1}]}]}}}}',
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.template.spec.containers[0].imagee", unknown field "spec.template.spec.containers[0].ports[0].containerport"',
    { kind: 'Deployment' },
  ))

const repeatedYaml =
  'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yy\n  name: yy\ndata:\n  a: "1"\nzzz: 1\n'

test('decodeBody() reports repeated YAML keys with their line', async () => {
  await check(
    repeatedYaml,
    `${inConfigMap}strict decoding error: yaml: unmarshal errors:\n  line 5: key "name" already set in map, unknown field "zzz"`,
    { format: 'yaml' },
  )
  await check(
    'a: b: c',
    unrecognised('yaml: mapping values are not allowed in this context (613a20623a2063)'),
    {
      format: 'yaml',
    },
  )
})

test('fieldValidation=Warn turns strict errors into warnings and drops the fields', async () => {
  const type = { apiVersion: 'v1', kind: 'ConfigMap' }
  await check(
    repeatedYaml,
    {
      type,
      value: { ...type, metadata: { name: 'yy' }, data: { a: '1' } },
      warnings: ['line 5: key "name" already set in map', 'unknown field "zzz"'],
    },
    { format: 'yaml', fieldValidation: 'Warn' },
  )
})

test('fieldValidation=Ignore merges repeated objects silently, as Go does', async () => {
  const type = { apiVersion: 'v1', kind: 'ConfigMap' }
  await check(
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"a":"1","a":"2"},"data":{"b":"3"}}',
    { type, value: { ...type, metadata: { name: 'd' }, data: { a: '2', b: '3' } }, warnings: [] },
    { fieldValidation: 'Ignore' },
  )
})

test('a body may leave out what it is', async () => {
  await check('{"metadata":{"name":"a"}}', {
    type: { apiVersion: 'v1', kind: 'ConfigMap' },
    value: { metadata: { name: 'a' } },
    warnings: [],
  })
})
