// Server-side apply: what is live, what is applied and who owns what give the new object, or why not.
import { formatTime } from '../../lib/clock.ts'
import type { KubeObject } from '../machinery/resource.ts'
import { badRequestError, type StatusError } from '../machinery/status.ts'
import { isObject, type JsonObject, jsonEqual, put } from './atom.ts'
import { checkTyped } from './check-typed.ts'
import {
  difference,
  type FieldSet,
  hasPath,
  intersection,
  isEmptySet,
  recursiveDifference,
  union,
} from './field-set.ts'
import { allowedByLastApplied, withLastApplied } from './last-applied.ts'
import {
  decodeManaged,
  type Entries,
  encodeManaged,
  type Managed,
  type Manager,
} from './managed-fields.ts'
import { merge } from './merge.ts'
import {
  apiVersionOfTracking,
  type Conflict,
  conflictsError,
  plainError,
  selfOf,
  shift,
  strip,
  type Tracking,
} from './ownership.ts'
import { removeFields, withNamedFields } from './remove.ts'
import { toFieldSet } from './to-field-set.ts'
import { update } from './update.ts'

export type Applied =
  /** Not defaulted; fields that went away may stand as null. managedFields are in its metadata. */
  | { readonly ok: true; readonly object: JsonObject }
  | { readonly ok: false; readonly error: StatusError }

/** Who owned the fields of an object that was not tracked before. */
const beforeFirstApply = 'before-first-apply'

/** kubectl's own name: ownership moves over from its client-side annotation. */
const kubectl = 'kubectl'

/** `live` undefined: the object is created. `applied` is what the client sent, only parsed. */
export function apply(
  live: KubeObject | undefined,
  applied: JsonObject,
  options: { readonly force: boolean; readonly tracking: Tracking },
): Applied {
  const { tracking } = options
  const refusal = checkApplied(applied, tracking)
  if (refusal !== undefined) return { ok: false, error: refusal }
  const entries = live?.metadata.managedFields
  const decoded = decodeManaged(entries)
  if ('error' in decoded) {
    return { ok: false, error: plainError(`failed to decode managed fields: ${decoded.error}`) }
  }
  const before = live === undefined ? tracking.empty : withoutManaged(live as unknown as JsonObject)
  const managed =
    decoded.size > 0
      ? decoded
      : update({ before: tracking.empty, after: before }, decoded, {
          ...tracking,
          manager: beforeFirstApply,
        })
  const state = { before, applied, managed }
  let outcome = mergeAndShift(state, options)
  if (tracking.manager === kubectl && outcome.conflicts.length > 0) {
    const allowed = allowedByLastApplied(before, tracking)
    const left = allowed
      ? outcome.conflicts.filter(({ path }) => !hasPath(allowed, path))
      : outcome.conflicts
    if (left.length > 0) return { ok: false, error: conflictsError(left) }
    outcome = mergeAndShift(state, { force: true, tracking })
  }
  if (outcome.error !== undefined) return { ok: false, error: outcome.error }
  if (outcome.conflicts.length > 0) return { ok: false, error: conflictsError(outcome.conflicts) }
  const object =
    tracking.manager === kubectl ? withLastApplied(outcome.object, applied) : outcome.object
  return { ok: true, object: withManaged(object, encodeManaged(outcome.managed)) }
}

function checkApplied(applied: JsonObject, tracking: Tracking): StatusError | undefined {
  const { apiVersion, kind } = applied
  const text = typeof apiVersion === 'string' ? apiVersion : ''
  if (text !== apiVersionOfTracking(tracking) || kind !== tracking.kind) {
    const slash = text.includes('/') ? text : `/${text}`
    return badRequestError(`invalid object type: ${slash}, Kind=${String(kind ?? '')}`)
  }
  const metadata = isObject(applied.metadata) ? applied.metadata : {}
  if (Array.isArray(metadata.managedFields) && metadata.managedFields.length > 0) {
    return badRequestError('metadata.managedFields must be nil')
  }
  const error = checkTyped(applied, tracking.atom)
  if (error === undefined) return undefined
  const textOf = (value: unknown) => (typeof value === 'string' ? value : '')
  const name = `${textOf(metadata.namespace)}/${textOf(metadata.name)}`
  const type = `${text.includes('/') ? text : `/${text}`}, Kind=${tracking.kind}`
  return plainError(`failed to create typed patch object (${name}; ${type}): ${error}`)
}

interface Outcome {
  readonly object: JsonObject
  readonly managed: Managed
  /** Empty when they were forced. */
  readonly conflicts: readonly Conflict[]
  readonly error?: StatusError
}

interface State {
  readonly before: JsonObject
  readonly applied: JsonObject
  readonly managed: Managed
}

function mergeAndShift(
  { before, applied, managed }: State,
  { force, tracking }: { force: boolean; tracking: Tracking },
): Outcome {
  const key = selfOf(tracking, 'Apply')
  const last = managed.get(key)
  const fields = recursiveDifference(toFieldSet(applied, tracking.atom), tracking.reset)
  const self: Manager = {
    name: tracking.manager,
    operation: 'Apply',
    apiVersion: apiVersionOfTracking(tracking),
    subresource: tracking.subresource,
    time: last?.time,
    fields,
  }
  const merged = merge(before, applied, tracking.atom) as JsonObject
  const withSelf = new Map(managed).set(key, self)
  const after =
    last === undefined ? merged : prune(merged, last.fields, { managed: withSelf, tracking })
  const shifted = shift({ before, after }, withSelf, { self: key, tracking })
  if (shifted === undefined) {
    const error = plainError('failed to compare objects: a list has items without keys')
    return { object: before, managed, conflicts: [], error }
  }
  const owned = strip(fields)
  if (isEmptySet(owned)) shifted.managed.delete(key)
  // Only a change of values is worth a time: taking a share in an equal value is not.
  else if (jsonEqual(before, after)) shifted.managed.set(key, { ...self, fields: owned })
  else {
    const time = formatTime(tracking.nowMs)
    shifted.managed.set(key, { ...self, fields: owned, time })
  }
  const conflicts = force ? [] : shifted.conflicts
  return { object: after, managed: shifted.managed, conflicts }
}

/**
 * Removes what this manager applied last time, does not apply now, and nobody else owns
 * (structured-merge-diff, merge/update.go, prune).
 */
function prune(
  merged: JsonObject,
  last: FieldSet,
  { managed, tracking: { atom } }: { managed: Managed; tracking: Tracking },
): JsonObject {
  if (isEmptySet(last)) return merged
  const named = (set: FieldSet) => withNamedFields(set, atom)
  const without = (set: FieldSet) => (removeFields(merged, set, atom) ?? {}) as JsonObject
  const mergedSet = named(toFieldSet(merged, atom))
  const pruned = without(named(last))
  // Back come fields that anyone, this manager's new configuration included, owns …
  let owned: FieldSet = { owned: false, children: undefined }
  for (const manager of managed.values()) owned = union(owned, manager.fields)
  const kept = union(named(toFieldSet(pruned, atom)), named(owned))
  const withOwned = without(difference(mergedSet, kept))
  // … and fields below the removed ones that this manager never had.
  const keptNow = named(toFieldSet(withOwned, atom))
  return without(intersection(difference(mergedSet, keptNow), named(last)))
}

function withoutManaged(object: JsonObject): JsonObject {
  if (!isObject(object.metadata)) return object
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}

function withManaged(object: JsonObject, entries: Entries | undefined): JsonObject {
  const metadata: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(isObject(object.metadata) ? object.metadata : {})) {
    if (key !== 'managedFields') put(metadata, key, value)
  }
  if (entries !== undefined) metadata.managedFields = entries
  return { ...object, metadata }
}
