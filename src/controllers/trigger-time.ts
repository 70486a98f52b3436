// The last-change-trigger-time annotation: when the change happened that a write of endpoints
// carries on. It needs what the previous run of the Service saw, which the API does not show.
import { findPodCondition } from '../api/core/pod-state.ts'
import type { Pod, Service } from '../api/types/core.gen.ts'

export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/** What the previous run of a Service saw. */
export interface TriggerTimes {
  readonly service: string
  /** Pod name -> last transition of its Ready condition. */
  readonly pods: ReadonlyMap<string, string>
}

export interface Trigger {
  /** As it goes into the annotation; undefined: the annotation goes away. */
  readonly time: string | undefined
  readonly seen: TriggerTimes
}

/** The first run tells the Service's creation, later ones the earliest change since the last. */
export function triggerTime(
  service: Service,
  pods: readonly Pod[],
  previous: TriggerTimes | undefined,
): Trigger {
  const created = service.metadata.creationTimestamp ?? ''
  const seen: Map<string, string> = new Map()
  let earliest: string | undefined
  for (const pod of pods) {
    const time = findPodCondition(pod, 'Ready')?.lastTransitionTime
    if (!time) continue
    seen.set(pod.metadata.name, time)
    if (isAfter(time, previous?.pods.get(pod.metadata.name))) earliest = earlier(earliest, time)
  }
  if (isAfter(created, previous?.service)) earliest = earlier(earliest, created)
  const time = previous ? earliest : created || undefined
  return { time, seen: { service: created, pods: seen } }
}

const isAfter = (time: string, other: string | undefined): boolean =>
  time !== '' && (!other || Date.parse(time) > Date.parse(other))

const earlier = (one: string | undefined, other: string): string =>
  one !== undefined && Date.parse(one) <= Date.parse(other) ? one : other

/** The annotations with the trigger time set, or taken away. */
export function withTriggerTime(
  annotations: Readonly<Record<string, string>> | undefined,
  time: string | undefined,
): Readonly<Record<string, string>> | undefined {
  const { [triggerTimeAnnotation]: _, ...others } = annotations ?? {}
  const result = time === undefined ? others : { ...others, [triggerTimeAnnotation]: time }
  return Object.keys(result).length > 0 ? result : undefined
}
