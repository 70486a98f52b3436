// Pod garbage collection: removes Pods that nobody else will: of Nodes that are gone, terminating
// ones that never ran, and the oldest of too many finished ones.
import { isPodFinished } from '../api/core/pod-state.ts'
import { isReason } from '../api/machinery/status.ts'
import { nodes, pods } from '../api/resources.gen.ts'
import type { Node, Pod } from '../api/types/core.gen.ts'
import type { Change, Changes, Controller, Live, Snapshot } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { formatTime } from '../lib/clock.ts'
import { podIndexes } from './indexes.ts'
import { remembering } from './memory.ts'

/** All Pods are looked at in one run. */
const key = 'pods'
const outOfService = 'node.kubernetes.io/out-of-service'

/** Node name -> since when it has been missing. */
type Missing = ReadonlyMap<string, number>

export interface PodGcOptions {
  readonly periodMs: number
  /** How long a Node must be missing before its Pods are removed. */
  readonly quarantineMs: number
  /** So many finished Pods may stay. */
  readonly finishedLimit: number
}

export function podGcController(options: PodGcOptions): Controller {
  return remembering<Missing>({
    name: 'podgc',
    component: 'pod-garbage-collector',
    watches: [
      // The first object starts the rounds; they go on by themselves.
      watching({ resource: nodes, keys: (_node, old) => (old ? [] : [key]) }),
      watching({
        resource: pods,
        indexes: podIndexes,
        keys: (pod, old) => (old || !mayBeGarbage(pod) ? [] : [key]),
      }),
    ],
    observe: (_key, snapshot, live) => confirmMissing(missingNodes(snapshot), live),
    reconcile(_key, snapshot, { nowMs, memory, observed }) {
      const confirmed = observed as ReadonlySet<string>
      const missing = new Map(
        [...missingNodes(snapshot)].map((name) => [name, memory?.get(name) ?? nowMs]),
      )
      const isGone = (name: string): boolean =>
        confirmed.has(name) && nowMs - (missing.get(name) ?? nowMs) >= options.quarantineMs
      const all = snapshot.of(pods).list()
      const doomed: Doomed[] = [
        ...surplus(all, options.finishedLimit).map((pod) => ({ pod })),
        ...all.flatMap((pod) => doomedBy(pod, { snapshot, isGone })),
      ]
      const soonestMs = Math.min(
        ...[...missing.values()].map((sinceMs) => sinceMs + options.quarantineMs - nowMs),
      )
      const waitMs = soonestMs > 0 ? Math.min(options.periodMs, soonestMs) : options.periodMs
      return {
        outcome: { changes: removals(doomed, nowMs), requeueAfterMs: waitMs },
        memory: missing,
      }
    },
  })
}

const mayBeGarbage = (pod: Pod): boolean =>
  pod.metadata.deletionTimestamp !== undefined || isPodFinished(pod) || Boolean(pod.spec.nodeName)

function missingNodes(snapshot: Snapshot): ReadonlySet<string> {
  const missing = new Set<string>()
  for (const { spec } of snapshot.of(pods).list()) {
    if (spec.nodeName && !snapshot.of(nodes).get(spec.nodeName)) missing.add(spec.nodeName)
  }
  return missing
}

async function confirmMissing(
  names: ReadonlySet<string>,
  live: Live,
): Promise<ReadonlySet<string>> {
  const confirmed = new Set<string>()
  for (const name of names) {
    try {
      await live.client.resource(nodes).get({ name }, { signal: live.signal })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      confirmed.add(name)
    }
  }
  return confirmed
}

interface Doomed {
  readonly pod: Pod
  /** Why it is marked failed first, if it had not finished. */
  readonly message?: string
}

/** Evicted ones first, then the oldest. */
function surplus(all: readonly Pod[], limit: number): readonly Pod[] {
  const finished = all.filter(isPodFinished)
  if (limit <= 0 || finished.length <= limit) return []
  const rank = (pod: Pod) => (pod.status?.reason === 'Evicted' ? 0 : 1)
  const order = (one: Pod, other: Pod) =>
    rank(one) - rank(other) ||
    Date.parse(one.metadata.creationTimestamp ?? '') -
      Date.parse(other.metadata.creationTimestamp ?? '') ||
    (one.metadata.name < other.metadata.name ? -1 : 1)
  return [...finished].sort(order).slice(0, finished.length - limit)
}

function doomedBy(
  pod: Pod,
  seen: { readonly snapshot: Snapshot; readonly isGone: (node: string) => boolean },
): readonly Doomed[] {
  const { nodeName } = pod.spec
  const isTerminating = pod.metadata.deletionTimestamp !== undefined
  if (!nodeName)
    return isTerminating
      ? [{ pod, message: 'PodGC: pod was being deleted and never scheduled' }]
      : []
  const node = seen.snapshot.of(nodes).get(nodeName)
  if (!node) return seen.isGone(nodeName) ? [{ pod, message: 'PodGC: node no longer exists' }] : []
  return isTerminating && isOutOfService(node)
    ? [{ pod, message: 'PodGC: node is out of service' }]
    : []
}

const isOutOfService = (node: Node): boolean =>
  node.spec.taints?.some((taint) => taint.key === outOfService) === true &&
  node.status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'True'

/** All marks first, then all deletions, each at once. */
function removals(doomed: readonly Doomed[], nowMs: number): Changes {
  const marks = doomed.flatMap(({ pod, message }) =>
    message === undefined || isPodFinished(pod) ? [] : [markFailed(pod, message, nowMs)],
  )
  const deletions = doomed.map(
    ({ pod: { metadata } }): Change => ({
      type: 'delete',
      resource: pods,
      key: { namespace: metadata.namespace, name: metadata.name },
      options: { gracePeriodSeconds: 0, preconditions: { uid: metadata.uid } },
    }),
  )
  return [marks, deletions].filter((step) => step.length > 0)
}

function markFailed(pod: Pod, message: string, nowMs: number): Change {
  const { namespace, name, uid, generation } = pod.metadata
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message,
    lastTransitionTime: formatTime(nowMs),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  }
  const body = { metadata: { uid }, status: { phase: 'Failed', conditions: [condition] } }
  return {
    type: 'patch',
    resource: pods,
    key: { namespace, name },
    patch: { type: 'strategic', body },
    subresource: 'status',
  }
}
