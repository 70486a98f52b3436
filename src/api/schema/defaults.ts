// The defaults that types declare (+default markers). What a kind computes beyond them is its own
// business (Kind.defaults).
import { draftOf } from '../machinery/draft.ts'
import type { Field, Type } from './schema.ts'
import { structOf } from './schema.ts'

type Bag = Record<string, unknown>
type Fill = (value: unknown) => void

/** undefined where nothing at or below the struct declares a default. */
const fillers = new Map<string, Fill | undefined>()

function structFiller(id: string): Fill | undefined {
  if (fillers.has(id)) return fillers.get(id)
  // Breaks the cycle of recursive structs; none of them declares defaults.
  fillers.set(id, undefined)
  const steps = structOf(id).members.flatMap((field) => memberFiller(field) ?? [])
  const fill: Fill | undefined =
    steps.length === 0
      ? undefined
      : (value) => {
          for (const step of steps) step(value as Bag)
        }
  fillers.set(id, fill)
  return fill
}

function memberFiller(field: Field): ((object: Bag) => void) | undefined {
  const { name, facts } = field
  const value = facts.def
  if (value !== undefined) return declared(field, value)
  const fill = typeFiller(field.type)
  if (!fill) return undefined
  return (object) => {
    const member = object[name]
    if (member !== undefined && member !== null) fill(member)
  }
}

/** A default that is the zero value changes nothing that Go would write. */
function declared({ name, pointer }: Field, value: unknown): ((object: Bag) => void) | undefined {
  const isZero = value === '' || value === 0 || value === false
  if (isZero && !pointer) return undefined
  return (object) => {
    const member = object[name]
    if (member === undefined || member === null || (!pointer && member === '')) {
      object[name] = draftOf(value)
    }
  }
}

function typeFiller(type: Type): Fill | undefined {
  if (type.kind === 'struct') return structFiller(type.struct)
  if (type.kind === 'list') {
    const fill = typeFiller(type.items)
    return fill && ((list) => (list as unknown[]).forEach(fill))
  }
  if (type.kind === 'map') {
    const fill = typeFiller(type.values)
    return fill && ((map) => Object.values(map as Bag).forEach(fill))
  }
  return undefined
}

/** Fills in, within a decoded object, what the struct's types declare as defaults. */
export function applyDefaults(struct: string, object: unknown): void {
  structFiller(struct)?.(object)
}
