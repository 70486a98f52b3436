import { expect, test } from 'vitest'
import { cronjobs, jobs } from '../../api/resources.gen.ts'
import type { CronJob, CronJobSpec, Job } from '../../api/types/batch.gen.ts'
import { Play } from '../play.ts'
import { cronJobController } from './cronjob.ts'
import { dueTime, waitForNext } from './due.ts'
import { parseSchedule } from './schedule.ts'

const minuteMs = 60_000
const midnight = '2026-01-01T00:00:00Z'
const controller = cronJobController({ workers: 1 })

const cronJob = (spec: Partial<CronJobSpec> = {}, status?: CronJob['status']): CronJob => ({
  metadata: { namespace: 'default', name: 'cron', creationTimestamp: midnight },
  spec: {
    schedule: '*/5 * * * *',
    jobTemplate: {
      metadata: { labels: { from: 'cron' } },
      spec: { template: { spec: { containers: [] } } },
    },
    ...spec,
  },
  ...(status ? { status } : {}),
})

function checkDue(spec: Partial<CronJobSpec>, now: string, expected: readonly unknown[]) {
  const job = cronJob(spec)
  const schedule = parseSchedule(job.spec.schedule)
  const nowMs = Date.parse(now)
  const { timeMs, tooManyMissed } = dueTime(job, schedule, nowMs)
  const due = timeMs === undefined ? undefined : new Date(timeMs).toISOString().slice(5, 16)
  const waitMs = waitForNext(job, schedule, nowMs) ?? Number.NaN
  expect([due, tooManyMissed, (waitMs - 100) / 1000]).toEqual(expected)
}

test('dueTime() is the latest time that was missed, waitForNext() the time to the one after it', () => {
  checkDue({}, '2026-01-01T00:04:59Z', [undefined, false, 1])
  checkDue({}, '2026-01-01T00:05:00Z', ['01-01T00:05', false, 300])
  checkDue({}, '2026-01-01T00:12:00Z', ['01-01T00:10', false, 180])
  checkDue({}, '2026-01-03T00:01:00Z', ['01-03T00:00', true, 240])
  // Times that are not equally far apart: 6, 10 and 14 o'clock on weekdays; it is Monday, 11:00.
  checkDue({ schedule: '30 6-16/4 * * 1-5' }, '2026-01-05T11:00:00Z', [
    '01-05T10:30',
    false,
    3.5 * 3600,
  ])
  checkDue({ startingDeadlineSeconds: 60 }, '2026-01-01T00:06:30Z', [undefined, false, 210])
})

function playing(spec: Partial<CronJobSpec> = {}) {
  const play = new Play()
  play.put(cronjobs, cronJob(spec))
  const advance = (minutes: number) => {
    play.nowMs += minutes * minuteMs
    play.settle(controller, 'default/cron')
  }
  const end = (name: string, type: 'Complete' | 'Failed') => {
    const now = new Date(play.nowMs).toISOString().replace('.000Z', 'Z')
    const job = play.get(jobs, `default/${name}`)
    const conditions = [{ type, status: 'True' as const }]
    const times = type === 'Complete' ? { completionTime: now } : {}
    play.put(jobs, { ...job, status: { startTime: now, conditions, ...times } })
    play.settle(controller, 'default/cron')
  }
  const status = () => play.get(cronjobs, 'default/cron').status ?? {}
  const active = () => (status().active ?? []).map(({ name }) => name)
  const names = () => play.list(jobs).map(({ metadata }) => metadata.name)
  const told = () => play.events.map(({ reason }) => reason)
  return { play, advance, end, status, active, names, told }
}

/** Minutes since the epoch. */
const nameAt = (minute: number) => `cron-${Date.parse(midnight) / minuteMs + minute}`

test('a Job is made at its time, once, with what the template says', () => {
  const { play, advance, status, active, names } = playing()
  advance(4)
  expect(names()).toEqual([])
  advance(1)
  expect(names()).toEqual([nameAt(5)])
  expect(play.list(jobs)[0]).toMatchObject({
    metadata: {
      labels: { from: 'cron' },
      annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:05:00Z' },
      ownerReferences: [{ kind: 'CronJob', name: 'cron', controller: true }],
    },
  })
  expect(active()).toEqual([nameAt(5)])
  expect(status().lastScheduleTime).toBe('2026-01-01T00:05:00Z')
  advance(1)
  expect(names()).toEqual([nameAt(5)])
  advance(4)
  expect(active()).toEqual([nameAt(5), nameAt(10)])
})

test('of times missed together only the last is made up for', () => {
  const { advance, names } = playing()
  advance(23)
  expect(names()).toEqual([nameAt(20)])
})

test('a suspended CronJob makes nothing, and makes up for one time when it goes on', () => {
  const { play, advance, names } = playing({ suspend: true })
  advance(23)
  expect(names()).toEqual([])
  play.put(cronjobs, { ...play.get(cronjobs, 'default/cron'), ...cronJob() })
  advance(0)
  expect(names()).toEqual([nameAt(20)])
})

test('Forbid waits for the end, Replace ends it, Allow does not care', () => {
  const forbid = playing({ concurrencyPolicy: 'Forbid' })
  forbid.advance(5)
  forbid.advance(6)
  expect(forbid.names()).toEqual([nameAt(5)])
  expect(forbid.told()).toContain('JobAlreadyActive')
  forbid.end(nameAt(5), 'Complete')
  expect(forbid.active()).toEqual([nameAt(10)])
  const replace = playing({ concurrencyPolicy: 'Replace' })
  replace.advance(5)
  replace.advance(5)
  expect(replace.names()).toEqual([nameAt(10)])
  expect(replace.active()).toEqual([nameAt(10)])
  expect(replace.told()).not.toContain('MissingJob')
})

test('Jobs that ended leave the book, and the oldest of them the cluster', () => {
  const { advance, end, active, names, status, told } = playing({
    successfulJobsHistoryLimit: 2,
    failedJobsHistoryLimit: 0,
  })
  for (const minute of [5, 10, 15]) {
    advance(5)
    end(nameAt(minute), 'Complete')
  }
  expect(names()).toEqual([nameAt(10), nameAt(15)])
  expect(active()).toEqual([])
  expect(status().lastSuccessfulTime).toBe('2026-01-01T00:15:00Z')
  expect(told().filter((reason) => reason === 'SawCompletedJob')).toHaveLength(3)
  advance(5)
  end(nameAt(20), 'Failed')
  expect(names()).toEqual([nameAt(10), nameAt(15)])
  expect(status().lastSuccessfulTime).toBe('2026-01-01T00:15:00Z')
})

test('a Job that went missing leaves the book; one made by hand does not enter it', () => {
  const { play, advance, active, told } = playing()
  advance(5)
  const made = play.get(jobs, `default/${nameAt(5)}`)
  play.remove(jobs, `default/${nameAt(5)}`)
  const { annotations: _, ...metadata } = made.metadata
  const byHand = { ...made, metadata: { ...metadata, name: 'by-hand', uid: 'uid-hand' } } as Job
  play.put(jobs, byHand)
  play.run(controller, 'default/cron')
  expect(active()).toEqual([])
  expect(told()).toEqual(['SuccessfulCreate', 'MissingJob', 'UnexpectedJob'])
})
