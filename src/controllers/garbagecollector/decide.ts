// What happens to one object, given how its owners were found: the rule of garbage collection as
// a function.
import type { KubeObject } from '../../api/machinery/resource.ts'
import type { OwnerReference } from '../../api/types/meta.gen.ts'
import { foregroundFinalizer, type GraphNode, orphanFinalizer } from './graph.ts'

/** How an owner was found: there, gone (or another object by now), or waiting for its dependents. */
export type OwnerState = 'solid' | 'dangling' | 'waiting'

export type Verdict =
  | { readonly type: 'keep' }
  /** Only the references to owners that are there stay. */
  | { readonly type: 'dropOwners'; readonly owners: readonly OwnerReference[] }
  | {
      readonly type: 'delete'
      readonly propagationPolicy: 'Foreground' | 'Background' | 'Orphan'
      /** References no longer block their owners: breaks a circle that waits for itself. */
      readonly unblock: boolean
    }

/** For an object that is not being deleted; `states` are those of its references, in order. */
export function decide(
  object: KubeObject,
  states: readonly OwnerState[],
  dependents: readonly Pick<GraphNode, 'waitsForDependents'>[],
): Verdict {
  const owners = object.metadata.ownerReferences ?? []
  if (owners.length === 0) return { type: 'keep' }
  const solid = owners.filter((_, at) => states[at] === 'solid')
  if (solid.length === owners.length) return { type: 'keep' }
  if (solid.length > 0) return { type: 'dropOwners', owners: solid }
  if (states.includes('waiting') && dependents.length > 0) {
    const unblock = dependents.some(({ waitsForDependents }) => waitsForDependents)
    return { type: 'delete', propagationPolicy: 'Foreground', unblock }
  }
  const finalizers = object.metadata.finalizers ?? []
  const propagationPolicy = finalizers.includes(orphanFinalizer)
    ? 'Orphan'
    : finalizers.includes(foregroundFinalizer)
      ? 'Foreground'
      : 'Background'
  return { type: 'delete', propagationPolicy, unblock: false }
}

/** Dependents that an owner's foreground deletion has to wait for. */
export const blocking = (owner: string, dependents: readonly GraphNode[]): readonly GraphNode[] =>
  dependents.filter((dependent) =>
    dependent.owners.some(
      ({ uid, blockOwnerDeletion }) => uid === owner && blockOwnerDeletion === true,
    ),
  )

/** What an owner's live object, or its absence, means to those who name it. */
export function ownerState(reference: OwnerReference, owner: KubeObject | undefined): OwnerState {
  if (!owner || owner.metadata.uid !== reference.uid) return 'dangling'
  const { deletionTimestamp, finalizers = [] } = owner.metadata
  return deletionTimestamp !== undefined && finalizers.includes(foregroundFinalizer)
    ? 'waiting'
    : 'solid'
}
