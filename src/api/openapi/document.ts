// One OpenAPI v3 document: the paths of a group version and every schema they lead to.
import type { Resource } from '../machinery/resource.ts'
import { kubernetesRelease } from '../machinery/version.ts'
import { structNames } from '../schema/schema.ts'
import { answers } from './operations.ts'
import { addResourcePaths, metaName, namingOf, schemaNamesOf } from './paths.ts'
import type { GroupVersionName, Json } from './schemas.ts'
import { leafSchema, refTo, schemaName, structSchema } from './schemas.ts'

export interface DocumentInput {
  readonly group: string
  readonly version: string
  readonly resources: readonly Resource[]
  /** The schema of a custom resource's objects, as OpenAPI publishes it. */
  readonly customSchema?: (resource: Resource) => Json | undefined
}

/** As text, or as gnostic writes it. */
export type OpenApiForm = 'json' | 'protobuf'

/** Json by path or by name. */
export type PathItems = Readonly<Record<string, Json>>

/** "1.36", the version of the API. */
export const apiVersionText: string = kubernetesRelease

const baseOf = (group: string, version: string) =>
  group === '' ? `/api/${version}` : `/apis/${group}/${version}`

let structsByName: ReadonlyMap<string, string> | undefined

function structOfSchema(name: string): string | undefined {
  structsByName ??= new Map(structNames().map((struct) => [schemaName(struct), struct]))
  return structsByName.get(name)
}

/** A document around paths and schemas. */
export const documentOf = (paths: Json, schemas: Json): Json => ({
  openapi: '3.0.0',
  info: { title: 'Kubernetes', version: apiVersionText },
  paths,
  components: {
    schemas,
    securitySchemes: { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } },
  },
})

const refPrefix = '#/components/schemas/'

/** The names of the schemas that a part of a document refers to. */
export function collectRefs(value: unknown, found: Set<string>): void {
  if (value === null || typeof value !== 'object') return
  for (const [key, item] of Object.entries(value)) {
    if (key === '$ref' && typeof item === 'string' && item.startsWith(refPrefix)) {
      found.add(item.slice(refPrefix.length))
    } else collectRefs(item, found)
  }
}

interface SchemaContext {
  readonly groupVersions: readonly GroupVersionName[]
  readonly custom: ReadonlyMap<string, Json>
}

/** The schema that a reference leads to. */
export function schemaNamed(name: string, { groupVersions, custom }: SchemaContext): Json {
  const struct = structOfSchema(name)
  const schema =
    custom.get(name) ??
    leafSchema(name) ??
    (struct === undefined ? undefined : structSchema(struct, groupVersions))
  if (!schema) throw new Error(`no schema "${name}" for an OpenAPI document`)
  return schema
}

/** All schemas that the paths refer to, and those that these refer to. */
export function schemasFor(paths: Json, context: SchemaContext): Json {
  const waiting = new Set<string>()
  collectRefs(paths, waiting)
  const schemas: Record<string, Json> = {}
  // A Set visits what is added while it is walked.
  for (const name of waiting) {
    const schema = schemaNamed(name, context)
    schemas[name] = schema
    collectRefs(schema, waiting)
  }
  return sortKeys(schemas)
}

const sortKeys = (object: PathItems): PathItems =>
  Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))

/** The document of a group version: /openapi/v3/api/v1, /openapi/v3/apis/apps/v1. */
export function groupVersionDocument(input: DocumentInput): Json {
  const paths = groupVersionPaths(input)
  const schemas = schemasFor(paths, { groupVersions: [input], custom: customSchemas(input) })
  return documentOf(paths, schemas)
}

/** Sorted. */
export function groupVersionPaths({ group, version, resources }: DocumentInput): PathItems {
  const base = baseOf(group, version)
  const { prefix, tag } = namingOf(group, version)
  const paths: Record<string, Json> = {}
  const builtIn = resources.some((resource) => resource.struct !== '')
  if (builtIn) {
    paths[`${base}/`] = {
      get: {
        tags: [tag],
        operationId: `get${prefix}APIResources`,
        responses: answers(refTo(metaName('APIResourceList'))),
      },
    }
  }
  for (const resource of resources) addResourcePaths(paths, base, resource)
  return sortKeys(paths)
}

/** The schemas of custom resources and their lists, by name. */
export function customSchemas(input: DocumentInput): ReadonlyMap<string, Json> {
  const schemas = new Map<string, Json>()
  for (const resource of input.resources) {
    if (resource.struct !== '') continue
    const names = schemaNamesOf(resource)
    schemas.set(names.object, input.customSchema?.(resource) ?? anyObject(resource))
    schemas.set(names.list, listSchema(resource, names.object))
  }
  return schemas
}

const kindOf = ({ group, version, kind }: Resource, suffix = ''): Json => ({
  'x-kubernetes-group-version-kind': [{ group, kind: `${kind}${suffix}`, version }],
})

const anyObject = (resource: Resource): Json => ({
  type: 'object',
  'x-kubernetes-preserve-unknown-fields': true,
  ...kindOf(resource),
})

const listSchema = (resource: Resource, item: string): Json => ({
  type: 'object',
  required: ['items'],
  properties: {
    apiVersion: { type: 'string' },
    items: { type: 'array', items: refTo(item) },
    kind: { type: 'string' },
    metadata: { allOf: [refTo(metaName('ListMeta'))] },
  },
  ...kindOf(resource, 'List'),
})
