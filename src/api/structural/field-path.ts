// Paths that name a declared field of a schema: fieldPath of rules, jsonPath of selectable fields.
import type { Schema } from './schema.ts'
import { additionalOf, allowsAdditional, childPath, keyPath, propertyOf } from './schema.ts'

export type FieldPath =
  | { readonly ok: true; readonly path: string; readonly root: string; readonly schema: Schema }
  | { readonly ok: false; readonly message: string }

const delimiters = '.[]'

/** Delimiters alone, quoted strings whole, and everything else between delimiters. */
function tokensOf(text: string): string[] {
  const tokens: string[] = []
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at)
    const quoted = /^'(?:[^'\\]|\\.|\\)*?'/s.exec(rest)?.[0]
    const plain = /^[^.[\]]+/s.exec(rest)?.[0]
    const taken = delimiters.includes(rest[0] as string) ? rest[0]! : (quoted ?? plain ?? rest)
    tokens.push(taken)
    at += taken.length
  }
  return tokens
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '\\': '\\',
}

class PathError extends Error {}

const fail = (message: string): never => {
  throw new PathError(message)
}

const unescape = (text: string): string =>
  text.replaceAll(
    /\\(.)/gs,
    (match, char: string) =>
      escapes[char] ?? fail(`invalid string literal: invalid escape char ${match}`),
  )

/** Follows a path such as `.spec.name` or `.spec['a.b']` down the schema. */
export function resolveFieldPath(
  text: string,
  schema: Schema,
  options: { readonly brackets?: boolean } = {},
): FieldPath {
  try {
    return follow(tokensOf(text), schema, options.brackets ?? true)
  } catch (error) {
    if (error instanceof PathError) return { ok: false, message: error.message }
    throw error
  }
}

function follow(tokens: string[], start: Schema, brackets: boolean): FieldPath {
  let path = ''
  let root = ''
  let schema = start
  const next = (): string => tokens.shift() ?? fail('unexpected end of JSON path')
  const enter = (name: string) => {
    if (schema.properties) {
      schema = propertyOf(schema, name) ?? fail('does not refer to a valid field')
      path = childPath(path, name)
    } else if (allowsAdditional(schema)) {
      schema = additionalOf(schema) ?? {}
      path = keyPath(path, name)
    } else fail('does not refer to a valid field')
    if (root === '') root = name
  }
  while (tokens.length > 0) {
    const token = next()
    if (token === '.') enter(next())
    else if (token === '[') {
      if (!brackets) fail('array notation is not allowed')
      const quoted = next()
      if (!/^'.*'$/s.test(quoted) || quoted.length < 2) {
        fail(`expected single quoted string but got ${quoted}`)
      }
      enter(unescape(quoted.slice(1, -1)))
      const closing = next()
      if (closing !== ']') fail(`expected ] but got ${closing}`)
    } else fail(`expected [ or . but got: ${token}`)
  }
  return { ok: true, path, root, schema }
}
