// The text of a patched document in messages. Upstream's library reads only those parts of a document
// that a patch goes through, and writes them with sorted keys; the rest stays as it was written.
import { isObject, type JsonObject } from '../apply/atom.ts'
import { goString } from '../apply/path-element.ts'

/** The parts a patch went through. */
interface Touched {
  readonly below: Map<string, Touched>
}

const untouched = (): Touched => ({ below: new Map() })

/** For notAnObjectOfItsKind; `document` is the result of the patch, in the order it is stored in. */
export function showPatched(document: JsonObject, patch: unknown): string {
  const touched = untouched()
  if (Array.isArray(patch)) touchPaths(touched, patch)
  else touchKeys(touched, patch)
  return print(document, touched)
}

function touchKeys(touched: Touched, patch: unknown): void {
  if (!isObject(patch)) return
  for (const [key, value] of Object.entries(patch)) {
    if (isObject(value)) touchKeys(descend(touched, key), value)
  }
}

/** A JSON patch goes through all containers above the place it changes. */
function touchPaths(touched: Touched, operations: readonly unknown[]): void {
  for (const operation of operations) {
    const { path, from } = isObject(operation) ? operation : {}
    for (const pointer of [path, from]) {
      if (typeof pointer !== 'string') continue
      let at = touched
      for (const part of pointer.split('/').slice(1, -1)) {
        at = descend(at, part.replaceAll('~1', '/').replaceAll('~0', '~'))
      }
    }
  }
}

function descend({ below }: Touched, key: string): Touched {
  const known = below.get(key)
  if (known !== undefined) return known
  const fresh = untouched()
  below.set(key, fresh)
  return fresh
}

function print(value: unknown, touched: Touched | undefined): string {
  if (typeof value === 'string') return goString(value)
  if (Array.isArray(value)) {
    return `[${value.map((item, at) => print(item, touched?.below.get(String(at)))).join(',')}]`
  }
  if (!isObject(value)) return JSON.stringify(value ?? null)
  const keys = Object.keys(value).filter((key) => value[key] !== undefined)
  if (touched !== undefined) keys.sort()
  const fields = keys.map((key) => `${goString(key)}:${print(value[key], touched?.below.get(key))}`)
  return `{${fields.join(',')}}`
}
