// The StatefulSet controller: Pods with a number that keep their name and their claims.
import { selectorFromLabelSelector } from '../../api/machinery/labels.ts'
import type { Resource } from '../../api/machinery/resource.ts'
import {
  controllerrevisions,
  persistentvolumeclaims,
  pods,
  statefulsets,
} from '../../api/resources.gen.ts'
import type { StatefulSet } from '../../api/types/apps.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import type { Controller, Snapshot } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { adopterKeys, claim, mayAdopt } from '../claim.ts'
import { ownerIndexes, podIndexes } from '../indexes.ts'
import { controllerOf, ownerKeys } from '../ownership.ts'
import { ordinalOf } from './pod.ts'
import { reconcileStatefulSet } from './reconcile.ts'

const selectorOf = ({ spec }: StatefulSet) => selectorFromLabelSelector(spec.selector)

export function statefulSetController(options: { readonly workers: number }): Controller {
  return {
    name: 'statefulset',
    component: 'statefulset-controller',
    workers: options.workers,
    watches: [
      watching({ resource: statefulsets }),
      watching({ resource: pods, indexes: podIndexes, keys: setsOfPod }),
      watching({
        resource: controllerrevisions,
        indexes: ownerIndexes,
        keys: (revision, old) => ownerKeys(statefulsets, revision, old),
      }),
      watching({ resource: persistentvolumeclaims, keys: () => [] }),
    ],
    async observe(key, snapshot, live) {
      const set = snapshot.of(statefulsets).get(key)
      return set ? mayAdopt(claiming(set, snapshot), live) : false
    },
    reconcile(key, snapshot, context) {
      const set = snapshot.of(statefulsets).get(key)
      if (!set) return { changes: [] }
      const { owned, changes } = claim({
        ...claiming(set, snapshot),
        mayAdopt: context.observed === true,
      })
      if (changes.length > 0) return { changes: [changes] }
      const { namespace, uid } = set.metadata
      return reconcileStatefulSet(set, {
        owned: owned.filter((pod) => ordinalOf(set, pod) !== undefined),
        findPod: (name) => snapshot.of(pods).get(`${namespace}/${name}`),
        revisions: snapshot.of(controllerrevisions).byIndex('owner', uid ?? ''),
        hasClaim: (name) =>
          snapshot.of(persistentvolumeclaims).get(`${namespace}/${name}`) !== undefined,
        nowMs: context.nowMs,
      })
    },
  }
}

/** Only Pods of the set's own names are claimed: labels alone make no member. */
const claiming = (set: StatefulSet, snapshot: Snapshot) => {
  const all = snapshot.of(pods)
  return {
    owner: set,
    ownerResource: statefulsets as unknown as Resource,
    resource: pods,
    selector: selectorOf(set),
    candidates: {
      get: (key: string) => all.get(key),
      list: (namespace?: string) => all.list(namespace),
      byIndex: (index: string, value: string) =>
        all.byIndex(index, value).filter((pod) => ordinalOf(set, pod) !== undefined),
    },
  }
}

function setsOfPod(pod: Pod, old: Pod | undefined, snapshot: Snapshot): readonly string[] {
  const owners = ownerKeys(statefulsets, pod, old)
  if (controllerOf(pod)) return owners
  return [...owners, ...adopterKeys(pod, statefulsets, { snapshot, selectorOf })]
}
