// A Kind: everything that is particular to one kind of object, as one record of pure hooks.
// What all kinds share (decoding, metadata rules, patches, storage) is not here. The registry
// (apiserver/registry.ts) calls the hooks in this order:
//
//   decode -> schema defaults -> defaults -> prepareForCreate | prepareForUpdate
//          -> (mutating admission -> defaults) -> validate | validateUpdate -> claims -> store
import type { TableColumn, TableRow } from './table.ts'
import type { Draft } from './draft.ts'
import type { FieldError } from './field-error.ts'
import type { KubeObject, Resource } from './resource.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'

/** Facts of the cluster that hooks may need; plain data. */
export interface ClusterFacts {
  /** Configured address families of Services, the default one first. */
  readonly serviceFamilies: readonly ('IPv4' | 'IPv6')[]
  readonly nodePortRange: { readonly from: number; readonly to: number }
}

export interface HookContext {
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  readonly facts: ClusterFacts
  /** The subresource written through ("status", "scale", …), "" for the object itself. */
  readonly subresource: string
  readonly dryRun: boolean
}

export type IPFamily = 'IPv4' | 'IPv6'

/**
 * What the registry reserves for an object in the object's own commit. Taking a value that is
 * taken answers the reason as text, in Kubernetes' words; nothing stays reserved when the
 * commit does not happen.
 */
export interface Claims {
  /** A given or (undefined) any free ClusterIP of the family. */
  takeClusterIP(family: IPFamily, wanted?: string): ClaimResult<string>
  releaseClusterIP(address: string): void
  takeNodePort(wanted?: number): ClaimResult<number>
  releaseNodePort(port: number): void
}

export type ClaimResult<Value> =
  | { readonly ok: true; readonly value: Value }
  /** "full" is a server error (500), the rest are field errors of the client (422). */
  | { readonly ok: false; readonly reason: 'full' | 'taken' | 'out-of-range'; readonly message: string }

export interface Kind<T extends KubeObject = KubeObject> {
  readonly resource: Resource<T>
  /** How names are checked; a DNS subdomain (RFC 1123) unless said otherwise. */
  readonly validateName?: (name: string, field: string) => readonly FieldError[]
  /** metadata.generation is 1 on create and grows when anything outside metadata and status changes. */
  readonly generation?: boolean
  /** A PUT to a name that does not exist creates it. */
  readonly createOnUpdate?: boolean
  /** A PUT needs a resourceVersion. */
  readonly requiresResourceVersion?: boolean
  /** DELETE answers the object itself instead of a Status. */
  readonly deleteReturnsObject?: boolean
  /** Sent as a Warning header with every answer. */
  readonly deprecation?: string

  readonly defaults?: (object: Draft<T>) => void
  readonly prepareForCreate?: (object: Draft<T>, context: HookContext) => void
  readonly prepareForUpdate?: (object: Draft<T>, old: T, context: HookContext) => void
  readonly validate?: (object: T, context: HookContext) => readonly FieldError[]
  readonly validateUpdate?: (object: T, old: T, context: HookContext) => readonly FieldError[]
  readonly warnings?: (object: T, old: T | undefined) => readonly string[]
  /** Fills in what is claimed. `object` undefined means the object goes away. */
  readonly claim?: (
    object: Draft<T> | undefined,
    old: T | undefined,
    claims: Claims,
    context: HookContext,
  ) => readonly FieldError[]
  /** Seconds of grace for a DELETE; undefined means none: remove at once. */
  readonly graceSeconds?: (object: T, asked: number | undefined) => number | undefined
  readonly columns?: readonly TableColumn[]
  readonly row?: (object: T, nowMs: number) => TableRow
  /** Field labels beyond metadata.name and metadata.namespace. */
  readonly fields?: Readonly<Record<string, (object: T) => string>>
}
