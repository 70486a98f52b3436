// Who depends on whom, over all objects of the cluster, by uid. Events go in; the uids that may
// now have to go, and the owners whose dependents are to be let go, come out. Decides nothing.
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import type { OwnerReference } from '../../api/types/meta.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'

export const foregroundFinalizer = 'foregroundDeletion'
export const orphanFinalizer = 'orphan'

export interface GraphNode {
  readonly uid: string
  readonly apiVersion: string
  readonly kind: string
  /** Undefined for an owner of a kind that is not (yet) served. */
  readonly resource: Resource | undefined
  readonly namespace: string | undefined
  readonly name: string
  readonly owners: readonly OwnerReference[]
  /** Known only from the references of its dependents; nobody has seen it. */
  readonly isVirtual: boolean
  readonly isBeingDeleted: boolean
  /** It has the foreground finalizer and waits for its dependents. */
  readonly waitsForDependents: boolean
  /** It has the orphan finalizer and is being deleted. */
  readonly orphansDependents: boolean
}

/** What an event makes worth looking at. */
export interface Work {
  readonly check: readonly string[]
  readonly orphan: readonly string[]
  /** Dependents that name an owner in a namespace it is not in. */
  readonly misplaced: readonly { readonly dependent: string; readonly owner: OwnerReference }[]
}

export type FindResource = (apiVersion: string, kind: string) => Resource | undefined

export class Graph {
  readonly #nodes = new Map<string, GraphNode>()
  readonly #dependents = new Map<string, Set<string>>()
  readonly #findResource: FindResource

  constructor(findResource: FindResource) {
    this.#findResource = findResource
  }

  get size(): number {
    return this.#nodes.size
  }

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid)
  }

  dependents(uid: string): readonly GraphNode[] {
    return [...(this.#dependents.get(uid) ?? [])].map((dependent) => this.#nodes.get(dependent)!)
  }

  /** An object was added or changed. */
  observe(resource: Resource, object: KubeObject): Work {
    const node = nodeOf(resource, object)
    const old = this.#nodes.get(node.uid)
    this.#nodes.set(node.uid, node)
    const known = old && !old.isVirtual ? old : undefined
    return {
      check: [
        ...(old ? this.#relink(node, old) : this.#link(node)),
        ...this.#waiting(node, known),
        ...this.#misplacedDependents(node, old),
      ],
      orphan: node.orphansDependents && !known?.orphansDependents ? [node.uid] : [],
      misplaced: this.#misplacedOwners(node),
    }
  }

  /** An object is gone, or was found never to have been there. */
  forget(uid: string): Work {
    const node = this.#nodes.get(uid)
    if (!node) return nothing
    this.#nodes.delete(uid)
    for (const owner of node.owners) this.#unlink(uid, owner.uid)
    const dependents = [...(this.#dependents.get(uid) ?? [])]
    const waiting = node.owners
      .map((owner) => owner.uid)
      .filter((owner) => this.#nodes.get(owner)?.waitsForDependents)
    return { ...nothing, check: [...dependents, ...waiting] }
  }

  /** Owners nobody has seen become virtual nodes, which are looked at. */
  #link(node: GraphNode): readonly string[] {
    return node.owners.flatMap((owner) => this.#addOwner(node, owner))
  }

  #addOwner(node: GraphNode, owner: OwnerReference): readonly string[] {
    const dependents = this.#dependents.get(owner.uid) ?? new Set<string>()
    this.#dependents.set(owner.uid, dependents.add(node.uid))
    if (this.#nodes.has(owner.uid)) return []
    this.#nodes.set(owner.uid, this.#virtualNode(owner, node))
    return [owner.uid]
  }

  #virtualNode(owner: OwnerReference, dependent: GraphNode): GraphNode {
    const resource = this.#findResource(owner.apiVersion, owner.kind)
    return {
      uid: owner.uid,
      apiVersion: owner.apiVersion,
      kind: owner.kind,
      resource,
      namespace: resource?.namespaced === false ? undefined : dependent.namespace,
      name: owner.name,
      owners: [],
      isVirtual: true,
      isBeingDeleted: false,
      waitsForDependents: false,
      orphansDependents: false,
    }
  }

  #relink(node: GraphNode, old: GraphNode): readonly string[] {
    if (semanticEqual(node.owners, old.owners)) return []
    const check = node.owners
      .filter((owner) => !old.owners.some(({ uid }) => uid === owner.uid))
      .flatMap((owner) => this.#addOwner(node, owner))
    for (const owner of old.owners) {
      const now = node.owners.find(({ uid }) => uid === owner.uid)
      if (!now) this.#unlink(node.uid, owner.uid)
      const unblocked = owner.blockOwnerDeletion === true && now?.blockOwnerDeletion !== true
      if (unblocked && this.#nodes.get(owner.uid)?.waitsForDependents) check.push(owner.uid)
    }
    return check
  }

  #unlink(uid: string, owner: string): void {
    const dependents = this.#dependents.get(owner)
    dependents?.delete(uid)
    if (dependents?.size !== 0) return
    this.#dependents.delete(owner)
    if (this.#nodes.get(owner)?.isVirtual) this.#nodes.delete(owner)
  }

  /** Foreground deletion begins, or its end was asked for: look at all that is concerned. */
  #waiting(node: GraphNode, known: GraphNode | undefined): readonly string[] {
    if (!node.waitsForDependents || known?.waitsForDependents) return []
    return [...(this.#dependents.get(node.uid) ?? []), node.uid]
  }

  // The owner turns out to live in another namespace than dependents believed.
  #misplacedDependents(node: GraphNode, old: GraphNode | undefined): readonly string[] {
    if (!old?.isVirtual || node.namespace === undefined) return []
    return this.dependents(node.uid)
      .filter((dependent) => dependent.namespace !== node.namespace)
      .map((dependent) => dependent.uid)
  }

  #misplacedOwners(node: GraphNode): Work['misplaced'] {
    const asOwner = this.dependents(node.uid).filter((dependent) => isMisplaced(dependent, node))
    const asDependent = node.owners.filter((reference) => {
      const owner = this.#nodes.get(reference.uid)
      return owner !== undefined && !owner.isVirtual && isMisplaced(node, owner)
    })
    return [
      ...asDependent.map((owner) => ({ dependent: node.uid, owner })),
      ...asOwner.map((dependent) => ({
        dependent: dependent.uid,
        owner: dependent.owners.find(({ uid }) => uid === node.uid)!,
      })),
    ]
  }
}

const nothing: Work = { check: [], orphan: [], misplaced: [] }

const isMisplaced = (dependent: GraphNode, owner: GraphNode): boolean =>
  owner.namespace !== undefined && owner.namespace !== dependent.namespace

function nodeOf(resource: Resource, object: KubeObject): GraphNode {
  const { uid = '', namespace, name, ownerReferences = [], finalizers = [] } = object.metadata
  const isBeingDeleted = object.metadata.deletionTimestamp !== undefined
  return {
    uid,
    apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
    kind: resource.kind,
    resource,
    namespace,
    name,
    owners: ownerReferences,
    isVirtual: false,
    isBeingDeleted,
    waitsForDependents: isBeingDeleted && finalizers.includes(foregroundFinalizer),
    orphansDependents: isBeingDeleted && finalizers.includes(orphanFinalizer),
  }
}
