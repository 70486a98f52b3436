// RFC 7386: null removes, objects merge, everything else replaces.
import { isObject, type JsonObject, put } from '../apply/atom.ts'
import { jsonTypeName } from './json-patch.ts'
import { type Patched, patched, undecodable } from './outcome.ts'

/** `patch` is the decoded body. The document is not changed; the result shares parts with both. */
export function applyMergePatch(document: JsonObject, patch: unknown): Patched {
  if (patch === null) return patched(document)
  if (!isObject(patch)) {
    const type = 'map[string]interface {}'
    return undecodable(
      `json: cannot unmarshal ${jsonTypeName(patch)} into Go value of type ${type}`,
    )
  }
  return patched(mergeObjects(document, patch))
}

function mergeObjects(document: JsonObject, patch: JsonObject): JsonObject {
  const result: Record<string, unknown> = {}
  for (const key of Object.keys(document)) {
    if (!Object.hasOwn(patch, key)) put(result, key, document[key])
    else if (patch[key] !== null) put(result, key, mergeValues(document[key], patch[key]))
  }
  for (const key of Object.keys(patch)) {
    if (Object.hasOwn(document, key) || patch[key] === null) continue
    put(result, key, mergeValues(undefined, patch[key]))
  }
  return result
}

/** A new object is merged into an empty one, so that its nulls go. */
const mergeValues = (value: unknown, patch: unknown): unknown =>
  isObject(patch) ? mergeObjects(isObject(value) ? value : {}, patch) : patch
