// A schema of a CustomResourceDefinition, node by node: what Kubernetes allows beyond structure,
// and its rules, compiled and priced (ValidateCustomResourceDefinitionOpenAPISchema upstream).

import { maxRequestBytes, schemaType } from '../cel/schema-type.ts'
import type { FieldError } from '../machinery/field-error.ts'
import {
  forbidden,
  internalError,
  invalid,
  notSupported,
  required,
} from '../machinery/field-error.ts'
import { resolveFieldPath } from '../structural/field-path.ts'
import type { CompiledRule } from '../structural/rules.ts'
import { compileRules } from '../structural/rules.ts'
import type { Schema } from '../structural/schema.ts'
import {
  additionalOf,
  childPath,
  indexPath,
  isEmbedded,
  isObject,
  itemsOf,
  keyPath,
  metaFields,
} from '../structural/schema.ts'
import type { ValidationRule } from '../types/apiextensions.gen.ts'
import { listErrors } from './list-schema.ts'

/** What one rule, and all rules of a schema, may cost by the estimate. */
export const ruleCostLimit = 10_000_000
export const schemaCostLimit = 100_000_000
const most = 2 ** 64

export interface SchemaOptions {
  /** Rules of a schema that has not changed keep whatever they cost. */
  readonly suppressRuleCost: boolean
  /** False for definitions that were stored when this was not asked for. */
  readonly atomicSets: boolean
  readonly listKeys: boolean
}

export interface Costs {
  total: number
  readonly expensive: { readonly path: string; readonly cost: number }[]
}

interface Context {
  readonly options: SchemaOptions
  readonly path: string
  readonly isRoot: boolean
  readonly insideMeta: boolean
  /** Why defaults may not stand here; undefined: they may. */
  readonly noDefaults: string | undefined
  /** The first place above where old and new can no longer be matched. */
  readonly uncorrelated: string | undefined
  /** undefined: rules are not looked at. */
  readonly cel: Cel | undefined
}

interface Cel {
  readonly costs: Costs
  /** How often the value may be there at most; undefined: nothing limits it. */
  readonly cardinality: number | undefined
}

interface Found {
  readonly schema: readonly FieldError[]
  readonly cel: readonly FieldError[]
}

/** Errors of a whole schema. `costs` undefined: its rules are not compiled. */
export function validateSchema(
  schema: Schema,
  path: string,
  options: SchemaOptions & { readonly costs: Costs | undefined },
): readonly FieldError[] {
  const { costs } = options
  const found = visit(schema, {
    options,
    path,
    isRoot: true,
    insideMeta: false,
    noDefaults: undefined,
    uncorrelated: undefined,
    cel: costs && { costs, cardinality: 1 },
  })
  return [...found.schema, ...found.cel]
}

export const openapiTypes = ['array', 'boolean', 'integer', 'number', 'object', 'string']

function visit(schema: Schema, context: Context): Found {
  const found = childrenOf(schema, context).map(([child, below]) => visit(child, below))
  const errors = [
    ...standardErrors(schema, context),
    ...found.flatMap((one) => one.schema),
    ...extensionErrors(schema, context.path),
    ...listErrors(schema, context.path, context.options),
    ...ruleFormErrors(schema, context.path),
  ]
  const below = found.flatMap((one) => one.cel)
  const own = errors.length === 0 && context.cel ? ruleErrors(schema, context, context.cel) : []
  return { schema: errors, cel: [...below, ...own] }
}

const isSet = (value: unknown): boolean =>
  value !== undefined && value !== '' && !(isObject(value) && Object.keys(value).length === 0)

function standardErrors(schema: Schema, context: Context): FieldError[] {
  const { path, noDefaults } = context
  const errors: FieldError[] = []
  const at = (name: string) => childPath(path, name)
  const { type = '' } = schema
  if (type !== '' && !openapiTypes.includes(type)) {
    errors.push(notSupported(at('type'), type, openapiTypes))
  }
  if (schema.default !== undefined && noDefaults !== undefined) {
    errors.push(forbidden(at('default'), `must not be set ${noDefaults}`))
  }
  for (const name of [
    'id',
    'additionalItems',
    'patternProperties',
    'definitions',
    'dependencies',
    '$ref',
  ] as const) {
    if (isSet(schema[name])) errors.push(forbidden(at(name), `${name} is not supported`))
  }
  if (type === 'null') {
    const detail = 'type cannot be set to null, use nullable as an alternative'
    errors.push(forbidden(at('type'), detail))
  }
  if (Array.isArray(schema.items)) {
    errors.push(forbidden(at('items'), 'items must be a schema object and not an array'))
  }
  if (context.insideMeta && isEmbedded(schema)) {
    const name = 'x-kubernetes-embedded-resource'
    errors.push(forbidden(at(name), 'must not be used inside of resource meta'))
  }
  if (schema.uniqueItems) {
    const detail =
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'
    errors.push(forbidden(at('uniqueItems'), detail))
  }
  const { additionalProperties } = schema
  const both = Object.keys(schema.properties ?? {}).length > 0 && additionalProperties !== undefined
  if (both && additionalProperties !== true) {
    const detail = 'additionalProperties and properties are mutual exclusive'
    errors.push(forbidden(at('additionalProperties'), detail))
  }
  return errors
}

type Child = readonly [schema: Schema, context: Context]

function childrenOf(schema: Schema, context: Context): Child[] {
  const { path, isRoot } = context
  const children: Child[] = []
  const plain = { ...context, isRoot: false }
  const values = { ...plain, cel: undefined }
  const cel = context.cel && celBelow(schema, context.cel)
  const additional = additionalOf(schema)
  if (additional) {
    const noDefaults = context.insideMeta
      ? 'inside additionalProperties applying to object metadata'
      : context.noDefaults
    const below = { ...plain, cel, noDefaults, path: childPath(path, 'additionalProperties') }
    children.push([additional, below])
  }
  const granular = (schema['x-kubernetes-map-type'] ?? 'granular') === 'granular'
  const uncorrelated = context.uncorrelated ?? (granular ? undefined : path)
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const meta = (isRoot || isEmbedded(schema)) && metaFields.has(name)
    children.push([
      property,
      {
        ...plain,
        cel,
        uncorrelated,
        insideMeta: context.insideMeta || meta,
        noDefaults: meta && isRoot ? `in top-level ${name}` : context.noDefaults,
        path: keyPath(childPath(path, 'properties'), name),
      },
    ])
  }
  if (schema.not) children.push([schema.not, { ...values, path: childPath(path, 'not') }])
  for (const name of ['allOf', 'oneOf', 'anyOf'] as const) {
    ;(schema[name] ?? []).forEach((one, index) => {
      children.push([one, { ...values, path: indexPath(childPath(path, name), index) }])
    })
  }
  const items = itemsOf(schema)
  if (items) {
    const isMap = schema['x-kubernetes-list-type'] === 'map'
    const below = {
      ...plain,
      cel,
      uncorrelated: context.uncorrelated ?? (isMap ? undefined : path),
    }
    children.push([items, { ...below, path: childPath(path, 'items') }])
  }
  return children
}

/** A value below may be there as often as this one, times the items or entries it may have. */
function celBelow(schema: Schema, { costs, cardinality }: Cel): Cel {
  const isMap = schema.type === 'object' && schema.additionalProperties !== undefined
  const isList = schema.type === 'array'
  const times = isMap ? schema.maxProperties : isList ? schema.maxItems : 1
  const limited = cardinality !== undefined && times !== undefined
  return { costs, cardinality: limited ? cardinality * Math.max(times, 0) : undefined }
}

function extensionErrors(schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const preserve = 'x-kubernetes-preserve-unknown-fields'
  if (schema[preserve] === false) {
    errors.push(invalid(childPath(path, preserve), false, 'must be true or undefined'))
  }
  const mapType = schema['x-kubernetes-map-type']
  if (mapType === undefined) return errors
  if (schema.type !== 'object') {
    const detail = 'must be object if x-kubernetes-map-type is specified'
    const at = childPath(path, 'type')
    errors.push(schema.type ? invalid(at, schema.type, detail) : required(at, detail))
  }
  if (mapType !== 'atomic' && mapType !== 'granular') {
    const at = childPath(path, 'x-kubernetes-map-type')
    errors.push(notSupported(at, mapType, ['atomic', 'granular']))
  }
  return errors
}

const reasons = [
  'FieldValueDuplicate',
  'FieldValueForbidden',
  'FieldValueInvalid',
  'FieldValueRequired',
]

const hasNewline = (text: string): boolean => /[\n\r]/.test(text)

const rulePath = (path: string, index: number, name: string): string =>
  childPath(indexPath(childPath(path, 'x-kubernetes-validations'), index), name)

function ruleFormErrors(schema: Schema, path: string): FieldError[] {
  return (schema['x-kubernetes-validations'] ?? []).flatMap((rule, index) => {
    const at = (name: string) => rulePath(path, index, name)
    const errors = messageErrors(rule, at)
    const { messageExpression = '', reason, fieldPath = '' } = rule
    if (messageExpression !== '' && messageExpression.trim() === '') {
      const detail = 'messageExpression must be non-empty if specified'
      errors.push(required(at('messageExpression'), detail))
    }
    if (reason !== undefined && !reasons.includes(reason)) {
      errors.push(notSupported(at('reason'), reason, reasons))
    }
    if (fieldPath === '') return errors
    const wrong = (detail: string) => errors.push(invalid(at('fieldPath'), fieldPath, detail))
    if (fieldPath.trim() === '') wrong('must be non-empty if specified')
    if (hasNewline(fieldPath)) wrong('must not contain line breaks')
    if (!resolveFieldPath(fieldPath, schema).ok) wrong('must be a valid path')
    return errors
  })
}

function messageErrors(
  { rule, message = '' }: ValidationRule,
  at: (name: string) => string,
): FieldError[] {
  const text = rule.trim()
  const words = message.trim()
  if (text === '') return [required(at('rule'), 'rule is not specified')]
  if (message !== '' && words === '') {
    return [invalid(at('message'), message, 'must be non-empty if specified')]
  }
  if (hasNewline(words)) return [invalid(at('message'), message, 'must not contain line breaks')]
  return hasNewline(text) && words === ''
    ? [required(at('message'), 'message must be specified if rule contains line breaks')]
    : []
}

function ruleErrors(schema: Schema, context: Context, cel: Cel): FieldError[] {
  if ((schema['x-kubernetes-validations'] ?? []).length === 0) return []
  const { path } = context
  const type = schemaType(schema, context.isRoot || isEmbedded(schema))
  if (!type) {
    const detail =
      'internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations'
    return [internalError(childPath(path, 'x-kubernetes-validations'), detail)]
  }
  const times = cel.cardinality ?? Math.floor(maxRequestBytes / ((type.minBytes ?? 0) + 1))
  return compileRules(schema, type).flatMap((compiled, index) => [
    ...costErrors(compiled, { context, cel, index, times }),
    ...compileErrors(compiled, context, index),
  ])
}

interface Priced {
  readonly context: Context
  readonly cel: Cel
  readonly index: number
  readonly times: number
}

function costErrors(
  { program, message }: CompiledRule,
  { context, cel, index, times }: Priced,
): FieldError[] {
  const errors: FieldError[] = []
  const judge = (name: string, what: string, cost: number) => {
    const at = rulePath(context.path, index, name)
    if (!context.options.suppressRuleCost && cost > ruleCostLimit) {
      errors.push(forbidden(at, costMessage(what, cost, ruleCostLimit)))
    }
    observe(cel.costs, at, cost)
  }
  if (program) judge('rule', 'estimated rule cost', Math.min(program.maxCost * times, most))
  if (message) {
    judge('messageExpression', 'estimated messageExpression cost', message.maxCost)
  }
  return errors
}

/** Only rules that make up a hundredth of the limit are worth naming, and only four of them. */
function observe(costs: Costs, path: string, cost: number): void {
  costs.total = Math.min(costs.total + cost, most)
  if (cost < schemaCostLimit / 100) return
  costs.expensive.push({ path, cost })
  costs.expensive.sort((one, other) => other.cost - one.cost).splice(4)
}

export function costMessage(what: string, cost: number, limit: number): string {
  const times = cost / limit
  const factor =
    times > 100 ? 'more than 100x' : times < 1.5 ? `${times.toFixed(6)}x` : `${times.toFixed(1)}x`
  return `${what} exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`
}

/** A rule as upstream prints its own struct. */
const shownRule = (rule: ValidationRule): unknown => ({
  Rule: rule.rule,
  Message: rule.message ?? '',
  MessageExpression: rule.messageExpression ?? '',
  Reason: rule.reason ?? null,
  FieldPath: rule.fieldPath ?? '',
  OptionalOldSelf: rule.optionalOldSelf ?? null,
})

function compileErrors(compiled: CompiledRule, context: Context, index: number): FieldError[] {
  const { rule, program, error, messageError } = compiled
  const at = (name: string) => rulePath(context.path, index, name)
  const errors: FieldError[] = []
  if (error !== undefined) errors.push(invalid(at('rule'), shownRule(rule), error))
  if (messageError !== undefined) {
    errors.push(invalid(at('messageExpression'), shownRule(rule), messageError))
  }
  if (program?.uses('oldSelf')) {
    if (context.uncorrelated !== undefined) {
      const detail = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${context.uncorrelated}`
      errors.push(invalid(at('rule'), rule.rule, detail))
    }
  } else if (rule.optionalOldSelf !== undefined) {
    const detail = 'may not be set if oldSelf is not used in rule'
    errors.push(invalid(at('optionalOldSelf'), rule.optionalOldSelf, detail))
  }
  return errors
}
