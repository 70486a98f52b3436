// A Kind: everything that is particular to one kind of object, as one record of pure hooks.
// What all kinds share (decoding, metadata rules, patches, storage) is not here. The registry
// (apiserver/registry.ts) runs them through strategy.ts, in this order:
//
//   decode -> schema defaults -> defaults -> (view.toStored) -> mutating admission -> defaults
//          -> prepareForCreate | prepareForUpdate -> claim -> validate | validateUpdate
//          -> canonicalize -> validating admission -> store -> (view.fromStored), warnings, answer
//
// Claims come before validation, as upstream: a taken nodePort is reported alone, and validating
// admission sees the allocated address. They vanish with the transaction if anything after fails.
// `defaults` runs on every decoded body and must be idempotent. A write through a subresource
// uses the hooks of `subresources[name]` instead of the kind's own. Hooks are written as methods:
// their parameters are bivariant then, and a Kind<Service> fits where a Kind is asked for.
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { ClaimOutcome, Claims, IPFamily } from './claims.ts'
import type { Draft } from './draft.ts'
import type { FieldError } from './field-error.ts'
import type { KubeObject, Resource } from './resource.ts'
import type { TableColumn, TableRow } from './table.ts'

export type { ClaimOutcome, ClaimResult, Claims, IPFamily } from './claims.ts'

/** Facts of the cluster that hooks may need; plain data. */
export interface ClusterFacts {
  /** Configured address families of Services, the default one first. */
  readonly serviceFamilies: readonly IPFamily[]
  readonly nodePortRange: { readonly from: number; readonly to: number }
}

/** Who writes; certificates.k8s.io copies it into the object. */
export interface Requester {
  readonly username: string
  readonly uid?: string | undefined
  readonly groups?: readonly string[] | undefined
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined
}

export interface HookContext {
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  readonly facts: ClusterFacts
  /** The subresource written through ("status", "finalize", …), "" for the object itself. */
  readonly subresource: string
  readonly dryRun: boolean
  /** The group/version of the request, where two share one storage: "events.k8s.io/v1". */
  readonly requestVersion: string
  readonly user?: Requester | undefined
}

/** What an update runs, be it of the object or through one of its subresources. */
export interface UpdateStrategy<T extends KubeObject = KubeObject> {
  /**
   * Undoes what this write may not touch: `object` is what the client sent, `old` what is stored.
   * strategy.ts has restored status (or, for "status", everything else) before this runs.
   */
  prepareForUpdate?(object: Draft<T>, old: T, context: HookContext): void
  validateUpdate?(object: T, old: T, context: HookContext): readonly FieldError[]
  warnings?(object: T, old: T | undefined): readonly string[]
}

/** A write through "status", "finalize", "approval", "ephemeralcontainers" or "resize". */
export interface SubresourceStrategy<T extends KubeObject = KubeObject> extends UpdateStrategy<T> {
  /**
   * The fields this write may change; ["status"] unless said otherwise. All others are restored
   * from the stored object before prepareForUpdate. Paths of depth two ("spec.finalizers") work.
   */
  readonly writes?: readonly string[]
  /** Labels, annotations, finalizers and owners are restored as well (CRDs, FlowSchemas, …). */
  readonly keepsMetadata?: boolean
}

/** How an object is seen as autoscaling/v1 Scale. */
export interface ScaleStrategy<T extends KubeObject = KubeObject> {
  read(object: T): {
    readonly specReplicas: number
    readonly statusReplicas: number
    /** The selector as text; undefined leaves status.selector out. */
    readonly selector?: string | undefined
  }
  write(object: Draft<T>, replicas: number): void
  /** Where the replicas stand in managedFields; ["f:spec", "f:replicas"] unless said otherwise. */
  readonly replicasPath?: readonly string[]
}

/** One storage under two group/versions: this kind is a view of the objects of another. */
export interface View<T extends KubeObject = KubeObject> {
  readonly of: Resource
  /** May reuse parts of its argument. */
  toStored(object: T): KubeObject
  fromStored(stored: KubeObject): T
}

/** Names as upstream's NameFunc: messages, none if valid. `prefix` is true for generateName. */
export type ValidateName = (name: string, prefix: boolean) => readonly string[]

/** Taken from a method type, so that it is bivariant as the hooks are. */
export type FieldReader<T> = { read(object: T): string }['read']

/** What happens to a new object, and to every body before all else. */
export interface CreateStrategy<T extends KubeObject = KubeObject> {
  /** Create keeps the status a client sends (the kind has no status strategy upstream). */
  readonly keepsStatusOnCreate?: boolean
  defaults?(object: Draft<T>): void
  /** metadata has its uid, name and namespace by now. */
  prepareForCreate?(object: Draft<T>, context: HookContext): void
  validate?(object: T, context: HookContext): readonly FieldError[]
  /** Brings a valid object into its stored form (Endpoints repack their subsets). */
  canonicalize?(object: Draft<T>): void
  /**
   * Fills in what is claimed; the object is not validated yet. Errors end the request.
   * `object` undefined means the object goes away.
   */
  claim?(
    object: Draft<T> | undefined,
    old: T | undefined,
    claims: Claims,
    context: HookContext,
  ): ClaimOutcome
}

export interface DeleteStrategy<T extends KubeObject = KubeObject> {
  /** DELETE answers the object itself instead of a Status. */
  readonly deleteReturnsObject?: boolean
  /** The store forgets the object after so long (Events). */
  readonly ttlSeconds?: number
  /** Seconds of grace for a DELETE; undefined means none: remove at once. */
  graceSeconds?(object: T, asked: number | undefined): number | undefined
  /** What else changes when deletionTimestamp is set (a Namespace turns Terminating). */
  startDeletion?(object: Draft<T>, context: HookContext): void
  /** More than metadata.finalizers keeps a terminating object (spec.finalizers of a Namespace). */
  heldBack?(object: T): boolean
  /** Objects that go in the same commit (the Endpoints of a Service). */
  alsoDeletes?(
    object: T,
  ): readonly { readonly resource: Resource; readonly namespace: string; readonly name: string }[]
}

export interface Kind<T extends KubeObject = KubeObject>
  extends CreateStrategy<T>,
    UpdateStrategy<T>,
    DeleteStrategy<T> {
  readonly resource: Resource<T>
  /** How names are checked; a DNS subdomain (RFC 1123) unless said otherwise. */
  readonly validateName?: ValidateName
  /** metadata.generation is 1 on create and grows with every change (see `isChange`). */
  readonly generation?: boolean
  /** What makes generation grow; anything outside metadata and status unless said otherwise. */
  isChange?(object: T, old: T): boolean
  /** A PUT to a name that does not exist creates it. */
  readonly createOnUpdate?: boolean
  /** A PUT needs a resourceVersion. */
  readonly requiresResourceVersion?: boolean
  /** Sent as a Warning header with every answer. */
  readonly deprecation?: string
  /** Set where objects are stored as another kind: then only `defaults`, columns, fields count. */
  readonly view?: View<T>
  readonly subresources?: Readonly<Record<string, SubresourceStrategy<T>>>
  readonly scale?: ScaleStrategy<T>
  readonly columns?: readonly TableColumn[]
  /** One cell for each column. */
  row?(object: T, nowMs: number): TableRow
  /** Field labels beyond metadata.name and metadata.namespace. */
  readonly fields?: Readonly<Record<string, FieldReader<T>>>
}
