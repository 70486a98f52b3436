// CronJob: Jobs by the clock.

import { selectorText } from '../apps/deployment.ts'
import { defaultTemplate } from '../apps/template.ts'
import { formatAge } from '../machinery/age.ts'
import { ageOf, columnsOf, containerCells } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { dns1123SubdomainProblems } from '../machinery/names.ts'
import { type Errors, none, nonNegative, oneOf } from '../machinery/validation.ts'
import { cronjobs } from '../resources.gen.ts'
import type { CronJob } from '../types/batch.gen.ts'
import { validateJobSpec } from './job.ts'
import { scheduleProblem } from './schedule.ts'

/** Its Jobs are named NAME-MINUTES, and a Job's name has 63 characters. */
const maxName = 52

export const cronJobKind: Kind<CronJob> = {
  resource: cronjobs,
  generation: true,
  validateName(name, prefix) {
    const problems = dns1123SubdomainProblems(prefix ? name.replace(/-$/, 'a') : name)
    return name.length > maxName
      ? [...problems, `must be no more than ${maxName} characters`]
      : problems
  },
  defaults: defaultCronJob,
  validate: validateCronJob,
  warnings: ({ spec }) => {
    const zoned = /(CRON_)?TZ=/.test(spec.schedule)
    const warning =
      'CRON_TZ or TZ used in spec.schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details'
    return zoned ? [warning] : []
  },
  subresources: { status: {} },
  columns: columnsOf(
    'Name | Schedule | Timezone | Suspend: boolean | Active: integer | Last Schedule | Age | Containers? | Images? | Selector?',
  ),
  row: (job, nowMs) => {
    const { metadata, spec, status } = job
    const template = spec.jobTemplate.spec
    return {
      cells: [
        metadata.name,
        spec.schedule,
        spec.timeZone ?? '<none>',
        // Upstream prints a Go bool as text here.
        spec.suspend ? 'True' : 'False',
        (status?.active ?? []).length,
        status?.lastScheduleTime ? formatAge(status.lastScheduleTime, nowMs) : '<none>',
        ageOf(job, nowMs),
        ...containerCells(template?.template.spec ?? {}),
        selectorText(template?.selector),
      ],
    }
  },
}

function defaultCronJob({ spec }: Draft<CronJob>): void {
  if (!spec) return
  spec.concurrencyPolicy ||= 'Allow'
  spec.suspend ??= false
  spec.successfulJobsHistoryLimit ??= 3
  spec.failedJobsHistoryLimit ??= 1
  defaultTemplate(spec.jobTemplate?.spec?.template)
}

function validateCronJob({ spec }: CronJob): Errors {
  const zoned = /(CRON_)?TZ=/.test(spec.schedule ?? '')
  const problem = spec.schedule ? scheduleProblem(spec.schedule) : undefined
  const template = spec.jobTemplate.spec
  return [
    ...(spec.schedule
      ? problem === undefined
        ? none
        : [invalid('spec.schedule', spec.schedule, problem)]
      : [required('spec.schedule')]),
    ...(zoned && spec.timeZone !== undefined
      ? [
          invalid(
            'spec.schedule',
            spec.schedule,
            'cannot use both timeZone field and TZ or CRON_TZ in schedule',
          ),
        ]
      : none),
    ...nonNegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds'),
    ...validateTimeZone(spec.timeZone, 'spec.timeZone'),
    ...(spec.concurrencyPolicy
      ? oneOf(spec.concurrencyPolicy, 'spec.concurrencyPolicy', ['Allow', 'Forbid', 'Replace'])
      : [required('spec.concurrencyPolicy')]),
    ...nonNegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit'),
    ...nonNegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit'),
    ...(template ? validateJobSpec(template, 'spec.jobTemplate.spec') : none),
    ...(template?.manualSelector
      ? [
          forbidden(
            'spec.jobTemplate.spec.manualSelector',
            'may not be set for jobs created by a cron job',
          ),
        ]
      : none),
  ]
}

function validateTimeZone(zone: string | undefined, field: string): Errors {
  if (zone === undefined) return none
  if (zone === '') return [invalid(field, zone, 'timeZone must be nil or non-empty string')]
  if (zone.toLowerCase() === 'local') {
    const explicit =
      'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'
    return [invalid(field, zone, explicit)]
  }
  return isTimeZone(zone) ? none : [invalid(field, zone, `unknown time zone ${zone}`)]
}

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}
