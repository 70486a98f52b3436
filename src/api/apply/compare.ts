// What changed between two objects of one type, as three sets of fields.
import {
  type Atom,
  atomOfField,
  isObject,
  type JsonObject,
  jsonEqual,
  type ListAtom,
  type MapAtom,
  settle,
} from './atom.ts'
import { type FieldSet, insert, isEmptySet, type OpenSet, openSet } from './field-set.ts'
import { itemElement } from './path-element.ts'

export interface Comparison {
  readonly added: FieldSet
  readonly modified: FieldSet
  readonly removed: FieldSet
}

interface Pair {
  readonly before: unknown
  readonly after: unknown
  readonly atom: Atom
}

interface Walk {
  readonly added: OpenSet
  readonly modified: OpenSet
  readonly removed: OpenSet
  readonly path: string[]
}

/** undefined when an item of a list cannot be named: nothing can be said then. */
export function compare(before: JsonObject, after: JsonObject, atom: Atom): Comparison | undefined {
  const walk: Walk = { added: openSet(), modified: openSet(), removed: openSet(), path: [] }
  return visit(walk, { before, after, atom }) ? walk : undefined
}

export const isSame = (comparison: Comparison): boolean =>
  isEmptySet(comparison.added) && isEmptySet(comparison.modified) && isEmptySet(comparison.removed)

/** Absent is undefined; null is a value that has no children. */
function visit(walk: Walk, { before, after, atom }: Pair): boolean {
  if (before === after) return true
  const one = settle(atom, before ?? after)
  const other = settle(atom, after ?? before)
  if (one.kind === other.kind) return descend(walk, { before, after, atom: other })
  // A value of free form became one of another kind: the field changed, and all in it is new.
  insert(walk.modified, walk.path)
  return descend(walk, { before: undefined, after, atom: other })
}

interface SettledPair extends Pair {
  readonly atom: Exclude<Atom, { kind: 'any' }>
}

function descend(walk: Walk, { before, after, atom }: SettledPair): boolean {
  if (atom.kind === 'scalar') return leaf(walk, before, after)
  if (atom.kind === 'map') {
    const one = isObject(before) ? before : undefined
    const other = isObject(after) ? after : undefined
    if (atom.atomic || (isBare(one) && isBare(other))) return leaf(walk, before, after)
    if (!visitFields(walk, { before: one ?? {}, after: other ?? {}, map: atom })) return false
  } else {
    const one = Array.isArray(before) ? before : []
    const other = Array.isArray(after) ? after : []
    if (atom.relation === 'atomic' || (one.length === 0 && other.length === 0)) {
      return leaf(walk, before, after)
    }
    if (!visitItems(walk, { before: one, after: other, list: atom })) return false
  }
  if (before === undefined) insert(walk.added, walk.path)
  else if (after === undefined) insert(walk.removed, walk.path)
  return true
}

function leaf(walk: Walk, before: unknown, after: unknown): boolean {
  if (before === undefined) insert(walk.added, walk.path)
  else if (after === undefined) insert(walk.removed, walk.path)
  else if (!jsonEqual(before, after)) insert(walk.modified, walk.path)
  return true
}

function isBare(object: JsonObject | undefined): boolean {
  for (const key in object) if (object[key] !== undefined) return false
  return true
}

interface Maps {
  readonly before: JsonObject
  readonly after: JsonObject
  readonly map: MapAtom
}

function visitFields(walk: Walk, { before, after, map }: Maps): boolean {
  for (const name in before) {
    const atom = atomOfField(map, name)
    const pair = { before: before[name], after: own(after, name), atom }
    if (!step(walk, `f:${name}`, pair)) return false
  }
  for (const name in after) {
    if (own(before, name) !== undefined) continue
    const pair = { before: undefined, after: after[name], atom: atomOfField(map, name) }
    if (!step(walk, `f:${name}`, pair)) return false
  }
  return true
}

const own = (object: JsonObject, name: string): unknown =>
  Object.hasOwn(object, name) ? object[name] : undefined

function step(walk: Walk, element: string, pair: Pair): boolean {
  walk.path.push(element)
  const ok = visit(walk, pair)
  walk.path.pop()
  return ok
}

interface Lists {
  readonly before: readonly unknown[]
  readonly after: readonly unknown[]
  readonly list: ListAtom
}

function visitItems(walk: Walk, { before, after, list }: Lists): boolean {
  const one = groupItems(before, list)
  const other = groupItems(after, list)
  if (one === undefined || other === undefined) return false
  const atom = list.element
  for (const [element, items] of one) {
    const match = other.get(element) ?? []
    if (!visitItem(walk, element, { before: items, after: match, atom })) return false
  }
  for (const [element, items] of other) {
    if (one.has(element)) continue
    if (!visitItem(walk, element, { before: [], after: items, atom })) return false
  }
  return true
}

interface Groups {
  readonly before: readonly unknown[]
  readonly after: readonly unknown[]
  readonly atom: Atom
}

/** Old objects may hold an item twice; such items are compared as one lump. */
function visitItem(walk: Walk, element: string, { before, after, atom }: Groups): boolean {
  if (before.length <= 1 && after.length <= 1) {
    return step(walk, element, { before: before[0], after: after[0], atom })
  }
  const path = [...walk.path, element]
  if (before.length >= 2 && after.length >= 2) {
    if (!jsonEqual(before, after)) insert(walk.modified, path)
    return true
  }
  const wasTwice = before.length >= 2
  const pair = {
    before: wasTwice ? undefined : before[0],
    after: wasTwice ? after[0] : undefined,
    atom,
  }
  const ok = (wasTwice ? after : before).length === 0 || step(walk, element, pair)
  insert(wasTwice ? walk.removed : walk.added, path)
  return ok
}

function groupItems(items: readonly unknown[], atom: ListAtom): Map<string, unknown[]> | undefined {
  const groups = new Map<string, unknown[]>()
  for (const item of items) {
    const element = itemElement(atom, item)
    if (typeof element !== 'string') return undefined
    const group = groups.get(element)
    if (group === undefined) groups.set(element, [item])
    else group.push(item)
  }
  return groups
}
