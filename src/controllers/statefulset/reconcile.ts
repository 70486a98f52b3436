// One step of a StatefulSet: the Pods that may be made, deleted or replaced now, in the order its
// numbers ask for; then the status.
import { isPodFinished, isPodReady, podAvailableAtMs } from '../../api/core/pod-state.ts'
import type { Resource } from '../../api/machinery/resource.ts'
import { persistentvolumeclaims, pods, statefulsets } from '../../api/resources.gen.ts'
import type {
  ControllerRevision,
  StatefulSet,
  StatefulSetStatus,
} from '../../api/types/apps.gen.ts'
import type { Pod, PodTemplateSpec } from '../../api/types/core.gen.ts'
import type { Change, Changes, EventRecord, Outcome } from '../../client/controller.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { currentRevision, revisionLabel, templateOf, truncateHistory } from '../revisions.ts'
import { buildPod, claimsOf, isHealthy, ordinalOf, podName } from './pod.ts'

export interface StatefulSetFacts {
  /** Members of the set by name. */
  readonly owned: readonly Pod[]
  /** A Pod of that name that the set does not own. */
  readonly findPod: (name: string) => Pod | undefined
  readonly revisions: readonly ControllerRevision[]
  readonly hasClaim: (name: string) => boolean
  readonly nowMs: number
}

interface Plan {
  readonly set: StatefulSet
  readonly facts: StatefulSetFacts
  readonly byOrdinal: ReadonlyMap<number, Pod>
  readonly first: number
  readonly replicas: number
  readonly isOrdered: boolean
  readonly update: ControllerRevision
  readonly current: ControllerRevision
}

export function reconcileStatefulSet(set: StatefulSet, facts: StatefulSetFacts): Outcome {
  const { revision, changes } = currentRevision(
    {
      resource: statefulsets as unknown as Resource,
      object: set,
      template: set.spec.template,
      collisionCount: set.status?.collisionCount || undefined,
      labels: set.spec.selector.matchLabels ?? {},
    },
    facts.revisions,
  )
  const current = facts.revisions.find(
    ({ metadata }) => metadata.name === set.status?.currentRevision,
  )
  const plan = planOf(set, facts, { update: revision, current: current ?? revision })
  const isLeaving = set.metadata.deletionTimestamp !== undefined
  const steps = isLeaving || changes.length > 0 ? [] : stepsOf(plan)
  const status = statusOf(plan)
  const atMs = nextAvailability(plan)
  return {
    changes: [
      ...changes,
      ...(steps.length > 0 ? [steps] : []),
      ...statusChange(set, status),
      ...(isLeaving ? [] : truncate(plan, status)),
    ],
    failed: (failures) => failures.flatMap(({ change, error }) => failureEvent(set, change, error)),
    ...(atMs === undefined ? {} : { requeueAfterMs: atMs - facts.nowMs }),
  }
}

function planOf(
  set: StatefulSet,
  facts: StatefulSetFacts,
  revisions: { readonly update: ControllerRevision; readonly current: ControllerRevision },
): Plan {
  return {
    set,
    facts,
    byOrdinal: new Map(facts.owned.map((pod) => [ordinalOf(set, pod) ?? -1, pod])),
    first: set.spec.ordinals?.start ?? 0,
    replicas: set.spec.replicas ?? 1,
    isOrdered: set.spec.podManagementPolicy !== 'Parallel',
    ...revisions,
  }
}

/** What may be done at once: one Pod when they are ordered, all that are missing otherwise. */
function stepsOf(plan: Plan): readonly Change[] {
  const { first, replicas } = plan
  const steps: Change[] = []
  for (let ordinal = first; ordinal < first + replicas; ordinal += 1) {
    const pod = plan.byOrdinal.get(ordinal)
    if (!pod) steps.push(...creation(plan, ordinal))
    else if (isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined) {
      steps.push(...recreation(plan, pod))
    } else if (!plan.isOrdered || isAvailable(plan, pod)) continue
    // An ordered set goes no further than the first Pod that is not well.
    if (plan.isOrdered) return steps
  }
  return steps.length > 0 ? steps : shrinkOrUpdate(plan)
}

function shrinkOrUpdate(plan: Plan): readonly Change[] {
  const { first, replicas, set } = plan
  const condemned = [...plan.byOrdinal]
    .filter(([ordinal]) => ordinal < first || ordinal >= first + replicas)
    .sort(([one], [other]) => other - one)
    .map(([, pod]) => pod)
  if (condemned.length > 0) return shrink(plan, condemned)
  return set.spec.updateStrategy?.type === 'OnDelete' ? [] : rollingUpdate(plan)
}

/** From the top; an ordered set waits for each one to end, and does not go past a sick one. */
function shrink(plan: Plan, condemned: readonly Pod[]): readonly Change[] {
  if (!plan.isOrdered) {
    return condemned
      .filter((pod) => pod.metadata.deletionTimestamp === undefined)
      .map((pod) => deletion(plan.set, pod))
  }
  const [next] = condemned
  if (!next || next.metadata.deletionTimestamp !== undefined) return []
  const sick = condemned.filter((pod) => !isHealthy(pod)).at(-1)
  return sick && sick !== next && !isHealthy(next) ? [] : [deletion(plan.set, next)]
}

/** From the top down to the partition, one at a time, each only when those above are well again. */
function rollingUpdate(plan: Plan): readonly Change[] {
  const { first, replicas, set, update } = plan
  const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0
  for (let ordinal = first + replicas - 1; ordinal >= first + partition; ordinal -= 1) {
    const pod = plan.byOrdinal.get(ordinal)
    if (!pod || pod.metadata.deletionTimestamp !== undefined) return []
    if (revisionOf(pod) !== update.metadata.name) return [deletion(set, pod)]
    if (!isAvailable(plan, pod)) return []
  }
  return []
}

const revisionOf = (pod: Pod): string | undefined => pod.metadata.labels?.[revisionLabel]

/** Below the partition a Pod that is made anew still gets the revision that is current. */
function versionOf(plan: Plan, ordinal: number): { template: PodTemplateSpec; revision: string } {
  const { type, rollingUpdate: rolling } = plan.set.spec.updateStrategy ?? {}
  const partition = rolling?.partition ?? (rolling ? 0 : (plan.set.status?.currentReplicas ?? 0))
  const isOld = type !== 'OnDelete' && ordinal < plan.first + partition
  const revision = isOld ? plan.current : plan.update
  return {
    template: templateOf(revision) ?? plan.set.spec.template,
    revision: revision.metadata.name,
  }
}

function creation(plan: Plan, ordinal: number): readonly Change[] {
  const { set, facts } = plan
  const name = podName(set, ordinal)
  if (facts.findPod(name)) return []
  const claims = claimsOf(set, ordinal)
    .filter((claim) => !facts.hasClaim(claim.metadata.name))
    .map(
      (claim): Change => ({
        type: 'create',
        resource: persistentvolumeclaims,
        object: claim,
        done: told(
          set,
          'SuccessfulCreate',
          `Create Claim ${claim.metadata.name} Pod ${name} in StatefulSet ${set.metadata.name} success`,
        ),
      }),
    )
  return [
    ...claims,
    {
      type: 'create',
      resource: pods,
      object: buildPod(set, ordinal, versionOf(plan, ordinal)),
      done: told(
        set,
        'SuccessfulCreate',
        `Create Pod ${name} in StatefulSet ${set.metadata.name} successful`,
      ),
    },
  ]
}

function recreation({ set }: Plan, pod: Pod): readonly Change[] {
  const { namespace, name } = set.metadata
  const [reason, how] =
    pod.status?.phase === 'Failed'
      ? ['RecreatingFailedPod', 'failed']
      : ['RecreatingTerminatedPod', 'terminated']
  const message = `StatefulSet ${namespace}/${name} is recreating ${how} Pod ${pod.metadata.name}`
  const event: Change = {
    type: 'event',
    event: {
      regarding: set,
      type: reason === 'RecreatingFailedPod' ? 'Warning' : 'Normal',
      reason: reason ?? '',
      message,
    },
  }
  return [event, deletion(set, pod)]
}

const deletion = (set: StatefulSet, { metadata: { namespace, name, uid } }: Pod): Change => ({
  type: 'delete',
  resource: pods,
  key: { namespace, name },
  options: { preconditions: { uid } },
  done: told(
    set,
    'SuccessfulDelete',
    `Delete Pod ${name} in StatefulSet ${set.metadata.name} successful`,
  ),
})

const told = (set: StatefulSet, reason: string, message: string): EventRecord => ({
  regarding: set,
  type: 'Normal',
  reason,
  message,
})

function failureEvent(set: StatefulSet, change: Change, error: unknown): Changes {
  if (change.type !== 'create' || change.resource !== pods) return []
  const text = error instanceof Error ? error.message : String(error)
  const message = `create Pod ${change.object.metadata.name} in StatefulSet ${set.metadata.name} failed error: ${text}`
  return [
    { type: 'event', event: { regarding: set, type: 'Warning', reason: 'FailedCreate', message } },
  ]
}

const isAvailable = (plan: Plan, pod: Pod): boolean =>
  isHealthy(pod) && (availableAtMs(plan, pod) ?? Number.POSITIVE_INFINITY) <= plan.facts.nowMs

const availableAtMs = ({ set }: Plan, pod: Pod): number | undefined =>
  podAvailableAtMs(pod, set.spec.minReadySeconds ?? 0)

function nextAvailability(plan: Plan): number | undefined {
  const times = plan.facts.owned
    .map((pod) => availableAtMs(plan, pod))
    .filter((atMs) => atMs !== undefined && atMs > plan.facts.nowMs)
  return times.length > 0 ? Math.min(...(times as number[])) : undefined
}

function statusOf(plan: Plan): StatefulSetStatus {
  const { set, facts, update, current } = plan
  const running = facts.owned.filter((pod) => pod.status?.phase === 'Running' && isPodReady(pod))
  const available = running.filter(
    (pod) => (availableAtMs(plan, pod) ?? Number.POSITIVE_INFINITY) <= facts.nowMs,
  )
  const staying = facts.owned.filter((pod) => pod.metadata.deletionTimestamp === undefined)
  const of = ({ metadata }: ControllerRevision) =>
    staying.filter((pod) => revisionOf(pod) === metadata.name).length
  const all = facts.owned.length
  const isDone =
    set.spec.updateStrategy?.type !== 'OnDelete' && of(update) === all && running.length === all
  const now = isDone ? update : current
  return {
    observedGeneration: set.metadata.generation,
    replicas: all,
    ...(running.length > 0 ? { readyReplicas: running.length } : {}),
    availableReplicas: available.length,
    ...(of(now) > 0 ? { currentReplicas: of(now) } : {}),
    ...(of(update) > 0 ? { updatedReplicas: of(update) } : {}),
    currentRevision: now.metadata.name,
    updateRevision: update.metadata.name,
    collisionCount: set.status?.collisionCount ?? 0,
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
  }
}

function statusChange(set: StatefulSet, status: StatefulSetStatus): readonly Change[] {
  if (semanticEqual(set.status, status)) return []
  return [
    {
      type: 'update',
      resource: statefulsets,
      subresource: 'status',
      object: { ...set, status } as StatefulSet,
    },
  ]
}

function truncate(plan: Plan, status: StatefulSetStatus): readonly Change[] {
  const live = new Set([
    status.currentRevision,
    status.updateRevision,
    ...plan.facts.owned.map(revisionOf),
  ])
  return truncateHistory(plan.facts.revisions, {
    limit: plan.set.spec.revisionHistoryLimit ?? 10,
    isLive: ({ metadata }) => live.has(metadata.name),
  })
}
