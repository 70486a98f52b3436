// Values against a schema, in the words and with the habits of kube-openapi's validator: of anyOf
// and oneOf the branch that matched most explains itself, and errors that read alike count once.

import { jsonEqual } from '../apply/atom.ts'
import type { FieldError } from '../machinery/field-error.ts'
import {
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from '../machinery/field-error.ts'
import { goJson, goQuote } from '../machinery/go-text.ts'
import type { Correlated } from './correlate.ts'
import { formatOf, matchesFormat } from './formats.ts'
import { numberResult } from './numbers.ts'
import { compileRegex } from './regex.ts'
import type { At, Problem } from './result.ts'
import { at, general, Result } from './result.ts'
import type { JsonObject, Schema } from './schema.ts'
import { additionalOf, isIntOrString, isObject, itemsOf } from './schema.ts'

export interface ValidateOptions {
  /** Prefix of the fields in errors; messages do not have it. */
  readonly field?: string
  /** What was there before: unchanged values do not fail. */
  readonly correlation?: Correlated | undefined
}

/** Field errors of a value; none for one that the schema allows. */
export function validateValue(
  value: unknown,
  schema: Schema | undefined,
  { field = '', correlation }: ValidateOptions = {},
): readonly FieldError[] {
  if (schema === undefined) return []
  const result = check(value, schema, { path: '', correlation })
  return result.errors.map((problem) => problem.error(field))
}

function check(value: unknown, schema: Schema, where: At): Result {
  const result = new Result()
  if (value === null || value === undefined) {
    result.merge(typeResult(null, schema, where))
    result.merge(enumResult(null, schema, where))
    return ratchet(result, where)
  }
  const parts = [
    typeResult(value, schema, where),
    compositeResult(value, schema, where),
    ...scalarResults(value, schema, where),
    enumResult(value, schema, where),
  ]
  for (const part of parts) {
    result.merge(part)
    result.matches += 1
  }
  result.matches += 1
  return ratchet(result, where)
}

/** What was there before and is unchanged does not fail. */
function ratchet(result: Result, { correlation }: At): Result {
  if (result.errors.length === 0 || !correlation?.unchanged) return result
  const passed = new Result()
  passed.matches = result.matches
  return passed
}

function scalarResults(value: unknown, schema: Schema, where: At): readonly Result[] {
  if (typeof value === 'string') {
    return [stringResult(value, schema, where), formatResult(value, schema, where)]
  }
  if (typeof value === 'number') return [numberResult(value, schema, where)]
  if (Array.isArray(value)) return [arrayResult(value, schema, where)]
  return isObject(value) ? [objectResult(value, schema, where)] : []
}

const typesOf = (schema: Schema): readonly string[] =>
  isIntOrString(schema) ? ['integer', 'string'] : schema.type ? [schema.type] : []

function jsonTypeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function invalidType(path: string, wanted: string, found: string): Problem {
  const text = `${path} in body must be of type ${wanted}: ${goQuote(found)}`
  return at(path, text, (field) => typeInvalid(field, found, text))
}

function typeResult(value: unknown, schema: Schema, { path }: At): Result {
  const result = new Result()
  const types = typesOf(schema)
  const format = formatOf(schema.type ?? '', schema.format ?? '')
  if (types.length === 0 && format === '') return result
  result.matches += 1
  const found = jsonTypeOf(value)
  const wrong = () => {
    result.matches = 0
    result.add(invalidType(path, types.join(','), found))
    return result
  }
  if (value === null) return types.length > 0 && !schema.nullable ? wrong() : result
  const numeric = types.includes('number') || types.includes('integer')
  const textual = typeof value === 'string' || Array.isArray(value)
  const fits = types.includes(found) || (found === 'integer' && types.includes('number'))
  if (!textual && format !== '' && !fits) {
    const native = found === 'integer' ? 'int64' : found === 'number' ? 'float64' : ''
    result.matches = 0
    result.add(invalidType(path, format, native))
    return result
  }
  if (!numeric && format !== '' && textual) return result
  return fits ? result : wrong()
}

function enumResult(value: unknown, schema: Schema, { path }: At): Result {
  const result = new Result()
  const allowed = schema.enum ?? []
  if (allowed.length === 0 || allowed.some((one) => jsonEqual(one, value))) return result
  const shown = allowed.map((one) => (typeof one === 'string' ? one : goJson(one)))
  const text = `${path} in body should be one of [${shown.join(' ')}]`
  result.add(at(path, text, (field) => notSupported(field, value, shown)))
  return result
}

function stringResult(value: string, schema: Schema, { path }: At): Result {
  const result = new Result()
  const { maxLength, minLength, pattern = '' } = schema
  const length = maxLength === undefined && minLength === undefined ? 0 : [...value].length
  if (maxLength !== undefined && length > maxLength) {
    const text = `${path} in body should be at most ${maxLength} chars long`
    result.add(at(path, text, (field) => tooLong(field, maxLength)))
  } else if (minLength !== undefined && length < minLength) {
    const text = `${path} in body should be at least ${minLength} chars long`
    result.add(at(path, text, (field) => invalid(field, value, text)))
  } else if (pattern !== '') {
    const regex = compileRegex(pattern)
    const shown =
      typeof regex === 'string' ? `${pattern}, but pattern is invalid: ${regex}` : pattern
    if (typeof regex === 'string' || !regex.matcher(value).find()) {
      const text = `${path} in body should match '${shown}'`
      result.add(at(path, text, (field) => invalid(field, value, text)))
    }
  }
  return result
}

function formatResult(value: string, schema: Schema, { path }: At): Result {
  const result = new Result()
  const format = formatOf(schema.type ?? '', schema.format ?? '')
  if (format === '' || matchesFormat(format, value)) return result
  result.add(invalidType(path, format, value))
  return result
}

function arrayResult(list: readonly unknown[], schema: Schema, { path, correlation }: At): Result {
  const result = new Result()
  const items = itemsOf(schema)
  if (items) {
    list.forEach((item, index) => {
      const below = { path: `${path}[${index}]`, correlation: correlation?.index(index) }
      result.merge(check(item, items, below))
    })
  }
  const { minItems, maxItems } = schema
  if (minItems !== undefined && list.length < minItems) {
    const text = `${path} in body should have at least ${minItems} items`
    result.add(at(path, text, (field) => invalid(field, list.length, text)))
  }
  if (maxItems !== undefined && list.length > maxItems) {
    const text = `${path} in body should have at most ${maxItems} items`
    result.add(at(path, text, (field) => tooMany(field, list.length, maxItems)))
  }
  result.matches += 1
  return result
}

function objectResult(object: JsonObject, schema: Schema, where: At): Result {
  const result = new Result()
  const { path } = where
  const size = Object.keys(object).length
  const { minProperties, maxProperties, properties = {} } = schema
  if (minProperties !== undefined && size < minProperties) {
    const text = `${path} in body should have at least ${minProperties} properties`
    result.add(at(path, text, (field) => invalid(field, size, text)))
  }
  if (maxProperties !== undefined && size > maxProperties) {
    const text = `${path} in body should have at most ${maxProperties} properties`
    result.add(at(path, text, (field) => tooMany(field, size, maxProperties)))
  }
  checkUndeclared(result, object, { schema, where })
  for (const [name, property] of Object.entries(properties)) {
    if (!Object.hasOwn(object, name)) continue
    const below = path === '' ? name : `${path}.${name}`
    result.merge(check(object[name], property, { path: below, correlation: keyOf(where, name) }))
  }
  for (const name of schema.required ?? []) {
    if (Object.hasOwn(object, name)) continue
    const text = `${path}.${name} in body is required`
    result.add(at(`${path}.${name}`, text, (field) => required(field)))
  }
  return result
}

/** The type of an object is converted before it is compared, so it is never "unchanged". */
function keyOf({ path, correlation }: At, name: string): Correlated | undefined {
  return path === '' && (name === 'kind' || name === 'apiVersion')
    ? undefined
    : correlation?.key(name)
}

function checkUndeclared(
  result: Result,
  object: JsonObject,
  { schema, where }: { readonly schema: Schema; readonly where: At },
): void {
  const { path } = where
  const additional = additionalOf(schema)
  const refuses = schema.additionalProperties === false
  if (!additional && !refuses) return
  for (const key of Object.keys(object)) {
    if (Object.hasOwn(schema.properties ?? {}, key)) continue
    if (additional) {
      const below = { path: `${path}.${key}`, correlation: where.correlation?.key(key) }
      result.merge(check(object[key], additional, below))
    } else {
      const text = `${path}.${key} in body is a forbidden property`
      result.add(at(path, text, (field) => invalid(field, key, text)))
    }
  }
}

function compositeResult(value: unknown, schema: Schema, { path }: At): Result {
  const result = new Result()
  const branches = (name: 'anyOf' | 'oneOf' | 'allOf') =>
    (schema[name] ?? []).map((branch) => check(value, branch, { path }))
  anyOfResult(result, branches('anyOf'), path)
  oneOfResult(result, branches('oneOf'), path)
  const all = branches('allOf')
  for (const branch of all) result.merge(branch)
  const valid = all.filter(isValid).length
  if (valid !== all.length) {
    const none = valid === 0 ? '. None validated' : ''
    result.add(general(`${goQuote(path)} must validate all the schemas (allOf)${none}`))
  }
  if (schema.not && isValid(check(value, schema.not, { path }))) {
    result.add(general(`${goQuote(path)} must not validate the schema (not)`))
  }
  result.matches += 1
  return result
}

const isValid = (result: Result): boolean => result.errors.length === 0

function bestOf(results: readonly Result[]): Result | undefined {
  return results.reduce<Result | undefined>(
    (best, one) => (best === undefined || one.matches > best.matches ? one : best),
    undefined,
  )
}

function anyOfResult(result: Result, branches: readonly Result[], path: string): void {
  if (branches.length === 0) return
  const success = branches.find(isValid)
  if (!success) result.add(general(`${goQuote(path)} must validate at least one schema (anyOf)`))
  result.merge(success ?? (bestOf(branches) as Result))
}

function oneOfResult(result: Result, branches: readonly Result[], path: string): void {
  if (branches.length === 0) return
  const valid = branches.filter(isValid)
  if (valid.length === 1) return result.merge(valid[0] as Result)
  const found = valid.length === 0 ? 'none valid' : `${valid.length} valid alternatives`
  const text = `${goQuote(path)} must validate one and only one schema (oneOf). Found ${found}`
  result.add(general(text))
  const best = valid.length === 0 ? bestOf(branches) : undefined
  if (best) result.merge(best)
}
