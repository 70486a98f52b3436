// How the fields of a type are owned: the shape that drives the walks of this folder. Made of the
// schema table for built-in kinds (table-atoms.ts), of structural schemas for custom ones
// (schema-atoms.ts).

export type Atom = ScalarAtom | ListAtom | MapAtom | AnyAtom

export interface ScalarAtom {
  readonly kind: 'scalar'
  readonly scalar: 'string' | 'numeric' | 'boolean' | 'untyped'
}

export interface ListAtom {
  readonly kind: 'list'
  /** "atomic": owned as one; "set": each value; "map": each item, named by its keys. */
  readonly relation: 'atomic' | 'set' | 'map'
  readonly keys: readonly string[]
  /** What a key that an item leaves out stands for. */
  readonly keyDefaults: Readonly<Record<string, unknown>>
  readonly element: Atom
}

export interface MapAtom {
  readonly kind: 'map'
  readonly atomic: boolean
  /** The declared fields. */
  field(name: string): Atom | undefined
  /** Of keys that are not declared; absent: there may be none. */
  readonly element?: Atom
}

/** Follows the value: lists are atomic, maps are owned by key. */
export interface AnyAtom {
  readonly kind: 'any'
  /** Maps are owned as one, too. */
  readonly atomic: boolean
}

export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const anyElement: AnyAtom = { kind: 'any', atomic: false }
const anyAtomic: AnyAtom = { kind: 'any', atomic: true }
const anyScalar: ScalarAtom = { kind: 'scalar', scalar: 'untyped' }
const anyList: ListAtom = {
  kind: 'list',
  relation: 'atomic',
  keys: [],
  keyDefaults: {},
  element: anyAtomic,
}
const anyMap: MapAtom = {
  kind: 'map',
  atomic: false,
  field: () => undefined,
  element: anyElement,
}
const anyAtomicMap: MapAtom = { ...anyMap, atomic: true, element: anyAtomic }

/** The atom that applies to a value: settles "any", leaves the rest alone. */
export function settle(atom: Atom, value: unknown): ScalarAtom | ListAtom | MapAtom {
  if (atom.kind !== 'any') return atom
  if (Array.isArray(value)) return anyList
  if (isObject(value)) return atom.atomic ? anyAtomicMap : anyMap
  return anyScalar
}

/** Of one key of a map; undeclared ones that nothing allows are followed as they come. */
export const atomOfField = (map: MapAtom, name: string): Atom =>
  map.field(name) ?? map.element ?? anyElement

/** Sets a key that came from a client; "__proto__" is a key like any other. */
export function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value
  else {
    Object.defineProperty(object, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
}

export function jsonEqual(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object') return false
  if (one === null || other === null) return false
  if (Array.isArray(one)) {
    if (!Array.isArray(other) || one.length !== other.length) return false
    return one.every((item, index) => jsonEqual(item, other[index]))
  }
  if (Array.isArray(other)) return false
  const left = one as JsonObject
  const right = other as JsonObject
  let size = 0
  for (const key in left) {
    if (left[key] === undefined) continue
    if (!Object.hasOwn(right, key) || !jsonEqual(left[key], right[key])) return false
    size += 1
  }
  for (const key in right) if (right[key] !== undefined) size -= 1
  return size === 0
}
