// A Swagger document as one short digest for each path and definition: enough to compare two
// servers' documents entry by entry without keeping megabytes of either.
import { createHash } from 'node:crypto'

type Json = Readonly<Record<string, unknown>>

export interface Swagger {
  readonly paths: Readonly<Record<string, Json>>
  readonly definitions: Readonly<Record<string, Json>>
  readonly parameters: Readonly<Record<string, Json>>
}

export interface Digests {
  readonly paths: Readonly<Record<string, string>>
  readonly definitions: Readonly<Record<string, string>>
}

/** Registered with every group version of a server, so that their list differs between servers. */
const everywhere = /\.meta\.v1\.(DeleteOptions|WatchEvent)$/

/**
 * Left out: descriptions of operations, parameters and fields; enums and CBOR, which upstream's
 * document is made without and with. Shared parameters are put where they are referred to.
 */
export function digestsOf(swagger: Swagger): Digests {
  const digestAll = (entries: Readonly<Record<string, Json>>, of: (one: Json) => unknown) =>
    Object.fromEntries(Object.entries(entries).map(([name, one]) => [name, digest(of(one))]))
  const definitions = mapValues(swagger.definitions, (one, name) =>
    everywhere.test(name) ? without(one as Json, ['x-kubernetes-group-version-kind']) : one,
  )
  return {
    paths: digestAll(swagger.paths, (item) => pathItem(item, swagger)),
    definitions: digestAll(definitions as Swagger['definitions'], schema),
  }
}

const digest = (value: unknown) =>
  createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex')
    .slice(0, 12)

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]))
}

const mapValues = (object: Json, change: (value: unknown, key: string) => unknown): Json =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]))

const without = (object: Json, keys: readonly string[]): Json =>
  Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)))

function schema(definition: Json): Json {
  return mapValues(without(definition, ['description', 'enum']), (value, key) => {
    if (key === 'properties') return mapValues(value as Json, (one) => schema(one as Json))
    const inside = key === 'items' || key === 'additionalProperties'
    return inside && typeof value === 'object' ? schema(value as Json) : value
  })
}

function pathItem(item: Json, swagger: Swagger): Json {
  return mapValues(item, (value, key) =>
    key === 'parameters' ? parameters(value, swagger) : operation(value as Json, swagger),
  )
}

function operation(described: Json, swagger: Swagger): Json {
  return mapValues(without(described, ['description']), (value, key) => {
    if (key === 'parameters') return parameters(value, swagger)
    if (key !== 'produces' && key !== 'consumes') return value
    return (value as readonly string[]).filter((type) => !type.includes('cbor'))
  })
}

function parameters(value: unknown, swagger: Swagger): readonly Json[] {
  return (value as readonly Json[]).map((one) => {
    const { $ref: reference } = one
    const shared = typeof reference === 'string' ? reference.replace('#/parameters/', '') : ''
    return without(swagger.parameters[shared] ?? one, ['description'])
  })
}
