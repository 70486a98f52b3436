// Defaulting: absent fields take the schema's defaults, top down, so that a default of an object is
// completed by those of its fields. A null where none is allowed gives way to the default.
import type { JsonObject, Schema } from './schema.ts'
import { additionalOf, isObject, itemsOf, propertyOf } from './schema.ts'

/** Fills in the defaults of a schema, in place. */
export function applyDefaults(value: unknown, schema: Schema | undefined): void {
  if (schema === undefined) return
  if (Array.isArray(value)) {
    const items = itemsOf(schema)
    value.forEach((item, index) => {
      const replacement = item === null ? replacementOf(items) : undefined
      if (replacement !== undefined) value[index] = replacement
      applyDefaults(value[index], items)
    })
  } else if (isObject(value)) defaultObject(value, schema)
}

function defaultObject(object: JsonObject, schema: Schema): void {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (property.default === undefined || Object.hasOwn(object, name)) continue
    object[name] = structuredClone(property.default)
  }
  for (const key of Object.keys(object)) {
    const property = propertyOf(schema, key) ?? additionalOf(schema)
    if (object[key] === null && property && !property.nullable) {
      const replacement = replacementOf(property)
      if (replacement !== undefined) object[key] = replacement
    }
    applyDefaults(object[key], property)
  }
}

function replacementOf(schema: Schema | undefined): unknown {
  if (schema === undefined || schema.nullable || schema.default === undefined) return undefined
  return structuredClone(schema.default)
}

/** Drops nulls of fields that may not be null and have no default to take their place. */
export function dropNulls(value: unknown, schema: Schema | undefined): void {
  if (Array.isArray(value)) for (const item of value) dropNulls(item, itemsOf(schema))
  else if (isObject(value)) {
    for (const key of Object.keys(value)) {
      const below = propertyOf(schema, key) ?? additionalOf(schema)
      if (value[key] === null && below && !below.nullable && below.default === undefined) {
        delete value[key]
      } else dropNulls(value[key], below)
    }
  }
}
