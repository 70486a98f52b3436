// Which of a CronJob's times to act on: the latest that is past and was not acted on yet.
import type { CronJob } from '../../api/types/batch.gen.ts'
import type { Schedule } from './schedule.ts'

/** More missed times than this are worth telling of. */
const manyMissed = 100
/** Clocks of others may be a little behind. */
const slackMs = 100

export interface Due {
  /** Undefined: nothing is due. */
  readonly timeMs: number | undefined
  readonly tooManyMissed: boolean
}

/** Times before the deadline for starting are not looked at. */
export function dueTime(cronJob: CronJob, schedule: Schedule, nowMs: number): Due {
  const { startingDeadlineSeconds } = cronJob.spec
  const deadlineMs =
    startingDeadlineSeconds === undefined
      ? Number.NEGATIVE_INFINITY
      : nowMs - startingDeadlineSeconds * 1000
  return latest(Math.max(earliestMs(cronJob), deadlineMs), schedule, nowMs)
}

/** When to look again; undefined for a schedule that never comes. */
export function waitForNext(
  cronJob: CronJob,
  schedule: Schedule,
  nowMs: number,
): number | undefined {
  const fromMs = earliestMs(cronJob)
  const { timeMs } = latest(fromMs, schedule, nowMs)
  const first = schedule.next(fromMs)
  const nextMs = schedule.next(timeMs ?? (first !== undefined && first > nowMs ? fromMs : nowMs))
  return nextMs === undefined ? undefined : Math.max(0, nextMs - nowMs) + slackMs
}

const earliestMs = ({ metadata, status }: CronJob): number =>
  Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp ?? '')

function latest(fromMs: number, schedule: Schedule, nowMs: number): Due {
  const first = schedule.next(fromMs)
  if (first === undefined || first > nowMs) return { timeMs: undefined, tooManyMissed: false }
  const second = schedule.next(first)
  if (second === undefined || second > nowMs) return { timeMs: first, tooManyMissed: false }
  // Near the end by what the first two are apart, and one more back as not all are so; then exact.
  const intervalMs = second - first
  const missed = Math.floor((nowMs - first) / intervalMs) + 1
  let timeMs: number | undefined
  let candidate = schedule.next(first + (missed - 2) * intervalMs)
  while (candidate !== undefined && candidate <= nowMs) {
    timeMs = candidate
    candidate = schedule.next(candidate)
  }
  return { timeMs, tooManyMissed: missed > manyMissed }
}
