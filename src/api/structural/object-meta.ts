// Objects inside objects: apiVersion, kind and metadata of embedded resources have Kubernetes' own
// types, whatever the schema around them says.
import type { FieldError } from '../machinery/field-error.ts'
import { invalid, required } from '../machinery/field-error.ts'
import {
  dns1035LabelProblems,
  pathSegmentPrefixProblems,
  pathSegmentProblems,
} from '../machinery/names.ts'
import { validateObjectMeta } from '../machinery/object-meta.ts'
import { decodeDocument } from '../schema/decode.ts'
import { wireValue } from '../schema/encode.ts'
import { documentOf } from '../schema/json-text.ts'
import type { ObjectMeta } from '../types/meta.gen.ts'
import type { JsonObject, Schema } from './schema.ts'
import {
  additionalOf,
  childPath,
  indexPath,
  isEmbedded,
  isObject,
  itemsOf,
  keyPath,
  propertyOf,
} from './schema.ts'

const metaStruct = 'meta.v1.ObjectMeta'

export interface Coerced {
  readonly error?: FieldError
  /** Paths of metadata that there is no such field for. */
  readonly unknown: string[]
}

/** Gives embedded metadata its types, in place; ends at the first value that has none. */
export function coerceEmbedded(value: unknown, schema: Schema | undefined, path = ''): Coerced {
  const unknown: string[] = []
  const error = coerce(value, schema, { path, unknown })
  return error === undefined ? { unknown: unknown.sort() } : { error, unknown }
}

interface Walk {
  readonly path: string
  readonly unknown: string[]
}

function coerce(value: unknown, schema: Schema | undefined, at: Walk): FieldError | undefined {
  if (schema === undefined) return undefined
  if (Array.isArray(value)) {
    const items = itemsOf(schema)
    return firstError(
      value.map(
        (item, index) => () => coerce(item, items, { ...at, path: indexPath(at.path, index) }),
      ),
    )
  }
  if (!isObject(value)) return undefined
  const own = isEmbedded(schema) ? coerceTypes(value, at) : undefined
  if (own) return own
  return firstError(
    Object.keys(value).map((key) => () => {
      const property = propertyOf(schema, key)
      const path = property ? childPath(at.path, key) : keyPath(at.path, key)
      return coerce(value[key], property ?? additionalOf(schema), { ...at, path })
    }),
  )
}

function firstError(steps: readonly (() => FieldError | undefined)[]): FieldError | undefined {
  for (const step of steps) {
    const error = step()
    if (error) return error
  }
  return undefined
}

function coerceTypes(object: JsonObject, at: Walk): FieldError | undefined {
  for (const key of ['apiVersion', 'kind']) {
    if (Object.hasOwn(object, key) && typeof object[key] !== 'string') {
      return invalid(childPath(at.path, key), object[key], 'must be a string')
    }
  }
  if (!Object.hasOwn(object, 'metadata')) return undefined
  const path = childPath(at.path, 'metadata')
  const read = readMetadata(object.metadata)
  if (!read.ok) return invalid(path, object.metadata, read.message)
  for (const name of read.unknown) at.unknown.push(`${path}.${name}`)
  object.metadata = read.metadata
  return undefined
}

type ReadMetadata =
  | { readonly ok: true; readonly metadata: JsonObject; readonly unknown: readonly string[] }
  | { readonly ok: false; readonly message: string }

const unknownField = /^unknown field "(.*)"$/

/** Metadata as ObjectMeta: typed, without what there is no field for. */
export function readMetadata(value: unknown): ReadMetadata {
  const decoded = decodeDocument<JsonObject>(metaStruct, documentOf(value))
  if (!decoded.ok) return { ok: false, message: decoded.message }
  const unknown = decoded.strictErrors.flatMap((text) => unknownField.exec(text)?.[1] ?? [])
  return { ok: true, metadata: wireValue(metaStruct, decoded.value) as JsonObject, unknown }
}

/** What is wrong with embedded resources: no type, names that no object has. */
export function validateEmbedded(
  value: unknown,
  schema: Schema | undefined,
  path = '',
): FieldError[] {
  if (schema === undefined) return []
  if (Array.isArray(value)) {
    const items = itemsOf(schema)
    return value.flatMap((item, index) => validateEmbedded(item, items, indexPath(path, index)))
  }
  if (!isObject(value)) return []
  const own = isEmbedded(schema) ? embeddedErrors(value, path) : []
  const below = Object.entries(value).flatMap(([key, item]) => {
    const property = propertyOf(schema, key)
    return property
      ? validateEmbedded(item, property, childPath(path, key))
      : validateEmbedded(item, additionalOf(schema), keyPath(path, key))
  })
  return [...own, ...below]
}

function embeddedErrors(object: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const key of ['apiVersion', 'kind']) {
    const field = childPath(path, key)
    const value = object[key]
    if (!Object.hasOwn(object, key)) errors.push(required(field))
    else if (typeof value !== 'string') errors.push(invalid(field, value, 'must be a string'))
    else if (value === '') errors.push(invalid(field, value, 'must not be empty'))
    else errors.push(...typeErrors(key, value, field))
  }
  if (!Object.hasOwn(object, 'metadata')) return errors
  const field = childPath(path, 'metadata')
  const read = readMetadata(object.metadata)
  if (!read.ok) return [...errors, invalid(field, object.metadata, read.message)]
  const metadata = read.metadata as unknown as ObjectMeta
  const namespaced = (metadata.namespace ?? '') !== ''
  const named = { ...metadata, name: metadata.name || 'fakename' }
  const meta = validateObjectMeta(named, { namespaced, validateName })
  return [
    ...errors,
    ...meta.map((error) => ({ ...error, field: error.field.replace('metadata', field) })),
  ]
}

const validateName = (name: string, prefix: boolean): readonly string[] =>
  prefix ? pathSegmentPrefixProblems(name) : pathSegmentProblems(name)

function typeErrors(key: string, value: string, field: string): FieldError[] {
  if (key === 'apiVersion') {
    const wrong = value.split('/').length > 2
    return wrong ? [invalid(field, value, `unexpected GroupVersion string: ${value}`)] : []
  }
  const problems = dns1035LabelProblems(value.toLowerCase())
  const detail = `may have mixed case, but should otherwise match: ${problems.join(',')}`
  return problems.length > 0 ? [invalid(field, value, detail)] : []
}
