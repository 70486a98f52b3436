// x-kubernetes-validations of a schema, compiled along its spine, and run over an object: rules
// below what they guard, transition rules only where old and new belong together, all within a
// cost budget (KEP-2876, KEP-4008).
import type { Program, Value } from '../cel/cel.ts'
import { compile, perCallLimit, runtimeBudget } from '../cel/cel.ts'
import { escapeName, schemaType } from '../cel/schema-type.ts'
import { optionalOf, type Type } from '../cel/types.ts'
import { fromJson, Optional } from '../cel/values.ts'
import type { FieldError } from '../machinery/field-error.ts'
import {
  duplicate,
  fieldErrorText,
  forbidden,
  invalid,
  omitted,
  required,
} from '../machinery/field-error.ts'
import type { ValidationRule } from '../types/apiextensions.gen.ts'
import { Correlated, correlates, itemsByKey } from './correlate.ts'
import { resolveFieldPath } from './field-path.ts'
import type { Schema } from './schema.ts'
import {
  additionalOf,
  childPath,
  indexPath,
  isEmbedded,
  isObject,
  itemsOf,
  keyPath,
  listTypeOf,
  propertyOf,
} from './schema.ts'

export interface CompiledRule {
  readonly rule: ValidationRule
  /** undefined for an empty rule, and for one that does not compile. */
  readonly program?: Program
  readonly error?: string
  readonly message?: Program
  readonly messageError?: string
  /** The field to report instead of the rule's own place. */
  readonly fieldPath: string
}

/** Compiles the rules of one schema; `type` is that of its values. */
export function compileRules(schema: Schema, type: Type): readonly CompiledRule[] {
  return (schema['x-kubernetes-validations'] ?? []).map((rule) => compileRule(rule, schema, type))
}

function compileRule(rule: ValidationRule, schema: Schema, type: Type): CompiledRule {
  const resolved = rule.fieldPath ? resolveFieldPath(rule.fieldPath, schema) : undefined
  const base = { rule, fieldPath: resolved?.ok ? resolved.path : '' }
  if (rule.rule.trim() === '') return base
  const oldSelf = rule.optionalOldSelf ? optionalOf(type) : type
  const variables = { self: type, oldSelf }
  const compiled = compile(rule.rule, variables)
  if (!compiled.ok) return { ...base, error: `compilation failed: ${compiled.message}` }
  const { program } = compiled
  if (program.type.kind !== 'bool') {
    return { ...base, error: 'cel expression must evaluate to a bool' }
  }
  if (!rule.messageExpression) return { ...base, program }
  const message = compile(rule.messageExpression, variables)
  if (!message.ok) {
    return {
      ...base,
      program,
      messageError: `messageExpression compilation failed: ${message.message}`,
    }
  }
  return message.program.type.kind === 'string'
    ? { ...base, program, message: message.program }
    : { ...base, program, messageError: 'messageExpression must evaluate to a string' }
}

/** The rules at one place of a schema and below. */
interface Node {
  readonly schema: Schema
  readonly type: Type
  readonly rules: readonly CompiledRule[]
  readonly usesOld: boolean
  readonly items: Node | undefined
  readonly additional: Node | undefined
  readonly properties: ReadonlyMap<string, Node>
}

export interface Rules {
  /** Field errors of an object; warnings are what ratcheting let pass. */
  validate(
    object: unknown,
    old: unknown,
    options?: {
      readonly path?: string
      readonly correlation?: Correlated
      readonly budget?: number
    },
  ): {
    readonly errors: readonly FieldError[]
    readonly warnings: readonly string[]
    readonly left: number
  }
}

/** undefined: there are no rules anywhere. */
export function rulesOf(schema: Schema, isRoot: boolean): Rules | undefined {
  const type = schemaType(schema, isRoot)
  const root = type && nodeOf(schema, type)
  if (!root) return undefined
  return {
    validate: (object, old, { path = '', correlation, budget = runtimeBudget } = {}) => {
      const run = new Run(budget)
      run.visit(root, { value: object, old, path, current: correlation, nearest: undefined })
      return { errors: run.errors, warnings: run.warnings, left: run.left }
    },
  }
}

function nodeOf(schema: Schema, type: Type): Node | undefined {
  const rules = compileRules(schema, type)
  const itemsSchema = itemsOf(schema)
  const items = itemsSchema && type.kind === 'list' ? nodeOf(itemsSchema, type.element) : undefined
  const additionalSchema = additionalOf(schema)
  const additional =
    additionalSchema && type.kind === 'map' ? nodeOf(additionalSchema, type.value) : undefined
  const properties = propertyNodes(schema, type)
  const empty = rules.length === 0 && !items && !additional && properties.size === 0
  if (empty) return undefined
  const usesOld = rules.some(({ program }) => program?.uses('oldSelf'))
  return { schema, type, rules, usesOld, items, additional, properties }
}

function propertyNodes(schema: Schema, type: Type): Map<string, Node> {
  const nodes = new Map<string, Node>()
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const escaped = escapeName(name)
    const declared = type.kind === 'object' && escaped ? type.fields.get(escaped)?.type : undefined
    // A name that has no form in CEL is still a place for rules of its own.
    const own = escaped === undefined ? schemaType(property, isEmbedded(property)) : declared
    const node = own && nodeOf(property, own)
    if (node) nodes.set(name, node)
  }
  return nodes
}

interface Place {
  readonly value: unknown
  readonly old: unknown
  readonly path: string
  /** The pair of old and new here; undefined where they cannot be told to belong together. */
  readonly current: Correlated | undefined
  /** The nearest pair above. */
  readonly nearest: Correlated | undefined
}

const outOfBudget =
  'validation failed due to running out of cost budget, no further validation rules will be run'
const maxMessageBytes = 5 * 1024

class Run {
  readonly errors: FieldError[] = []
  readonly warnings: string[] = []
  left: number

  constructor(budget: number) {
    this.left = budget
  }

  visit(node: Node, place: Place): void {
    if (place.value === null || place.value === undefined || this.left < 0) return
    this.#rules(node, place)
    if (Array.isArray(place.value)) this.#array(node, place, place.value)
    else if (isObject(place.value)) this.#object(node, place, place.value)
  }

  #array({ schema, items }: Node, place: Place, list: readonly unknown[]): void {
    if (!items) return
    const old = Array.isArray(place.old) && listTypeOf(schema) === 'map' ? place.old : undefined
    const find = old && itemsByKey(schema, old)
    list.forEach((value, index) => {
      const path = indexPath(place.path, index)
      this.visit(items, {
        ...below(place, (pair) => pair.index(index)),
        value,
        old: find?.(value),
        path,
      })
    })
  }

  #object(node: Node, place: Place, object: Readonly<Record<string, unknown>>): void {
    const { schema, additional, properties } = node
    const old = isObject(place.old) && correlates(schema) ? place.old : undefined
    for (const [key, value] of Object.entries(object)) {
      const property = properties.get(key)
      const next = property ?? (propertyOf(schema, key) ? undefined : additional)
      if (!next) continue
      const path = property ? childPath(place.path, key) : keyPath(place.path, key)
      const pair = typeOfRoot(place, key) ? unpaired : below(place, (one) => one.key(key))
      this.visit(next, { ...pair, value, old: old?.[key], path })
    }
  }

  #rules({ schema, type, rules, usesOld }: Node, place: Place): void {
    if (rules.length === 0) return
    const { path } = place
    const shown = schema.type ?? ''
    if (this.left <= 0) return this.#stop(invalid(path, shown, outOfBudget))
    const self = lazy(() => fromJson(place.value, type))
    const hasOld = place.old !== undefined && place.old !== null
    const old = lazy(() => (usesOld && hasOld ? fromJson(place.old, type) : undefined))
    for (const compiled of rules) {
      if (this.left < 0) return
      if (compiled.error !== undefined) {
        this.errors.push(invalid(path, shown, `rule compile error: ${compiled.error}`))
      } else if (compiled.program) {
        this.#rule(compiled, compiled.program, { place, shown, self, old, hasOld })
      }
    }
  }

  #rule(compiled: CompiledRule, program: Program, subject: Subject): void {
    const { place, shown, self, old, hasOld } = subject
    const { rule } = compiled
    const transition = program.uses('oldSelf')
    if (transition && !hasOld && !rule.optionalOldSelf) return
    const oldSelf = () => (rule.optionalOldSelf ? new Optional(old()) : old())
    const bindings = (name: string): Value | undefined =>
      name === 'self' ? self() : name === 'oldSelf' ? oldSelf() : undefined
    const outcome = program.run(bindings, perCallLimit)
    const text = rule.rule.trim()
    if (outcome.cost > this.left) return this.#stop(invalid(place.path, shown, outOfBudget))
    this.left -= outcome.cost
    if (!outcome.ok) {
      const { message, limited } = outcome
      const detail = failureDetail(message, text, limited)
      const error = invalid(place.path, shown, detail)
      if (limited) this.#stop(error)
      else this.errors.push(error)
    } else if (outcome.value !== true) this.#failed(compiled, subject, { bindings, transition })
  }

  #failed(
    { rule, message, fieldPath }: CompiledRule,
    { place, shown }: Subject,
    { bindings, transition }: Pick<Failed, 'bindings' | 'transition'>,
  ): void {
    const path = fieldPath === '' ? place.path : childPath(place.path, fieldPath)
    const composite = shown === 'object' || shown === 'array'
    const value = composite ? omitted : place.value
    const fallback = rule.message ? rule.message.trim() : `failed rule: ${rule.rule.trim()}`
    const detail = (message && this.#message(message, bindings)) ?? fallback
    const error = reasonError(rule.reason, path, { value, detail })
    if (!transition && unchanged(place)) this.warnings.push(fieldErrorText(error))
    else this.errors.push(error)
  }

  /** undefined: the expression gave no usable text. */
  #message(message: Program, bindings: (name: string) => Value | undefined): string | undefined {
    const outcome = message.run(bindings, Math.min(perCallLimit, Math.max(this.left, 0)))
    this.left -= outcome.cost
    if (!outcome.ok || typeof outcome.value !== 'string') return undefined
    const text = outcome.value.trim()
    const usable = text !== '' && !text.includes('\n') && Buffer.byteLength(text) <= maxMessageBytes
    return usable ? text : undefined
  }

  #stop(error: FieldError): void {
    this.errors.push(error)
    this.left = -1
  }
}

interface Subject {
  readonly place: Place
  readonly shown: string
  readonly self: () => Value
  readonly old: () => Value | undefined
  readonly hasOld: boolean
}

interface Failed {
  readonly bindings: (name: string) => Value | undefined
  readonly transition: boolean
}

function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

const unpaired = { current: undefined, nearest: undefined }

/** The type of the root is never what it was: both sides were converted. */
const typeOfRoot = ({ current, nearest }: Place, key: string): boolean =>
  current !== undefined && nearest === undefined && (key === 'apiVersion' || key === 'kind')

function below(
  { current, nearest }: Place,
  step: (pair: Correlated) => Correlated | undefined,
): Pick<Place, 'current' | 'nearest'> {
  return current ? { current: step(current), nearest: current } : { current, nearest }
}

const unchanged = ({ current, nearest }: Place): boolean => (current ?? nearest)?.unchanged === true

function failureDetail(message: string, rule: string, limited: boolean): string {
  if (limited) {
    return `'${message}': no further validation rules will be run due to call cost exceeds limit for rule: ${rule}`
  }
  if (message.startsWith('no such overload')) {
    return `'${message}': call arguments did not match a supported operator, function or macro signature for rule: ${rule}`
  }
  return `${message} evaluating rule: ${rule}`
}

function reasonError(
  reason: string | undefined,
  path: string,
  { value, detail }: { readonly value: unknown; readonly detail: string },
): FieldError {
  switch (reason) {
    case 'FieldValueForbidden':
      return forbidden(path, detail)
    case 'FieldValueRequired':
      return required(path, detail)
    case 'FieldValueDuplicate':
      return duplicate(path, value)
    default:
      return invalid(path, value, detail)
  }
}
