// The Deployment controller: rolls a Pod template out over ReplicaSets.
import { selectorFromLabelSelector } from '../../api/machinery/labels.ts'
import type { Resource } from '../../api/machinery/resource.ts'
import { deployments, pods, replicasets } from '../../api/resources.gen.ts'
import type { Deployment, ReplicaSet } from '../../api/types/apps.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import type { Controller, Snapshot } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { adopterKeys, claim, mayAdopt } from '../claim.ts'
import { ownerIndexes, podIndexes } from '../indexes.ts'
import { controllerOf, ownerKeys } from '../ownership.ts'
import { reconcileDeployment } from './reconcile.ts'

const selectorOf = ({ spec }: Deployment) => selectorFromLabelSelector(spec.selector)

export function deploymentController(options: { readonly workers: number }): Controller {
  return {
    name: 'deployment',
    component: 'deployment-controller',
    workers: options.workers,
    watches: [
      watching({ resource: deployments }),
      watching({ resource: replicasets, indexes: ownerIndexes, keys: deploymentsOfSet }),
      watching({ resource: pods, indexes: podIndexes, keys: deploymentsOfPod }),
    ],
    async observe(key, snapshot, live) {
      const deployment = snapshot.of(deployments).get(key)
      return deployment ? mayAdopt(claiming(deployment, snapshot), live) : false
    },
    reconcile(key, snapshot, context) {
      const deployment = snapshot.of(deployments).get(key)
      if (!deployment) return { changes: [] }
      if (selectorOf(deployment).requirements.length === 0) return refuseEverything(deployment)
      const { owned, changes } = claim({
        ...claiming(deployment, snapshot),
        mayAdopt: context.observed === true,
      })
      // Claims first, alone: the ReplicaSets are written to below and must be seen as claimed.
      if (changes.length > 0) return { changes: [changes] }
      return reconcileDeployment(deployment, {
        owned,
        findSet: (name) => snapshot.of(replicasets).get(`${deployment.metadata.namespace}/${name}`),
        podsOf: (set) => snapshot.of(pods).byIndex('owner', set.metadata.uid ?? ''),
        nowMs: context.nowMs,
      })
    },
  }
}

const claiming = (deployment: Deployment, snapshot: Snapshot) => ({
  owner: deployment,
  ownerResource: deployments as unknown as Resource,
  resource: replicasets,
  selector: selectorOf(deployment),
  candidates: snapshot.of(replicasets),
})

const refuseEverything = (deployment: Deployment) => ({
  changes: [
    {
      type: 'event',
      event: {
        regarding: deployment,
        type: 'Warning',
        reason: 'SelectingAll',
        message: 'This deployment is selecting all pods. A non-empty selector is required.',
      },
    } as const,
  ],
})

function deploymentsOfSet(
  set: ReplicaSet,
  old: ReplicaSet | undefined,
  snapshot: Snapshot,
): readonly string[] {
  const owners = ownerKeys(deployments, set, old)
  if (controllerOf(set)) return owners
  return [...owners, ...adopterKeys(set, deployments, { snapshot, selectorOf })]
}

/** Only strategy Recreate looks at Pods: it waits until the old ones have ended. */
function deploymentsOfPod(pod: Pod, old: Pod | undefined, snapshot: Snapshot): readonly string[] {
  return ownerKeys(replicasets, pod, old)
    .map((key) => snapshot.of(replicasets).get(key))
    .filter((set) => set !== undefined)
    .flatMap((set) => ownerKeys(deployments, set))
    .filter((key) => snapshot.of(deployments).get(key)?.spec.strategy?.type === 'Recreate')
}
