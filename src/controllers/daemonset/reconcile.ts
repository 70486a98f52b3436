// One step of a DaemonSet: a Pod on each Node that should have one, none elsewhere, then a few
// old ones replaced; and the status.
import {
  isPodFinished,
  isPodReady,
  isPodTerminating,
  podAvailableAtMs,
} from '../../api/core/pod-state.ts'
import { scaledValue } from '../../api/machinery/int-or-string.ts'
import type { Resource } from '../../api/machinery/resource.ts'
import { daemonsets, pods } from '../../api/resources.gen.ts'
import type { ControllerRevision, DaemonSet, DaemonSetStatus } from '../../api/types/apps.gen.ts'
import type { Node, Pod } from '../../api/types/core.gen.ts'
import type { Change, Changes, Outcome } from '../../client/controller.ts'
import { semanticEqual } from '../../lib/equal.ts'
import type { Random } from '../../lib/random.ts'
import { podFromTemplate } from '../pod-template.ts'
import { currentRevision, revisionLabel, truncateHistory } from '../revisions.ts'
import { type Belonging, belongs, nodeOf, placedOn } from './placement.ts'

const generationAnnotation = 'deprecated.daemonset.template.generation'
const firstBackoffMs = 1000
const maxBackoffMs = 15 * 60_000

/** Of failed Pods by Node: how often in a row, and when the last one was removed. */
export type Failures = ReadonlyMap<string, { readonly count: number; readonly atMs: number }>

export interface DaemonSetFacts {
  readonly nodes: readonly Node[]
  readonly owned: readonly Pod[]
  readonly revisions: readonly ControllerRevision[]
  readonly failures: Failures
  readonly nowMs: number
  readonly random: Random
}

interface Place extends Belonging {
  readonly node: Node
  /** Oldest first. */
  readonly pods: readonly Pod[]
}

export function reconcileDaemonSet(
  set: DaemonSet,
  facts: DaemonSetFacts,
): { readonly outcome: Outcome; readonly memory: Failures } {
  const { revision, changes } = currentRevision(
    {
      resource: daemonsets as unknown as Resource,
      object: set,
      template: set.spec.template,
      collisionCount: set.status?.collisionCount || undefined,
      labels: set.spec.template.metadata?.labels ?? {},
    },
    facts.revisions,
  )
  const hash = revision.metadata.labels?.['controller.kubernetes.io/hash'] ?? ''
  const places = placesOf(set, facts)
  const isLeaving = set.metadata.deletionTimestamp !== undefined
  const managed = manage(set, places, { ...facts, hash })
  const steps =
    managed.changes.length > 0 ? managed.changes : update(set, places, { hash, nowMs: facts.nowMs })
  const status = statusOf(set, places, { hash, nowMs: facts.nowMs })
  const waitMs = Math.min(managed.waitMs, nextAvailability(set, facts))
  return {
    outcome: {
      changes: [
        ...changes,
        ...(isLeaving || steps.length === 0 ? [] : [steps]),
        ...statusChange(set, status),
        ...(isLeaving ? [] : truncate(set, facts, hash)),
      ],
      failed: (failures) =>
        failures.flatMap(
          ({ change, error }): Changes =>
            change.type === 'create' && change.resource === pods
              ? [
                  warning(
                    set,
                    'FailedCreate',
                    `Error creating: ${error instanceof Error ? error.message : String(error)}`,
                  ),
                ]
              : [],
        ),
      ...(Number.isFinite(waitMs) ? { requeueAfterMs: waitMs } : {}),
    },
    memory: managed.failures,
  }
}

function placesOf(set: DaemonSet, facts: DaemonSetFacts): readonly Place[] {
  const byNode = new Map<string, Pod[]>()
  for (const pod of facts.owned) {
    const name = nodeOf(pod)
    if (name !== undefined) byNode.set(name, [...(byNode.get(name) ?? []), pod])
  }
  const age = (pod: Pod) => Date.parse(pod.metadata.creationTimestamp ?? '') || 0
  return facts.nodes.map((node) => ({
    ...belongs(set, node),
    node,
    pods: (byNode.get(node.metadata.name) ?? []).sort((one, other) => age(one) - age(other)),
  }))
}

/** Makes what is missing and removes what failed, is too much, or is out of place. */
function manage(
  set: DaemonSet,
  places: readonly Place[],
  facts: DaemonSetFacts & { readonly hash: string },
) {
  const changes: Change[] = []
  const failures = new Map(facts.failures)
  let waitMs = Number.POSITIVE_INFINITY
  for (const place of places) {
    const name = place.node.metadata.name
    const staying = place.pods.filter((pod) => !isPodTerminating(pod))
    const [failed, live] = [
      staying.filter(isPodFinished),
      staying.filter((pod) => !isPodFinished(pod)),
    ]
    if (!place.stays) {
      changes.push(...staying.map((pod) => deletion(set, pod)))
      continue
    }
    for (const pod of failed) {
      const before = failures.get(name)
      const dueMs = before
        ? before.atMs + Math.min(maxBackoffMs, firstBackoffMs * 2 ** (before.count - 1))
        : 0
      if (dueMs > facts.nowMs) {
        waitMs = Math.min(waitMs, dueMs - facts.nowMs)
        continue
      }
      failures.set(name, { count: (before?.count ?? 0) + 1, atMs: facts.nowMs })
      changes.push(...removeFailed(set, pod, name))
    }
    if (live.some((pod) => isPodReady(pod))) failures.delete(name)
    if (place.runs && place.pods.length === 0) changes.push(creation(set, name, facts))
    else if (live.length > 1) changes.push(...live.slice(1).map((pod) => deletion(set, pod)))
  }
  return { changes, failures, waitMs }
}

function creation(
  set: DaemonSet,
  nodeName: string,
  facts: DaemonSetFacts & { readonly hash: string },
): Change {
  const owner = { resource: daemonsets, object: set }
  const pod = podFromTemplate(set.spec.template, owner, facts.random)
  const generation = set.metadata.annotations?.[generationAnnotation]
  const labels = {
    ...pod.metadata.labels,
    [revisionLabel]: facts.hash,
    ...(generation === undefined ? {} : { 'pod-template-generation': generation }),
  }
  const object: Pod = {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: placedOn(pod.spec, nodeName),
  }
  return {
    type: 'create',
    resource: pods,
    object,
    done: {
      regarding: set,
      type: 'Normal',
      reason: 'SuccessfulCreate',
      message: `Created pod: ${pod.metadata.name}`,
    },
  }
}

const deletion = (set: DaemonSet, { metadata: { namespace, name, uid } }: Pod): Change => ({
  type: 'delete',
  resource: pods,
  key: { namespace, name },
  options: { preconditions: { uid } },
  done: {
    regarding: set,
    type: 'Normal',
    reason: 'SuccessfulDelete',
    message: `Deleted pod: ${name}`,
  },
})

const warning = (set: DaemonSet, reason: string, message: string): Change => ({
  type: 'event',
  event: { regarding: set, type: 'Warning', reason, message },
})

function removeFailed(set: DaemonSet, pod: Pod, nodeName: string): readonly Change[] {
  const subject = `${pod.metadata.namespace}/${pod.metadata.name} on node ${nodeName}`
  const event =
    pod.status?.phase === 'Failed'
      ? warning(set, 'FailedDaemonPod', `Found failed daemon pod ${subject}, will try to kill it`)
      : warning(
          set,
          'SucceededDaemonPod',
          `Found succeeded daemon pod ${subject}, will try to delete it`,
        )
  return [event, deletion(set, pod)]
}

const isAvailable = (set: DaemonSet, pod: Pod, nowMs: number): boolean => {
  const atMs = podAvailableAtMs(pod, set.spec.minReadySeconds ?? 0)
  return atMs !== undefined && atMs <= nowMs
}

/** Replaces old Pods, those that are not available anyway first, within maxUnavailable. */
function update(
  set: DaemonSet,
  places: readonly Place[],
  { hash, nowMs }: { readonly hash: string; readonly nowMs: number },
): readonly Change[] {
  if (set.spec.updateStrategy?.type === 'OnDelete') return []
  const running = places.filter(({ runs }) => runs)
  const asked = set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1
  const most = Math.max(1, scaledValue(asked, running.length, 'up') ?? 1)
  const broken: Pod[] = []
  const candidates: Pod[] = []
  let unavailable = 0
  for (const place of running) {
    const pod = place.pods.find((each) => !isPodTerminating(each))
    const isOld = pod !== undefined && pod.metadata.labels?.[revisionLabel] !== hash
    if (!pod || !isAvailable(set, pod, nowMs)) unavailable += 1
    if (pod && isOld) (isAvailable(set, pod, nowMs) ? candidates : broken).push(pod)
  }
  const room = Math.max(0, most - unavailable)
  return [...broken, ...candidates.slice(0, room)].map((pod) => deletion(set, pod))
}

function statusOf(
  set: DaemonSet,
  places: readonly Place[],
  { hash, nowMs }: { readonly hash: string; readonly nowMs: number },
): DaemonSetStatus {
  const running = places.filter(({ runs }) => runs)
  const placed = running.map(({ pods: [oldest] }) => oldest).filter((pod) => pod !== undefined)
  const available = placed.filter((pod) => isPodReady(pod) && isAvailable(set, pod, nowMs)).length
  const updated = placed.filter((pod) => pod.metadata.labels?.[revisionLabel] === hash).length
  const unavailable = running.length - available
  return {
    currentNumberScheduled: placed.length,
    numberMisscheduled: places.filter((place) => !place.runs && place.pods.length > 0).length,
    desiredNumberScheduled: running.length,
    numberReady: placed.filter(isPodReady).length,
    observedGeneration: set.metadata.generation,
    ...(updated > 0 ? { updatedNumberScheduled: updated } : {}),
    ...(available > 0 ? { numberAvailable: available } : {}),
    ...(unavailable > 0 ? { numberUnavailable: unavailable } : {}),
    ...(set.status?.collisionCount === undefined
      ? {}
      : { collisionCount: set.status.collisionCount }),
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
  }
}

function statusChange(set: DaemonSet, status: DaemonSetStatus): readonly Change[] {
  if (semanticEqual(set.status, status)) return []
  return [
    {
      type: 'update',
      resource: daemonsets,
      subresource: 'status',
      object: { ...set, status } as DaemonSet,
    },
  ]
}

function nextAvailability(set: DaemonSet, facts: DaemonSetFacts): number {
  const times = facts.owned
    .map((pod) => (podAvailableAtMs(pod, set.spec.minReadySeconds ?? 0) ?? 0) - facts.nowMs)
    .filter((waitMs) => waitMs > 0)
  return Math.min(Number.POSITIVE_INFINITY, ...times)
}

function truncate(set: DaemonSet, facts: DaemonSetFacts, hash: string): readonly Change[] {
  const live = new Set([hash, ...facts.owned.map((pod) => pod.metadata.labels?.[revisionLabel])])
  return truncateHistory(facts.revisions, {
    limit: set.spec.revisionHistoryLimit ?? 10,
    isLive: ({ metadata }) => live.has(metadata.labels?.['controller.kubernetes.io/hash']),
  })
}
