// One step of a field path, as the text that stands in FieldsV1: "f:spec", `k:{"name":"web"}`,
// `v:"x"`, "i:0". The text is canonical, so equal steps are equal strings.
import type { ListAtom } from './atom.ts'
import { isObject } from './atom.ts'

/** As Go writes a string into JSON: `<`, `>`, `&` and the line separators are escaped. */
export function goString(text: string): string {
  const json = JSON.stringify(text)
  return /[<>&\u2028\u2029]/.test(json)
    ? json.replace(
        /[<>&\u2028\u2029]/g,
        (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
      )
    : json
}

const scalarText = (value: unknown): string =>
  typeof value === 'string' ? goString(value) : JSON.stringify(value)

const keyText = (fields: readonly (readonly [string, unknown])[]): string =>
  `k:{${fields.map(([name, value]) => `${goString(name)}:${scalarText(value)}`).join(',')}}`

/** The name of a list item, or why it has none. */
export function itemElement(list: ListAtom, item: unknown): string | { readonly error: string } {
  if (list.relation === 'set') {
    if (item === null || item === undefined) {
      return { error: "associative list without keys has an element that's an explicit null" }
    }
    if (Array.isArray(item)) {
      return { error: 'not supported: associative list with lists as elements' }
    }
    if (isObject(item)) {
      return { error: "associative list without keys has an element that's a map type" }
    }
    return `v:${scalarText(item)}`
  }
  if (item === null || item === undefined) {
    return { error: 'associative list with keys may not have a null element' }
  }
  if (!isObject(item)) {
    return { error: 'associative list with keys may not have non-map elements' }
  }
  const fields: [string, unknown][] = []
  for (const key of list.keys) {
    const value = item[key] === undefined ? list.keyDefaults[key] : item[key]
    if (value !== undefined) fields.push([key, value])
  }
  if (fields.length === 0) {
    const keys = list.keys.map((key) => JSON.stringify(key)).join(' ')
    const what = `an element that omits all key fields [${keys}]`
    const why = "(and doesn't have default values for any key fields)"
    return { error: `associative list with keys has ${what} ${why}` }
  }
  if (fields.length > 1) fields.sort(([one], [other]) => (one < other ? -1 : 1))
  return keyText(fields)
}

/** Canonical text of a step read from a client; undefined for kinds of steps nobody knows (yet). */
export function parseElement(text: string): string | undefined | { readonly error: string } {
  if (text.startsWith('f:')) return text
  if (text.length < 2) return { error: 'key must be 2 characters long:' }
  if (text[1] !== ':') return { error: `missing colon: ${text}` }
  if (text.startsWith('i:')) {
    return /^i:[+-]?\d+$/.test(text)
      ? `i:${Number(text.slice(2))}`
      : { error: `strconv.Atoi: parsing ${JSON.stringify(text.slice(2))}: invalid syntax` }
  }
  if (!text.startsWith('k:') && !text.startsWith('v:')) return undefined
  try {
    const value: unknown = JSON.parse(text.slice(2))
    if (text.startsWith('v:')) return `v:${scalarText(value)}`
    if (!isObject(value)) return { error: `expected an object after "k:": ${text}` }
    return keyText(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
  } catch (cause) {
    return { error: `parsing ${JSON.stringify(text)}: ${String(cause)}` }
  }
}

/** As messages name it: ".spec", `[name="web"]`, `[="x"]`, "[0]". */
export function showElement(element: string): string {
  const rest = element.slice(2)
  if (element.startsWith('f:')) return `.${rest}`
  if (element.startsWith('i:')) return `[${rest}]`
  const value: unknown = JSON.parse(rest)
  const show = (item: unknown) => (typeof item === 'string' ? JSON.stringify(item) : String(item))
  if (element.startsWith('v:')) return `[=${show(value)}]`
  const fields = isObject(value) ? Object.entries(value) : []
  return `[${fields.map(([name, item]) => `${name}=${show(item)}`).join(',')}]`
}

export const showPath = (path: readonly string[]): string => path.map(showElement).join('')

const ranks = 'fkvi'

/** structured-merge-diff's order: fields, keys, values, indexes; numbers as numbers. */
export function compareElements(one: string, other: string): number {
  if (one === other) return 0
  const rank = ranks.indexOf(one.charAt(0)) - ranks.indexOf(other.charAt(0))
  if (rank !== 0) return rank
  if (one.startsWith('f:')) return one < other ? -1 : 1
  if (one.startsWith('i:')) return Number(one.slice(2)) - Number(other.slice(2))
  const left: unknown = JSON.parse(one.slice(2))
  const right: unknown = JSON.parse(other.slice(2))
  if (!isObject(left) || !isObject(right)) return compareScalars(left, right)
  const names = Object.keys(left)
  const others = Object.keys(right)
  for (let index = 0; index < Math.min(names.length, others.length); index += 1) {
    const name = names[index] as string
    const otherName = others[index] as string
    if (name !== otherName) return name < otherName ? -1 : 1
    const order = compareScalars(left[name], right[otherName])
    if (order !== 0) return order
  }
  return names.length - others.length
}

function compareScalars(one: unknown, other: unknown): number {
  const kinds = ['number', 'string', 'boolean']
  const kind = kinds.indexOf(typeof one) - kinds.indexOf(typeof other)
  if (kind !== 0) return kind
  if (typeof one === 'number' && typeof other === 'number') return one - other
  return String(one) < String(other) ? -1 : Number(String(one) !== String(other))
}
