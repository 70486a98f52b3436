// One served resource: its kind, the struct of its objects, where they lie.
import type { Kind } from '../api/machinery/kind.ts'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import type { StorageCache } from './cache.ts'
import type { CacheEntry } from './cache-entry.ts'

export interface Served {
  readonly resource: Resource
  readonly kind: Kind
  /** "v1" or "apps/v1". */
  readonly apiVersion: string
  readonly cache: StorageCache
  /** What the objects are stored as; itself unless the kind is a view. */
  readonly stored: Served
  /** Custom resources: no protobuf, no strategic patches, list items keep their type. */
  readonly custom: boolean
}

/** An object as this group/version shows it. */
export function objectOf(served: Served, entry: CacheEntry): KubeObject {
  const { view } = served.kind
  return view ? view.fromStored(entry.object) : entry.object
}

export type FieldReader = (object: KubeObject) => string

/** What the field labels of this resource mean. */
export function fieldReaders(served: Served): Readonly<Record<string, FieldReader>> {
  const readers: Record<string, FieldReader> = {
    'metadata.name': (object) => object.metadata.name,
  }
  if (served.resource.namespaced) {
    readers['metadata.namespace'] = (object) => object.metadata.namespace ?? ''
  }
  return Object.assign(readers, served.kind.fields ?? {})
}
