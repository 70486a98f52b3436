// Label selectors: the query string form (`app=web,tier in (a,b),!canary`) and the LabelSelector
// object, both compiled to one matcher. Messages are those of k8s.io/apimachinery pkg/labels.
import type { LabelSelector } from '../types/meta.gen.ts'
import type { FieldError } from './field-error.ts'
import { forbidden, invalid, required } from './field-error.ts'
import { compareText } from './go-text.ts'
import type { Parsed, Requirement } from './label-lexer.ts'
import { parseLabelTokens } from './label-lexer.ts'
import { labelValueProblems, qualifiedNameProblems } from './names.ts'

export type { Operator, Parsed, Requirement } from './label-lexer.ts'

export type Labels = Readonly<Record<string, string>>

export interface Selector {
  readonly requirements: readonly Requirement[]
  /** Absent labels count as none. */
  matches(labels: Labels | undefined): boolean
  /** The canonical text, which parseLabelSelector reads back. */
  toString(): string
}

const noLabels: Labels = {}

function lookup(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined
}

const int64 = /^[+-]?\d+$/

function parseInteger(text: string): bigint | undefined {
  if (!int64.test(text)) return undefined
  const value = BigInt(text.replace(/^\+/, ''))
  return value >= -(2n ** 63n) && value < 2n ** 63n ? value : undefined
}

function matcher({ key, operator, values }: Requirement): (labels: Labels) => boolean {
  const only = values[0]
  const set = new Set(values)
  switch (operator) {
    case '=':
    case '==':
      return (labels) => lookup(labels, key) === only
    case '!=':
      return (labels) => lookup(labels, key) !== only
    case 'in':
      return (labels) => Object.hasOwn(labels, key) && set.has(labels[key]!)
    case 'notin':
      return (labels) => !Object.hasOwn(labels, key) || !set.has(labels[key]!)
    case 'exists':
      return (labels) => Object.hasOwn(labels, key)
    case '!':
      return (labels) => !Object.hasOwn(labels, key)
    case 'gt':
    case 'lt': {
      const bound = parseInteger(only ?? '')
      return (labels) => {
        const value = parseInteger(lookup(labels, key) ?? '')
        if (value === undefined || bound === undefined) return false
        return operator === 'gt' ? value > bound : value < bound
      }
    }
  }
}

function requirementText({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'exists':
      return key
    case '!':
      return `!${key}`
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`
    case 'gt':
      return `${key}>${values.join('')}`
    case 'lt':
      return `${key}<${values.join('')}`
    default:
      return `${key}${operator}${values.join('')}`
  }
}

export function selectorOf(requirements: readonly Requirement[]): Selector {
  const sorted = [...requirements].sort((a, b) => compareText(a.key, b.key))
  const tests = sorted.map(matcher)
  return {
    requirements: sorted,
    matches: (labels) => tests.every((test) => test(labels ?? noLabels)),
    toString: () => sorted.map(requirementText).join(','),
  }
}

export const everything: Selector = selectorOf([])

/** Matches no object at all: what a null LabelSelector means. */
export const nothing: Selector = {
  requirements: [],
  matches: () => false,
  toString: () => '',
}

/** Exactly these labels, as in Service.spec.selector. An empty set matches everything. */
export function selectorFromSet(labels: Labels): Selector {
  return selectorOf(
    Object.entries(labels).map(([key, value]) => ({ key, operator: '=', values: [value] })),
  )
}

/** Reads the labelSelector query parameter. */
export function parseLabelSelector(text: string): Parsed<Selector> {
  if (text === '') return { ok: true, value: everything }
  const parsed = parseLabelTokens(text)
  if (!parsed.ok) return parsed
  return { ok: true, value: selectorOf(parsed.value) }
}

const operators = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' } as const

/** The matcher of a valid LabelSelector; absent matches nothing, empty everything. */
export function selectorFromLabelSelector(selector: LabelSelector | undefined | null): Selector {
  if (!selector) return nothing
  const requirements: Requirement[] = []
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    requirements.push({ key, operator: '=', values: [value] })
  }
  for (const expression of selector.matchExpressions ?? []) {
    const operator = operators[expression.operator as keyof typeof operators]
    if (operator === undefined) return nothing
    const values = [...new Set(expression.values ?? [])].sort(compareText)
    requirements.push({ key: expression.key, operator, values })
  }
  return selectorOf(requirements)
}

/** What is wrong with labels (or with matchLabels), in the order of their keys. */
export function validateLabels(labels: Labels | undefined, field: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const problem of qualifiedNameProblems(key)) errors.push(invalid(field, key, problem))
    for (const problem of labelValueProblems(value)) errors.push(invalid(field, value, problem))
  }
  return errors
}

export function validateLabelName(name: string, field: string): FieldError[] {
  return qualifiedNameProblems(name).map((problem) => invalid(field, name, problem))
}

/** `allowInvalidValues`: stored objects may hold label values that are refused on create. */
export function validateLabelSelector(
  selector: LabelSelector | undefined,
  field: string,
  options: { readonly allowInvalidValues?: boolean } = {},
): FieldError[] {
  if (!selector) return []
  const errors = validateLabels(selector.matchLabels, `${field}.matchLabels`)
  const expressions = selector.matchExpressions ?? []
  for (const [index, { key, operator, values = [] }] of expressions.entries()) {
    const at = `${field}.matchExpressions[${index}]`
    const count = values?.length ?? 0
    if (operator === 'In' || operator === 'NotIn') {
      if (count === 0) {
        errors.push(
          required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"),
        )
      }
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (count > 0) {
        errors.push(
          forbidden(
            `${at}.values`,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
          ),
        )
      }
    } else {
      errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'))
    }
    errors.push(...validateLabelName(key, `${at}.key`))
    if (options.allowInvalidValues) continue
    for (const [position, value] of (values ?? []).entries()) {
      for (const problem of labelValueProblems(value)) {
        errors.push(invalid(`${at}.values[${position}]`, value, problem))
      }
    }
  }
  return errors
}
