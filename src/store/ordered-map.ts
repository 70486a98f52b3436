// A map whose keys are kept in order, for range reads. Strings compare by code unit, which is
// byte order for the ASCII keys of a store.

export class OrderedMap<Value> {
  readonly #values = new Map<string, Value>()
  readonly #keys: string[] = []

  get size(): number {
    return this.#keys.length
  }

  get(key: string): Value | undefined {
    return this.#values.get(key)
  }

  set(key: string, value: Value): void {
    if (!this.#values.has(key)) {
      const last = this.#keys[this.#keys.length - 1]
      if (last === undefined || last < key) this.#keys.push(key)
      else this.#keys.splice(this.indexOf(key), 0, key)
    }
    this.#values.set(key, value)
  }

  delete(key: string): boolean {
    if (!this.#values.delete(key)) return false
    this.#keys.splice(this.indexOf(key), 1)
    return true
  }

  /** Where a key stands, or would stand. */
  indexOf(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  keyAt(index: number): string | undefined {
    return this.#keys[index]
  }

  /** The half-open range of positions whose keys have a prefix and are not before `from`. */
  range(prefix: string, from = prefix): { readonly start: number; readonly end: number } {
    const start = this.indexOf(from > prefix ? from : prefix)
    const end = prefix === '' ? this.#keys.length : this.indexOf(afterPrefix(prefix))
    return { start, end: Math.max(start, end) }
  }

  values(): IterableIterator<Value> {
    return this.#values.values()
  }
}

/** The least string greater than every string with the prefix. */
export function afterPrefix(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1)
  return prefix.slice(0, -1) + String.fromCharCode(last + 1)
}
