// The disruption controller: keeps the counts of PodDisruptionBudgets that evictions are judged by.
import { isPodFinished, isPodReady } from '../api/core/pod-state.ts'
import { scaledValue } from '../api/machinery/int-or-string.ts'
import { selectorFromLabelSelector } from '../api/machinery/labels.ts'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import {
  deployments,
  poddisruptionbudgets,
  pods,
  replicasets,
  replicationcontrollers,
  statefulsets,
} from '../api/resources.gen.ts'
import type { Pod } from '../api/types/core.gen.ts'
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../api/types/policy.gen.ts'
import type { Change, Controller, Snapshot } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { formatTime } from '../lib/clock.ts'
import { semanticEqual } from '../lib/equal.ts'
import { ownerIndexes, podIndexes } from './indexes.ts'
import { controllerOf } from './ownership.ts'

/** An eviction that has not become a deletion by then did not happen. */
const evictionTimeoutMs = 2 * 60_000

const scalable: Readonly<Record<string, Resource>> = {
  ReplicaSet: replicasets as unknown as Resource,
  ReplicationController: replicationcontrollers as unknown as Resource,
  StatefulSet: statefulsets as unknown as Resource,
  Deployment: deployments as unknown as Resource,
}

export function disruptionController(): Controller {
  const none = () => []
  return {
    name: 'disruption',
    component: 'controllermanager',
    watches: [
      watching({ resource: poddisruptionbudgets }),
      watching({ resource: pods, indexes: podIndexes, keys: budgetsOfPod }),
      watching({ resource: replicasets, indexes: ownerIndexes, keys: none }),
      watching({ resource: replicationcontrollers, indexes: ownerIndexes, keys: none }),
      watching({ resource: statefulsets, keys: none }),
      watching({ resource: deployments, keys: none }),
    ],
    reconcile(key, snapshot, { nowMs }) {
      const budget = snapshot.of(poddisruptionbudgets).get(key)
      if (!budget) return { changes: [] }
      const selector = selectorFromLabelSelector(budget.spec?.selector)
      const covered = snapshot
        .of(pods)
        .list(budget.metadata.namespace)
        .filter((pod) => selector.matches(pod.metadata.labels) && !isPodFinished(pod))
      const { status, waitMs } = statusOf(budget, covered, { snapshot, nowMs })
      return {
        changes: statusChange(budget, status),
        ...(waitMs === undefined ? {} : { requeueAfterMs: waitMs }),
      }
    },
  }
}

function budgetsOfPod(pod: Pod, old: Pod | undefined, snapshot: Snapshot): readonly string[] {
  return snapshot
    .of(poddisruptionbudgets)
    .list(pod.metadata.namespace)
    .filter((budget) => {
      const selector = selectorFromLabelSelector(budget.spec?.selector)
      return selector.matches(pod.metadata.labels) || (old && selector.matches(old.metadata.labels))
    })
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
}

function statusOf(
  budget: PodDisruptionBudget,
  covered: readonly Pod[],
  { snapshot, nowMs }: { readonly snapshot: Snapshot; readonly nowMs: number },
): { readonly status: PodDisruptionBudgetStatus; readonly waitMs: number | undefined } {
  const { expected, desired } = wanted(budget, covered, snapshot)
  const disrupted = Object.entries(budget.status?.disruptedPods ?? {}).filter(([name, time]) => {
    const pod = covered.find(({ metadata }) => metadata.name === name)
    const isRecent = nowMs - Date.parse(time) < evictionTimeoutMs
    return pod !== undefined && pod.metadata.deletionTimestamp === undefined && isRecent
  })
  const isCounted = (pod: Pod) =>
    isPodReady(pod) &&
    pod.metadata.deletionTimestamp === undefined &&
    !disrupted.some(([name]) => name === pod.metadata.name)
  const healthy = covered.filter(isCounted).length
  const allowed = expected > 0 ? Math.max(0, healthy - desired) : 0
  const soonestMs = Math.min(
    ...disrupted.map(([, time]) => Date.parse(time) + evictionTimeoutMs - nowMs),
  )
  const status: PodDisruptionBudgetStatus = {
    observedGeneration: budget.metadata.generation,
    disruptionsAllowed: allowed,
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    ...(disrupted.length > 0 ? { disruptedPods: Object.fromEntries(disrupted) } : {}),
    conditions: [conditionOf(budget, allowed, nowMs)],
  }
  return { status, waitMs: disrupted.length > 0 ? soonestMs : undefined }
}

/** How many Pods there should be, and how many of them must stay healthy. */
function wanted(budget: PodDisruptionBudget, covered: readonly Pod[], snapshot: Snapshot) {
  const { minAvailable, maxUnavailable } = budget.spec ?? {}
  if (maxUnavailable !== undefined) {
    const expected = expectedByOwners(covered, snapshot)
    return {
      expected,
      desired: Math.max(0, expected - (scaledValue(maxUnavailable, expected, 'up') ?? 0)),
    }
  }
  if (typeof minAvailable === 'string') {
    const expected = expectedByOwners(covered, snapshot)
    return { expected, desired: scaledValue(minAvailable, expected, 'up') ?? 0 }
  }
  return { expected: covered.length, desired: minAvailable ?? 1 }
}

/** The sizes of all workloads that the Pods belong to, Deployments for their ReplicaSets. */
function expectedByOwners(covered: readonly Pod[], snapshot: Snapshot): number {
  const sizes = new Map<string, number>()
  for (const pod of covered) {
    let owner = ownerOf(pod, snapshot)
    while (owner) {
      const above = ownerOf(owner, snapshot)
      if (!above) break
      owner = above
    }
    if (owner) sizes.set(owner.metadata.uid ?? '', replicasOf(owner))
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

function ownerOf(object: KubeObject, snapshot: Snapshot): KubeObject | undefined {
  const reference = controllerOf(object)
  const resource = reference && scalable[reference.kind]
  const owner =
    resource && snapshot.of(resource).get(`${object.metadata.namespace}/${reference.name}`)
  return owner?.metadata.uid === reference?.uid ? owner : undefined
}

const replicasOf = (object: KubeObject): number =>
  (object as { readonly spec?: { readonly replicas?: number } }).spec?.replicas ?? 1

function conditionOf(budget: PodDisruptionBudget, allowed: number, nowMs: number) {
  const type = 'DisruptionAllowed'
  const status = allowed > 0 ? ('True' as const) : ('False' as const)
  const old = budget.status?.conditions?.find((condition) => condition.type === type)
  return {
    type,
    status,
    observedGeneration: budget.metadata.generation,
    lastTransitionTime: old?.status === status ? old.lastTransitionTime : formatTime(nowMs),
    reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
    message: '',
  }
}

function statusChange(
  budget: PodDisruptionBudget,
  status: PodDisruptionBudgetStatus,
): readonly Change[] {
  if (semanticEqual(budget.status, status)) return []
  return [
    {
      type: 'update',
      resource: poddisruptionbudgets,
      subresource: 'status',
      object: { ...budget, status } as PodDisruptionBudget,
    },
  ]
}
