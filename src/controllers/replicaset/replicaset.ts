// The ReplicaSet and ReplicationController controllers: one core, two kinds.
import { isPodActive } from '../../api/core/pod-state.ts'
import {
  type Selector,
  selectorFromLabelSelector,
  selectorFromSet,
} from '../../api/machinery/labels.ts'
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import { pods, replicasets, replicationcontrollers } from '../../api/resources.gen.ts'
import type { ReplicaSet } from '../../api/types/apps.gen.ts'
import type { Pod, ReplicationController } from '../../api/types/core.gen.ts'
import type { Controller, Snapshot } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { adopterKeys, claim, mayAdopt } from '../claim.ts'
import { ownerIndexes, podIndexes } from '../indexes.ts'
import { controllerOf, ownerKeys } from '../ownership.ts'
import { type ReplicaOwner, reconcileReplicas } from './reconcile.ts'

interface Family<T extends KubeObject> {
  readonly name: string
  readonly component: string
  readonly resource: Resource<T>
  readonly selectorOf: (object: T) => Selector
  readonly ownerOf: (object: T) => ReplicaOwner
}

export const replicaSetController = (options: { readonly workers: number }): Controller =>
  controllerOfFamily<ReplicaSet>(
    {
      name: 'replicaset',
      component: 'replicaset-controller',
      resource: replicasets,
      selectorOf: ({ spec }) => selectorFromLabelSelector(spec.selector),
      ownerOf: (object) => ({
        resource: replicasets as unknown as Resource,
        object,
        replicas: object.spec.replicas ?? 1,
        minReadySeconds: object.spec.minReadySeconds ?? 0,
        template: object.spec.template,
      }),
    },
    options,
  )

export const replicationControllerController = (options: {
  readonly workers: number
}): Controller =>
  controllerOfFamily<ReplicationController>(
    {
      name: 'replicationcontroller',
      component: 'replication-controller',
      resource: replicationcontrollers,
      selectorOf: ({ spec }) => selectorFromSet(spec.selector ?? {}),
      ownerOf: (object) => ({
        resource: replicationcontrollers as unknown as Resource,
        object,
        replicas: object.spec.replicas ?? 1,
        minReadySeconds: object.spec.minReadySeconds ?? 0,
        template: object.spec.template,
      }),
    },
    options,
  )

function controllerOfFamily<T extends KubeObject>(
  family: Family<T>,
  options: { readonly workers: number },
): Controller {
  const { resource, selectorOf } = family
  const claiming = (object: T, snapshot: Snapshot) => ({
    owner: object,
    ownerResource: resource as unknown as Resource,
    resource: pods,
    selector: selectorOf(object),
    candidates: snapshot.of(pods),
  })
  return {
    name: family.name,
    component: family.component,
    workers: options.workers,
    watches: [
      watching({ resource, indexes: ownerIndexes }),
      watching({
        resource: pods,
        indexes: podIndexes,
        keys: (pod, old, snapshot) => ownersOfPod(family, { pod, old, snapshot }),
      }),
    ],
    async observe(key, snapshot, live) {
      const object = snapshot.of(resource).get(key)
      return object ? mayAdopt(claiming(object, snapshot), live) : false
    },
    reconcile(key, snapshot, context) {
      const object = snapshot.of(resource).get(key)
      if (!object) return { changes: [] }
      const { owned, changes } = claim({
        ...claiming(object, snapshot),
        mayAdopt: context.observed === true,
      })
      return reconcileReplicas(family.ownerOf(object), {
        owned,
        claims: changes,
        related: [...owned, ...siblingPods(object, resource, snapshot)].filter(isPodActive),
        nowMs: context.nowMs,
        random: context.random,
      })
    },
  }
}

function ownersOfPod<T extends KubeObject>(
  family: Family<T>,
  event: { readonly pod: Pod; readonly old: Pod | undefined; readonly snapshot: Snapshot },
): readonly string[] {
  const owners = ownerKeys(family.resource, event.pod, event.old)
  if (controllerOf(event.pod)) return owners
  return [
    ...owners,
    ...adopterKeys(event.pod, family.resource, { ...family, snapshot: event.snapshot }),
  ]
}

/** Pods of the other objects under the same controller: the ReplicaSets of one Deployment. */
function siblingPods<T extends KubeObject>(
  object: T,
  resource: Resource<T>,
  snapshot: Snapshot,
): readonly Pod[] {
  const controller = controllerOf(object)
  if (!controller) return []
  return snapshot
    .of(resource)
    .byIndex('owner', controller.uid)
    .filter((sibling) => sibling.metadata.uid !== object.metadata.uid)
    .flatMap((sibling) => snapshot.of(pods).byIndex('owner', sibling.metadata.uid ?? ''))
}
