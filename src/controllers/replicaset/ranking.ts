// Which Pods die first when a ReplicaSet has too many: those whose loss costs least.
import { findPodCondition, isPodReady } from '../../api/core/pod-state.ts'
import type { Pod } from '../../api/types/core.gen.ts'

const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost'

export interface Ranking {
  readonly nowMs: number
  /** Active Pods of sibling ReplicaSets on the Pod's node, its own included. */
  readonly neighbours: (pod: Pod) => number
}

/** Of `pods`, the `count` to delete, the first to die first. */
export function podsToDelete(
  pods: readonly Pod[],
  count: number,
  ranking: Ranking,
): readonly Pod[] {
  if (count >= pods.length) return pods
  const criteria = criteriaFor(ranking)
  return [...pods]
    .sort((one, other) => {
      for (const criterion of criteria) {
        const order = criterion(one, other)
        if (order !== 0) return order
      }
      return 0
    })
    .slice(0, count)
}

type Criterion = (one: Pod, other: Pod) => number

const lower =
  (value: (pod: Pod) => number): Criterion =>
  (one, other) =>
    value(one) - value(other)

const phases = { Pending: 0, Unknown: 1, Running: 2 } as Readonly<Record<string, number>>

/** In order of precedence; negative when `one` dies first. */
const criteriaFor = ({ nowMs, neighbours }: Ranking): readonly Criterion[] => [
  lower((pod) => (pod.spec.nodeName ? 1 : 0)),
  lower((pod) => phases[pod.status?.phase ?? 'Pending'] ?? 0),
  lower((pod) => (isPodReady(pod) ? 1 : 0)),
  lower(deletionCost),
  lower((pod) => -neighbours(pod)),
  younger(readySince, nowMs),
  lower((pod) => -maxRestarts(pod)),
  younger((pod) => timeOf(pod.metadata.creationTimestamp), nowMs),
]

/** Newer dies first, but ages of like size count as equal, so that it is not always the same. */
function younger(timeMs: (pod: Pod) => number, nowMs: number): Criterion {
  return (one, other) => {
    const [first, second] = [timeMs(one), timeMs(other)]
    if (first === second) return 0
    if (Number.isNaN(first)) return -1
    if (Number.isNaN(second)) return 1
    const order = magnitude(nowMs - first) - magnitude(nowMs - second)
    return order === 0 ? compareUids(one, other) : order
  }
}

/** Of the age in nanoseconds, as upstream counts. */
const magnitude = (ageMs: number): number => (ageMs > 0 ? Math.trunc(Math.log2(ageMs * 1e6)) : -1)

const compareUids: Criterion = (one, other) =>
  (one.metadata.uid ?? '') < (other.metadata.uid ?? '') ? -1 : 1

/** NaN while not Ready or without a time, 0-difference when both are. */
function readySince(pod: Pod): number {
  return isPodReady(pod) ? timeOf(findPodCondition(pod, 'Ready')?.lastTransitionTime) : 0
}

const timeOf = (time: string | undefined): number => (time ? Date.parse(time) : Number.NaN)

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[costAnnotation] ?? ''
  const cost = /^(0|-?[1-9]\d*|\+[1-9]\d*)$/.test(text) ? Number(text) : 0
  return Math.abs(cost) > 0x7fff_ffff ? 0 : cost
}

const maxRestarts = (pod: Pod): number =>
  Math.max(0, ...(pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount))
