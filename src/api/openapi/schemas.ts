// The schemas of OpenAPI v3 documents, made from the schema table.
import type { Field, SpecialName, Type } from '../schema/schema.ts'
import { structOf } from '../schema/schema.ts'

export type Json = Readonly<Record<string, unknown>>

const packages: Readonly<Record<string, string>> = {
  meta: 'io.k8s.apimachinery.pkg.apis.meta',
  apiextensions: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  apiregistration: 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
}

/** "core.v1.Pod" to "io.k8s.api.core.v1.Pod". */
export function schemaName(struct: string): string {
  const [group, version, name] = struct.split('.') as [string, string, string]
  return `${packages[group] ?? `io.k8s.api.${group}`}.${version}.${name}`
}

const apiextensions = `${packages.apiextensions}.v1`

const specialNames: Readonly<Record<SpecialName, string>> = {
  Time: 'io.k8s.apimachinery.pkg.apis.meta.v1.Time',
  MicroTime: 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime',
  Duration: 'io.k8s.apimachinery.pkg.apis.meta.v1.Duration',
  FieldsV1: 'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1',
  Quantity: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  IntOrString: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  RawExtension: 'io.k8s.apimachinery.pkg.runtime.RawExtension',
  JSON: `${apiextensions}.JSON`,
  JSONSchemaPropsOrArray: `${apiextensions}.JSONSchemaPropsOrArray`,
  JSONSchemaPropsOrBool: `${apiextensions}.JSONSchemaPropsOrBool`,
  JSONSchemaPropsOrStringArray: `${apiextensions}.JSONSchemaPropsOrStringArray`,
}

export const quantityName = specialNames.Quantity
export const intOrStringName = specialNames.IntOrString

/** What a patch body may hold: anything. No struct of the table. */
export const patchName = 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch'

const leafSchemas: Readonly<Record<string, Json>> = {
  [specialNames.Time]: { type: 'string', format: 'date-time' },
  [specialNames.MicroTime]: { type: 'string', format: 'date-time' },
  [specialNames.Duration]: { type: 'string' },
  [specialNames.FieldsV1]: { type: 'object' },
  [specialNames.Quantity]: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  [specialNames.IntOrString]: {
    format: 'int-or-string',
    oneOf: [{ type: 'integer' }, { type: 'string' }],
  },
  [specialNames.RawExtension]: { type: 'object' },
  [specialNames.JSON]: {},
  [specialNames.JSONSchemaPropsOrArray]: {},
  [specialNames.JSONSchemaPropsOrBool]: {},
  [specialNames.JSONSchemaPropsOrStringArray]: {},
  [patchName]: { type: 'object' },
}

export const refTo = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })

const scalars: Readonly<Record<string, Json>> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  float64: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
}

function typeSchema(type: Type, values: readonly string[] | undefined): Json {
  switch (type.kind) {
    case 'list':
      return { type: 'array', items: typeSchema(type.items, values) }
    case 'map':
      return { type: 'object', additionalProperties: typeSchema(type.values, values) }
    case 'struct':
      return refTo(schemaName(type.struct))
    case 'special':
      return refTo(specialNames[type.name])
    default:
      return values && type.kind === 'string'
        ? { type: 'string', enum: values }
        : (scalars[type.kind] as Json)
  }
}

/** A reference takes no siblings: beside a default or a description it moves into allOf. */
function propertySchema(struct: string, field: Field): Json {
  const { type, facts } = field
  const { lk, lt, mt, st, pk, ps, oasDef, en } = facts
  const extensions = {
    ...(lk && { 'x-kubernetes-list-map-keys': lk }),
    ...(lt && { 'x-kubernetes-list-type': lt }),
    ...((mt ?? st) && { 'x-kubernetes-map-type': mt ?? st }),
    ...(pk && { 'x-kubernetes-patch-merge-key': pk }),
    ...(ps && { 'x-kubernetes-patch-strategy': ps }),
  }
  const isReference = type.kind === 'struct' || type.kind === 'special'
  const schema = typeSchema(type, en)
  const declared = oasDef ?? impliedDefault(field)
  const fallback = declared === undefined ? {} : { default: declared }
  if (!isReference) {
    const { enum: values, ...rest } = schema
    return { ...rest, ...fallback, ...(values !== undefined && { enum: values }), ...extensions }
  }
  if (undocumented.has(`${struct}.${field.name}`)) return schema
  return { ...fallback, allOf: [schema], ...extensions }
}

/** Fields that have no description upstream, so that their reference stands alone. */
const undocumented: ReadonlySet<string> = new Set([
  ...['additionalItems', 'additionalProperties', 'example', 'externalDocs', 'items', 'not'].map(
    (name) => `apiextensions.v1.JSONSchemaProps.${name}`,
  ),
  'networking.v1.IngressRule.http',
])

/**
 * What openapi-gen gives a field that Go always writes. The table has it for published structs;
 * this is for the one that is published only as a part of another (EphemeralContainerCommon).
 */
function impliedDefault({ type, pointer, omitEmpty, facts }: Field): unknown {
  if (pointer || facts.oasReq || facts.oasDef !== undefined) return undefined
  if (type.kind === 'struct') return {}
  return type.kind === 'string' && !omitEmpty ? '' : undefined
}

const isRequired = (field: Field) =>
  field.facts.oasReq === 1 || (field.type.kind === 'string' && impliedDefault(field) === '')

export interface GroupVersionKind {
  readonly group: string
  readonly kind: string
  readonly version: string
}

function kindsOf(struct: string): readonly GroupVersionKind[] {
  return structOf(struct).gvk.map((text) => {
    const [group, version, kind] = text.split('/') as [string, string, string]
    return { group, kind, version }
  })
}

/** Lists of discovery's own structs that must be there; the table knows only what OpenAPI v3 recorded. */
const requiredLists: Readonly<Record<string, readonly string[]>> = {
  'meta.v1.APIGroup': ['versions'],
  'meta.v1.APIGroupList': ['groups'],
  'meta.v1.APIVersions': ['versions', 'serverAddressByClientCIDRs'],
}

/** Registered with every group version; a document names its own. */
const everywhere: ReadonlySet<string> = new Set(['meta.v1.DeleteOptions', 'meta.v1.WatchEvent'])

export interface GroupVersionName {
  readonly group: string
  readonly version: string
}

/** The schema of a struct in the document of these group versions. */
export function structSchema(id: string, groupVersions: readonly GroupVersionName[]): Json {
  const struct = structOf(id)
  const members = [...struct.members].sort((a, b) => (a.name < b.name ? -1 : 1))
  const lists = requiredLists[id]
  const required = struct.members
    .filter((field) => isRequired(field) || lists?.includes(field.name))
    .map((field) => field.name)
  const properties = members.map((field) => [field.name, propertySchema(id, field)])
  const kinds = everywhere.has(id)
    ? kindsEverywhere(struct.goName, groupVersions)
    : lists
      ? kindsEverywhere(struct.goName, [])
      : kindsOf(id)
  return {
    type: 'object',
    ...(required.length > 0 && { required }),
    ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
    ...(kinds.length > 0 && { 'x-kubernetes-group-version-kind': kinds }),
    ...(struct.structType !== undefined && { 'x-kubernetes-map-type': struct.structType }),
    ...(struct.unions !== undefined && { 'x-kubernetes-unions': struct.unions }),
  }
}

function kindsEverywhere(
  kind: string,
  groupVersions: readonly GroupVersionName[],
): readonly GroupVersionKind[] {
  const named = groupVersions.filter(({ group }) => group !== '')
  return [{ group: '', version: 'v1' }, ...named].map(({ group, version }) => ({
    group,
    kind,
    version,
  }))
}

/** The schema behind a name that no struct has; undefined if there is none. */
export const leafSchema = (name: string): Json | undefined =>
  Object.hasOwn(leafSchemas, name) ? leafSchemas[name] : undefined
