// The facts of the schema table that patches and field ownership need, by struct.
import { tableJson } from '../schema/table.gen.ts'

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

interface RawField {
  n: string
  t: string
  omit?: 1
  omitzero?: 1
  ptr?: 1
  inline?: 1
  noJson?: 1
  ps?: string
  pk?: string
  lt?: string
  lk?: string[]
  mt?: string
  st?: string
  oasDef?: unknown
}

let raw: Readonly<Record<string, { fields: RawField[]; st?: string }>> | undefined
const known = new Map<string, StructFacts | undefined>()

/** undefined for what is no struct of the table: scalars, and the special types (Quantity, JSON, …). */
export function factsOf(struct: string): StructFacts | undefined {
  if (known.has(struct)) return known.get(struct)
  raw ??= (JSON.parse(tableJson) as { types: NonNullable<typeof raw> }).types
  const found = raw[struct]
  const facts = found && {
    fields: new Map(spread(struct).map((field) => [field.name, field])),
    structType: found.st ?? '',
  }
  known.set(struct, facts)
  return facts
}

function spread(struct: string): FieldFacts[] {
  const fields: FieldFacts[] = []
  for (const field of raw?.[struct]?.fields ?? []) {
    if (field.inline) fields.push(...spread(field.t))
    else if (!field.noJson) fields.push(read(field))
  }
  return fields
}

const read = (field: RawField): FieldFacts => ({
  name: field.n,
  type: field.t,
  always: !field.omit && !field.omitzero,
  pointer: field.ptr === 1,
  patchStrategies: field.ps === undefined ? [] : field.ps.split(','),
  patchMergeKey: field.pk ?? '',
  listType: field.lt ?? '',
  listMapKeys: field.lk ?? [],
  mapType: field.mt ?? field.st ?? '',
  default: field.oasDef,
})
