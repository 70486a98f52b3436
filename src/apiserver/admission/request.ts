// What an admission plugin sees and what it may do: the contract of the pipeline and the plugins.
import type { Draft } from '../../api/machinery/draft.ts'
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import type { StatusError } from '../../api/machinery/status.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { Authorizer, User } from '../rbac/attributes.ts'
import type { Rbac, RbacSource } from '../rbac/authorizer.ts'

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'

/**
 * An object to be written in the same commit, if it still has this resourceVersion. The registry
 * tracks its fields as an Update by the server itself through this subresource.
 */
export interface AlongsideWrite {
  readonly resource: Resource
  readonly subresource: string
  readonly resourceVersion: string
  readonly object: KubeObject
}

export interface AdmissionRequest {
  readonly operation: Operation
  readonly resource: Resource
  /** "" for the object itself. */
  readonly subresource: string
  /** "" for cluster-scoped objects; the object's own name when it is a Namespace. */
  readonly namespace: string
  /** "" only for deletecollection. Generated names are made before admission. */
  readonly name: string
  /** CREATE, UPDATE: what is to be stored; CONNECT: the options; DELETE: undefined. */
  readonly object: Draft<KubeObject> | undefined
  /** UPDATE, DELETE: what is stored now. */
  readonly old: KubeObject | undefined
  readonly user: User
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions. */
  readonly options: Readonly<Record<string, unknown>>
  readonly dryRun: boolean
  /** Plugins append; sent as Warning headers. */
  readonly warnings: string[]
  readonly auditAnnotations: Record<string, string>
  /**
   * Plugins append; committed with the object or not at all. When one of them was changed by
   * another writer, the registry empties this list and runs `validate` again.
   */
  readonly alongside: AlongsideWrite[]
}

/** Objects of one resource as this server last saw them, its own acknowledged writes included. */
export interface Reader<T extends KubeObject> {
  /** By "namespace/name", or "name" for cluster-scoped kinds. */
  get(key: string): T | undefined
  list(namespace?: string): readonly T[]
}

export interface AdmissionContext {
  reader<T extends KubeObject>(resource: Resource<T>): Reader<T>
  /** A served resource by its kind, custom ones included. */
  findResource?(apiVersion: string, kind: string): Resource | undefined
  readonly authorize: Authorizer
  /** For the escalation check. */
  readonly rbac: Rbac
  readonly roles: RbacSource
  readonly clock: Pick<Clock, 'now' | 'sleep'>
  readonly random: Random
}

/** undefined admits; a StatusError is what the client is told. */
export type Outcome = StatusError | undefined

type Hook = (request: AdmissionRequest, context: AdmissionContext) => Outcome | Promise<Outcome>

export interface AdmissionPlugin {
  /** As in --enable-admission-plugins. */
  readonly name: string
  readonly operations: readonly Operation[]
  /** "pods", "pods/status", "deployments.apps"; absent: every resource. */
  readonly resources?: readonly string[]
  /** May change request.object; runs before validation. */
  readonly admit?: Hook
  /** Changes nothing but warnings, auditAnnotations and alongside; runs after validation. */
  readonly validate?: Hook
}
