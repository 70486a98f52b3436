// The DaemonSet controller: one Pod on each Node that the template fits.
import { selectorFromLabelSelector } from '../../api/machinery/labels.ts'
import type { Resource } from '../../api/machinery/resource.ts'
import { controllerrevisions, daemonsets, nodes, pods } from '../../api/resources.gen.ts'
import type { DaemonSet } from '../../api/types/apps.gen.ts'
import type { Node, Pod } from '../../api/types/core.gen.ts'
import type { Controller, Snapshot } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { keyOf } from '../../client/informer.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { adopterKeys, claim, mayAdopt } from '../claim.ts'
import { ownerIndexes, podIndexes } from '../indexes.ts'
import { remembering } from '../memory.ts'
import { controllerOf, ownerKeys } from '../ownership.ts'
import { type Failures, reconcileDaemonSet } from './reconcile.ts'

const selectorOf = ({ spec }: DaemonSet) => selectorFromLabelSelector(spec.selector)

export function daemonSetController(options: { readonly workers: number }): Controller {
  return remembering<Failures>({
    name: 'daemonset',
    component: 'daemonset-controller',
    workers: options.workers,
    watches: [
      watching({ resource: daemonsets }),
      watching({ resource: pods, indexes: podIndexes, keys: setsOfPod }),
      watching({
        resource: controllerrevisions,
        indexes: ownerIndexes,
        keys: (revision, old) => ownerKeys(daemonsets, revision, old),
      }),
      watching({ resource: nodes, keys: setsOfNode }),
    ],
    async observe(key, snapshot, live) {
      const set = snapshot.of(daemonsets).get(key)
      return set ? mayAdopt(claiming(set, snapshot), live) : false
    },
    reconcile(key, snapshot, context) {
      const set = snapshot.of(daemonsets).get(key)
      if (!set) return { outcome: { changes: [] }, memory: undefined }
      const { owned, changes } = claim({
        ...claiming(set, snapshot),
        mayAdopt: context.observed === true,
      })
      if (changes.length > 0) return { outcome: { changes: [changes] }, memory: context.memory }
      return reconcileDaemonSet(set, {
        nodes: snapshot.of(nodes).list(),
        owned,
        revisions: snapshot.of(controllerrevisions).byIndex('owner', set.metadata.uid ?? ''),
        failures: context.memory ?? new Map(),
        nowMs: context.nowMs,
        random: context.random,
      })
    },
  })
}

const claiming = (set: DaemonSet, snapshot: Snapshot) => ({
  owner: set,
  ownerResource: daemonsets as unknown as Resource,
  resource: pods,
  selector: selectorOf(set),
  candidates: snapshot.of(pods),
})

function setsOfPod(pod: Pod, old: Pod | undefined, snapshot: Snapshot): readonly string[] {
  const owners = ownerKeys(daemonsets, pod, old)
  if (controllerOf(pod)) return owners
  return [...owners, ...adopterKeys(pod, daemonsets, { snapshot, selectorOf })]
}

/** A heartbeat places no Pod: only labels and spec do. */
const setsOfNode = (node: Node, old: Node | undefined, snapshot: Snapshot): readonly string[] =>
  old &&
  semanticEqual(old.metadata.labels, node.metadata.labels) &&
  semanticEqual(old.spec, node.spec)
    ? []
    : snapshot.of(daemonsets).list().map(keyOf)
