// Lists that are sets or maps: no value, no key twice.
import type { FieldError } from '../machinery/field-error.ts'
import { duplicate, invalid } from '../machinery/field-error.ts'
import type { JsonObject, Schema } from './schema.ts'
import {
  additionalOf,
  childPath,
  indexPath,
  isObject,
  itemsOf,
  keyPath,
  listTypeOf,
  propertyOf,
} from './schema.ts'

export function validateListTypes(
  value: unknown,
  schema: Schema | undefined,
  path = '',
): FieldError[] {
  if (schema === undefined) return []
  if (Array.isArray(value)) return arrayErrors(value, schema, path)
  if (!isObject(value)) return []
  const additional = additionalOf(schema)
  return Object.entries(value).flatMap(([key, item]) =>
    additional
      ? validateListTypes(item, additional, keyPath(path, key))
      : validateListTypes(item, propertyOf(schema, key), childPath(path, key)),
  )
}

function arrayErrors(list: readonly unknown[], schema: Schema, path: string): FieldError[] {
  const type = listTypeOf(schema)
  const own =
    type === 'set'
      ? repeated(list).map((index) => duplicate(indexPath(path, index), list[index]))
      : type === 'map'
        ? mapErrors(list, schema, path)
        : []
  const items = itemsOf(schema)
  const below = list.flatMap((item, index) =>
    validateListTypes(item, items, indexPath(path, index)),
  )
  return [...own, ...below]
}

function mapErrors(list: readonly unknown[], schema: Schema, path: string): FieldError[] {
  const wrong = list.findIndex((item) => item !== null && !isObject(item))
  if (wrong >= 0) {
    const detail = 'must be an object for an array of list-type map'
    return [invalid(indexPath(path, wrong), list[wrong], detail)]
  }
  const names = schema['x-kubernetes-list-map-keys'] ?? []
  const keys = list.map((item) => keysOf(item as JsonObject | null, names))
  return repeated(keys).map((index) => duplicate(indexPath(path, index), keys[index]))
}

function keysOf(item: JsonObject | null, names: readonly string[]): JsonObject {
  const present = names.filter((name) => item !== null && Object.hasOwn(item, name))
  return Object.fromEntries(present.map((name) => [name, item?.[name]]))
}

/** Where a value stands for the second time; later repeats are not told. */
function repeated(list: readonly unknown[]): number[] {
  const times = new Map<string, number>()
  return list.flatMap((item, index) => {
    const text = JSON.stringify(item)
    const count = (times.get(text) ?? 0) + 1
    times.set(text, count)
    return count === 2 ? [index] : []
  })
}
