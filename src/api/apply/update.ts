// Ownership after a POST, PUT or PATCH: what the request changed belongs to its manager now.
import { formatTime } from '../../lib/clock.ts'
import type { KubeObject } from '../machinery/resource.ts'
import type { ManagedFieldsEntry } from '../types/meta.gen.ts'
import { type JsonObject, jsonEqual } from './atom.ts'
import { difference, isEmptySet, recursiveDifference, union } from './field-set.ts'
import {
  capUpdateManagers,
  decodeManaged,
  type Entries,
  encodeManaged,
  type Managed,
} from './managed-fields.ts'
import {
  apiVersionOfTracking,
  type Change,
  selfOf,
  shift,
  strip,
  type Tracking,
} from './ownership.ts'

/**
 * The managedFields that `next` is to carry. `live` undefined: the object is being created. Both
 * objects as they would be stored: decoded, defaulted, structs by value written out. To be called
 * before mutating admission, whose changes belong to nobody.
 */
export function trackUpdate(
  live: KubeObject | undefined,
  next: KubeObject,
  tracking: Tracking,
): Entries | undefined {
  const managed = startingPoint(live, next, tracking.subresource)
  // An object that nobody tracks stays so until it is applied to.
  if (managed.size === 0 && live?.metadata.uid) return undefined
  const before = live === undefined ? tracking.empty : (live as unknown as JsonObject)
  const change = { before, after: next as unknown as JsonObject }
  const updated = update(change, managed, tracking)
  return encodeManaged(capUpdateManagers(updated))
}

/** Ownership after a change by the tracking's manager. Cannot fail: at worst it stays as it is. */
export function update(change: Change, managed: Managed, tracking: Tracking): Managed {
  const key = selfOf(tracking, 'Update')
  const shifted = shift(change, managed, { self: key, tracking })
  if (shifted === undefined) return managed
  const { added, modified, removed } = shifted.comparison
  const result = shifted.managed
  const mine = strip(recursiveDifference(union(modified, added), tracking.reset))
  const had = result.get(key)
  const kept = had && difference(had.fields, removed)
  if (isEmptySet(mine)) {
    if (had !== undefined && kept !== undefined && kept !== had.fields) {
      if (isEmptySet(kept)) result.delete(key)
      else result.set(key, { ...had, fields: kept })
    }
    return result
  }
  result.set(key, {
    name: tracking.manager,
    operation: 'Update',
    apiVersion: apiVersionOfTracking(tracking),
    subresource: tracking.subresource,
    time: formatTime(tracking.nowMs),
    fields: kept === undefined ? mine : union(kept, mine),
  })
  return result
}

const nobody: Managed = new Map()

/** What the client sent counts, unless it sent nothing sensible or writes through a subresource. */
function startingPoint(
  live: KubeObject | undefined,
  next: KubeObject,
  subresource: string,
): Managed {
  const liveEntries = live?.metadata.managedFields
  const sent = next.metadata.managedFields
  if (subresource === '' && sent !== liveEntries && sent !== undefined && sent !== null) {
    if (isReset(sent)) return nobody
    if (!jsonEqual(sent, liveEntries)) {
      const managed = decodeManaged(sent)
      if (!('error' in managed) && managed.size > 0) return managed
    }
  }
  const managed = decodeManaged(liveEntries)
  return 'error' in managed ? nobody : managed
}

/** `[]` and `[{}]` say: forget all. */
function isReset(entries: readonly ManagedFieldsEntry[]): boolean {
  const [first] = entries
  if (first === undefined) return true
  return entries.length === 1 && Object.values(first).every((value) => !value)
}

/**
 * Whether a write would change nothing but the times in managedFields. Such a write is not made:
 * the live object is the answer, with its resourceVersion.
 */
export function isNoChange(live: KubeObject, next: KubeObject): boolean {
  const { managedFields: had, ...liveMeta } = live.metadata
  const { managedFields: has, ...nextMeta } = next.metadata
  if (had !== has && !sameButTimes(had ?? [], has ?? [])) return false
  return (
    jsonEqual(liveMeta, nextMeta) &&
    jsonEqual({ ...live, metadata: undefined }, { ...next, metadata: undefined })
  )
}

function sameButTimes(had: Entries, has: Entries): boolean {
  if (had.length !== has.length) return false
  return had.every((entry, index) => {
    const other = has[index]
    return (
      other !== undefined && jsonEqual({ ...entry, time: undefined }, { ...other, time: undefined })
    )
  })
}
