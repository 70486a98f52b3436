// The bridge from client-side apply: kubectl's annotation says which fields it owned before.
import { isObject, type JsonObject } from './atom.ts'
import { checkTyped } from './check-typed.ts'
import { compare } from './compare.ts'
import { difference, type FieldSet } from './field-set.ts'
import { goJson } from './go-format.ts'
import { apiVersionOfTracking, type Tracking } from './ownership.ts'
import { toFieldSet } from './to-field-set.ts'

const annotation = 'kubectl.kubernetes.io/last-applied-configuration'

/** Of all annotations of an object together. */
const maxAnnotationBytes = 256 * 1024

/** Fields whose live value is still the annotation's; undefined without a usable annotation. */
export function allowedByLastApplied(live: JsonObject, tracking: Tracking): FieldSet | undefined {
  const text = annotationsOf(live)?.[annotation]
  if (typeof text !== 'string' || text === '') return undefined
  let last: unknown
  try {
    last = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(last) || last.apiVersion !== apiVersionOfTracking(tracking)) return undefined
  if (checkTyped(last, tracking.atom) !== undefined) return undefined
  const comparison = compare(last, live, tracking.atom)
  if (comparison === undefined) return undefined
  const fields = toFieldSet(last, tracking.atom)
  const { modified, added, removed } = comparison
  return difference(difference(difference(fields, modified), added), removed)
}

/** Keeps the annotation up to date where there is one, so that client-side apply can go on. */
export function withLastApplied(object: JsonObject, applied: JsonObject): JsonObject {
  const annotations = annotationsOf(object)
  if (!annotations?.[annotation]) return object
  const { [annotation]: _, ...others } = annotations
  const text = `${goJson(withoutAnnotation(applied))}\n`
  const bytes = Object.entries({ ...others, [annotation]: text }).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(String(value)),
    0,
  )
  const next = bytes > maxAnnotationBytes ? others : { ...others, [annotation]: text }
  return { ...object, metadata: { ...(object.metadata as JsonObject), annotations: next } }
}

function annotationsOf(object: JsonObject): JsonObject | undefined {
  const metadata = isObject(object.metadata) ? object.metadata : {}
  return isObject(metadata.annotations) ? metadata.annotations : undefined
}

function withoutAnnotation(applied: JsonObject): JsonObject {
  const annotations = annotationsOf(applied)
  if (annotations === undefined || !(annotation in annotations)) return applied
  const { [annotation]: _, ...others } = annotations
  const { annotations: __, ...metadata } = applied.metadata as JsonObject
  const rest = Object.keys(others).length === 0 ? {} : { annotations: others }
  return { ...applied, metadata: { ...metadata, ...rest } }
}
