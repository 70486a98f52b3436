// Numbers against a schema: their type's range, bounds, multiples.
import { invalid } from '../machinery/field-error.ts'
import { formatOf } from './formats.ts'
import type { At, Problem } from './result.ts'
import { at, general, Result } from './result.ts'
import type { Schema } from './schema.ts'

const ranges: Readonly<Record<string, readonly [low: number, high: number]>> = {
  int32: [-2147483648, 2147483647],
  int64: [-(2 ** 63), 2 ** 63],
}

/** A number that does not fit its type is reported apart, without a field. */
function rangeProblem(
  value: number,
  schema: Schema,
  { what, path }: { readonly what: string; readonly path: string },
): Problem[] {
  const { type = '', format = '' } = schema
  const known = formatOf(type, format)
  const float32 = known === 'float' && Math.abs(value) > 3.4028234663852886e38
  const [low, high] = ranges[known] ?? ranges.int64!
  const notInteger =
    type === 'integer' &&
    (!Number.isInteger(value) || value < low || value > high || value === 2 ** 63)
  if (!float32 && !notInteger) return []
  const suffix = known === '' ? '(default format)' : `with format ${known}`
  return [general(`${what} value must be of type ${type} ${suffix} in ${path}`)]
}

export function numberResult(value: number, schema: Schema, { path }: At): Result {
  const result = new Result()
  const { multipleOf, maximum, minimum, exclusiveMaximum, exclusiveMinimum } = schema
  result.add(...rangeProblem(value, schema, { what: 'Checked', path }))
  const fail = (text: string) => result.add(at(path, text, (field) => invalid(field, value, text)))
  if (multipleOf !== undefined) {
    result.add(...rangeProblem(multipleOf, schema, { what: 'MultipleOf', path }))
    if (multipleOf <= 0)
      fail(`factor MultipleOf declared for ${path} must be positive: ${multipleOf}`)
    else if (!isMultiple(value, multipleOf)) {
      fail(`${path} in body should be a multiple of ${multipleOf}`)
    }
  }
  if (maximum !== undefined) {
    result.add(...rangeProblem(maximum, schema, { what: 'Maximum boundary', path }))
    const over = exclusiveMaximum ? value >= maximum : value > maximum
    const words = exclusiveMaximum ? 'less than' : 'less than or equal to'
    if (over) fail(`${path} in body should be ${words} ${maximum}`)
  }
  if (minimum !== undefined) {
    result.add(...rangeProblem(minimum, schema, { what: 'Minimum boundary', path }))
    const under = exclusiveMinimum ? value <= minimum : value < minimum
    const words = exclusiveMinimum ? 'greater than' : 'greater than or equal to'
    if (under) fail(`${path} in body should be ${words} ${minimum}`)
  }
  result.matches += 1
  return result
}

function isMultiple(value: number, factor: number): boolean {
  if (Number.isInteger(value) && Number.isInteger(factor)) return value % factor === 0
  const times = factor < 1 ? (1 / factor) * value : value / factor
  return Math.abs(times - Math.round(times)) < 1e-9
}
