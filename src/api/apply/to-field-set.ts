// The fields an applied configuration speaks of: every leaf, every list item, every empty map.
import {
  type Atom,
  atomOfField,
  isObject,
  type JsonObject,
  type ListAtom,
  type MapAtom,
  settle,
} from './atom.ts'
import { type FieldSet, insert, type OpenSet, openSet } from './field-set.ts'
import { itemElement } from './path-element.ts'

interface Walk {
  readonly set: OpenSet
  readonly path: string[]
}

/** The object must have passed checkTyped. */
export function toFieldSet(object: JsonObject, atom: Atom): FieldSet {
  const walk: Walk = { set: openSet(), path: [] }
  visit(walk, object, atom)
  return walk.set
}

function visit(walk: Walk, value: unknown, declared: Atom): void {
  const atom = settle(declared, value)
  if (atom.kind === 'scalar') insert(walk.set, walk.path)
  else if (atom.kind === 'map') {
    if (atom.atomic) insert(walk.set, walk.path)
    else if (isObject(value)) visitFields(walk, value, atom)
  } else if (atom.relation === 'atomic') insert(walk.set, walk.path)
  else if (Array.isArray(value)) visitItems(walk, value, atom)
}

function visitFields(walk: Walk, object: JsonObject, atom: MapAtom): void {
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue
    walk.path.push(`f:${name}`)
    visit(walk, value, atomOfField(atom, name))
    const isEmpty = value === null || (isObject(value) && Object.keys(value).length === 0)
    if (isEmpty || atom.field(name) === undefined) insert(walk.set, walk.path)
    walk.path.pop()
  }
}

function visitItems(walk: Walk, items: readonly unknown[], atom: ListAtom): void {
  const counts = new Map<string, number>()
  const elements = items.map((item) => itemElement(atom, item))
  for (const element of elements) {
    if (typeof element === 'string') counts.set(element, (counts.get(element) ?? 0) + 1)
  }
  for (const [index, element] of elements.entries()) {
    if (typeof element !== 'string') continue
    walk.path.push(element)
    if (counts.get(element) === 1) visit(walk, items[index], atom.element)
    insert(walk.set, walk.path)
    walk.path.pop()
  }
}
