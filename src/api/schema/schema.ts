// The schema of every struct of the API, from one generated table of facts (table.gen.ts). Read on
// first use, struct by struct; decoding, encoding, protobuf, patches and OpenAPI are made from it.
import { tableJson } from './table.gen.ts'

/** Types that the table does not spell out: Go gives them their own JSON form. */
export type SpecialName =
  | 'Time'
  | 'MicroTime'
  | 'Duration'
  | 'Quantity'
  | 'IntOrString'
  | 'RawExtension'
  | 'FieldsV1'
  | 'JSON'
  | 'JSONSchemaPropsOrArray'
  | 'JSONSchemaPropsOrBool'
  | 'JSONSchemaPropsOrStringArray'

export type Type =
  | { readonly kind: 'string' | 'bool' | 'int32' | 'int64' | 'float64' | 'bytes' }
  | { readonly kind: 'special'; readonly name: SpecialName }
  | { readonly kind: 'list'; readonly items: Type }
  | { readonly kind: 'map'; readonly values: Type }
  | { readonly kind: 'struct'; readonly struct: string }

export interface Field {
  /** As in JSON; the Go name where the field is inline. */
  readonly name: string
  readonly type: Type
  readonly pointer: boolean
  /** Left out of JSON when empty. Structs never are, whatever this says; see `omitsZero`. */
  readonly omitEmpty: boolean
  readonly omitZero: boolean
  /** Its own fields stand in the parent's JSON; protobuf nests them. */
  readonly inline: boolean
  /** Protobuf number; undefined where the field is not on that wire. */
  readonly number: number | undefined
  /** A named list type that protobuf wraps into a message with field 1. */
  readonly wrapped: boolean
  /** Not in JSON at all. */
  readonly hidden: boolean
  readonly facts: FieldFacts
}

/** What patches, field ownership and OpenAPI want to know, as the table has it. */
export interface FieldFacts {
  readonly ps?: string
  readonly pk?: string
  readonly lt?: string
  readonly lk?: readonly string[]
  readonly mt?: string
  readonly st?: string
  readonly def?: unknown
  readonly oasDef?: unknown
  readonly oasReq?: 1
  readonly nullable?: 1
  readonly en?: readonly string[]
}

export interface Struct {
  /** "core.v1.ServicePort" */
  readonly id: string
  /** As Go's messages name it: "ServicePort". */
  readonly goName: string
  /** As Go's messages name its type: "v1.ServicePort". */
  readonly goType: string
  /** In Go's order, inline ones as one field. */
  readonly fields: readonly Field[]
  /** In Go's order, inline ones spread out: the members of the JSON object. */
  readonly members: readonly Field[]
  readonly structType: string | undefined
  readonly gvk: readonly string[]
  readonly unions: unknown
}

interface RawField extends FieldFacts {
  readonly n: string
  readonly t: string
  readonly ptr?: 1
  readonly omit?: 1
  readonly omitzero?: 1
  readonly inline?: 1
  readonly pb?: number
  readonly wrap?: 1
  readonly noJson?: 1
}

interface RawStruct {
  readonly fields: readonly RawField[]
  readonly gvk?: readonly string[]
  readonly st?: string
  readonly unions?: unknown
}

interface Table {
  /** "core.v1" to "v1" */
  readonly packages: Readonly<Record<string, string>>
  readonly types: Readonly<Record<string, RawStruct>>
}

const specials: ReadonlySet<string> = new Set<SpecialName>([
  'Time',
  'MicroTime',
  'Duration',
  'Quantity',
  'IntOrString',
  'RawExtension',
  'FieldsV1',
  'JSON',
  'JSONSchemaPropsOrArray',
  'JSONSchemaPropsOrBool',
  'JSONSchemaPropsOrStringArray',
])
const scalars: ReadonlySet<string> = new Set([
  'string',
  'bool',
  'int32',
  'int64',
  'float64',
  'bytes',
])

function parseType(text: string): Type {
  if (text.startsWith('[]')) return { kind: 'list', items: parseType(text.slice(2)) }
  if (text.startsWith('map[string]')) return { kind: 'map', values: parseType(text.slice(11)) }
  if (scalars.has(text)) return { kind: text as 'string' }
  if (specials.has(text)) return { kind: 'special', name: text as SpecialName }
  return { kind: 'struct', struct: text }
}

let loaded: Table | undefined
const structs = new Map<string, Struct>()

function table(): Table {
  loaded ??= JSON.parse(tableJson) as Table
  return loaded
}

function makeField(raw: RawField): Field {
  const { n, t, ptr, omit, omitzero, inline, pb, wrap, noJson, ...facts } = raw
  return {
    name: n,
    type: parseType(t),
    pointer: ptr === 1,
    omitEmpty: omit === 1,
    omitZero: omitzero === 1,
    inline: inline === 1,
    number: pb,
    wrapped: wrap === 1,
    hidden: noJson === 1,
    facts,
  }
}

function spread(fields: readonly Field[]): Field[] {
  return fields.flatMap((field) => {
    if (field.hidden) return []
    if (!field.inline || field.type.kind !== 'struct') return [field]
    return structOf(field.type.struct).members
  })
}

/** The struct of this name; throws for a name that the table does not have. */
export function structOf(id: string): Struct {
  const known = structs.get(id)
  if (known) return known
  const raw = table().types[id]
  if (!raw) throw new Error(`no struct "${id}" in the schema table`)
  const fields = raw.fields.map(makeField)
  const [version, name] = id.split('.').slice(-2) as [string, string]
  const struct: Struct = {
    id,
    goName: name,
    goType: `${version}.${name}`,
    fields,
    members: spread(fields),
    structType: raw.st,
    gvk: raw.gvk ?? [],
    unions: raw.unions,
  }
  structs.set(id, struct)
  return struct
}

export const hasStruct = (id: string): boolean => Object.hasOwn(table().types, id)

/** Names of all structs, in the table's order. */
export const structNames = (): readonly string[] => Object.keys(table().types)

let byKind: Map<string, string> | undefined

/** The struct of a kind, by apiVersion ("v1", "apps/v1") and kind; meta/v1 kinds in any group. */
export function structOfKind(apiVersion: string, kind: string): string | undefined {
  byKind ??= indexKinds()
  const found = byKind.get(`${apiVersion}/${kind}`)
  if (found !== undefined) return found
  return metaKinds.has(kind) ? `meta.v1.${kind}` : undefined
}

/** Registered with every group version upstream. */
const metaKinds: ReadonlySet<string> = new Set([
  'DeleteOptions',
  'ListOptions',
  'CreateOptions',
  'UpdateOptions',
  'PatchOptions',
  'GetOptions',
  'WatchEvent',
])

function indexKinds(): Map<string, string> {
  const index = new Map<string, string>()
  const { packages, types } = table()
  for (const id of Object.keys(types)) {
    const dot = id.lastIndexOf('.')
    const groupVersion = packages[id.slice(0, dot)]
    if (groupVersion !== undefined) index.set(`${groupVersion}/${id.slice(dot + 1)}`, id)
  }
  for (const kind of [
    'Status',
    'List',
    'APIGroup',
    'APIGroupList',
    'APIResourceList',
    'APIVersions',
  ]) {
    index.set(`v1/${kind}`, `meta.v1.${kind}`)
  }
  // Older names of the same messages, which clients still send and ask for.
  for (const kind of ['PartialObjectMetadata', 'PartialObjectMetadataList', 'Table']) {
    index.set(`meta.k8s.io/v1beta1/${kind}`, `meta.v1.${kind}`)
  }
  index.set('policy/v1beta1/Eviction', 'policy.v1.Eviction')
  return index
}

/** As Go's messages name a type: "int32", "[]v1.ServicePort", "map[string]string". */
export function goTypeName(type: Type): string {
  switch (type.kind) {
    case 'list':
      return `[]${goTypeName(type.items)}`
    case 'map':
      return `map[string]${goTypeName(type.values)}`
    case 'struct':
      return structOf(type.struct).goType
    case 'special':
      return specialGoTypes[type.name] ?? `v1.${type.name}`
    case 'bytes':
      return '[]uint8'
    default:
      return type.kind
  }
}

const specialGoTypes: Readonly<Partial<Record<SpecialName, string>>> = {
  Quantity: 'resource.Quantity',
  IntOrString: 'intstr.IntOrString',
  RawExtension: 'runtime.RawExtension',
}
