// Equality and order of CEL values: numbers across their types, lists that are sets or maps by what
// they hold, everything else only with its own kind.
import { compareText } from '../machinery/go-text.ts'
import type { Value } from './values.ts'
import {
  Duration,
  List,
  MapValue,
  ObjectValue,
  Opaque,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
} from './values.ts'

type Numeric = bigint | number

const numeric = (value: Value): Numeric | undefined => {
  if (typeof value === 'bigint' || typeof value === 'number') return value
  return value instanceof Uint ? value.value : undefined
}

export function equal(one: Value, other: Value): boolean {
  const left = numeric(one)
  if (left !== undefined) {
    const right = numeric(other)
    // biome-ignore lint/suspicious/noDoubleEquals: a bigint equals the number of the same value.
    return right !== undefined && left == right
  }
  if (typeof one !== 'object' || one === null) return one === other
  if (one instanceof List) return other instanceof List && equalLists(one, other)
  if (one instanceof MapValue || one instanceof ObjectValue) return equalMaps(one, other)
  if (one instanceof Uint8Array) {
    return other instanceof Uint8Array && Buffer.compare(one, other) === 0
  }
  if (one instanceof Timestamp) return other instanceof Timestamp && one.nanos === other.nanos
  if (one instanceof Duration) return other instanceof Duration && one.nanos === other.nanos
  if (one instanceof TypeValue) return other instanceof TypeValue && one.name === other.name
  if (one instanceof Optional) return other instanceof Optional && equalOptionals(one, other)
  return one instanceof Opaque && other instanceof Opaque && one.equals(other)
}

function equalOptionals(one: Optional, other: Optional): boolean {
  if (one.value === undefined || other.value === undefined) return one.value === other.value
  return equal(one.value, other.value)
}

function equalLists(one: List, other: List): boolean {
  if (one.size !== other.size) return false
  const { listType } = one.type
  if (listType === 'set') return [...one].every((item) => listHas(other, item))
  if (listType === 'map') return [...one].every((item) => equalsCounterpart(one, item, other))
  for (let index = 0; index < one.size; index++) {
    if (!equal(one.at(index), other.at(index))) return false
  }
  return true
}

function equalsCounterpart(list: List, item: Value, other: List): boolean {
  const found = findByKeys(other, item, list.type.listKeys ?? [])
  return found !== undefined && equal(item, found)
}

/** The item of a list map with the same keys as another item. */
export function findByKeys(list: List, item: Value, keys: readonly string[]): Value | undefined {
  for (const one of list) {
    if (keys.every((key) => equalOrAbsent(fieldOf(one, key), fieldOf(item, key)))) return one
  }
  return undefined
}

const fieldOf = (value: Value, key: string): Value | undefined =>
  value instanceof MapValue || (value instanceof ObjectValue && value.type.fields.has(key))
    ? value.get(key)
    : undefined

const equalOrAbsent = (one: Value | undefined, other: Value | undefined): boolean =>
  one === undefined || other === undefined ? one === other : equal(one, other)

export function listHas(list: List, wanted: Value): boolean {
  for (const item of list) if (equal(item, wanted)) return true
  return false
}

function equalMaps(one: MapValue | ObjectValue, other: Value): boolean {
  if (!(other instanceof MapValue || other instanceof ObjectValue)) return false
  const keys = one instanceof MapValue ? one.keys() : one.names()
  const size = other instanceof MapValue ? other.size : other.names().length
  if (keys.length !== size) return false
  return keys.every((key) => {
    const left = one instanceof MapValue ? one.get(key) : one.get(key as string)
    if (other instanceof ObjectValue && !other.type.fields.has(String(key))) return false
    const right = other instanceof MapValue ? other.get(key) : other.get(key as string)
    return left !== undefined && right !== undefined && equal(left, right)
  })
}

/** Below, at or above zero; undefined for values that have no order, NaN included. */
export function compare(one: Value, other: Value): number | undefined {
  const left = numeric(one)
  const right = numeric(other)
  if (left !== undefined && right !== undefined) {
    if (left < right) return -1
    if (left > right) return 1
    // biome-ignore lint/suspicious/noDoubleEquals: a bigint equals the number of the same value.
    return left == right ? 0 : undefined
  }
  if (typeof one === 'string' && typeof other === 'string') return compareText(one, other)
  if (typeof one === 'boolean' && typeof other === 'boolean') return Number(one) - Number(other)
  if (one instanceof Uint8Array && other instanceof Uint8Array) return Buffer.compare(one, other)
  if (one instanceof Timestamp && other instanceof Timestamp) return sign(one.nanos - other.nanos)
  if (one instanceof Duration && other instanceof Duration) return sign(one.nanos - other.nanos)
  return undefined
}

const sign = (value: bigint): number => (value < 0n ? -1 : value > 0n ? 1 : 0)
