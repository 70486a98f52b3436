// One step of a Job: counts what finished, decides whether it is over, and keeps as many Pods
// active as there is work for.
import {
  findPodCondition,
  isPodActive,
  isPodFinished,
  isPodReady,
  isPodTerminating,
} from '../../api/core/pod-state.ts'
import { jobs, pods } from '../../api/resources.gen.ts'
import type { Job, JobCondition, JobSpec, JobStatus } from '../../api/types/batch.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import type { Change, Changes, EventRecord, Outcome } from '../../client/controller.ts'
import { formatTime } from '../../lib/clock.ts'
import { semanticEqual } from '../../lib/equal.ts'
import type { Random } from '../../lib/random.ts'
import { podsToDelete } from '../replicaset/ranking.ts'
import { type Counted, countPods, indexOf, releaseAll, resultOf } from './count.ts'
import { parseIndexes } from './indexes.ts'
import { buildJobPod } from './pod.ts'

const firstBackoffMs = 10_000
const maxBackoffMs = 600_000
const burst = 500

export interface JobFacts {
  readonly owned: readonly Pod[]
  readonly claims: readonly Change[]
  readonly nowMs: number
  readonly random: Random
}

interface Ending {
  readonly type: 'Complete' | 'Failed'
  /** The condition that announces it while Pods still end. */
  readonly announced: 'SuccessCriteriaMet' | 'FailureTarget'
  readonly reason: string
  readonly message: string
}

export const isJobOver = ({ status }: Job): boolean =>
  status?.conditions?.some(
    ({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True',
  ) === true

export function reconcileJob(job: Job, facts: JobFacts): Outcome {
  if (isJobOver(job))
    return { changes: [releaseAll(facts.owned)].filter((step) => step.length > 0) }
  const counted = countPods(job, facts.owned)
  const active = facts.owned.filter(isPodActive)
  const ending = endingOf(job, counted, { active, nowMs: facts.nowMs })
  const isLeaving = job.metadata.deletionTimestamp !== undefined
  const size = ending || job.spec.suspend ? 0 : wantedActive(job.spec, counted, active.length)
  const surplus = active.length - size
  const delayMs = surplus < 0 ? backoffMs(facts) : 0
  const status = statusOf(job, facts, { counted, ending, active })
  const steps = isLeaving
    ? []
    : surplus > 0
      ? deletions(job, active, { surplus, nowMs: facts.nowMs })
      : delayMs > 0
        ? []
        : creations(job, facts, { missing: -surplus, counted })
  const waitMs = Math.min(
    delayMs > 0 ? delayMs : Number.POSITIVE_INFINITY,
    deadlineMs(job, status) - facts.nowMs,
  )
  return {
    changes: [
      facts.claims,
      ...statusChange(job, status),
      counted.releases,
      steps,
      ...endEvent(job, status),
    ].filter((step) => !Array.isArray(step) || step.length > 0) as Changes,
    failed: (failures) =>
      failures.flatMap(
        ({ change, error }): Changes =>
          change.type === 'create'
            ? [
                event(job, {
                  type: 'Warning',
                  reason: 'FailedCreate',
                  message: `Error creating: ${error instanceof Error ? error.message : String(error)}`,
                }),
              ]
            : [],
      ),
    ...(Number.isFinite(waitMs) ? { requeueAfterMs: Math.max(1, waitMs) } : {}),
  }
}

const total = (count: number, open: readonly string[] | undefined): number =>
  count + (open?.length ?? 0)

/** Whether the Job has reached its end, one way or the other. Once announced it stays so. */
function endingOf(
  job: Job,
  counted: Counted,
  { active, nowMs }: { readonly active: readonly Pod[]; readonly nowMs: number },
): Ending | undefined {
  const announced = job.status?.conditions?.find(
    ({ type, status }) =>
      status === 'True' && (type === 'SuccessCriteriaMet' || type === 'FailureTarget'),
  )
  if (announced) {
    const { reason = '', message = '' } = announced
    return announced.type === 'FailureTarget'
      ? { type: 'Failed', announced: 'FailureTarget', reason, message }
      : { type: 'Complete', announced: 'SuccessCriteriaMet', reason, message }
  }
  const { completions, backoffLimit = 6, suspend } = job.spec
  const failed = total(counted.failed, counted.uncounted.failed)
  if (failed > backoffLimit || restartsExceed(job, active, backoffLimit)) {
    return failing('BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  }
  if (!suspend && nowMs >= deadlineMs(job, job.status ?? {})) {
    return failing('DeadlineExceeded', 'Job was active longer than specified deadline')
  }
  const succeeded = total(counted.succeeded, counted.uncounted.succeeded)
  const isDone =
    completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions
  if (!isDone) return undefined
  return {
    type: 'Complete',
    announced: 'SuccessCriteriaMet',
    reason: 'CompletionsReached',
    message: 'Reached expected number of succeeded pods',
  }
}

const failing = (reason: string, message: string): Ending => ({
  type: 'Failed',
  announced: 'FailureTarget',
  reason,
  message,
})

/** Pods that restart their containers in place count by their restarts. */
function restartsExceed(job: Job, active: readonly Pod[], limit: number): boolean {
  if (job.spec.template.spec?.restartPolicy !== 'OnFailure') return false
  const restarts = active
    .flatMap(({ status }) => [
      ...(status?.containerStatuses ?? []),
      ...(status?.initContainerStatuses ?? []),
    ])
    .reduce((sum, { restartCount }) => sum + restartCount, 0)
  return limit === 0 ? restarts > 0 : restarts >= limit
}

/** When the Job runs out of time; infinity without a deadline or before it started. */
function deadlineMs(job: Job, status: JobStatus): number {
  const seconds = job.spec.activeDeadlineSeconds
  return seconds === undefined || !status.startTime
    ? Number.POSITIVE_INFINITY
    : Date.parse(status.startTime) + seconds * 1000
}

function wantedActive(
  { completions, parallelism = 1 }: JobSpec,
  counted: Counted,
  active: number,
): number {
  const succeeded = total(counted.succeeded, counted.uncounted.succeeded)
  // Without a number of completions the first success ends the work.
  if (completions === undefined) return succeeded > 0 ? Math.min(active, parallelism) : parallelism
  return Math.min(parallelism, Math.max(0, completions - succeeded))
}

/** How long no new Pod is made after failures in a row, by the Pods that are still there. */
function backoffMs({ owned, nowMs }: JobFacts): number {
  const ended = owned.map((pod) => ({ result: resultOf(pod), atMs: endedMs(pod) }))
  const lastSuccessMs = Math.max(
    0,
    ...ended.filter(({ result }) => result === 'succeeded').map(({ atMs }) => atMs),
  )
  const failures = ended.filter(({ result, atMs }) => result === 'failed' && atMs > lastSuccessMs)
  if (failures.length === 0) return 0
  const delayMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (failures.length - 1))
  return Math.max(0, Math.max(...failures.map(({ atMs }) => atMs)) + delayMs - nowMs)
}

function endedMs(pod: Pod): number {
  const finished = (pod.status?.containerStatuses ?? []).map(({ state }) =>
    Date.parse(state?.terminated?.finishedAt ?? ''),
  )
  const latest = Math.max(...finished.filter((atMs) => !Number.isNaN(atMs)))
  if (Number.isFinite(latest)) return latest
  return (
    Date.parse(
      pod.metadata.deletionTimestamp ?? findPodCondition(pod, 'Ready')?.lastTransitionTime ?? '',
    ) || 0
  )
}

function creations(
  job: Job,
  facts: JobFacts,
  { missing, counted }: { readonly missing: number; readonly counted: Counted },
): readonly Change[] {
  const count = Math.min(missing, burst)
  if (count <= 0) return []
  const indexes =
    job.spec.completionMode === 'Indexed' ? freeIndexes(job, facts, { count, counted }) : undefined
  return Array.from({ length: indexes?.length ?? count }, (_, at) => {
    const object = buildJobPod(job, indexes?.[at], facts.random)
    const done = {
      regarding: job,
      type: 'Normal',
      reason: 'SuccessfulCreate',
      message: `Created pod: ${object.metadata.name}`,
    } as const
    return { type: 'create', resource: pods, object, done }
  })
}

function freeIndexes(
  job: Job,
  { owned }: JobFacts,
  { count, counted }: { readonly count: number; readonly counted: Counted },
): readonly number[] {
  const taken = new Set(parseIndexes(counted.completedIndexes))
  for (const pod of owned.filter(isPodActive)) taken.add(indexOf(pod) ?? -1)
  const free: number[] = []
  for (let index = 0; index < (job.spec.completions ?? 0) && free.length < count; index += 1) {
    if (!taken.has(index)) free.push(index)
  }
  return free
}

function deletions(
  job: Job,
  active: readonly Pod[],
  { surplus, nowMs }: { readonly surplus: number; readonly nowMs: number },
): readonly Change[] {
  return podsToDelete(active, surplus, { nowMs, neighbours: () => 0 }).map(
    ({ metadata: { namespace, name, uid } }) => ({
      type: 'delete',
      resource: pods,
      key: { namespace, name },
      options: { preconditions: { uid } },
      done: {
        regarding: job,
        type: 'Normal',
        reason: 'SuccessfulDelete',
        message: `Deleted pod: ${name}`,
      },
    }),
  )
}

function statusOf(
  job: Job,
  facts: JobFacts,
  found: {
    readonly counted: Counted
    readonly ending: Ending | undefined
    readonly active: readonly Pod[]
  },
): JobStatus {
  const { counted, ending, active } = found
  const now = formatTime(facts.nowMs)
  const terminating = facts.owned.filter(
    (pod) => isPodTerminating(pod) && !isPodFinished(pod),
  ).length
  const open = total(0, counted.uncounted.succeeded) + total(0, counted.uncounted.failed)
  const isOver = ending !== undefined && active.length + terminating + open === 0
  const startTime = job.spec.suspend ? undefined : (job.status?.startTime ?? now)
  return {
    ...(active.length > 0 ? { active: active.length } : {}),
    ready: active.filter(isPodReady).length,
    terminating,
    ...(counted.succeeded > 0 ? { succeeded: counted.succeeded } : {}),
    ...(counted.failed > 0 ? { failed: counted.failed } : {}),
    ...(counted.completedIndexes ? { completedIndexes: counted.completedIndexes } : {}),
    uncountedTerminatedPods: counted.uncounted,
    ...(startTime === undefined ? {} : { startTime }),
    ...(isOver && ending.type === 'Complete' ? { completionTime: now } : {}),
    ...conditionsOf(job, { ending, isOver, now }),
  }
}

function conditionsOf(
  job: Job,
  {
    ending,
    isOver,
    now,
  }: { readonly ending: Ending | undefined; readonly isOver: boolean; readonly now: string },
): Pick<JobStatus, 'conditions'> {
  let conditions = job.status?.conditions ?? []
  const set = (
    type: string,
    status: 'True' | 'False',
    told: { reason: string; message: string },
  ) => {
    const old = conditions.find((condition) => condition.type === type)
    if (old?.status === status) return
    const condition: JobCondition = {
      type,
      status,
      ...told,
      lastProbeTime: now,
      lastTransitionTime: now,
    }
    conditions = [...conditions.filter((each) => each !== old), condition]
  }
  if (job.spec.suspend && !ending)
    set('Suspended', 'True', { reason: 'JobSuspended', message: 'Job suspended' })
  else if (conditions.some(({ type }) => type === 'Suspended')) {
    set('Suspended', 'False', { reason: 'JobResumed', message: 'Job resumed' })
  }
  if (ending) {
    const { reason, message } = ending
    set(ending.announced, 'True', { reason, message })
    if (isOver) set(ending.type, 'True', { reason, message })
  }
  return conditions.length > 0 ? { conditions } : {}
}

function statusChange(job: Job, status: JobStatus): readonly Change[] {
  const { ready, terminating } = job.status ?? {}
  if (
    ready === status.ready &&
    terminating === status.terminating &&
    semanticEqual(job.status, status)
  )
    return []
  return [
    { type: 'update', resource: jobs, subresource: 'status', object: { ...job, status } as Job },
  ]
}

function endEvent(job: Job, status: JobStatus): readonly Change[] {
  const over = status.conditions?.find(
    ({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True',
  )
  if (!over) return []
  return over.type === 'Complete'
    ? [event(job, { type: 'Normal', reason: 'Completed', message: 'Job completed' })]
    : [event(job, { type: 'Warning', reason: over.reason ?? '', message: over.message ?? '' })]
}

const event = (job: Job, told: Omit<EventRecord, 'regarding'>): Change => ({
  type: 'event',
  event: { regarding: job, ...told },
})
