// What the parser made of a literal, as a value with its type.
import type { Expr } from './expr.ts'
import { types } from './types.ts'
import { Uint } from './values.ts'

export function literalOf(literal: unknown): Expr & { readonly op: 'const' } {
  if (typeof literal === 'bigint') return { op: 'const', type: types.int, value: literal }
  if (typeof literal === 'number') return { op: 'const', type: types.double, value: literal }
  if (typeof literal === 'string') return { op: 'const', type: types.string, value: literal }
  if (typeof literal === 'boolean') return { op: 'const', type: types.bool, value: literal }
  if (literal === null) return { op: 'const', type: types.null, value: null }
  if (literal instanceof Uint8Array) return { op: 'const', type: types.bytes, value: literal }
  // The library's own class of unsigned numbers; it prints as the number.
  return { op: 'const', type: types.uint, value: new Uint(BigInt(String(literal))) }
}
