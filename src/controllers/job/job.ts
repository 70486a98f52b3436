// The Job controller, and the one that removes Jobs some time after they finished.
import { selectorFromLabelSelector } from '../../api/machinery/labels.ts'
import type { Resource } from '../../api/machinery/resource.ts'
import { jobs, pods } from '../../api/resources.gen.ts'
import type { Job } from '../../api/types/batch.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import type { Controller, Snapshot } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { adopterKeys, claim, mayAdopt } from '../claim.ts'
import { ownerIndexes, podIndexes } from '../indexes.ts'
import { controllerOf, ownerKeys } from '../ownership.ts'
import { releaseAll } from './count.ts'
import { isJobOver, reconcileJob } from './reconcile.ts'

const selectorOf = ({ spec }: Job) => selectorFromLabelSelector(spec.selector)

export function jobController(options: { readonly workers: number }): Controller {
  return {
    name: 'job',
    component: 'job-controller',
    workers: options.workers,
    watches: [
      watching({ resource: jobs, indexes: ownerIndexes }),
      watching({ resource: pods, indexes: podIndexes, keys: jobsOfPod }),
    ],
    async observe(key, snapshot, live) {
      const job = snapshot.of(jobs).get(key)
      return job && !isJobOver(job) ? mayAdopt(claiming(job, snapshot), live) : false
    },
    reconcile(key, snapshot, context) {
      const job = snapshot.of(jobs).get(key)
      if (!job) return { changes: [] }
      // Somebody else counts: spec.managedBy names who.
      if (job.spec.managedBy && job.spec.managedBy !== 'kubernetes.io/job-controller')
        return { changes: [] }
      const { owned, changes } = claim({
        ...claiming(job, snapshot),
        mayAdopt: context.observed === true,
      })
      if (job.metadata.deletionTimestamp)
        return { changes: [releaseAll(owned)].filter((step) => step.length > 0) }
      return reconcileJob(job, {
        owned,
        claims: changes,
        nowMs: context.nowMs,
        random: context.random,
      })
    },
  }
}

const claiming = (job: Job, snapshot: Snapshot) => ({
  owner: job,
  ownerResource: jobs as unknown as Resource,
  resource: pods,
  selector: selectorOf(job),
  candidates: snapshot.of(pods),
})

function jobsOfPod(pod: Pod, old: Pod | undefined, snapshot: Snapshot): readonly string[] {
  const owners = ownerKeys(jobs, pod, old)
  if (controllerOf(pod)) return owners
  return [...owners, ...adopterKeys(pod, jobs, { snapshot, selectorOf })]
}

/** Deletes finished Jobs when their ttlSecondsAfterFinished is over, their Pods with them. */
export function ttlAfterFinishedController(): Controller {
  return {
    name: 'ttl-after-finished',
    component: 'ttl-after-finished-controller',
    watches: [watching({ resource: jobs, indexes: ownerIndexes })],
    reconcile(key, snapshot, { nowMs }) {
      const job = snapshot.of(jobs).get(key)
      const seconds = job?.spec.ttlSecondsAfterFinished
      if (!job || seconds === undefined || job.metadata.deletionTimestamp || !isJobOver(job))
        return { changes: [] }
      const over = job.status?.conditions?.find(
        ({ type }) => type === 'Complete' || type === 'Failed',
      )
      const waitMs = Date.parse(over?.lastTransitionTime ?? '') + seconds * 1000 - nowMs
      if (waitMs > 0) return { changes: [], requeueAfterMs: waitMs }
      const { namespace, name, uid, resourceVersion } = job.metadata
      const options = { propagationPolicy: 'Foreground', preconditions: { uid, resourceVersion } }
      return { changes: [{ type: 'delete', resource: jobs, key: { namespace, name }, options }] }
    },
  }
}
