// Pruning: fields that a schema does not declare are dropped, and named for fieldValidation.
import { compareText } from '../machinery/go-text.ts'
import type { JsonObject, Schema } from './schema.ts'
import {
  additionalOf,
  allowsAdditional,
  asResourceRoot,
  childPath,
  indexPath,
  isEmbedded,
  isObject,
  itemsOf,
  metaFields,
  preservesUnknown,
  propertyOf,
} from './schema.ts'

/** Drops what a resource's schema does not declare, in place. Answers the paths, sorted. */
export function pruneResource(object: JsonObject, schema: Schema | undefined): string[] {
  return prune(object, asResourceRoot(schema))
}

export function prune(value: unknown, schema: Schema | undefined): string[] {
  const unknown: string[] = []
  walk(value, schema, { path: '', unknown })
  return unknown.sort(compareText)
}

interface Walk {
  readonly path: string
  readonly unknown: string[]
}

function walk(value: unknown, schema: Schema | undefined, at: Walk): void {
  if (preservesUnknown(schema)) return walkPreserved(value, schema as Schema, at)
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      walk(item, itemsOf(schema), { ...at, path: indexPath(at.path, index) })
    })
  } else if (isObject(value)) walkObject(value, schema, at)
}

function walkObject(object: JsonObject, schema: Schema | undefined, at: Walk): void {
  for (const key of Object.keys(object)) {
    if (isEmbedded(schema) && metaFields.has(key)) continue
    const below = { ...at, path: childPath(at.path, key) }
    const property = propertyOf(schema, key)
    if (property) walk(object[key], property, below)
    else if (allowsAdditional(schema)) walkAdditional(object[key], schema, below)
    else {
      // The type of the object itself is nobody's mistake.
      if (!metaFields.has(key) || at.path !== '') at.unknown.push(below.path)
      delete object[key]
    }
  }
}

/** additionalProperties: true says nothing of what is below, so nothing there is declared. */
function walkAdditional(value: unknown, schema: Schema | undefined, at: Walk): void {
  walk(value, additionalOf(schema), at)
}

/** Unknown fields stay; below those that are declared pruning resumes. */
function walkPreserved(value: unknown, schema: Schema, at: Walk): void {
  if (Array.isArray(value)) {
    const items = itemsOf(schema)
    if (!items) return
    value.forEach((item, index) => {
      walkPreserved(item, items, { ...at, path: indexPath(at.path, index) })
    })
    return
  }
  if (!isObject(value)) return
  for (const key of Object.keys(value)) {
    if (isEmbedded(schema) && metaFields.has(key)) continue
    const below = { ...at, path: childPath(at.path, key) }
    const property = propertyOf(schema, key)
    if (property) walk(value[key], property, below)
    else if (allowsAdditional(schema)) walkAdditional(value[key], schema, below)
  }
}
