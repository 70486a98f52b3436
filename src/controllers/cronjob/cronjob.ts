// The CronJob controller: Jobs by the clock.
import { cronjobs, jobs } from '../../api/resources.gen.ts'
import type { Controller } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { ownerIndexes } from '../indexes.ts'
import { ownerKeys } from '../ownership.ts'
import { reconcileCronJob } from './reconcile.ts'

export function cronJobController(options: { readonly workers: number }): Controller {
  return {
    name: 'cronjob',
    component: 'cronjob-controller',
    workers: options.workers,
    watches: [
      watching({ resource: cronjobs }),
      watching({
        resource: jobs,
        indexes: ownerIndexes,
        keys: (job, old) => ownerKeys(cronjobs, job, old),
      }),
    ],
    reconcile(key, snapshot, { nowMs }) {
      const cronJob = snapshot.of(cronjobs).get(key)
      if (!cronJob) return { changes: [] }
      const children = snapshot.of(jobs).byIndex('owner', cronJob.metadata.uid ?? '')
      return reconcileCronJob(cronJob, { children, nowMs })
    },
  }
}
