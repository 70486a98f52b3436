// A value without the fields of a set; and a set with the named fields it passes through.
import { type Atom, atomOfField, isObject, put, settle } from './atom.ts'
import { emptySet, type FieldSet } from './field-set.ts'
import { itemElement } from './path-element.ts'

/** undefined when nothing is left. Atomic values below the root are left alone. */
export function removeFields(value: unknown, set: FieldSet, declared: Atom): unknown {
  const atom = settle(declared, value)
  if (atom.kind === 'scalar') return value
  if (atom.kind === 'map') {
    if (!isObject(value) || atom.atomic) return undefined
    const result: Record<string, unknown> = {}
    for (const [name, item] of Object.entries(value)) {
      const below = set.children?.get(`f:${name}`) ?? emptySet
      if (below.owned || item === undefined) continue
      put(result, name, keep(item, below, atomOfField(atom, name)))
    }
    return Object.keys(result).length === 0 ? undefined : result
  }
  if (!Array.isArray(value) || atom.relation === 'atomic') return undefined
  const items: unknown[] = []
  for (const item of value) {
    const element = itemElement(atom, item)
    const below = (typeof element === 'string' && set.children?.get(element)) || emptySet
    if (!below.owned) items.push(keep(item, below, atom.element))
  }
  return items.length === 0 ? undefined : items
}

/** What loses all its fields becomes null, as upstream has it; decoding drops it. */
const keep = (item: unknown, below: FieldSet, atom: Atom): unknown =>
  below.children === undefined ? item : (removeFields(item, below, atom) ?? null)

/** Adds the declared fields above the fields of a set: of "spec.replicas" also "spec". */
export function withNamedFields(set: FieldSet, declared: Atom | undefined): FieldSet {
  if (set.children === undefined) return set
  const children = new Map<string, FieldSet>()
  for (const [element, child] of set.children) {
    const name = element.startsWith('f:') ? element.slice(2) : undefined
    const map = declared?.kind === 'map' ? declared : undefined
    const field = name === undefined ? undefined : map?.field(name)
    const below =
      field ??
      (name !== undefined ? map?.element : undefined) ??
      (element.startsWith('k:') && declared?.kind === 'list' ? declared.element : undefined)
    const full = withNamedFields(child, below)
    const owned = full.owned || (field !== undefined && child.children !== undefined)
    children.set(element, owned === full.owned ? full : { owned, children: full.children })
  }
  return { owned: set.owned, children }
}
