// One served resource: its kind, the struct of its objects, where they lie.
import type { Atom } from '../api/apply/atom.ts'
import type { FieldSet } from '../api/apply/field-set.ts'
import type { Version } from '../api/apply/ownership.ts'
import type { Draft } from '../api/machinery/draft.ts'
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
  readonly custom: CustomResource | undefined
}

/** What custom resources have where built-in kinds have a struct of the schema table. */
export interface CustomResource {
  readonly listKind: string
  /** "example.com/v1", as which objects are written. */
  readonly storageVersion: string
  /** Its definition is being deleted: nothing new is taken. */
  readonly terminating: boolean
  readonly atom: Atom
  reset(subresource: string): FieldSet
  otherVersion(apiVersion: string): Version | undefined
  /** Drops what the schema does not declare, in place; answers `unknown field "spec.a"`. */
  decode(object: Record<string, unknown>): readonly string[]
  /** Throws 422 for an object of another kind. */
  requireKind(object: Draft<KubeObject>): void
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
