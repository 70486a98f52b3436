// A set of fields of an object, as a tree of path elements (path-element.ts); and FieldsV1, its JSON.
// Sets are never changed once made. The algebra gives back its first operand, the same object,
// when nothing changes: what was encoded for it stays valid, and most writes change nothing.
import { isObject, type JsonObject } from './atom.ts'
import { compareElements, parseElement } from './path-element.ts'

export interface FieldSet {
  /** The field itself is in the set. Never at the root: nobody owns a whole object. */
  readonly owned: boolean
  /** No child is empty. */
  readonly children: ReadonlyMap<string, FieldSet> | undefined
}

export type Path = readonly string[]

export const emptySet: FieldSet = { owned: false, children: undefined }
const leaf: FieldSet = { owned: true, children: undefined }

export const isEmptySet = (set: FieldSet): boolean => !set.owned && set.children === undefined

/** A set being made: insert, then treat as a FieldSet and leave alone. */
export interface OpenSet {
  owned: boolean
  children: Map<string, OpenSet> | undefined
}

export const openSet = (): OpenSet => ({ owned: false, children: undefined })

export function insert(set: OpenSet, path: Path): void {
  if (path.length === 0) return
  let node = set
  for (const element of path) {
    node.children ??= new Map()
    let child = node.children.get(element)
    if (child === undefined) {
      child = openSet()
      node.children.set(element, child)
    }
    node = child
  }
  node.owned = true
}

/** Of dotted field paths: setOf("spec", "metadata.labels"). */
export function setOf(...paths: readonly string[]): FieldSet {
  const set = openSet()
  for (const path of paths) {
    insert(
      set,
      path.split('.').map((name) => `f:${name}`),
    )
  }
  return set
}

function make(
  from: FieldSet,
  owned: boolean,
  children: ReadonlyMap<string, FieldSet> | undefined,
): FieldSet {
  if (owned === from.owned && children === from.children) return from
  if (children === undefined || children.size === 0) return owned ? leaf : emptySet
  return { owned, children }
}

export function union(one: FieldSet, other: FieldSet): FieldSet {
  if (one === other || isEmptySet(other)) return one
  if (isEmptySet(one)) return other
  let children = one.children
  let copy: Map<string, FieldSet> | undefined
  for (const [element, added] of other.children ?? []) {
    const had = one.children?.get(element)
    const both = had === undefined ? added : union(had, added)
    if (both === had) continue
    copy ??= new Map(one.children)
    copy.set(element, both)
    children = copy
  }
  return make(one, one.owned || other.owned, children)
}

/** Fields of `one` that are not in `other`; children of a field in `other` stay. */
export const difference = (one: FieldSet, other: FieldSet): FieldSet => subtract(one, other, false)

/** The same, but with a field of `other` goes all below it. */
export const recursiveDifference = (one: FieldSet, other: FieldSet): FieldSet =>
  subtract(one, other, true)

function subtract(one: FieldSet, other: FieldSet, recursive: boolean): FieldSet {
  if (one.children === undefined || other.children === undefined) {
    return make(one, one.owned && !other.owned, one.children)
  }
  let copy: Map<string, FieldSet> | undefined
  for (const [element, taken] of other.children) {
    const had = one.children.get(element)
    if (had === undefined) continue
    const rest = recursive && taken.owned ? emptySet : subtract(had, taken, recursive)
    if (rest === had) continue
    copy ??= new Map(one.children)
    if (isEmptySet(rest)) copy.delete(element)
    else copy.set(element, rest)
  }
  return make(one, one.owned && !other.owned, copy ?? one.children)
}

export function intersection(one: FieldSet, other: FieldSet): FieldSet {
  if (one === other) return one
  let children: Map<string, FieldSet> | undefined
  if (one.children !== undefined && other.children !== undefined) {
    const [small, large] =
      one.children.size < other.children.size
        ? [one.children, other.children]
        : [other.children, one.children]
    for (const [element, set] of small) {
      const match = large.get(element)
      const both = match === undefined ? emptySet : intersection(set, match)
      if (isEmptySet(both)) continue
      children ??= new Map()
      children.set(element, both)
    }
  }
  return make(emptySet, one.owned && other.owned, children)
}

export function hasPath(set: FieldSet, path: Path): boolean {
  let node: FieldSet | undefined = set
  for (const element of path) {
    node = node.children?.get(element)
    if (node === undefined) return false
  }
  return node.owned
}

/** All fields, a level's own before those below them, in structured-merge-diff's order. */
export function pathsOf(set: FieldSet, prefix: Path = []): Path[] {
  const children = sorted(set)
  return [
    ...children.filter(([, child]) => child.owned).map(([element]) => [...prefix, element]),
    ...children.flatMap(([element, child]) => pathsOf(child, [...prefix, element])),
  ]
}

const sorted = (set: FieldSet): [string, FieldSet][] =>
  set.children === undefined
    ? []
    : [...set.children].sort(([one], [other]) => compareElements(one, other))

const encoded = new WeakMap<FieldSet, JsonObject>()
const decoded = new WeakMap<JsonObject, FieldSet>()

/** FieldsV1 of a set; the same object every time. */
export function encodeFields(set: FieldSet): JsonObject {
  const known = encoded.get(set)
  if (known !== undefined) return known
  const fields = encodeNode(set, false)
  encoded.set(set, fields)
  decoded.set(fields, set)
  return fields
}

function encodeNode(set: FieldSet, withSelf: boolean): JsonObject {
  const fields: Record<string, unknown> = {}
  if (withSelf && set.children !== undefined) fields['.'] = {}
  for (const [element, child] of sorted(set)) fields[element] = encodeNode(child, child.owned)
  return fields
}

/** The set of a FieldsV1, or what is wrong with it. Unknown kinds of path elements are dropped. */
export function decodeFields(fields: JsonObject): FieldSet | { readonly error: string } {
  const known = decoded.get(fields)
  if (known !== undefined) return known
  const set = openSet()
  const seen = { canonical: true }
  const error = decodeNode(fields, set, seen)
  if (error !== undefined) return { error }
  set.owned = false
  decoded.set(fields, set)
  if (seen.canonical) encoded.set(set, fields)
  return set
}

function decodeNode(
  fields: JsonObject,
  into: OpenSet,
  seen: { canonical: boolean },
): string | undefined {
  for (const [text, below] of Object.entries(fields)) {
    if (text === '.') {
      into.owned = true
      continue
    }
    const element = parseElement(text)
    if (element !== text) seen.canonical = false
    if (element === undefined) continue
    if (typeof element !== 'string') return element.error
    if (!isObject(below)) return `expected an object at ${JSON.stringify(text)}`
    const child = openSet()
    const error = decodeNode(below, child, seen)
    if (error !== undefined) return error
    into.children ??= new Map()
    into.children.set(element, child)
  }
  // Nothing below means the field itself.
  if (into.children === undefined) into.owned = true
  return undefined
}
