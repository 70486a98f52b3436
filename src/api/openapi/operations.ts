// One operation of an OpenAPI v3 document: parameters, bodies, answers, as kube-openapi builds them.
import { structOf } from '../schema/schema.ts'
import type { GroupVersionKind, Json } from './schemas.ts'
import { patchName, refTo } from './schemas.ts'

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required?: true
  readonly schema: Json
}

export interface Operation {
  readonly method: 'get' | 'put' | 'post' | 'delete' | 'options' | 'head' | 'patch'
  readonly id: string
  readonly action: string
  readonly kind: GroupVersionKind
  readonly parameters: readonly Parameter[]
  readonly requestBody?: Json
  readonly responses: Json
}

const query = (name: string, type: string): Parameter => ({
  name,
  in: 'query',
  schema: { type, uniqueItems: true },
})

export const pathParameter = (name: string): Parameter => ({
  name,
  in: 'path',
  required: true,
  schema: { type: 'string', uniqueItems: true },
})

export const pretty = query('pretty', 'string')

const write = [
  query('dryRun', 'string'),
  query('fieldManager', 'string'),
  query('fieldValidation', 'string'),
]

const deletion = [
  query('dryRun', 'string'),
  query('gracePeriodSeconds', 'integer'),
  query('ignoreStoreReadErrorWithClusterBreakingPotential', 'boolean'),
  query('orphanDependents', 'boolean'),
  query('propagationPolicy', 'string'),
]

const selection = [
  query('continue', 'string'),
  query('fieldSelector', 'string'),
  query('labelSelector', 'string'),
  query('limit', 'integer'),
  query('resourceVersion', 'string'),
  query('resourceVersionMatch', 'string'),
  query('sendInitialEvents', 'boolean'),
  query('shardSelector', 'string'),
  query('timeoutSeconds', 'integer'),
]

const listing = [query('allowWatchBookmarks', 'boolean'), ...selection, query('watch', 'boolean')]

export const parametersOf = {
  get: [pretty],
  /** Custom resources: what apiextensions-apiserver publishes for them. */
  customGet: [query('resourceVersion', 'string'), pretty],
  list: [...listing, pretty],
  write: [...write, pretty],
  patch: [...write, query('force', 'boolean'), pretty],
  delete: [...deletion, pretty],
  deleteCollection: [...deletion, ...selection, pretty],
} as const

const queryTypes: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'boolean',
  int32: 'integer',
  int64: 'integer',
}

/** The fields of an options struct ("core.v1.PodLogOptions") as query parameters. */
export function optionParameters(struct: string): readonly Parameter[] {
  return structOf(struct).members.flatMap(({ name, type }) => {
    if (name === 'apiVersion' || name === 'kind') return []
    const queryType = queryTypes[type.kind === 'list' ? type.items.kind : type.kind]
    return queryType === undefined ? [] : [query(name, queryType)]
  })
}

const plainTypes = ['application/json', 'application/vnd.kubernetes.protobuf', 'application/yaml']
const listTypes = [
  'application/json',
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf',
  'application/vnd.kubernetes.protobuf;stream=watch',
  'application/yaml',
]
const customTypes = ['application/json', 'application/yaml']
const customListTypes = ['application/json', 'application/yaml']

const contentOf = (types: readonly string[], schema: Json): Json => ({
  content: Object.fromEntries(types.map((type) => [type, { schema }])),
})

export interface AnswerOptions {
  /** Lists and watches also stream. */
  readonly list?: boolean
  /** Custom resources know no protobuf. */
  readonly custom?: boolean
  readonly codes?: readonly number[]
}

export function answers(schema: Json, options: AnswerOptions = {}): Json {
  const { list = false, custom = false, codes = [200] } = options
  const types = custom ? (list ? customListTypes : customTypes) : list ? listTypes : plainTypes
  const content = contentOf(types, schema)
  return answersWith(Object.fromEntries(codes.map((code) => [code, content])))
}

const words: Readonly<Record<string, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted' }

/** By status code; every operation may answer that it does not know the client. */
export function answersWith(contents: Readonly<Record<string, Json>>): Json {
  const described = Object.entries(contents).map(([code, content]) => [
    code,
    { description: words[code], ...content },
  ])
  return { ...Object.fromEntries(described), 401: { description: 'Unauthorized' } }
}

/** What exec, attach, port-forward and proxy answer: a stream of anything. */
export const streamAnswer = answersWith({ 200: contentOf(['*/*'], { type: 'string' }) })

export const textAnswer = answersWith({
  200: contentOf([...plainTypes, 'text/plain'], { type: 'string' }),
})

export const optionalBodyOf = (schema: Json, custom: boolean): Json =>
  contentOf(custom ? customTypes : ['*/*'], schema)

export const bodyOf = (schema: Json, custom: boolean): Json => ({
  ...optionalBodyOf(schema, custom),
  required: true,
})

export function patchBody(custom: boolean): Json {
  const types = [
    'application/apply-patch+yaml',
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(custom ? [] : ['application/strategic-merge-patch+json']),
  ]
  return { ...contentOf(types, refTo(patchName)), required: true }
}

const methodOrder = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'] as const

const sameParameter = (one: Parameter, other: Parameter) =>
  one.name === other.name && one.in === other.in

const byName = (one: Parameter, other: Parameter) =>
  one.name === other.name ? (one.in < other.in ? -1 : 1) : one.name < other.name ? -1 : 1

/** The operations of one path. Parameters that all of them take move up to the path. */
export function pathItem(
  operations: readonly Operation[],
  options: { readonly tag: string; readonly parameters: readonly Parameter[] },
): Json {
  const shared = operations[0]!.parameters.filter((parameter) =>
    operations.every((operation) =>
      operation.parameters.some((other) => sameParameter(parameter, other)),
    ),
  )
  const item: Record<string, unknown> = {}
  for (const method of methodOrder) {
    const operation = operations.find((candidate) => candidate.method === method)
    if (operation) item[method] = operationJson(operation, shared, options.tag)
  }
  const parameters = [...options.parameters, ...shared].sort(byName)
  if (parameters.length > 0) item.parameters = parameters
  return item
}

function operationJson(operation: Operation, shared: readonly Parameter[], tag: string): Json {
  const { group, version, kind } = operation.kind
  const own = operation.parameters
    .filter((parameter) => !shared.some((other) => sameParameter(parameter, other)))
    .sort(byName)
  return {
    tags: [tag],
    operationId: operation.id,
    ...(own.length > 0 && { parameters: own }),
    ...(operation.requestBody && { requestBody: operation.requestBody }),
    responses: operation.responses,
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': { group, version, kind },
  }
}
