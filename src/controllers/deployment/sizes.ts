// How many replicas each ReplicaSet of a Deployment should have: rolling, recreating, and scaling
// in the middle of either. Sizes only; who writes them is another file's business.
import { scaledValue } from '../../api/machinery/int-or-string.ts'
import type { Deployment, ReplicaSet } from '../../api/types/apps.gen.ts'
import { compareNames, newestFirst, oldestFirst } from './template.ts'

/** By name of the ReplicaSet; those not listed stay as they are. */
export type Sizes = ReadonlyMap<string, number>

export interface Sets {
  readonly current: ReplicaSet | undefined
  readonly old: readonly ReplicaSet[]
}

export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas'
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas'

export const wantedReplicas = (deployment: Deployment): number => deployment.spec.replicas ?? 1
export const sizeOf = (set: ReplicaSet): number => set.spec.replicas ?? 1
export const availableIn = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0

export const isRolling = (deployment: Deployment): boolean =>
  deployment.spec.strategy?.type !== 'Recreate'

/** Surge rounds up, unavailable down; both 0 would never move, so one may then be missing. */
export function bounds(deployment: Deployment): {
  readonly surge: number
  readonly unavailable: number
} {
  const replicas = wantedReplicas(deployment)
  if (!isRolling(deployment)) return { surge: 0, unavailable: 0 }
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {}
  const surge = scaledValue(maxSurge, replicas, 'up') ?? 0
  const unavailable = scaledValue(maxUnavailable, replicas, 'down') ?? 0
  return { surge, unavailable: Math.min(surge + unavailable === 0 ? 1 : unavailable, replicas) }
}

export const allOf = ({ current, old }: Sets): readonly ReplicaSet[] =>
  current ? [...old, current] : old

const sum = (sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number): number =>
  sets.reduce((total, set) => total + count(set), 0)

/** The largest number of replicas there may be at any moment. */
export const maxReplicas = (deployment: Deployment): number => {
  const replicas = wantedReplicas(deployment)
  return replicas === 0 ? 0 : replicas + bounds(deployment).surge
}

/** What a new ReplicaSet may grow to now; all at once where nothing else is left to wait for. */
export function newSize(deployment: Deployment, sets: Sets): number {
  const replicas = wantedReplicas(deployment)
  const size = sets.current ? sizeOf(sets.current) : 0
  if (!isRolling(deployment) || size >= replicas) return replicas
  const room = replicas + bounds(deployment).surge - sum(allOf(sets), sizeOf)
  return room <= 0 ? size : size + Math.min(room, replicas - size)
}

/** One step of a rolling update: first the new ReplicaSet, and only when it rests the old ones. */
export function rollingSizes(
  deployment: Deployment,
  sets: Sets & { readonly current: ReplicaSet },
): Sizes {
  const size = newSize(deployment, sets)
  if (size !== sizeOf(sets.current)) return new Map([[sets.current.metadata.name, size]])
  return shrunkOld(deployment, sets)
}

function shrunkOld(deployment: Deployment, sets: Sets & { readonly current: ReplicaSet }): Sizes {
  const sizes = new Map<string, number>()
  const active = oldestFirst(sets.old).filter((set) => sizeOf(set) > 0)
  const minAvailable = wantedReplicas(deployment) - bounds(deployment).unavailable
  const missingNew = sizeOf(sets.current) - availableIn(sets.current)
  const budget = sum(allOf(sets), sizeOf) - minAvailable - missingNew
  if (active.length === 0 || budget <= 0) return sizes
  // Replicas that are not available anyway go first: they cannot be missed.
  let left = budget
  for (const set of active) {
    const cut = Math.min(left, Math.max(0, sizeOf(set) - availableIn(set)))
    if (cut > 0) sizes.set(set.metadata.name, sizeOf(set) - cut)
    left -= cut
  }
  let spare = sum(allOf(sets), availableIn) - minAvailable
  for (const set of active) {
    const size = sizes.get(set.metadata.name) ?? sizeOf(set)
    const cut = Math.min(size, Math.max(0, spare))
    if (cut > 0) sizes.set(set.metadata.name, size - cut)
    spare -= cut
  }
  return sizes
}

/** Whether a change of spec.replicas has not reached all ReplicaSets yet. */
export function isScaling(deployment: Deployment, sets: Sets): boolean {
  const desired = String(wantedReplicas(deployment))
  return allOf(sets).some((set) => {
    const seen = set.metadata.annotations?.[desiredAnnotation]
    return sizeOf(set) > 0 && seen !== undefined && seen !== desired
  })
}

/** Sizes after spec.replicas changed, without progress of a rollout. */
export function scaledSizes(deployment: Deployment, sets: Sets): Sizes {
  const replicas = wantedReplicas(deployment)
  const active = allOf(sets).filter((set) => sizeOf(set) > 0)
  if (active.length <= 1) {
    const only = active[0] ?? sets.current ?? newestFirst(sets.old)[0]
    return new Map(only ? [[only.metadata.name, replicas]] : [])
  }
  if (isSaturated(deployment, sets.current)) {
    const leftovers = active.filter((set) => set !== sets.current)
    return new Map(leftovers.map((set) => [set.metadata.name, 0]))
  }
  return isRolling(deployment) ? proportionalSizes(deployment, active) : new Map()
}

function isSaturated(deployment: Deployment, set: ReplicaSet | undefined): boolean {
  const replicas = wantedReplicas(deployment)
  return (
    set !== undefined &&
    sizeOf(set) === replicas &&
    set.metadata.annotations?.[desiredAnnotation] === String(replicas) &&
    availableIn(set) === replicas
  )
}

/** Shares the change out by size; what rounding leaves over goes to the largest. */
function proportionalSizes(deployment: Deployment, active: readonly ReplicaSet[]): Sizes {
  const toAdd = maxReplicas(deployment) - sum(active, sizeOf)
  const byAge = toAdd > 0 ? newestFirst(active) : oldestFirst(active)
  const largestFirst = [...byAge].sort((one, other) => sizeOf(other) - sizeOf(one))
  const sizes = new Map<string, number>()
  let added = 0
  for (const set of largestFirst) {
    const share = shareOf(deployment, set)
    const left = toAdd - added
    const change = toAdd > 0 ? Math.min(share, left) : toAdd < 0 ? Math.max(share, left) : 0
    sizes.set(set.metadata.name, sizeOf(set) + change)
    added += change
  }
  const [largest] = largestFirst
  if (largest) {
    const size = (sizes.get(largest.metadata.name) ?? 0) + toAdd - added
    sizes.set(largest.metadata.name, Math.max(0, size))
  }
  return sizes
}

function shareOf(deployment: Deployment, set: ReplicaSet): number {
  if (wantedReplicas(deployment) === 0) return -sizeOf(set)
  const before =
    Number(set.metadata.annotations?.[maxAnnotation] ?? 0) || (deployment.status?.replicas ?? 0)
  if (before === 0) return 0
  const max = wantedReplicas(deployment) + bounds(deployment).surge
  return Math.round((sizeOf(set) * max) / before) - sizeOf(set)
}

/** Old ReplicaSets beyond the limit that hold nothing any more, lowest revision first. */
export function obsoleteSets(
  deployment: Deployment,
  old: readonly ReplicaSet[],
  revisionOf: (set: ReplicaSet) => number,
): readonly ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit ?? 10
  const alive = old.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  return [...alive]
    .sort((one, other) => revisionOf(one) - revisionOf(other) || compareNames(one, other))
    .slice(0, Math.max(0, alive.length - limit))
    .filter(
      (set) =>
        sizeOf(set) === 0 &&
        (set.status?.replicas ?? 0) === 0 &&
        (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0),
    )
}
