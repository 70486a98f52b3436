// Keeps as many Pods of one template as wanted: the core of ReplicaSets and
// ReplicationControllers alike.
import {
  isPodActive,
  isPodFinished,
  isPodReady,
  podAvailableAtMs,
} from '../../api/core/pod-state.ts'
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import { pods } from '../../api/resources.gen.ts'
import type { ReplicaSetCondition, ReplicaSetStatus } from '../../api/types/apps.gen.ts'
import type { Pod, PodTemplateSpec } from '../../api/types/core.gen.ts'
import type { Change, Changes, Failure, Outcome } from '../../client/controller.ts'
import { formatTime } from '../../lib/clock.ts'
import { semanticEqual } from '../../lib/equal.ts'
import type { Random } from '../../lib/random.ts'
import { podFromTemplate } from '../pod-template.ts'
import { matchesPairs } from '../service-pods.ts'
import { podsToDelete } from './ranking.ts'

/** At most so many Pods are made or deleted in one run. */
const burst = 500

/** A ReplicaSet or ReplicationController, as far as the core cares. */
export interface ReplicaOwner {
  readonly resource: Resource
  readonly object: KubeObject & { readonly status?: ReplicaSetStatus | undefined }
  readonly replicas: number
  readonly minReadySeconds: number
  readonly template: PodTemplateSpec | undefined
}

export interface ReplicaFacts {
  /** All its Pods: active, terminating and finished ones. */
  readonly owned: readonly Pod[]
  readonly claims: readonly Change[]
  /** Active Pods of all ReplicaSets of the same Deployment, this one's included. */
  readonly related: readonly Pod[]
  readonly nowMs: number
  readonly random: Random
}

export function reconcileReplicas(owner: ReplicaOwner, facts: ReplicaFacts): Outcome {
  const active = facts.owned.filter(isPodActive)
  const surplus = active.length - owner.replicas
  const isLeaving = owner.object.metadata.deletionTimestamp !== undefined
  const status = statusOf(owner, facts, active)
  const changes = isLeaving ? [] : surplus < 0 ? creations(owner, -surplus, facts.random) : []
  const deletions = isLeaving || surplus <= 0 ? [] : deletionsOf(owner, active, facts)
  const requeueAfterMs = nextAvailability(owner, active, facts.nowMs)
  return {
    changes: [
      facts.claims,
      ...changes,
      deletions,
      statusChange(owner, withoutFailure(status)),
    ].filter((step) => !Array.isArray(step) || step.length > 0) as Changes,
    failed: (failures) => afterFailure(owner, { status, failures, nowMs: facts.nowMs }),
    ...(requeueAfterMs === undefined ? {} : { requeueAfterMs }),
  }
}

/** In batches of 1, 2, 4, …: the first failing one ends it before many requests are wasted. */
function creations(owner: ReplicaOwner, wanted: number, random: Random): Change[][] {
  const batches: Change[][] = []
  let left = Math.min(wanted, burst)
  for (let size = 1; left > 0; size *= 2) {
    batches.push(Array.from({ length: Math.min(size, left) }, () => creation(owner, random)))
    left -= size
  }
  return batches
}

function creation(owner: ReplicaOwner, random: Random): Change {
  const pod = podFromTemplate(owner.template, owner, random)
  return {
    type: 'create',
    resource: pods,
    object: pod,
    done: {
      regarding: owner.object,
      type: 'Normal',
      reason: 'SuccessfulCreate',
      message: `Created pod: ${pod.metadata.name}`,
    },
  }
}

function deletionsOf(owner: ReplicaOwner, active: readonly Pod[], facts: ReplicaFacts): Change[] {
  const count = Math.min(active.length - owner.replicas, burst)
  const onNode = new Map<string, number>()
  for (const { spec } of facts.related) {
    onNode.set(spec.nodeName ?? '', (onNode.get(spec.nodeName ?? '') ?? 0) + 1)
  }
  const neighbours = (pod: Pod) => onNode.get(pod.spec.nodeName ?? '') ?? 0
  return podsToDelete(active, count, { nowMs: facts.nowMs, neighbours }).map(
    ({ metadata: { namespace, name, uid } }) => ({
      type: 'delete',
      resource: pods,
      key: { namespace, name },
      options: { preconditions: { uid } },
      done: {
        regarding: owner.object,
        type: 'Normal',
        reason: 'SuccessfulDelete',
        message: `Deleted pod: ${name}`,
      },
    }),
  )
}

function statusOf(
  owner: ReplicaOwner,
  facts: ReplicaFacts,
  active: readonly Pod[],
): ReplicaSetStatus {
  const labels = owner.template?.metadata?.labels ?? {}
  const fully = active.filter((pod) => matchesPairs(labels, pod.metadata.labels)).length
  const ready = active.filter(isPodReady).length
  const available = active.filter((pod) => isAvailable(pod, owner, facts.nowMs)).length
  const terminating = facts.owned.filter(
    (pod) => pod.metadata.deletionTimestamp !== undefined && !isPodFinished(pod),
  ).length
  const { conditions } = owner.object.status ?? {}
  return {
    replicas: active.length,
    ...(fully > 0 ? { fullyLabeledReplicas: fully } : {}),
    ...(ready > 0 ? { readyReplicas: ready } : {}),
    ...(available > 0 ? { availableReplicas: available } : {}),
    // ReplicationControllers do not tell this.
    ...(owner.resource.kind === 'ReplicaSet' ? { terminatingReplicas: terminating } : {}),
    observedGeneration: owner.object.metadata.generation ?? 0,
    ...(conditions?.length ? { conditions } : {}),
  }
}

const isAvailable = (pod: Pod, owner: ReplicaOwner, nowMs: number): boolean => {
  const atMs = podAvailableAtMs(pod, owner.minReadySeconds)
  return atMs !== undefined && atMs <= nowMs
}

function nextAvailability(owner: ReplicaOwner, active: readonly Pod[], nowMs: number) {
  const times = active
    .map((pod) => podAvailableAtMs(pod, owner.minReadySeconds))
    .filter((atMs) => atMs !== undefined && atMs > nowMs)
  return times.length > 0 ? Math.min(...(times as number[])) - nowMs : undefined
}

function statusChange(owner: ReplicaOwner, status: ReplicaSetStatus): readonly Change[] {
  if (sameStatus(owner.object.status, status)) return []
  return [
    {
      type: 'update',
      resource: owner.resource,
      subresource: 'status',
      object: { ...owner.object, status } as KubeObject,
    },
  ]
}

// terminatingReplicas counts as changed when it appears, even as 0.
const sameStatus = (one: ReplicaSetStatus | undefined, other: ReplicaSetStatus): boolean =>
  one?.terminatingReplicas === other.terminatingReplicas && semanticEqual(one, other)

function withoutFailure(status: ReplicaSetStatus): ReplicaSetStatus {
  const { conditions, ...rest } = status
  const others = (conditions ?? []).filter(({ type }) => type !== 'ReplicaFailure')
  return others.length > 0 ? { ...rest, conditions: others } : rest
}

function afterFailure(
  owner: ReplicaOwner,
  happened: {
    readonly status: ReplicaSetStatus
    readonly failures: readonly Failure[]
    readonly nowMs: number
  },
): Changes {
  const ofPods = happened.failures.filter(
    ({ change }) => change.type === 'create' || change.type === 'delete',
  )
  const [first] = ofPods
  if (!first) return []
  const created = first.change.type === 'create'
  const reason = created ? 'FailedCreate' : 'FailedDelete'
  const events = ofPods.map(
    ({ error }): Change => ({
      type: 'event',
      event: {
        regarding: owner.object,
        type: 'Warning',
        reason,
        message: `Error ${created ? 'creating' : 'deleting'}: ${textOf(error)}`,
      },
    }),
  )
  const conditions = withFailure(happened.status.conditions ?? [], {
    type: 'ReplicaFailure',
    status: 'True',
    lastTransitionTime: formatTime(happened.nowMs),
    reason,
    message: textOf(first.error),
  })
  return [...events, statusChange(owner, { ...happened.status, conditions })].filter(
    (step) => !Array.isArray(step) || step.length > 0,
  )
}

// A new message alone is no change: it names another Pod at each try.
function withFailure(
  conditions: readonly ReplicaSetCondition[],
  failure: ReplicaSetCondition,
): readonly ReplicaSetCondition[] {
  const old = conditions.find(({ type }) => type === 'ReplicaFailure')
  if (old?.status === failure.status && old.reason === failure.reason) return conditions
  return [...conditions.filter((condition) => condition !== old), failure]
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
