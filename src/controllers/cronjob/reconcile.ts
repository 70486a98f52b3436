// One step of a CronJob: keeps book of its Jobs, starts the one that is due, removes old ones. A Job
// is named after its minute, so that none is made twice.
import { apiVersionOf } from '../../api/machinery/resource.ts'
import { isReason } from '../../api/machinery/status.ts'
import { cronjobs, jobs } from '../../api/resources.gen.ts'
import type { CronJob, CronJobStatus, Job } from '../../api/types/batch.gen.ts'
import type { Change, Changes, EventRecord, Outcome } from '../../client/controller.ts'
import { formatTime } from '../../lib/clock.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { controllerRef } from '../ownership.ts'
import { dueTime, waitForNext } from './due.ts'
import { formatInZone, parseSchedule, type Schedule } from './schedule.ts'

const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp'

export function reconcileCronJob(
  cronJob: CronJob,
  { children, nowMs }: { readonly children: readonly Job[]; readonly nowMs: number },
): Outcome {
  const book = keepBook(cronJob, children)
  const started = start(book.cronJob, { children, nowMs })
  const { status } = started.cronJob
  const changes: Changes = [
    ...book.events,
    ...started.changes,
    ...(semanticEqual(cronJob.status, status) ? [] : [statusChange(started.cronJob)]),
    surplus(cronJob, children),
  ]
  return {
    changes: changes.filter((step) => 'type' in step || step.length > 0),
    failed: (failures) =>
      failures.flatMap(({ change, error }) =>
        change.type === 'create' && !isReason(error, 'AlreadyExists')
          ? [tell(warning(cronJob, 'FailedCreate', `Error creating job: ${String(error)}`))]
          : [],
      ),
    ...(started.waitMs === undefined ? {} : { requeueAfterMs: started.waitMs }),
  }
}

interface Step {
  /** With its status as it should be. */
  readonly cronJob: CronJob
}

/** Active ones in, ended and lost ones out; the last times, from what the Jobs say. */
function keepBook(cronJob: CronJob, children: readonly Job[]): Step & { readonly events: Changes } {
  const events: Change[] = []
  const byUid = new Map(children.map((job) => [job.metadata.uid, job]))
  const before = cronJob.status?.active ?? []
  const active = before.filter(({ uid, name }) => {
    const job = byUid.get(uid)
    const over = job && endOf(job)
    if (!job) events.push(tell(normal(cronJob, 'MissingJob', `Active job went missing: ${name}`)))
    if (over) {
      const message = `Saw completed job: ${name}, condition: ${over}`
      events.push(tell(normal(cronJob, 'SawCompletedJob', message)))
    }
    return job && !over
  })
  for (const job of children) {
    if (endOf(job) || before.some(({ uid }) => uid === job.metadata.uid)) continue
    if (isOurs(job)) active.push(referenceTo(job))
    else {
      const message = `Saw a job that the controller did not create or forgot: ${job.metadata.name}`
      events.push(tell(warning(cronJob, 'UnexpectedJob', message)))
    }
  }
  const { lastScheduleTime, lastSuccessfulTime } = cronJob.status ?? {}
  const status: CronJobStatus = {
    ...times('lastScheduleTime', lastScheduleTime, children.filter(isOurs).map(scheduledOf)),
    ...times('lastSuccessfulTime', lastSuccessfulTime, children.map(succeededAt)),
    ...(active.length > 0 ? { active } : {}),
  }
  return { cronJob: { ...cronJob, status }, events }
}

/** Under the name, the latest of the times. */
function times(
  name: 'lastScheduleTime' | 'lastSuccessfulTime',
  known: string | undefined,
  found: readonly (string | undefined)[],
): Partial<CronJobStatus> {
  const all = [known, ...found].flatMap((text) => (text ? [Date.parse(text)] : []))
  return all.length > 0 ? { [name]: formatTime(Math.max(...all)) } : {}
}

const scheduledOf = ({ metadata }: Job): string | undefined =>
  metadata.annotations?.[scheduledAnnotation]

/** Others may have been made from it by hand. */
const isOurs = (job: Job): boolean => scheduledOf(job) !== undefined

const endOf = ({ status }: Job): string | undefined =>
  status?.conditions?.find(
    ({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True',
  )?.type

const succeededAt = (job: Job): string | undefined =>
  endOf(job) === 'Complete' ? job.status?.completionTime : undefined

const referenceTo = ({ metadata: { namespace, name, uid } }: Job) => ({
  apiVersion: apiVersionOf(jobs),
  kind: jobs.kind,
  namespace,
  name,
  uid,
})

interface Started extends Step {
  readonly changes: Changes
  readonly waitMs: number | undefined
}

interface Facts {
  readonly children: readonly Job[]
  readonly nowMs: number
}

function start(cronJob: CronJob, facts: Facts): Started {
  const idle = { cronJob, changes: [], waitMs: undefined }
  if (cronJob.metadata.deletionTimestamp || cronJob.spec.suspend) return idle
  const schedule = scheduleOf(cronJob)
  if ('type' in schedule) return { ...idle, changes: [schedule] }
  const { timeMs, tooManyMissed } = dueTime(cronJob, schedule, facts.nowMs)
  const began = timeMs === undefined ? idle : startAt(cronJob, timeMs, facts)
  const missed =
    'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew'
  return {
    ...began,
    changes: [
      ...(tooManyMissed ? [tell(warning(cronJob, 'TooManyMissedTimes', missed))] : []),
      ...began.changes,
    ],
    waitMs: waitForNext(began.cronJob, schedule, facts.nowMs),
  }
}

/** Or the event that says why there is none. */
function scheduleOf(cronJob: CronJob): Schedule | Change {
  const { schedule, timeZone } = cronJob.spec
  try {
    return parseSchedule(schedule, timeZone)
  } catch (error) {
    const message = `invalid timeZone: ${JSON.stringify(timeZone ?? '')}: ${String(error)}`
    return tell(warning(cronJob, 'UnknownTimeZone', message))
  }
}

function startAt(cronJob: CronJob, timeMs: number, { children }: Facts): Started {
  const { concurrencyPolicy } = cronJob.spec
  const idle = { cronJob, waitMs: undefined }
  const job = buildJob(cronJob, timeMs)
  if (children.some(({ metadata }) => metadata.name === job.metadata.name))
    return { ...idle, changes: [] }
  const active = cronJob.status?.active ?? []
  if (concurrencyPolicy === 'Forbid' && active.length > 0) {
    const message =
      'Not starting job because prior execution is running and concurrency policy is Forbid'
    return { ...idle, changes: [tell(normal(cronJob, 'JobAlreadyActive', message))] }
  }
  const replaced = concurrencyPolicy === 'Replace' ? active : []
  const { active: _, ...rest } = cronJob.status ?? {}
  const status: CronJobStatus = {
    ...rest,
    ...(active.length > replaced.length ? { active } : {}),
    lastScheduleTime: formatTime(timeMs),
  }
  return {
    cronJob: { ...cronJob, status },
    changes: [
      replaced.map(({ name }) => deletion(cronJob, name ?? '')),
      {
        type: 'create',
        resource: jobs,
        object: job,
        done: normal(cronJob, 'SuccessfulCreate', `Created job ${job.metadata.name}`),
      },
    ],
    waitMs: undefined,
  }
}

function buildJob(cronJob: CronJob, timeMs: number): Job {
  const { namespace, name } = cronJob.metadata
  const { metadata, spec } = cronJob.spec.jobTemplate
  return {
    apiVersion: apiVersionOf(jobs),
    kind: jobs.kind,
    metadata: {
      namespace,
      name: `${name}-${Math.floor(timeMs / 60_000)}`,
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      annotations: {
        ...metadata?.annotations,
        [scheduledAnnotation]: formatInZone(timeMs, cronJob.spec.timeZone),
      },
      ownerReferences: [controllerRef(cronjobs, cronJob)],
    },
    spec: spec ?? { template: {} },
  } as Job
}

/** Those that ended longest ago, beyond what may be kept. */
function surplus(cronJob: CronJob, children: readonly Job[]): readonly Change[] {
  const { successfulJobsHistoryLimit: succeeded, failedJobsHistoryLimit: failed } = cronJob.spec
  const beyond = (type: string, limit: number | undefined): readonly Job[] => {
    const ended = children.filter((job) => endOf(job) === type)
    return limit === undefined || ended.length <= limit
      ? []
      : [...ended].sort(byStart).slice(0, ended.length - limit)
  }
  return [...beyond('Complete', succeeded), ...beyond('Failed', failed)]
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata }) => deletion(cronJob, metadata.name))
}

function byStart(one: Job, other: Job): number {
  const startOf = ({ status }: Job) => Date.parse(status?.startTime ?? '') || 0
  return startOf(one) - startOf(other) || (one.metadata.name < other.metadata.name ? -1 : 1)
}

const deletion = (cronJob: CronJob, name: string): Change => ({
  type: 'delete',
  resource: jobs,
  key: { namespace: cronJob.metadata.namespace, name },
  options: { propagationPolicy: 'Background' },
  done: normal(cronJob, 'SuccessfulDelete', `Deleted job ${name}`),
})

const statusChange = (cronJob: CronJob): Change => ({
  type: 'update',
  resource: cronjobs,
  subresource: 'status',
  object: cronJob,
})

const normal = (regarding: CronJob, reason: string, message: string): EventRecord => ({
  regarding,
  type: 'Normal',
  reason,
  message,
})

const warning = (regarding: CronJob, reason: string, message: string): EventRecord => ({
  regarding,
  type: 'Warning',
  reason,
  message,
})

const tell = (event: EventRecord): Change => ({ type: 'event', event })
