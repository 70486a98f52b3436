// What a Pod's object says of its state, read the same way by all who decide on it.
import type { Pod, PodCondition } from '../types/core.gen.ts'

export const findPodCondition = (pod: Pod, type: string): PodCondition | undefined =>
  pod.status?.conditions?.find((condition) => condition.type === type)

export const isPodReady = (pod: Pod): boolean => findPodCondition(pod, 'Ready')?.status === 'True'

/** Succeeded or Failed: no container will ever run again. Not the same as terminating. */
export const isPodFinished = (pod: Pod): boolean =>
  pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'

export const isPodTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined

/** Neither finished nor terminating: what workload controllers count as a replica. */
export const isPodActive = (pod: Pod): boolean => !isPodFinished(pod) && !isPodTerminating(pod)

/** When a Ready Pod has been ready for minReadySeconds; undefined while it is not Ready. */
export function podAvailableAtMs(pod: Pod, minReadySeconds: number): number | undefined {
  const ready = findPodCondition(pod, 'Ready')
  if (ready?.status !== 'True') return undefined
  if (minReadySeconds <= 0) return 0
  if (ready.lastTransitionTime === undefined) return undefined
  return Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000
}
