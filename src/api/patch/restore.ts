// Why the result of a strategic patch is no object of its kind: upstream turns it into one by another
// way than JSON (runtime.DefaultUnstructuredConverter), whose complaints clients see.
import { isObject } from '../apply/atom.ts'
import { goTypeName } from '../apply/go-format.ts'
import { factsOf } from './facts.ts'

/** undefined when it fits, or when encoding/json's words are the right ones (times, quantities). */
export function restoreError(value: unknown, type: string): string | undefined {
  if (value === null || value === undefined) return undefined
  if (type.startsWith('[]')) {
    if (!Array.isArray(value)) return `cannot restore slice from ${kindName(value)}`
    return first(value, (item) => restoreError(item, type.slice(2)))
  }
  if (type.startsWith('map[')) {
    if (!isObject(value)) return `cannot restore map from ${kindName(value)}`
    const item = type.slice(type.indexOf(']') + 1)
    return first(Object.values(value), (below) => restoreError(below, item))
  }
  const facts = factsOf(type)
  if (facts === undefined) return scalarError(value, type)
  if (!isObject(value)) return `cannot restore struct from: ${kindName(value)}`
  return first(Object.entries(value), ([name, below]) => {
    const field = facts.fields.get(name)
    return field && restoreError(below, field.type)
  })
}

function first<T>(items: readonly T[], check: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const error = check(item)
    if (error !== undefined) return error
  }
  return undefined
}

const kinds: Readonly<Record<string, readonly string[]>> = {
  string: ['string'],
  bool: ['bool'],
  int32: ['int64'],
  int64: ['int64'],
  float64: ['int64', 'float64'],
}

function scalarError(value: unknown, type: string): string | undefined {
  const fitting = kinds[type]
  const actual = goTypeName(value)
  if (fitting === undefined || fitting.includes(actual)) return undefined
  // Go could convert numbers to each other and to strings, which JSON cannot.
  const isNumber = actual === 'int64' || actual === 'float64'
  const convertible = isNumber && type !== 'bool' && !(actual === 'float64' && type === 'string')
  return convertible ? `cannot convert ${actual} to ${type}` : `unrecognized type: ${type}`
}

/** reflect.Kind of a decoded JSON value. */
function kindName(value: unknown): string {
  if (Array.isArray(value)) return 'slice'
  return isObject(value) ? 'map' : goTypeName(value)
}
