// Counting a Job's finished Pods exactly once: uids are first noted in the status, then the Pods
// lose their finalizer, then the notes become counts. A crash between any two loses nothing.
import { isPodTerminating } from '../../api/core/pod-state.ts'
import { pods } from '../../api/resources.gen.ts'
import type { Job, JobStatus } from '../../api/types/batch.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import type { Change } from '../../client/controller.ts'
import { formatIndexes, parseIndexes } from './indexes.ts'

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking'
export const indexAnnotation = 'batch.kubernetes.io/job-completion-index'

const isTracked = (pod: Pod): boolean =>
  pod.metadata.finalizers?.includes(trackingFinalizer) === true

/** A Pod that is being deleted counts as failed at once: it will not finish its work. */
export const resultOf = (pod: Pod): 'succeeded' | 'failed' | undefined =>
  pod.status?.phase === 'Succeeded'
    ? 'succeeded'
    : pod.status?.phase === 'Failed' || isPodTerminating(pod)
      ? 'failed'
      : undefined

export interface Counted {
  readonly succeeded: number
  readonly failed: number
  /** Noted, not yet counted. */
  readonly uncounted: NonNullable<JobStatus['uncountedTerminatedPods']>
  /** Those of the successes, for Indexed Jobs. */
  readonly completedIndexes: string | undefined
  /** Takes the finalizer from what is noted; after the notes are written. */
  readonly releases: readonly Change[]
}

export function countPods(job: Job, owned: readonly Pod[]): Counted {
  const { status } = job
  const isIndexed = job.spec.completionMode === 'Indexed'
  const tracked = owned.filter((pod) => isTracked(pod) && resultOf(pod) !== undefined)
  const trackedUids = new Set(tracked.map(({ metadata }) => metadata.uid ?? ''))
  const noted = status?.uncountedTerminatedPods ?? {}
  const completed = new Set(parseIndexes(status?.completedIndexes))
  if (isIndexed) {
    for (const pod of tracked) {
      const index = indexOf(pod)
      if (resultOf(pod) === 'succeeded' && index !== undefined) completed.add(index)
    }
  }
  const of = (result: 'succeeded' | 'failed') => {
    const before = noted[result] ?? []
    const settled = before.filter((uid) => !trackedUids.has(uid)).length
    const open = tracked
      .filter((pod) => resultOf(pod) === result)
      .map(({ metadata }) => metadata.uid ?? '')
    const other = noted[result === 'succeeded' ? 'failed' : 'succeeded'] ?? []
    return {
      count: (status?.[result] ?? 0) + settled,
      open: open.filter((uid) => !other.includes(uid)),
    }
  }
  const [succeeded, failed] = [of('succeeded'), of('failed')]
  return {
    succeeded: isIndexed ? completed.size - succeeded.open.length : succeeded.count,
    failed: failed.count,
    uncounted: {
      ...(succeeded.open.length > 0 ? { succeeded: succeeded.open } : {}),
      ...(failed.open.length > 0 ? { failed: failed.open } : {}),
    },
    completedIndexes: isIndexed ? formatIndexes(completed) : undefined,
    releases: tracked.map(release),
  }
}

export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexAnnotation]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

export function release(pod: Pod): Change {
  const { namespace, name, uid, resourceVersion, finalizers = [] } = pod.metadata
  const left = finalizers.filter((finalizer) => finalizer !== trackingFinalizer)
  const body = { metadata: { uid, resourceVersion, finalizers: left } }
  return { type: 'patch', resource: pods, key: { namespace, name }, patch: { type: 'merge', body } }
}

export const releaseAll = (owned: readonly Pod[]): readonly Change[] =>
  owned.filter(isTracked).map(release)
