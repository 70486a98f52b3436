// Is a schema structural? Checks the invariants in upstream's words (schema/validation.go,
// schema/complete.go): types on the spine only, nothing restricted that the spine does not declare.
import type { FieldError } from '../machinery/field-error.ts'
import { fieldErrorText, forbidden, invalid, required } from '../machinery/field-error.ts'
import { compareText } from '../machinery/go-text.ts'
import { regexProblemOf } from './regex.ts'
import type { Schema } from './schema.ts'
import {
  additionalOf,
  childPath,
  childrenOf,
  indexPath,
  isEmbedded,
  isIntOrString,
  isObject,
  itemsOf,
  keyPath,
  preservesUnknown,
  propertyOf,
} from './schema.ts'

type Level = 'root' | 'item' | 'field'

const typeMissing: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
}

/** What keeps a schema from being read as a structural one at all; reported elsewhere. */
export function isUnreadable(schema: Schema): boolean {
  const own =
    (schema.id ?? '') !== '' ||
    schema.$ref !== undefined ||
    schema.type === 'null' ||
    schema.additionalItems !== undefined ||
    schema.dependencies !== undefined ||
    Object.keys(schema.patternProperties ?? {}).length > 0 ||
    Object.keys(schema.definitions ?? {}).length > 0 ||
    (Array.isArray(schema.items) && schema.items.length > 0) ||
    schema['x-kubernetes-preserve-unknown-fields'] === false
  return own || childrenOf(schema).some(isUnreadable)
}

/** Field errors in the order of their texts; none for a structural schema. */
export function validateStructural(schema: Schema, path: string): readonly FieldError[] {
  const errors = [
    ...invariants(schema, 'root', path),
    ...completeness(schema, schema, { spine: path, value: path }),
  ]
  return errors.sort((one, other) => compareText(fieldErrorText(one), fieldErrorText(other)))
}

function invariants(schema: Schema, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = []
  const items = itemsOf(schema)
  if (schema.type === 'array' && items === undefined) {
    errors.push(required(childPath(path, 'items'), 'must be specified'))
  }
  if (items) errors.push(...invariants(items, 'item', childPath(path, 'items')))
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    errors.push(...invariants(property, 'field', keyPath(childPath(path, 'properties'), name)))
  }
  if (schema.additionalProperties !== undefined) {
    const additionalPath = childPath(path, 'additionalProperties')
    if (level === 'root') errors.push(forbidden(additionalPath, 'must not be used at the root'))
    const additional = additionalOf(schema)
    if (additional) errors.push(...invariants(additional, 'field', additionalPath))
  }
  errors.push(...extensions(schema, path), ...values(schema, level, path))
  errors.push(...types(schema, level, path), ...metaTypes(schema, level, path))
  return errors
}

function extensions(schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const detail = 'must be false if x-kubernetes-int-or-string is true'
  if (!isIntOrString(schema)) return errors
  for (const name of [
    'x-kubernetes-preserve-unknown-fields',
    'x-kubernetes-embedded-resource',
  ] as const) {
    if (schema[name]) errors.push(invalid(childPath(path, name), true, detail))
  }
  return errors
}

function types(schema: Schema, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { type = '' } = schema
  const typePath = childPath(path, 'type')
  if (isEmbedded(schema) && type !== 'object') {
    const detail = 'must be object if x-kubernetes-embedded-resource is true'
    errors.push(type === '' ? required(typePath, detail) : invalid(typePath, type, detail))
  } else if (type === '' && !isIntOrString(schema) && !preservesUnknown(schema)) {
    errors.push(required(typePath, typeMissing[level]))
  }
  if (isEmbedded(schema) && schema.additionalProperties !== undefined) {
    const detail = 'must not be used if x-kubernetes-embedded-resource is set'
    errors.push(forbidden(childPath(path, 'additionalProperties'), detail))
  }
  if (level === 'root' && type !== '' && type !== 'object') {
    errors.push(invalid(typePath, type, 'must be object at the root'))
  }
  const empty = Object.keys(schema.properties ?? {}).length === 0
  if (isEmbedded(schema) && !preservesUnknown(schema) && empty) {
    const detail =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields'
    errors.push(required(childPath(path, 'properties'), detail))
  }
  return errors
}

/** kind and apiVersion are strings; of metadata the root may restrict the names only. */
function metaTypes(schema: Schema, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (level !== 'root' && !isEmbedded(schema)) return errors
  const pathOf = (name: string) => keyPath(childPath(path, 'properties'), name)
  for (const name of ['kind', 'apiVersion']) {
    const property = propertyOf(schema, name)
    if (property && property.type !== 'string') {
      errors.push(invalid(childPath(pathOf(name), 'type'), property.type ?? '', 'must be string'))
    }
  }
  const metadata = propertyOf(schema, 'metadata')
  if (!metadata) return errors
  if (metadata.type !== 'object') {
    const typePath = childPath(pathOf('metadata'), 'type')
    errors.push(invalid(typePath, metadata.type ?? '', 'must be object'))
  }
  if (level === 'root' && !restrictsNamesOnly(metadata)) {
    const detail =
      'must not specify anything other than name and generateName, but metadata is implicitly specified'
    errors.push(forbidden(pathOf('metadata'), detail))
  }
  return errors
}

const nameFields: ReadonlySet<string> = new Set(['name', 'generateName'])

function restrictsNamesOnly(metadata: Schema): boolean {
  const { type: _, default: __, properties = {}, ...rest } = metadata
  const others = Object.values(rest).filter((value) => !isUnset(value))
  return others.length === 0 && Object.keys(properties).every((name) => nameFields.has(name))
}

const isUnset = (value: unknown): boolean =>
  value === undefined ||
  value === false ||
  value === '' ||
  (Array.isArray(value) && value.length === 0) ||
  (isObject(value) && Object.keys(value).length === 0)

/** The one pair of types that may stand below anyOf. */
function isIntOrStringPair(anyOf: readonly Schema[] | undefined): boolean {
  if (anyOf?.length !== 2) return false
  const only = (schema: Schema | undefined, type: string) =>
    schema?.type === type && Object.keys(schema).length === 1
  return only(anyOf[0], 'integer') && only(anyOf[1], 'string')
}

function values(schema: Schema, level: Level, path: string): FieldError[] {
  const skipFirst = isIntOrStringPair(schema.allOf?.[0]?.anyOf)
  return valueErrors(schema, path, {
    level,
    skipAnyOf: isIntOrStringPair(schema.anyOf),
    skipFirst,
  })
}

interface Skips {
  readonly level: Level
  readonly skipAnyOf: boolean
  readonly skipFirst: boolean
}

function valueErrors(schema: Schema, path: string, skips: Skips): FieldError[] {
  const errors: FieldError[] = []
  const plain = { ...skips, skipAnyOf: false, skipFirst: false }
  const each = (name: 'anyOf' | 'allOf' | 'oneOf') =>
    (schema[name] ?? []).forEach((nested, index) => {
      const skip = name === 'allOf' && index === 0 && skips.skipFirst
      const at = indexPath(childPath(path, name), index)
      errors.push(...nestedErrors(nested, at, { ...plain, skipAnyOf: skip }))
    })
  if (!skips.skipAnyOf) each('anyOf')
  each('allOf')
  each('oneOf')
  if (schema.not) errors.push(...nestedErrors(schema.not, childPath(path, 'not'), plain))
  const { pattern = '' } = schema
  const problem = pattern === '' ? undefined : regexProblemOf(pattern)
  if (problem !== undefined) {
    const detail = `must be a valid regular expression, but isn't: ${problem}`
    errors.push(invalid(childPath(path, 'pattern'), pattern, detail))
  }
  return errors
}

/** What a value validation may not say: [field, how it must be]. */
const notNested = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
] as const

function nestedErrors(schema: Schema, path: string, skips: Skips): FieldError[] {
  const errors = valueErrors(schema, path, skips)
  const items = itemsOf(schema)
  const plain = { level: skips.level, skipAnyOf: false, skipFirst: false }
  if (items) errors.push(...nestedErrors(items, childPath(path, 'items'), plain))
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const at = keyPath(childPath(path, 'properties'), name)
    errors.push(...nestedErrors(property, at, { ...plain, level: 'field' }))
  }
  for (const [name, detail] of notNested) {
    const value = schema[name]
    const isSet = name === 'default' ? value !== undefined : !isUnset(value) || isObject(value)
    if (isSet) errors.push(forbidden(childPath(path, name), detail))
  }
  if (propertyOf(schema, 'metadata')) {
    const at = keyPath(childPath(path, 'properties'), 'metadata')
    errors.push(forbidden(at, 'must not be specified in a nested context'))
  }
  return errors
}

interface Paths {
  readonly spine: string
  readonly value: string
}

/** Every field that value validations name must be declared on the spine. */
function completeness(
  value: Schema,
  spine: Schema | undefined,
  { spine: spinePath, value: valuePath }: Paths,
): FieldError[] {
  const errors: FieldError[] = []
  const nest = (nested: Schema | undefined, at: string) => {
    if (nested) errors.push(...nestedCompleteness(nested, spine, { spine: spinePath, value: at }))
  }
  nest(value.not, childPath(valuePath, 'not'))
  for (const name of ['allOf', 'anyOf', 'oneOf'] as const) {
    ;(value[name] ?? []).forEach((nested, index) => {
      nest(nested, indexPath(childPath(valuePath, name), index))
    })
  }
  return errors
}

function nestedCompleteness(
  value: Schema,
  spine: Schema | undefined,
  { spine: spinePath, value: valuePath }: Paths,
): FieldError[] {
  if (spine === undefined) {
    return [required(spinePath, `because it is defined in ${valuePath}`)]
  }
  const errors = completeness(value, spine, { spine: spinePath, value: valuePath })
  const items = itemsOf(value)
  if (items) {
    const paths = { spine: childPath(spinePath, 'items'), value: childPath(valuePath, 'items') }
    errors.push(...nestedCompleteness(items, itemsOf(spine), paths))
  }
  for (const [name, property] of Object.entries(value.properties ?? {})) {
    const paths = {
      spine: keyPath(childPath(spinePath, 'properties'), name),
      value: keyPath(childPath(valuePath, 'properties'), name),
    }
    errors.push(...nestedCompleteness(property, propertyOf(spine, name), paths))
  }
  return errors
}
