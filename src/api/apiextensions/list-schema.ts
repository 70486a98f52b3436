// x-kubernetes-list-type and its keys: which lists may be sets and maps.

import type { FieldError } from '../machinery/field-error.ts'
import { forbidden, invalid, notSupported, required } from '../machinery/field-error.ts'
import type { Schema } from '../structural/schema.ts'
import { childPath, itemsOf, keyPath, listTypeOf, propertyOf } from '../structural/schema.ts'

export interface ListOptions {
  readonly atomicSets: boolean
  readonly listKeys: boolean
}

const typeName = 'x-kubernetes-list-type'
const keysName = 'x-kubernetes-list-map-keys'

export function listErrors(schema: Schema, path: string, options: ListOptions): FieldError[] {
  const type = listTypeOf(schema)
  const keys = schema[keysName] ?? []
  const at = childPath(path, typeName)
  const errors: FieldError[] = []
  if (type !== undefined && schema.type !== 'array') {
    const detail = `must be array if ${typeName} is specified`
    const typePath = childPath(path, 'type')
    errors.push(schema.type ? invalid(typePath, schema.type, detail) : required(typePath, detail))
  } else if (options.atomicSets && type === 'set') errors.push(...setErrors(schema, path))
  if (type !== undefined && !['atomic', 'set', 'map'].includes(type)) {
    errors.push(notSupported(at, type, ['atomic', 'set', 'map']))
  }
  if (keys.length > 0 && type !== 'map') {
    const detail = `must be map if ${keysName} is non-empty`
    errors.push(type === undefined ? required(at, detail) : invalid(at, type, detail))
  }
  if (type === 'map') errors.push(...mapErrors(schema, keys, path))
  if (options.listKeys) errors.push(...itemErrors(schema, path))
  return errors
}

/** Items of a set are owned as one. */
function setErrors(schema: Schema, path: string): FieldError[] {
  const items = itemsOf(schema)
  const itemsPath = childPath(path, 'items')
  const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set'
  const listType = listTypeOf(items)
  if (items?.type === 'array' && listType !== undefined && listType !== 'atomic') {
    return [invalid(childPath(itemsPath, typeName), listType, detail)]
  }
  if (items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic') {
    // Upstream shows the list type of the items here, not their map type.
    const shown = listType ?? null
    return [invalid(childPath(itemsPath, 'x-kubernetes-map-type'), shown, detail)]
  }
  return []
}

function mapErrors(schema: Schema, keys: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = []
  const keysPath = childPath(path, keysName)
  const itemsPath = childPath(path, 'items')
  const items = itemsOf(schema)
  if (keys.length === 0) {
    errors.push(required(keysPath, `must not be empty if ${typeName} is map`))
  }
  if (schema.items === undefined) {
    errors.push(required(itemsPath, `must have a schema if ${typeName} is map`))
  } else if (!items) {
    const detail = `must only have a single schema if ${typeName} is map`
    errors.push(invalid(itemsPath, schema.items, detail))
  } else if (items.type !== 'object') {
    const detail = `must be object if parent array's ${typeName} is map`
    errors.push(invalid(childPath(itemsPath, 'type'), items.type ?? '', detail))
  } else errors.push(...keyErrors(items, keys, path))
  return errors
}

function keyErrors(items: Schema, keys: readonly string[], path: string): FieldError[] {
  const keysPath = childPath(path, keysName)
  const seen = new Set<string>()
  return keys.flatMap((key) => {
    const errors: FieldError[] = []
    const property = propertyOf(items, key)
    if (!property) {
      errors.push(invalid(keysPath, keys, 'entries must all be names of item properties'))
    } else if (property.type === 'array' || property.type === 'object') {
      const at = childPath(keyPath(childPath(childPath(path, 'items'), 'properties'), key), 'type')
      const detail = `must be a scalar type if parent array's ${typeName} is map`
      errors.push(invalid(at, items.type, detail))
    }
    if (seen.has(key)) errors.push(invalid(keysPath, keys, 'must not contain duplicate entries'))
    seen.add(key)
    return errors
  })
}

/** Items of sets and maps are there; keys are never left out. */
export function itemErrors(schema: Schema, path: string): FieldError[] {
  const type = listTypeOf(schema)
  const items = itemsOf(schema)
  if (!items || (type !== 'set' && type !== 'map')) return []
  const errors: FieldError[] = []
  const itemsPath = childPath(path, 'items')
  if (items.nullable) {
    const detail = `cannot be nullable when ${typeName} is ${type}`
    errors.push(forbidden(childPath(itemsPath, 'nullable'), detail))
  }
  for (const key of type === 'map' ? (schema[keysName] ?? []) : []) {
    const property = propertyOf(items, key)
    const at = keyPath(childPath(itemsPath, 'properties'), key)
    if (!property) continue
    if (!items.required?.includes(key) && property.default === undefined) {
      const detail = `this property is in ${keysName}, so it must have a default or be a required property`
      errors.push(required(childPath(at, 'default'), detail))
    }
    if (property.nullable) {
      const detail = `this property is in ${keysName}, so it cannot be nullable`
      errors.push(forbidden(childPath(at, 'nullable'), detail))
    }
  }
  return errors
}
