// One step of a Deployment: at most one of making a ReplicaSet, scaling ReplicaSets or cleaning
// up, then the status. Each step is seen again before the next is decided.
import { isPodFinished } from '../../api/core/pod-state.ts'
import { isReason } from '../../api/machinery/status.ts'
import { deployments, replicasets } from '../../api/resources.gen.ts'
import type { Deployment, DeploymentStatus, ReplicaSet } from '../../api/types/apps.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import type { Change, Changes, EventRecord, Outcome } from '../../client/controller.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { controllerRef, isControlledBy } from '../ownership.ts'
import {
  currentAnnotations,
  nextRevision,
  revisionAnnotation,
  revisionOf,
  sizeAnnotations,
} from './revision.ts'
import {
  allOf,
  isRolling,
  isScaling,
  newSize,
  obsoleteSets,
  rollingSizes,
  type Sets,
  type Sizes,
  scaledSizes,
  sizeOf,
  wantedReplicas,
} from './sizes.ts'
import {
  condition,
  countedStatus,
  deadlineMs,
  findCondition,
  hasDeadline,
  isComplete,
  rolloutStatus,
  withCondition,
} from './status.ts'
import { findNew, hashLabel, sameTemplate, templateHash } from './template.ts'

export interface DeploymentFacts {
  readonly owned: readonly ReplicaSet[]
  /** Any ReplicaSet of that name in the Deployment's namespace, whoever owns it. */
  readonly findSet: (name: string) => ReplicaSet | undefined
  readonly podsOf: (set: ReplicaSet) => readonly Pod[]
  readonly nowMs: number
}

/** What a run does, and the status it ends with. */
interface Step {
  readonly changes: Changes
  readonly status: DeploymentStatus
}

export function reconcileDeployment(deployment: Deployment, facts: DeploymentFacts): Outcome {
  const current = findNew(deployment.spec.template, facts.owned)
  const sets: Sets = { current, old: facts.owned.filter((set) => set !== current) }
  const step = stepOf(deployment, sets, facts)
  const atMs = deadlineMs(deployment, step.status)
  return {
    changes: [...step.changes, ...statusChange(deployment, step.status)],
    failed: (failures) => afterFailure(deployment, failures[0], facts.nowMs),
    ...(atMs === undefined ? {} : { requeueAfterMs: Math.max(0, atMs - facts.nowMs) + 1000 }),
  }
}

function stepOf(deployment: Deployment, sets: Sets, facts: DeploymentFacts): Step {
  const { nowMs } = facts
  const plain = () => countedStatus(deployment, sets, nowMs)
  if (deployment.metadata.deletionTimestamp !== undefined) return { changes: [], status: plain() }
  const paused = pauseStatus(deployment, plain(), nowMs)
  if (paused !== undefined) return { changes: [], status: paused }
  const annotated = annotateCurrent(deployment, sets)
  if (annotated.length > 0) return { changes: annotated, status: plain() }
  if (deployment.spec.paused || isScaling(deployment, sets)) {
    const scaling = resize(deployment, sets, scaledSizes(deployment, sets))
    const cleaning = deployment.spec.paused ? cleanUp(deployment, sets) : []
    const changes = [...scaling, ...cleaning]
    if (deployment.spec.paused || changes.length > 0) return { changes, status: plain() }
  }
  return isRolling(deployment) ? roll(deployment, sets, facts) : recreate(deployment, sets, facts)
}

/** A pause or its end restarts the clock of the deadline; told in a status of its own. */
function pauseStatus(
  deployment: Deployment,
  status: DeploymentStatus,
  nowMs: number,
): DeploymentStatus | undefined {
  const reason = findCondition(status.conditions, 'Progressing')?.reason
  if (!hasDeadline(deployment) || reason === 'ProgressDeadlineExceeded') return undefined
  const isPaused = deployment.spec.paused === true
  if (isPaused === (reason === 'DeploymentPaused')) return undefined
  const told = isPaused
    ? { reason: 'DeploymentPaused', message: 'Deployment is paused', nowMs }
    : { reason: 'DeploymentResumed', message: 'Deployment is resumed', nowMs }
  const conditions = withCondition(
    status.conditions ?? [],
    condition('Progressing', 'Unknown', told),
  )
  return { ...status, conditions }
}

function roll(deployment: Deployment, sets: Sets, facts: DeploymentFacts): Step {
  const { current } = sets
  if (!current) return makeCurrent(deployment, sets, facts)
  const scaling = resize(deployment, sets, rollingSizes(deployment, { ...sets, current }))
  const status = rolloutStatus(deployment, sets, facts.nowMs)
  if (scaling.length > 0) return { changes: scaling, status }
  return { changes: cleanUpWhenComplete(deployment, sets), status }
}

/** Old Pods go first, all of them; a terminating one still counts. */
function recreate(deployment: Deployment, sets: Sets, facts: DeploymentFacts): Step {
  const status = rolloutStatus(deployment, sets, facts.nowMs)
  const active = sets.old.filter((set) => sizeOf(set) > 0)
  if (active.length > 0) {
    const none = new Map(active.map((set) => [set.metadata.name, 0]))
    return { changes: resize(deployment, sets, none), status }
  }
  const busy = sets.old.some(
    (set) =>
      (set.status?.replicas ?? 0) > 0 || facts.podsOf(set).some((pod) => !isPodFinished(pod)),
  )
  if (busy) return { changes: [], status }
  if (!sets.current) return makeCurrent(deployment, sets, facts)
  const full = new Map([[sets.current.metadata.name, wantedReplicas(deployment)]])
  const scaling = resize(deployment, sets, full)
  if (scaling.length > 0) return { changes: scaling, status }
  return { changes: cleanUpWhenComplete(deployment, sets), status }
}

function makeCurrent(deployment: Deployment, sets: Sets, facts: DeploymentFacts): Step {
  const hash = templateHash(deployment.spec.template, deployment.status?.collisionCount)
  const name = `${deployment.metadata.name}-${hash}`
  const status = rolloutStatus(deployment, sets, facts.nowMs)
  const taken = facts.findSet(name)
  if (taken) {
    const ours =
      isControlledBy(taken, deployment) &&
      sameTemplate(taken.spec.template, deployment.spec.template)
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1
    return { changes: [], status: ours ? status : { ...status, collisionCount } }
  }
  const set = buildSet(deployment, { sets, name, hash })
  const created: Change = {
    type: 'create',
    resource: replicasets,
    object: set,
    ...(sizeOf(set) > 0 ? { done: scalingEvent(deployment, set, 0) } : {}),
  }
  return {
    changes: [created, ...revisionChange(deployment, revisionOf(set))],
    status: hasDeadline(deployment)
      ? {
          ...status,
          conditions: withCondition(
            status.conditions ?? [],
            condition('Progressing', 'True', {
              reason: 'NewReplicaSetCreated',
              message: `Created new replica set "${name}"`,
              nowMs: facts.nowMs,
            }),
          ),
        }
      : status,
  }
}

function buildSet(
  deployment: Deployment,
  { sets, name, hash }: { readonly sets: Sets; readonly name: string; readonly hash: string },
): ReplicaSet {
  const { template, selector, minReadySeconds } = deployment.spec
  const labels = { ...template.metadata?.labels, [hashLabel]: hash }
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: {
        ...currentAnnotations(deployment, undefined, nextRevision(sets.old)),
        ...sizeAnnotations(deployment),
      },
      ownerReferences: [controllerRef(deployments, deployment)],
    },
    spec: {
      replicas: newSize(deployment, sets),
      ...(minReadySeconds ? { minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
}

/** Brings the annotations of a ReplicaSet that is there, and the Deployment's revision, up to date. */
function annotateCurrent(deployment: Deployment, { current, old }: Sets): readonly Change[] {
  if (!current) return []
  const annotations = currentAnnotations(
    deployment,
    current.metadata.annotations,
    nextRevision(old),
  )
  const minReadySeconds = deployment.spec.minReadySeconds ?? 0
  const isCurrent =
    semanticEqual(annotations, current.metadata.annotations) &&
    minReadySeconds === (current.spec.minReadySeconds ?? 0)
  const revision = Number(annotations[revisionAnnotation])
  const updated: ReplicaSet = {
    ...current,
    metadata: { ...current.metadata, annotations },
    spec: { ...current.spec, minReadySeconds },
  }
  return [
    ...(isCurrent ? [] : [{ type: 'update', resource: replicasets, object: updated } as const]),
    ...revisionChange(deployment, revision),
  ]
}

function revisionChange(deployment: Deployment, revision: number): readonly Change[] {
  const { namespace, name, annotations } = deployment.metadata
  if (annotations?.[revisionAnnotation] === String(revision)) return []
  const body = { metadata: { annotations: { [revisionAnnotation]: String(revision) } } }
  return [
    {
      type: 'patch',
      resource: deployments,
      key: { namespace, name },
      patch: { type: 'merge', body },
      // As upstream: a status write does not count as a new generation of the Deployment.
      subresource: 'status',
    },
  ]
}

/** Writes sizes that differ, and notes in all that are listed what the Deployment wants now. */
function resize(deployment: Deployment, sets: Sets, sizes: Sizes): readonly Change[] {
  const changes: Change[] = []
  for (const set of allOf(sets)) {
    const size = sizes.get(set.metadata.name)
    if (size === undefined) continue
    const annotations = { ...set.metadata.annotations, ...sizeAnnotations(deployment) }
    const resized = size !== sizeOf(set)
    if (!resized && semanticEqual(annotations, set.metadata.annotations)) continue
    const object: ReplicaSet = {
      ...set,
      metadata: { ...set.metadata, annotations },
      spec: { ...set.spec, replicas: size },
    }
    const done = scalingEvent(deployment, object, sizeOf(set))
    changes.push({ type: 'update', resource: replicasets, object, ...(resized ? { done } : {}) })
  }
  return changes
}

function scalingEvent(deployment: Deployment, set: ReplicaSet, from: number): EventRecord {
  const to = sizeOf(set)
  return {
    regarding: deployment,
    type: 'Normal',
    reason: 'ScalingReplicaSet',
    message: `Scaled ${to > from ? 'up' : 'down'} replica set ${set.metadata.name} from ${from} to ${to}`,
  }
}

const cleanUpWhenComplete = (deployment: Deployment, sets: Sets): readonly Change[] =>
  isComplete(deployment, deployment.status ?? {}) ? cleanUp(deployment, sets) : []

const cleanUp = (deployment: Deployment, sets: Sets): readonly Change[] =>
  obsoleteSets(deployment, sets.old, revisionOf).map(({ metadata: { namespace, name, uid } }) => ({
    type: 'delete',
    resource: replicasets,
    key: { namespace, name },
    options: { preconditions: { uid } },
  }))

function statusChange(deployment: Deployment, status: DeploymentStatus): readonly Change[] {
  const { terminatingReplicas } = deployment.status ?? {}
  if (
    terminatingReplicas === status.terminatingReplicas &&
    semanticEqual(deployment.status, status)
  ) {
    return []
  }
  // A patch of the status alone: the annotation written just before must not make it a conflict.
  const { namespace, name, uid } = deployment.metadata
  const gone = Object.keys(deployment.status ?? {}).filter((field) => !(field in status))
  const body = {
    metadata: { uid },
    status: { ...Object.fromEntries(gone.map((field) => [field, null])), ...status },
  }
  return [
    {
      type: 'patch',
      resource: deployments,
      key: { namespace, name },
      patch: { type: 'merge', body },
      subresource: 'status',
    },
  ]
}

/** A ReplicaSet that cannot be made is told in the status and in an event. */
function afterFailure(
  deployment: Deployment,
  failure: { readonly change: Change; readonly error: unknown } | undefined,
  nowMs: number,
): Changes {
  if (failure?.change.type !== 'create' || isReason(failure.error, 'AlreadyExists')) return []
  const text = failure.error instanceof Error ? failure.error.message : String(failure.error)
  const message = `Failed to create new replica set "${failure.change.object.metadata.name}": ${text}`
  const reason = 'ReplicaSetCreateError'
  const conditions = withCondition(
    deployment.status?.conditions ?? [],
    condition('Progressing', 'False', { reason, message, nowMs }),
  )
  return [
    ...(hasDeadline(deployment)
      ? statusChange(deployment, { ...deployment.status, conditions })
      : []),
    { type: 'event', event: { regarding: deployment, type: 'Warning', reason, message } },
  ]
}
