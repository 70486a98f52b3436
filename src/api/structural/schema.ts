// A schema of a CustomResourceDefinition as the rest of this folder reads it: structural, that is,
// types and properties stand on one spine, and allOf, anyOf, oneOf and not only restrict values.
import type { JSONSchemaProps } from '../types/apiextensions.gen.ts'

export type Schema = JSONSchemaProps
export type JsonObject = Record<string, unknown>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The schema of all items; undefined for none or for one an item. */
export const itemsOf = (schema: Schema | undefined): Schema | undefined =>
  Array.isArray(schema?.items) ? undefined : (schema?.items as Schema | undefined)

/** Of keys that are not declared; undefined when there may be none or anything. */
export function additionalOf(schema: Schema | undefined): Schema | undefined {
  const additional = schema?.additionalProperties
  return typeof additional === 'object' && additional !== null ? additional : undefined
}

export const propertyOf = (schema: Schema | undefined, name: string): Schema | undefined => {
  const properties = schema?.properties
  return properties && Object.hasOwn(properties, name) ? properties[name] : undefined
}

/** Keys that are not declared are allowed: additionalProperties is a schema or true. */
export const allowsAdditional = (schema: Schema | undefined): boolean =>
  schema?.additionalProperties !== undefined && schema.additionalProperties !== null

export const preservesUnknown = (schema: Schema | undefined): boolean =>
  schema?.['x-kubernetes-preserve-unknown-fields'] === true

export const isEmbedded = (schema: Schema | undefined): boolean =>
  schema?.['x-kubernetes-embedded-resource'] === true

export const isIntOrString = (schema: Schema | undefined): boolean =>
  schema?.['x-kubernetes-int-or-string'] === true

export const listTypeOf = (schema: Schema | undefined): string | undefined =>
  schema?.['x-kubernetes-list-type']

/** A resource at the root keeps apiVersion, kind and metadata, as an embedded one does. */
export const asResourceRoot = (schema: Schema | undefined): Schema =>
  isEmbedded(schema) ? (schema as Schema) : { ...schema, 'x-kubernetes-embedded-resource': true }

/** apiVersion, kind and metadata are typed by Kubernetes, whatever the schema says of them. */
export const metaFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata'])

export const childPath = (path: string, name: string): string =>
  path === '' ? name : `${path}.${name}`
export const keyPath = (path: string, name: string): string => `${path}[${name}]`
export const indexPath = (path: string, index: number): string => `${path}[${index}]`

/** Schemas right below one, of the spine and of value validations alike. */
export function childrenOf(schema: Schema): readonly Schema[] {
  const { items, additionalItems, additionalProperties, not, dependencies = {} } = schema
  const single = [items, additionalItems, additionalProperties, not].flat()
  const named = [schema.properties, schema.patternProperties, schema.definitions]
  return [
    ...single,
    ...(schema.allOf ?? []),
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    ...named.flatMap((group) => Object.values(group ?? {})),
    ...Object.values(dependencies).filter((one) => !Array.isArray(one)),
  ].filter((one): one is Schema => isObject(one))
}

/** Whether a predicate holds for a schema or any below it. */
export const someSchema = (
  schema: Schema | undefined,
  holds: (schema: Schema) => boolean,
): boolean =>
  schema !== undefined &&
  (holds(schema) || childrenOf(schema).some((child) => someSchema(child, holds)))
