// Carries garbage collection out: looks at objects and their owners live, asks decide(), writes.
// What events arrive in which order is garbagecollector.ts's business.
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import { isReason } from '../../api/machinery/status.ts'
import type { DeleteOptions, OwnerReference } from '../../api/types/meta.gen.ts'
import type { Client } from '../../client/client.ts'
import { blocking, decide, type OwnerState, ownerState } from './decide.ts'
import {
  foregroundFinalizer,
  type Graph,
  type GraphNode,
  orphanFinalizer,
  type Work,
} from './graph.ts'

/** Owners found absent, remembered so that a thousand dependents ask once. */
const maxAbsent = 500

export class Collector {
  readonly #graph: Graph
  readonly #client: Client
  readonly #signal: AbortSignal
  readonly #findResource: (apiVersion: string, kind: string) => Resource | undefined
  readonly #absent = new Set<string>()

  constructor(deps: {
    readonly graph: Graph
    readonly client: Client
    readonly signal: AbortSignal
    readonly findResource: (apiVersion: string, kind: string) => Resource | undefined
  }) {
    this.#graph = deps.graph
    this.#client = deps.client
    this.#signal = deps.signal
    this.#findResource = deps.findResource
  }

  /** Looks at one object; what follows for others comes back. Rejects when it is to be retried. */
  async check(uid: string): Promise<Pick<Work, 'check'>> {
    const node = this.#graph.get(uid)
    if (!node) return none
    if (node.isBeingDeleted && !node.waitsForDependents) return none
    const object = await this.#find(node.resource, node)
    if (object?.metadata.uid !== uid) return this.#absentNode(node)
    if (node.waitsForDependents) return this.#finishForeground(node, object)
    const owners = object.metadata.ownerReferences ?? []
    const states: OwnerState[] = []
    for (const owner of owners) {
      const state = await this.#stateOf(owner, node)
      // A namespaced owner cannot be found from a cluster-scoped object, so nothing is decided.
      if (state === undefined) return none
      states.push(state)
    }
    await this.#carryOut(node, object, states)
    return none
  }

  /** Lets the dependents of an owner that is being deleted go on without it. */
  async orphan(uid: string): Promise<void> {
    const node = this.#graph.get(uid)
    if (!node?.orphansDependents) return
    for (const dependent of this.#graph.dependents(uid)) await this.#dropOwner(dependent, uid)
    const object = await this.#find(node.resource, node)
    if (object?.metadata.uid === uid) await this.#removeFinalizer(node, object, orphanFinalizer)
  }

  async #carryOut(
    node: GraphNode,
    object: KubeObject,
    states: readonly OwnerState[],
  ): Promise<void> {
    const verdict = decide(object, states, this.#graph.dependents(node.uid))
    if (verdict.type === 'keep') return
    if (verdict.type === 'dropOwners') {
      await this.#patch(node, object, { ownerReferences: verdict.owners })
      return
    }
    let { resourceVersion } = object.metadata
    if (verdict.unblock) {
      const ownerReferences = (object.metadata.ownerReferences ?? []).map((owner) => ({
        ...owner,
        blockOwnerDeletion: false,
      }))
      resourceVersion = (await this.#patch(node, object, { ownerReferences })).metadata
        .resourceVersion
    }
    await this.#delete(node, {
      propagationPolicy: verdict.propagationPolicy,
      preconditions: { uid: node.uid, resourceVersion },
    })
  }

  /** Nobody has it: as if its deletion had been seen, unless it has been seen meanwhile. */
  #absentNode(node: GraphNode): Pick<Work, 'check'> {
    this.#rememberAbsent(absentKey(node.uid, node.namespace))
    return node.isVirtual ? this.#graph.forget(node.uid) : none
  }

  async #finishForeground(node: GraphNode, object: KubeObject): Promise<Pick<Work, 'check'>> {
    const waitFor = blocking(node.uid, this.#graph.dependents(node.uid))
    if (waitFor.length > 0) {
      return {
        check: waitFor.filter((dependent) => !dependent.isBeingDeleted).map(({ uid }) => uid),
      }
    }
    await this.#removeFinalizer(node, object, foregroundFinalizer)
    return none
  }

  async #stateOf(owner: OwnerReference, dependent: GraphNode): Promise<OwnerState | undefined> {
    const resource = this.#findResource(owner.apiVersion, owner.kind)
    if (!resource)
      throw new Error(
        `cannot find owner of kind "${owner.kind}" in ${owner.apiVersion}: not served`,
      )
    if (resource.namespaced && dependent.namespace === undefined) return undefined
    const namespace = resource.namespaced ? dependent.namespace : undefined
    const key = absentKey(owner.uid, namespace)
    if (this.#absent.has(key)) return 'dangling'
    const object = await this.#find(resource, { namespace, name: owner.name })
    const state = ownerState(owner, object)
    if (state === 'dangling') this.#rememberAbsent(key)
    return state
  }

  #rememberAbsent(key: string): void {
    this.#absent.add(key)
    if (this.#absent.size <= maxAbsent) return
    for (const oldest of this.#absent) {
      this.#absent.delete(oldest)
      return
    }
  }

  async #dropOwner(dependent: GraphNode, owner: string): Promise<void> {
    const object = await this.#find(dependent.resource, dependent)
    const owners = object?.metadata.ownerReferences ?? []
    if (!object || !owners.some(({ uid }) => uid === owner)) return
    await this.#patch(dependent, object, {
      ownerReferences: owners.filter(({ uid }) => uid !== owner),
    })
  }

  async #removeFinalizer(node: GraphNode, object: KubeObject, finalizer: string): Promise<void> {
    const finalizers = object.metadata.finalizers ?? []
    if (!finalizers.includes(finalizer)) return
    const left = finalizers.filter((name) => name !== finalizer)
    await this.#patch(node, object, { finalizers: left })
  }

  async #find(
    resource: Resource | undefined,
    key: { readonly namespace: string | undefined; readonly name: string },
  ): Promise<KubeObject | undefined> {
    if (!resource) return undefined
    try {
      const { namespace, name } = key
      return await this.#client
        .resource(resource)
        .get({ namespace, name }, { signal: this.#signal })
    } catch (error) {
      if (isReason(error, 'NotFound')) return undefined
      throw error
    }
  }

  /** The uid and version seen must still be there: Conflict otherwise, and another look. */
  #patch(node: GraphNode, object: KubeObject, metadata: object): Promise<KubeObject> {
    const { uid, resourceVersion } = object.metadata
    return this.#client
      .resource(node.resource as Resource)
      .patch(
        { namespace: node.namespace, name: node.name },
        { type: 'merge', body: { metadata: { uid, resourceVersion, ...metadata } } },
        { signal: this.#signal },
      )
  }

  async #delete(node: GraphNode, body: DeleteOptions): Promise<void> {
    try {
      const { namespace, name } = node
      await this.#client
        .resource(node.resource as Resource)
        .delete({ namespace, name }, { body, signal: this.#signal })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }
}

const none: Pick<Work, 'check'> = { check: [] }

const absentKey = (uid: string, namespace: string | undefined): string =>
  `${namespace ?? ''}/${uid}`
