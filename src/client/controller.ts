// A controller: a record whose reconcile() is a pure function of what was observed.
// The shell (controller-shell.ts) watches, queues keys, calls it, carries out the changes it
// returned, retries with back-off, and waits until its own writes have come back before it
// runs the same key again; so no controller keeps expectations of its own.

import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import type { DeleteOptions } from '../api/types/meta.gen.ts'
import type { Random } from '../lib/random.ts'
import type { Client, ObjectKey, Patch } from './client.ts'
import type { Lister } from './informer.ts'

/** A write. Deleting what is already gone counts as done. */
export type Change = (
  | {
      readonly type: 'create'
      readonly resource: Resource
      readonly object: KubeObject
      readonly subresource?: string
    }
  | {
      readonly type: 'update'
      readonly resource: Resource
      readonly object: KubeObject
      readonly subresource?: string
    }
  | {
      readonly type: 'patch'
      readonly resource: Resource
      readonly key: ObjectKey
      readonly patch: Patch
      readonly subresource?: string
    }
  | {
      readonly type: 'delete'
      readonly resource: Resource
      readonly key: ObjectKey
      readonly options?: DeleteOptions
    }
  | {
      readonly type: 'deleteCollection'
      readonly resource: Resource
      readonly namespace: string
      readonly options?: DeleteOptions
    }
  | { readonly type: 'event'; readonly event: EventRecord }
) & {
  /** Recorded once this change has succeeded. */
  readonly done?: EventRecord
}

export type Changes = readonly (Change | readonly Change[])[]

/** A change that the server refused, or that could not be sent. */
export interface Failure {
  readonly change: Change
  readonly error: unknown
}

/** One thing that happened to an object, for the recorder to correlate and write. */
export interface EventRecord {
  readonly regarding: KubeObject
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  readonly action?: string
}

export interface Outcome {
  /** Carried out in order; changes that are arrays within run at once. The first failure ends the run and the key is retried. */
  readonly changes: Changes
  /** Look again after this time even if nothing changes. */
  readonly requeueAfterMs?: number
  /** Retry with back-off after the changes are carried out; the text is logged. */
  readonly retry?: string
  /**
   * What is left to do after changes failed: an event, a condition in the status. Pure; the key
   * is retried all the same. Not asked for a create refused because its namespace is
   * terminating: that ends the run without a retry.
   */
  readonly failed?: (failures: readonly Failure[]) => Changes
}

export interface Watch<T extends KubeObject = KubeObject> {
  readonly resource: Resource<T>
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>
  /** The keys an event touches. `old` is the object before an update. Absent: the object's own key. */
  readonly keys?: (object: T, old: T | undefined, snapshot: Snapshot) => readonly string[]
}

/** The informers a controller asked for, read-only. */
export interface Snapshot {
  of<T extends KubeObject>(resource: Resource<T>): Lister<T>
}

export interface ReconcileContext {
  readonly nowMs: number
  readonly random: Random
  /** What observe() returned for this run; undefined without observe. */
  readonly observed?: unknown
}

/** Delay before the n-th retry of a key: baseMs * 2^n, at most maxMs. */
export interface Backoff {
  readonly baseMs: number
  readonly maxMs: number
}

export interface Controller {
  readonly name: string
  /** As in Event.source.component and User-Agent. */
  readonly component?: string
  readonly watches: readonly Watch<never>[]
  readonly workers?: number
  /** Absent: 5 ms doubling up to 1000 s. */
  readonly backoff?: Backoff
  /**
   * Reads what no informer holds (a live GET before an adoption, what discovery finds in a
   * namespace), before each reconcile() of the key. It writes nothing. A rejection is retried
   * like a failed change.
   */
  observe?(key: string, snapshot: Snapshot, live: Live): Promise<unknown>
  /** Pure: no I/O, no clock. Errors thrown here are bugs; they are logged and the key is retried. */
  reconcile(key: string, snapshot: Snapshot, context: ReconcileContext): Outcome
}

/** What observe() may use. */
export interface Live {
  readonly client: Client
  readonly signal: AbortSignal
}

/** Puts a typed watch into Controller.watches. */
export function watching<T extends KubeObject>(watch: Watch<T>): Watch<never> {
  return watch as unknown as Watch<never>
}
