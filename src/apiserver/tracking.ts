// Field ownership for one request: what apply/ needs to know of the kind and of who writes.

import type { Tracking } from '../api/apply/ownership.ts'
import { resetFieldsOf } from '../api/apply/reset-fields.ts'
import { atomOfStruct, emptyOfStruct } from '../api/apply/table-atoms.ts'
import { trackUpdate } from '../api/apply/update.ts'
import type { Draft } from '../api/machinery/draft.ts'
import type { KubeObject } from '../api/machinery/resource.ts'
import { wireValue } from '../api/schema/encode.ts'
import type { Served } from './served.ts'

interface Writer {
  readonly manager: string
  readonly subresource: string
  readonly nowMs: number
}

export function trackingOf(served: Served, writer: Writer): Tracking {
  const { resource, custom } = served
  const { group, version, kind } = resource
  return {
    atom: custom ? custom.atom : atomOfStruct(resource.struct),
    empty: custom ? {} : emptyOfStruct(resource.struct),
    group,
    version,
    kind,
    manager: writer.manager,
    subresource: writer.subresource,
    reset: custom ? custom.reset(writer.subresource) : resetFieldsOf(resource, writer.subresource),
    nowMs: writer.nowMs,
    ...(custom ? { otherVersion: custom.otherVersion } : {}),
  }
}

/**
 * An object with everything written out that is written when it is stored: the form in which
 * ownership is worked out and objects are compared. Freshly made.
 */
export function writtenOut(served: Served, object: KubeObject): Draft<KubeObject> {
  const { resource, apiVersion, custom } = served
  const typed = { ...object, kind: resource.kind, apiVersion }
  if (custom) return structuredClone(typed) as Draft<KubeObject>
  const value: unknown = wireValue(resource.struct, typed)
  return value as Draft<KubeObject>
}

/** As writtenOut(), with empty lists as null: what comes back from the store. */
export function asStored(served: Served, object: KubeObject): KubeObject {
  const { resource, apiVersion, custom } = served
  const typed = { ...object, kind: resource.kind, apiVersion }
  if (custom) return typed
  const value: unknown = wireValue(resource.struct, typed, { nullLists: true })
  return value as KubeObject
}

/** Sets what managedFields become by this write. */
export function track(
  live: KubeObject | undefined,
  next: Draft<KubeObject>,
  tracking: Tracking,
): void {
  const entries = trackUpdate(live, next as KubeObject, tracking)
  if (entries === undefined) delete next.metadata.managedFields
  else next.metadata.managedFields = entries as Draft<typeof entries>
}
