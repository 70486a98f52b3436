// Which objects a workload owns: those with its controller reference whose labels match. Matching
// orphans are adopted, owned ones that match no more are released.

import type { Selector } from '../api/machinery/labels.ts'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { isReason } from '../api/machinery/status.ts'
import type { Change, Live, Snapshot } from '../client/controller.ts'
import type { Lister } from '../client/informer.ts'
import { orphansIn } from './indexes.ts'
import { controllerRef } from './ownership.ts'

export interface Claiming<T extends KubeObject> {
  readonly owner: KubeObject
  readonly ownerResource: Resource<never> | Resource
  readonly resource: Resource<T>
  readonly selector: Selector
  /** With the index "owner". */
  readonly candidates: Lister<T>
  /** From mayAdopt(): the owner, seen live, is the same and stays. */
  readonly mayAdopt: boolean
}

export interface Claimed<T> {
  readonly owned: readonly T[]
  /** Adoptions and releases, to be carried out before the owned ones are counted on. */
  readonly changes: readonly Change[]
}

export function claim<T extends KubeObject>(claiming: Claiming<T>): Claimed<T> {
  const { owner, candidates, selector } = claiming
  const owned: T[] = []
  const changes: Change[] = []
  const isLeaving = owner.metadata.deletionTimestamp !== undefined
  for (const object of candidates.byIndex('owner', owner.metadata.uid ?? '')) {
    if (selector.matches(object.metadata.labels)) owned.push(object)
    else if (!isLeaving) changes.push(released(claiming, object))
  }
  if (claiming.mayAdopt && !isLeaving) {
    for (const object of adoptable(claiming)) {
      owned.push(object)
      changes.push(adopted(claiming, object))
    }
  }
  return { owned, changes }
}

function adoptable<T extends KubeObject>({
  owner,
  candidates,
  selector,
}: Pick<Claiming<T>, 'owner' | 'candidates' | 'selector'>): readonly T[] {
  return candidates
    .byIndex('owner', orphansIn(owner.metadata.namespace))
    .filter(
      (object) =>
        object.metadata.deletionTimestamp === undefined && selector.matches(object.metadata.labels),
    )
}

function adopted<T extends KubeObject>(claiming: Claiming<T>, object: T): Change {
  const reference = controllerRef(claiming.ownerResource as Resource, claiming.owner)
  return rewriteOwners(claiming, object, [...(object.metadata.ownerReferences ?? []), reference])
}

function released<T extends KubeObject>(claiming: Claiming<T>, object: T): Change {
  const { uid } = claiming.owner.metadata
  const others = (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid)
  return rewriteOwners(claiming, object, others)
}

// The uid and resourceVersion make the patch fail when it is no longer the object that was seen.
function rewriteOwners<T extends KubeObject>(
  { resource }: Claiming<T>,
  object: T,
  ownerReferences: readonly unknown[],
): Change {
  const { namespace, name, uid, resourceVersion } = object.metadata
  return {
    type: 'patch',
    resource: resource as unknown as Resource,
    key: { namespace, name },
    patch: { type: 'merge', body: { metadata: { uid, resourceVersion, ownerReferences } } },
  }
}

/**
 * Whether orphans may be adopted: looks at the owner live, but only when there are any. A copy
 * that is behind could adopt what garbage collection has just orphaned on purpose.
 */
export async function mayAdopt<T extends KubeObject>(
  claiming: Pick<Claiming<T>, 'owner' | 'ownerResource' | 'candidates' | 'selector'>,
  live: Live,
): Promise<boolean> {
  if (adoptable(claiming).length === 0) return false
  const { namespace, name, uid } = claiming.owner.metadata
  try {
    const fresh = await live.client
      .resource(claiming.ownerResource as Resource)
      .get({ namespace, name }, { signal: live.signal })
    return fresh.metadata.uid === uid && fresh.metadata.deletionTimestamp === undefined
  } catch (error) {
    if (isReason(error, 'NotFound')) return false
    throw error
  }
}

/** Keys of the owners that may want to adopt an object without a controller. */
export function adopterKeys<Owner extends KubeObject>(
  object: KubeObject,
  owners: Resource<Owner>,
  using: { readonly snapshot: Snapshot; readonly selectorOf: (owner: Owner) => Selector },
): readonly string[] {
  const { namespace } = object.metadata
  return using.snapshot
    .of(owners)
    .list(namespace)
    .filter((owner) => using.selectorOf(owner).matches(object.metadata.labels))
    .map((owner) => `${namespace}/${owner.metadata.name}`)
}
