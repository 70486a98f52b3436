// Defaults of a schema are held to the schema: pruned, valid, and true to its rules.
import { jsonEqual } from '../apply/atom.ts'
import type { FieldError } from '../machinery/field-error.ts'
import { invalid } from '../machinery/field-error.ts'
import { coerceEmbedded, validateEmbedded } from './object-meta.ts'
import { prune } from './prune.ts'
import { rulesOf } from './rules.ts'
import type { Schema } from './schema.ts'
import { asResourceRoot, childPath, isEmbedded, itemsOf, keyPath, metaFields } from './schema.ts'
import { validateValue } from './validate.ts'

interface Place {
  readonly path: string
  /** Below the metadata of an object, which no schema of ours prunes. */
  readonly insideMeta: boolean
  /** Old objects may have defaults with unknown fields; new ones may not. */
  readonly pruned: boolean
}

/** `pruned`: defaults must not have fields that would be pruned. */
export function validateDefaults(schema: Schema, path: string, pruned: boolean): FieldError[] {
  return walk(asResourceRoot(schema), { path, insideMeta: false, pruned })
}

function walk(schema: Schema, place: Place): FieldError[] {
  const { path, pruned } = place
  const insideMeta = place.insideMeta && !isEmbedded(schema)
  const errors = schema.default === undefined ? [] : defaultErrors(schema, { ...place, insideMeta })
  const items = itemsOf(schema)
  if (items) errors.push(...walk(items, { path: childPath(path, 'items'), insideMeta, pruned }))
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const meta = insideMeta || (isEmbedded(schema) && metaFields.has(name))
    const below = keyPath(childPath(path, 'properties'), name)
    errors.push(...walk(property, { path: below, insideMeta: meta, pruned }))
  }
  return errors
}

function defaultErrors(schema: Schema, { path, insideMeta, pruned }: Place): FieldError[] {
  const field = childPath(path, 'default')
  const value = structuredClone(schema.default)
  const errors: FieldError[] = []
  if (pruned && !insideMeta) {
    const cut = structuredClone(value)
    prune(cut, schema)
    if (!jsonEqual(cut, value)) errors.push(invalid(field, value, 'must not have unknown fields'))
  }
  const { error } = coerceEmbedded(value, schema, field)
  if (error) return [...errors, error]
  const embedded = validateEmbedded(value, schema, field)
  if (embedded.length > 0) return [...errors, ...embedded]
  const wrong = validateValue(value, schema, { field })
  if (wrong.length > 0) return [...errors, ...wrong]
  const rules = rulesOf(schema, isEmbedded(schema))
  if (!rules) return errors
  // As an update of itself, and as a value that was not there before.
  const kept = rules.validate(value, value, { path: field }).errors
  const made = kept.length === 0 ? rules.validate(value, undefined, { path: field }).errors : []
  return [...errors, ...kept, ...made]
}
