// Old beside new: which value of the stored object a value of the new one continues. What cannot be
// changed apart (atomic lists and maps, sets) has no counterparts below. For ratcheting: a value
// that is what it was does not fail an update (KEP-4008).
import { jsonEqual } from '../apply/atom.ts'
import type { JsonObject, Schema } from './schema.ts'
import { additionalOf, isObject, itemsOf, listTypeOf, propertyOf } from './schema.ts'

export class Correlated {
  readonly value: unknown
  readonly old: unknown
  readonly #schema: Schema | undefined
  #equal: boolean | undefined

  constructor(value: unknown, old: unknown, schema: Schema | undefined) {
    this.value = value
    this.old = old
    this.#schema = schema
  }

  /** The value is what it was. */
  get unchanged(): boolean {
    this.#equal ??= jsonEqual(this.value, this.old)
    return this.#equal
  }

  /** The pair of one key; undefined where old and new cannot be told to belong together. */
  key(name: string): Correlated | undefined {
    const schema = this.#schema
    if (!isObject(this.value) || !isObject(this.old) || !correlates(schema)) return undefined
    if (!Object.hasOwn(this.old, name)) return undefined
    const below = propertyOf(schema, name) ?? additionalOf(schema)
    return below && new Correlated(this.value[name], this.old[name], below)
  }

  index(index: number): Correlated | undefined {
    if (!Array.isArray(this.value) || !Array.isArray(this.old)) return undefined
    if (listTypeOf(this.#schema) !== 'map') return undefined
    const old = itemsByKey(this.#schema as Schema, this.old)(this.value[index])
    return old && new Correlated(this.value[index], old, itemsOf(this.#schema))
  }
}

/** Keys of a map can be matched unless it is owned as one. */
export const correlates = (schema: Schema | undefined): boolean =>
  (schema?.['x-kubernetes-map-type'] ?? 'granular') === 'granular'

/** Finds the item of a list map that has the same keys. */
export function itemsByKey(
  schema: Schema,
  items: readonly unknown[],
): (item: unknown) => JsonObject | undefined {
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const idOf = (item: JsonObject) => JSON.stringify(keys.map((key) => item[key] ?? null))
  const byId = new Map<string, JsonObject>()
  for (const item of items) if (isObject(item)) byId.set(idOf(item), item)
  return (item) => (isObject(item) ? byId.get(idOf(item)) : undefined)
}
