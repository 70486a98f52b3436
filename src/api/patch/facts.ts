// The facts of the schema table that patches and field ownership need, by struct.
import { type Field, hasStruct, structOf, type Type } from '../schema/schema.ts'

export interface FieldFacts {
  readonly name: string
  /** "string", "[]core.v1.Container", "map[string]string", "core.v1.PodSpec", … */
  readonly type: string
  /** Go writes it even when it is empty. */
  readonly always: boolean
  readonly pointer: boolean
  readonly patchStrategies: readonly string[]
  readonly patchMergeKey: string
  readonly listType: string
  readonly listMapKeys: readonly string[]
  readonly mapType: string
  /** The default OpenAPI publishes; it completes the keys of list items. */
  readonly default: unknown
}

export interface StructFacts {
  /** Inlined structs are spread out. */
  readonly fields: ReadonlyMap<string, FieldFacts>
  readonly structType: string
}

const known = new Map<string, StructFacts | undefined>()

/** undefined for what is no struct: scalars, and the special types (Quantity, JSON, …). */
export function factsOf(struct: string): StructFacts | undefined {
  if (known.has(struct)) return known.get(struct)
  const facts = hasStruct(struct) ? readStruct(struct) : undefined
  known.set(struct, facts)
  return facts
}

function readStruct(id: string): StructFacts {
  const { members, structType } = structOf(id)
  return {
    fields: new Map(members.map((field) => [field.name, readField(field)])),
    structType: structType ?? '',
  }
}

const readField = ({ name, type, pointer, omitEmpty, omitZero, facts }: Field): FieldFacts => ({
  name,
  type: textOf(type),
  always: !omitEmpty && !omitZero,
  pointer,
  patchStrategies: facts.ps === undefined ? [] : facts.ps.split(','),
  patchMergeKey: facts.pk ?? '',
  listType: facts.lt ?? '',
  listMapKeys: facts.lk ?? [],
  mapType: facts.mt ?? facts.st ?? '',
  default: facts.oasDef,
})

function textOf(type: Type): string {
  switch (type.kind) {
    case 'list':
      return `[]${textOf(type.items)}`
    case 'map':
      return `map[string]${textOf(type.values)}`
    case 'struct':
      return type.struct
    case 'special':
      return type.name
    default:
      return type.kind
  }
}
