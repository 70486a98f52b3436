// Schemas of OpenAPI v3 as Swagger 2.0 can say them. What it cannot say is left out: alternatives,
// null, and (kubectl would write them into objects) defaults.
import type { Json } from './schemas.ts'
import { intOrStringName, quantityName } from './schemas.ts'

const refPrefix = '#/components/schemas/'

export const definitionRef = (name: string): Json => ({ $ref: `#/definitions/${name}` })

/** Alternatives in OpenAPI v3, strings in Swagger. */
const leafDefinitions: Readonly<Record<string, Json>> = {
  [quantityName]: { type: 'string' },
  [intOrStringName]: { type: 'string', format: 'int-or-string' },
}

/** Taken over as they are, besides the extensions ("x-…"). */
const plainKeys: ReadonlySet<string> = new Set([
  'description',
  'enum',
  'exclusiveMaximum',
  'exclusiveMinimum',
  'format',
  'maxItems',
  'maxLength',
  'maxProperties',
  'maximum',
  'minItems',
  'minLength',
  'minProperties',
  'minimum',
  'multipleOf',
  'pattern',
  'required',
  'title',
  'type',
  'uniqueItems',
])

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const referenceOf = (schema: Json): string | undefined => {
  const { $ref: ref, allOf } = schema
  if (typeof ref === 'string') return ref
  // OpenAPI v3 gives a reference siblings in this way; Swagger has them beside it.
  const only: unknown = Array.isArray(allOf) && allOf.length === 1 ? allOf[0] : undefined
  return isObject(only) && typeof only['$ref'] === 'string' ? only['$ref'] : undefined
}

/** The definition of a schema of this name. */
export const swaggerDefinition = (name: string, schema: Json): Json =>
  Object.hasOwn(leafDefinitions, name) ? leafDefinitions[name]! : swaggerSchema(schema)

export function swaggerSchema(schema: Json): Json {
  const own = Object.entries(schema).filter(([key]) => plainKeys.has(key) || key.startsWith('x-'))
  const reference = referenceOf(schema)
  if (reference?.startsWith(refPrefix)) {
    const beside = own.filter(([key]) => key === 'description' || key.startsWith('x-'))
    const name = reference.slice(refPrefix.length)
    return { ...definitionRef(name), ...Object.fromEntries(beside) }
  }
  return untyped({ ...Object.fromEntries(own), ...parts(schema) }, schema)
}

/** Schemas inside, and the required members that may not be null. */
function parts({ properties, items, additionalProperties, required }: Json): Json {
  const members = isObject(properties) ? Object.entries(properties) : []
  const nullable = members.filter(([, one]) => isNullable(one)).map(([name]) => name)
  const always = Array.isArray(required) ? required.filter((name) => !nullable.includes(name)) : []
  return {
    required: always.length > 0 ? always : undefined,
    items: isObject(items) ? swaggerSchema(items) : undefined,
    properties:
      members.length > 0
        ? Object.fromEntries(members.map(([name, one]) => [name, swaggerSchema(one as Json)]))
        : undefined,
    additionalProperties: isObject(additionalProperties)
      ? swaggerSchema(additionalProperties)
      : additionalProperties,
  }
}

const isNullable = (schema: unknown) => isObject(schema) && schema['nullable'] === true

/**
 * kubectl takes a schema at its word: it refuses null, and members that are not listed. So what may
 * be null has no type, and what keeps unknown fields lists none (apiextensions' ToStructuralOpenAPIV2).
 */
function untyped(converted: Json, schema: Json): Json {
  const nullable = isNullable(schema)
  const keepsUnknown = schema['x-kubernetes-preserve-unknown-fields'] === true
  const open = nullable || keepsUnknown
  const items = open ? undefined : converted['items']
  const type = converted['type']
  const typeless =
    nullable || (type === 'array' && items === undefined) || (type === 'object' && keepsUnknown)
  const result: Json = {
    ...converted,
    type: typeless ? undefined : type,
    items,
    properties: open ? undefined : converted['properties'],
  }
  return Object.fromEntries(Object.entries(result).filter(([, value]) => value !== undefined))
}

const rootKeys: ReadonlySet<string> = new Set(['description', 'x-kubernetes-group-version-kind'])

/** A custom resource's schema. One that keeps unknown fields is an object of anything. */
export function swaggerCustomDefinition(schema: Json): Json {
  if (schema['x-kubernetes-preserve-unknown-fields'] !== true) return swaggerSchema(schema)
  const kept = Object.entries(schema).filter(([key]) => rootKeys.has(key))
  return { type: 'object', ...Object.fromEntries(kept) }
}
