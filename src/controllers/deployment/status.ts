// The status of a Deployment: counts over its ReplicaSets, and the conditions that
// `kubectl rollout status` reads.
import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from '../../api/types/apps.gen.ts'
import { formatTime } from '../../lib/clock.ts'
import { allOf, availableIn, bounds, type Sets, sizeOf, wantedReplicas } from './sizes.ts'

/** The largest int32: the deadline nobody waits for. */
const noDeadline = 0x7fff_ffff

export const hasDeadline = ({ spec }: Deployment): boolean =>
  spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== noDeadline

export type Conditions = readonly DeploymentCondition[]

export const findCondition = (conditions: Conditions | undefined, type: string) =>
  conditions?.find((condition) => condition.type === type)

export function condition(
  type: string,
  status: 'True' | 'False' | 'Unknown',
  told: { readonly reason: string; readonly message: string; readonly nowMs: number },
): DeploymentCondition {
  const now = formatTime(told.nowMs)
  return {
    type,
    status,
    reason: told.reason,
    message: told.message,
    lastUpdateTime: now,
    lastTransitionTime: now,
  }
}

/** Nothing changes while status and reason stay; the transition time only moves with the status. */
export function withCondition(conditions: Conditions, wanted: DeploymentCondition): Conditions {
  const old = findCondition(conditions, wanted.type)
  if (old?.status === wanted.status && old.reason === wanted.reason) return conditions
  return replaceCondition(conditions, wanted)
}

function replaceCondition(conditions: Conditions, wanted: DeploymentCondition): Conditions {
  const old = findCondition(conditions, wanted.type)
  const kept =
    old?.status === wanted.status && old.lastTransitionTime
      ? { ...wanted, lastTransitionTime: old.lastTransitionTime }
      : wanted
  return [...withoutCondition(conditions, wanted.type), kept]
}

export const withoutCondition = (conditions: Conditions, type: string): Conditions =>
  conditions.filter((candidate) => candidate.type !== type)

/** Counts, and whether enough replicas are available. */
export function countedStatus(deployment: Deployment, sets: Sets, nowMs: number): DeploymentStatus {
  const all = allOf(sets)
  const available = total(all, availableIn)
  const unavailable = Math.max(0, total(all, sizeOf) - available)
  const terminating = all.map((set) => set.status?.terminatingReplicas)
  const enough = available >= wantedReplicas(deployment) - bounds(deployment).unavailable
  const conditions = withCondition(
    deployment.status?.conditions ?? [],
    enough
      ? condition('Available', 'True', {
          reason: 'MinimumReplicasAvailable',
          message: 'Deployment has minimum availability.',
          nowMs,
        })
      : condition('Available', 'False', {
          reason: 'MinimumReplicasUnavailable',
          message: 'Deployment does not have minimum availability.',
          nowMs,
        }),
  )
  return {
    observedGeneration: deployment.metadata.generation,
    ...counted(
      'replicas',
      total(all, (set) => set.status?.replicas ?? 0),
    ),
    ...counted('updatedReplicas', sets.current?.status?.replicas ?? 0),
    ...counted(
      'readyReplicas',
      total(all, (set) => set.status?.readyReplicas ?? 0),
    ),
    ...counted('availableReplicas', available),
    ...counted('unavailableReplicas', unavailable),
    ...(terminating.every((count) => count !== undefined)
      ? { terminatingReplicas: terminating.reduce((sum, count) => sum + count, 0) }
      : {}),
    ...(deployment.status?.collisionCount === undefined
      ? {}
      : { collisionCount: deployment.status.collisionCount }),
    conditions,
  }
}

const counted = (field: string, count: number) => (count === 0 ? {} : { [field]: count })

const total = (sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number): number =>
  sets.reduce((sum, set) => sum + count(set), 0)

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const replicas = wantedReplicas(deployment)
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  )
}

/** Adds what a rollout adds: progress or the lack of it, and failures of the ReplicaSets. */
export function rolloutStatus(deployment: Deployment, sets: Sets, nowMs: number): DeploymentStatus {
  const status = countedStatus(deployment, sets, nowMs)
  const current = findCondition(deployment.status?.conditions, 'Progressing')
  const done =
    (status.replicas ?? 0) === (status.updatedReplicas ?? 0) &&
    current?.reason === 'NewReplicaSetAvailable'
  const conditions = !hasDeadline(deployment)
    ? withoutCondition(status.conditions ?? [], 'Progressing')
    : done
      ? (status.conditions ?? [])
      : progressConditions(deployment, { status, sets, nowMs })
  const failure = replicaFailure(sets)
  return {
    ...status,
    conditions: failure
      ? withCondition(conditions, failure)
      : withoutCondition(conditions, 'ReplicaFailure'),
  }
}

interface Rollout {
  readonly status: DeploymentStatus
  readonly sets: Sets
  readonly nowMs: number
}

function progressConditions(deployment: Deployment, rollout: Rollout): Conditions {
  const { status, sets, nowMs } = rollout
  const conditions = status.conditions ?? []
  const subject = sets.current
    ? `ReplicaSet "${sets.current.metadata.name}"`
    : `Deployment "${deployment.metadata.name}"`
  const progressing = (value: 'True' | 'False', reason: string, what: string) =>
    condition('Progressing', value, { reason, message: `${subject} ${what}`, nowMs })
  if (isComplete(deployment, status)) {
    return withCondition(
      conditions,
      progressing('True', 'NewReplicaSetAvailable', 'has successfully progressed.'),
    )
  }
  if (isProgress(deployment.status ?? {}, status)) {
    // Replaced even when nothing in it changes: the deadline counts from its lastUpdateTime.
    return replaceCondition(conditions, progressing('True', 'ReplicaSetUpdated', 'is progressing.'))
  }
  if (nowMs >= (deadlineMs(deployment, status) ?? Number.POSITIVE_INFINITY)) {
    return withCondition(
      conditions,
      progressing('False', 'ProgressDeadlineExceeded', 'has timed out progressing.'),
    )
  }
  const isKnown = findCondition(conditions, 'Progressing') !== undefined
  if (isKnown || !sets.current) return conditions
  const message = `Found new replica set "${sets.current.metadata.name}"`
  return withCondition(
    conditions,
    condition('Progressing', 'True', { reason: 'FoundNewReplicaSet', message, nowMs }),
  )
}

function isProgress(before: DeploymentStatus, now: DeploymentStatus): boolean {
  const updated = (of: DeploymentStatus) => of.updatedReplicas ?? 0
  const old = (of: DeploymentStatus) => (of.replicas ?? 0) - updated(of)
  return (
    updated(now) > updated(before) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  )
}

/** When a rollout that makes no more progress counts as stuck; undefined when it cannot be. */
export function deadlineMs(deployment: Deployment, status: DeploymentStatus): number | undefined {
  const current = findCondition(status.conditions, 'Progressing')
  if (!hasDeadline(deployment) || !current || isComplete(deployment, status)) return undefined
  if (current.reason === 'NewReplicaSetAvailable' || !current.lastUpdateTime) return undefined
  if (current.reason === 'ProgressDeadlineExceeded') return undefined
  return Date.parse(current.lastUpdateTime) + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000
}

function replicaFailure(sets: Sets): DeploymentCondition | undefined {
  for (const set of sets.current ? [sets.current, ...sets.old] : sets.old) {
    const failure = set.status?.conditions?.find(({ type }) => type === 'ReplicaFailure')
    if (failure) {
      return {
        type: 'ReplicaFailure',
        status: failure.status,
        reason: failure.reason,
        message: failure.message,
        lastUpdateTime: failure.lastTransitionTime,
        lastTransitionTime: failure.lastTransitionTime,
      }
    }
  }
  return undefined
}
