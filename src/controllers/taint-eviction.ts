// Taint eviction: deletes Pods from Nodes whose NoExecute taints they do not tolerate, at once or
// after the time they tolerate them.
import { toleratesTaint } from '../api/core/toleration.ts'
import { nodes, pods } from '../api/resources.gen.ts'
import type { Node, Pod, Taint } from '../api/types/core.gen.ts'
import type { Change, Changes, Controller, Snapshot } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { keyOf } from '../client/informer.ts'
import { formatTime } from '../lib/clock.ts'
import { semanticEqual } from '../lib/equal.ts'
import { podIndexes } from './indexes.ts'
import { remembering } from './memory.ts'

/** Since when the Pod's Node has taints that end it. */
interface Memory {
  readonly sinceMs: number
}

export function taintEvictionController(options: { readonly workers: number }): Controller {
  return remembering<Memory>({
    name: 'taint-eviction',
    component: 'taint-eviction-controller',
    workers: options.workers,
    watches: [
      watching({ resource: pods, indexes: podIndexes, keys: podsWhenPlaced }),
      watching({ resource: nodes, keys: podsWhenTainted }),
    ],
    reconcile(key, snapshot, { nowMs, memory }) {
      const pod = snapshot.of(pods).get(key)
      const node = pod?.spec.nodeName ? snapshot.of(nodes).get(pod.spec.nodeName) : undefined
      if (!pod || pod.metadata.deletionTimestamp)
        return { outcome: { changes: [] }, memory: undefined }
      const taints = node ? executing(node) : []
      const toleratedMs = toleranceMs(pod, taints)
      if (toleratedMs === Number.POSITIVE_INFINITY) {
        return { outcome: { changes: memory ? cancelled(pod) : [] }, memory: undefined }
      }
      const sinceMs = memory?.sinceMs ?? firstAddedMs(taints, nowMs)
      const waitMs = sinceMs + toleratedMs - nowMs
      return waitMs > 0
        ? { outcome: { changes: [], requeueAfterMs: waitMs }, memory: { sinceMs } }
        : { outcome: { changes: eviction(pod, nowMs) }, memory: { sinceMs } }
    },
  })
}

const executing = (node: Node): readonly Taint[] =>
  (node.spec.taints ?? []).filter(({ effect }) => effect === 'NoExecute')

// Only what may change the verdict: readiness of Pods changes far more often.
const podsWhenPlaced = (pod: Pod, old: Pod | undefined): readonly string[] =>
  !old ||
  old.spec.nodeName !== pod.spec.nodeName ||
  !semanticEqual(old.spec.tolerations, pod.spec.tolerations)
    ? [keyOf(pod)]
    : []

const podsWhenTainted = (
  node: Node,
  old: Node | undefined,
  snapshot: Snapshot,
): readonly string[] =>
  old && semanticEqual(executing(old), executing(node))
    ? []
    : snapshot.of(pods).byIndex('node', node.metadata.name).map(keyOf)

/** Taints carry the time they were added, which outlives a restart of this controller. */
const firstAddedMs = (taints: readonly Taint[], nowMs: number): number =>
  Math.min(nowMs, ...taints.map(({ timeAdded }) => Date.parse(timeAdded ?? '') || nowMs))

/** 0 when some taint is not tolerated at all, infinity when all are for ever. */
export function toleranceMs(pod: Pod, taints: readonly Taint[]): number {
  const times = taints.map((taint) => {
    const tolerating = (pod.spec.tolerations ?? []).filter((toleration) =>
      toleratesTaint(toleration, taint),
    )
    if (tolerating.length === 0) return 0
    const limits = tolerating.map(
      ({ tolerationSeconds }) => tolerationSeconds ?? Number.POSITIVE_INFINITY,
    )
    return Math.max(0, Math.min(...limits)) * 1000
  })
  return Math.min(Number.POSITIVE_INFINITY, ...times)
}

function eviction(pod: Pod, nowMs: number): Changes {
  const { namespace, name, uid, generation } = pod.metadata
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
    lastTransitionTime: formatTime(nowMs),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  }
  return [
    event(pod, `Marking for deletion Pod ${keyOf(pod)}`),
    {
      type: 'patch',
      resource: pods,
      key: { namespace, name },
      patch: {
        type: 'strategic',
        body: { metadata: { uid }, status: { conditions: [condition] } },
      },
      subresource: 'status',
    },
    {
      type: 'delete',
      resource: pods,
      key: { namespace, name },
      options: { preconditions: { uid } },
    },
  ]
}

const cancelled = (pod: Pod): Changes => [event(pod, `Cancelling deletion of Pod ${keyOf(pod)}`)]

const event = (pod: Pod, message: string): Change => ({
  type: 'event',
  event: { regarding: pod, type: 'Normal', reason: 'TaintManagerEviction', message },
})
