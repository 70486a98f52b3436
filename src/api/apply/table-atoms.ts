// Atoms of the built-in kinds, made of the schema table on first use and kept.
import { type FieldFacts, factsOf } from '../patch/facts.ts'
import type { Atom, JsonObject, MapAtom } from './atom.ts'

const any: Atom = { kind: 'any', atomic: false }

const leaves: Readonly<Record<string, Atom>> = {
  string: { kind: 'scalar', scalar: 'string' },
  bytes: { kind: 'scalar', scalar: 'string' },
  Time: { kind: 'scalar', scalar: 'string' },
  MicroTime: { kind: 'scalar', scalar: 'string' },
  Duration: { kind: 'scalar', scalar: 'string' },
  bool: { kind: 'scalar', scalar: 'boolean' },
  int32: { kind: 'scalar', scalar: 'numeric' },
  int64: { kind: 'scalar', scalar: 'numeric' },
  float64: { kind: 'scalar', scalar: 'numeric' },
  Quantity: { kind: 'scalar', scalar: 'untyped' },
  IntOrString: { kind: 'scalar', scalar: 'untyped' },
}

const structs = new Map<string, MapAtom>()

/** Of a struct of the schema table: "core.v1.Pod". */
export function atomOfStruct(struct: string): Atom {
  const known = structs.get(struct)
  if (known) return known
  const facts = factsOf(struct)
  if (facts === undefined) return leaves[struct] ?? any
  const fields = new Map<string, Atom>()
  const atom: MapAtom = {
    kind: 'map',
    atomic: facts.structType === 'atomic',
    field(name) {
      const made = fields.get(name)
      if (made) return made
      const field = facts.fields.get(name)
      if (field === undefined) return undefined
      const fresh = atomOfType(field.type, field)
      fields.set(name, fresh)
      return fresh
    },
  }
  structs.set(struct, atom)
  return atom
}

function atomOfType(type: string, field: FieldFacts | undefined): Atom {
  if (type.startsWith('[]')) return listAtom(type.slice(2), field)
  if (type.startsWith('map[')) {
    const element = atomOfType(type.slice(type.indexOf(']') + 1), undefined)
    return { kind: 'map', atomic: field?.mapType === 'atomic', field: () => undefined, element }
  }
  const atom = atomOfStruct(type)
  if (atom.kind !== 'map' || field === undefined || field.mapType === '') return atom
  return { ...atom, atomic: field.mapType === 'atomic' }
}

function listAtom(item: string, field: FieldFacts | undefined): Atom {
  const element = atomOfType(item, undefined)
  const { relation, keys } = relationOf(field)
  const facts = factsOf(item)
  const keyDefaults: Record<string, unknown> = {}
  for (const key of keys) {
    const value = facts?.fields.get(key)?.default
    if (value !== undefined) keyDefaults[key] = value
  }
  return { kind: 'list', relation, keys, keyDefaults, element }
}

/** A list type decides; without one the patch strategy does (kube-openapi's schemaconv). */
function relationOf(field: FieldFacts | undefined): {
  relation: 'atomic' | 'set' | 'map'
  keys: readonly string[]
} {
  const atomic = { relation: 'atomic', keys: [] } as const
  if (field === undefined) return atomic
  if (field.listType === 'map') return { relation: 'map', keys: field.listMapKeys }
  if (field.listType === 'set') return { relation: 'set', keys: [] }
  if (field.listType !== '' || !field.patchStrategies.includes('merge')) return atomic
  if (field.patchMergeKey === '') return { relation: 'set', keys: [] }
  return { relation: 'map', keys: [field.patchMergeKey] }
}

const empties = new Map<string, JsonObject>()

/**
 * What Go writes for an empty object of a struct: structs by value, and fields without omitempty.
 * A created object is compared with it, so that "spec" itself is nobody's.
 */
export function emptyOfStruct(struct: string): JsonObject {
  const known = empties.get(struct)
  if (known) return known
  const empty: Record<string, unknown> = {}
  for (const field of factsOf(struct)?.fields.values() ?? []) {
    const isStruct = factsOf(field.type) !== undefined
    if (field.pointer) continue
    if (isStruct) empty[field.name] = emptyOfStruct(field.type)
    else if (field.always) empty[field.name] = zeroOf(field.type)
  }
  empties.set(struct, empty)
  return empty
}

function zeroOf(type: string): unknown {
  const leaf = leaves[type]
  if (leaf?.kind !== 'scalar') return null
  if (type === 'Quantity') return '0'
  if (type === 'Time' || type === 'MicroTime' || type === 'bytes') return null
  if (leaf.scalar === 'boolean') return false
  return leaf.scalar === 'string' ? '' : 0
}
