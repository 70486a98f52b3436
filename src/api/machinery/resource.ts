// A resource: how a kind is addressed over HTTP, and the facts discovery publishes about it.
// The list of built-in ones is ../resources.gen.ts.
import type { ObjectMeta } from '../types/meta.gen.ts'

/** What every API object has. Servers may leave apiVersion and kind out of list items. */
export interface KubeObject {
  readonly apiVersion?: string | undefined
  readonly kind?: string | undefined
  readonly metadata: ObjectMeta
}

export interface Subresource {
  readonly name: string
  readonly kind: string
  /** Of the kind, where it is not the parent's (autoscaling/v1 Scale, policy/v1 Eviction). */
  readonly group?: string
  readonly version?: string
  readonly verbs: readonly string[]
}

export interface Resource<T extends KubeObject = KubeObject> {
  /** "" is the core group. */
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly singular: string
  readonly namespaced: boolean
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly verbs: readonly string[]
  readonly subresources: readonly Subresource[]
  /** The struct's name in the schema table; empty for custom resources. */
  readonly struct: string
  /** Never present at run time; carries T. */
  readonly object?: T
}

/** "v1" or "apps/v1", as it stands in an object's apiVersion. */
export function apiVersionOf(resource: Pick<Resource, 'group' | 'version'>): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
}

/** "services" or "deployments.apps", as it stands in messages. */
export function qualifiedResource(resource: Pick<Resource, 'group' | 'plural'>): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
}
