// Atoms of custom resources, made of their structural schemas.
import type { JSONSchemaProps } from '../types/apiextensions.gen.ts'
import type { Atom, ListAtom, MapAtom } from './atom.ts'
import { emptySet, type FieldSet, setOf } from './field-set.ts'
import { atomOfStruct } from './table-atoms.ts'

const any: Atom = { kind: 'any', atomic: false }
const anyAtomic: Atom = { kind: 'any', atomic: true }
const text: Atom = { kind: 'scalar', scalar: 'string' }

/** Of a whole custom resource; without a schema everything below the metadata is of free form. */
export function atomOfCustom(schema: JSONSchemaProps | undefined): Atom {
  const body = schema === undefined ? undefined : atomOfSchema(schema)
  const declared = body?.kind === 'map' ? body : undefined
  const element = declared === undefined ? any : declared.element
  return {
    kind: 'map',
    atomic: false,
    field(name) {
      if (name === 'metadata') return atomOfStruct('meta.v1.ObjectMeta')
      if (name === 'apiVersion' || name === 'kind') return text
      return declared?.field(name)
    },
    ...(element === undefined ? {} : { element }),
  }
}

/** What nobody owns through a path of a custom resource. */
export function resetFieldsOfCustom(hasStatus: boolean, subresource: string): FieldSet {
  if (subresource === 'status') return setOf('metadata', 'spec')
  return subresource === '' && hasStatus ? setOf('status') : emptySet
}

function atomOfSchema(schema: JSONSchemaProps): Atom {
  if (schema['x-kubernetes-int-or-string']) return { kind: 'scalar', scalar: 'untyped' }
  switch (schema.type) {
    case 'string':
      return text
    case 'boolean':
      return { kind: 'scalar', scalar: 'boolean' }
    case 'integer':
    case 'number':
      return { kind: 'scalar', scalar: 'numeric' }
    case 'array':
      return listAtom(schema)
    case 'object':
      return mapAtom(schema)
    default:
      return any
  }
}

function listAtom(schema: JSONSchemaProps): ListAtom {
  const items = schema.items as JSONSchemaProps | undefined
  const element = items === undefined ? anyAtomic : atomOfSchema(items)
  const type = schema['x-kubernetes-list-type']
  const relation = type === 'map' || type === 'set' ? type : 'atomic'
  const keys = relation === 'map' ? (schema['x-kubernetes-list-map-keys'] ?? []) : []
  const keyDefaults: Record<string, unknown> = {}
  for (const key of keys) {
    const value = items?.properties?.[key]?.default
    if (value !== undefined) keyDefaults[key] = value
  }
  return { kind: 'list', relation, keys, keyDefaults, element }
}

function mapAtom(schema: JSONSchemaProps): MapAtom {
  const { properties = {}, additionalProperties } = schema
  const made = new Map<string, Atom>()
  const element = elementOf(schema, additionalProperties)
  return {
    kind: 'map',
    atomic: schema['x-kubernetes-map-type'] === 'atomic',
    field(name) {
      const known = made.get(name)
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined
      if (known !== undefined || property === undefined) return known
      const atom = atomOfSchema(property)
      made.set(name, atom)
      return atom
    },
    ...(element === undefined ? {} : { element }),
  }
}

function elementOf(
  schema: JSONSchemaProps,
  additional: JSONSchemaProps['additionalProperties'],
): Atom | undefined {
  if (schema['x-kubernetes-embedded-resource'] || schema['x-kubernetes-preserve-unknown-fields']) {
    return any
  }
  if (additional === true) return any
  return typeof additional === 'object' && additional !== null
    ? atomOfSchema(additional)
    : undefined
}
