// Stored objects are deeply readonly; a Draft is the same shape while it is being made.

export type Draft<T> = T extends (infer Item)[] | readonly (infer Item)[]
  ? Draft<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Draft<T[Key]> }
    : T

/** A deep copy that may be written to. JSON values only. */
export function draftOf<T>(value: T): Draft<T> {
  return copy(value) as Draft<T>
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy)
  if (value === null || typeof value !== 'object') return value
  const result: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__')
      Object.defineProperty(result, key, {
        value: copy(item),
        enumerable: true,
        writable: true,
        configurable: true,
      })
    else result[key] = copy(item)
  }
  return result
}
