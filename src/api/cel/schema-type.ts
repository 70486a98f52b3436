// Schemas as CEL types: what an expression may see of a custom resource, and how large it may be.
// What has no declared type is not there.

import { byteLength } from '../machinery/go-text.ts'
import type { Schema } from '../structural/schema.ts'
import {
  additionalOf,
  isEmbedded,
  isIntOrString,
  itemsOf,
  listTypeOf,
} from '../structural/schema.ts'
import type { ObjectField, Type } from './types.ts'
import { types } from './types.ts'

/** The largest request there is; nothing in it is larger. */
export const maxRequestBytes = 3 * 1024 * 1024

const reserved: ReadonlySet<string> = new Set([
  'true',
  'false',
  'null',
  'in',
  'as',
  'break',
  'const',
  'continue',
  'else',
  'for',
  'function',
  'if',
  'import',
  'let',
  'loop',
  'package',
  'namespace',
  'return',
  'var',
  'void',
  'while',
])

const escapes: Readonly<Record<string, string>> = {
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__',
}

/** The name a property has in expressions; undefined for one that can have none. */
export function escapeName(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`
  if (!/^[a-zA-Z_][\w./-]*$/.test(name)) return undefined
  return name.replaceAll(/__|[./-]/g, (part) => escapes[part] ?? '__underscores__')
}

const text: Schema = { type: 'string' }
const metadata: Schema = { type: 'object', properties: { name: text, generateName: text } }

/** kind, apiVersion and the names are always in sight at the root of a resource. */
export function withTypeAndMeta(schema: Schema): Schema {
  return { ...schema, properties: { ...schema.properties, kind: text, apiVersion: text, metadata } }
}

/** undefined: expressions cannot see such a value. */
export function schemaType(schema: Schema, isRoot = false): Type | undefined {
  if (isIntOrString(schema)) {
    const { maxLength } = schema
    const maxElements = maxLength === undefined ? maxRequestBytes - 2 : textBytes(maxLength)
    return { ...types.dyn, minBytes: 1, maxElements }
  }
  const typed = isRoot ? withTypeAndMeta(schema) : schema
  switch (typed.type) {
    case 'array':
      return listType(typed)
    case 'object':
      return objectType(typed)
    case 'string':
      return textType(typed)
    case 'boolean':
      return { ...types.bool, minBytes: 4 }
    case 'number':
      return { ...types.double, minBytes: 1 }
    case 'integer':
      return { ...types.int, minBytes: 1 }
    default:
      return undefined
  }
}

const minBytesOf = (type: Type): number => type.minBytes ?? 0
const limited = (limit: number | undefined, estimate: number): number =>
  limit === undefined ? Math.floor(estimate) : Math.max(limit, 0)

function listType(schema: Schema): Type | undefined {
  const items = itemsOf(schema)
  const element = items && schemaType(items, isEmbedded(items))
  if (!element) return undefined
  const estimate = (maxRequestBytes - 2) / (minBytesOf(element) + 1)
  const listType = listTypeOf(schema)
  const listKeys = schema['x-kubernetes-list-map-keys']
  return {
    kind: 'list',
    element,
    minBytes: 2,
    maxElements: limited(schema.maxItems, estimate),
    ...(listType === undefined ? {} : { listType }),
    ...(listKeys === undefined ? {} : { listKeys }),
  }
}

function objectType(schema: Schema): Type | undefined {
  const additional = additionalOf(schema)
  if (additional) {
    const value = schemaType(additional, isEmbedded(additional))
    if (!value) return undefined
    const estimate = (maxRequestBytes - 2) / (minBytesOf(value) + 6)
    const maxElements = limited(schema.maxProperties, estimate)
    return { kind: 'map', key: types.string, value, minBytes: 2, maxElements }
  }
  const fields = new Map<string, ObjectField>()
  let minBytes = 2
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const type = schemaType(property, isEmbedded(property))
    if (!type) continue
    const escaped = escapeName(name)
    if (escaped !== undefined) fields.set(escaped, { name, type })
    if (schema.required?.includes(name) && property.default === undefined) {
      minBytes += name.length + minBytesOf(type) + 4
    }
  }
  return { kind: 'object', name: 'object', fields, minBytes, maxElements: 0 }
}

/** A character may take four bytes. */
const textBytes = (maxLength: number): number => Math.max(maxLength, 0) * 4

function textType(schema: Schema): Type {
  const { maxLength, format } = schema
  if (format === 'byte') {
    const maxElements = maxLength === undefined ? maxRequestBytes - 2 : Math.max(maxLength, 0)
    return { ...types.bytes, minBytes: 2, maxElements }
  }
  if (format === 'duration') return { ...types.duration, minBytes: 4, maxElements: 32 }
  if (format === 'date') return { ...types.timestamp, minBytes: 12, maxElements: 12 }
  if (format === 'date-time') return { ...types.timestamp, minBytes: 22, maxElements: 32 }
  const longest = (schema.enum ?? []).map((one) => (typeof one === 'string' ? byteLength(one) : 0))
  const estimate = longest.length > 0 ? Math.max(...longest) : maxRequestBytes - 2
  const maxElements = maxLength === undefined ? estimate : textBytes(maxLength)
  return { ...types.string, minBytes: 2, maxElements }
}
