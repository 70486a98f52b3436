// Topology spread: how evenly Pods alike are shared out over zones, Nodes or other places.

import { matchesNodeAffinity } from '../api/core/node-affinity.ts'
import { untoleratedTaint } from '../api/core/toleration.ts'
import { selectorFromLabelSelector } from '../api/machinery/labels.ts'
import type { Pod, TopologySpreadConstraint } from '../api/types/core.gen.ts'
import type { ClusterView, NodeInfo } from './nodes.ts'

interface Constraint {
  readonly maxSkew: number
  readonly topologyKey: string
  readonly minDomains: number
  readonly matches: (pod: Pod) => boolean
  /** Whether a Node's Pods and place are counted at all. */
  readonly counts: (info: NodeInfo) => boolean
}

function constraintOf(pod: Pod, spec: TopologySpreadConstraint): Constraint {
  const labels = pod.metadata.labels ?? {}
  const keys = (spec.matchLabelKeys ?? []).filter((key) => labels[key] !== undefined)
  const selector = selectorFromLabelSelector(
    spec.labelSelector && {
      ...spec.labelSelector,
      matchExpressions: [
        ...(spec.labelSelector.matchExpressions ?? []),
        ...keys.map((key) => ({ key, operator: 'In', values: [labels[key] ?? ''] })),
      ],
    },
  )
  const { nodeAffinityPolicy = 'Honor', nodeTaintsPolicy = 'Ignore' } = spec
  return {
    maxSkew: spec.maxSkew,
    topologyKey: spec.topologyKey,
    minDomains: spec.minDomains ?? 1,
    matches: (other) =>
      other.metadata.namespace === pod.metadata.namespace &&
      other.metadata.deletionTimestamp === undefined &&
      selector.matches(other.metadata.labels),
    counts: ({ node }) =>
      (nodeAffinityPolicy === 'Ignore' || matchesNodeAffinity(pod, node)) &&
      (nodeTaintsPolicy === 'Ignore' ||
        !untoleratedTaint(node.spec.taints, pod.spec.tolerations, ['NoSchedule', 'NoExecute'])),
  }
}

const placeOf = (info: NodeInfo, key: string): string | undefined =>
  info.node.metadata.labels?.[key]

const countMatching = (info: NodeInfo, matches: (pod: Pod) => boolean): number => {
  let count = 0
  for (const pod of info.pods.values()) if (matches(pod)) count += 1
  return count
}

export type SpreadProblem =
  | "node(s) didn't match pod topology spread constraints"
  | "node(s) didn't match pod topology spread constraints (missing required label)"

/** What keeps a Pod off each Node by DoNotSchedule constraints. */
export function spreadFilter(
  pod: Pod,
  view: ClusterView,
): ((info: NodeInfo) => SpreadProblem | undefined) | undefined {
  const constraints = (pod.spec.topologySpreadConstraints ?? [])
    .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule')
    .map((spec) => constraintOf(pod, spec))
  if (constraints.length === 0) return undefined
  const tallies = constraints.map((constraint) => {
    const counts = new Map<string, number>()
    for (const info of view.nodes) {
      const isPlaced = constraints.every(
        ({ topologyKey }) => placeOf(info, topologyKey) !== undefined,
      )
      if (!isPlaced || !constraint.counts(info)) continue
      const place = placeOf(info, constraint.topologyKey) ?? ''
      counts.set(place, (counts.get(place) ?? 0) + countMatching(info, constraint.matches))
    }
    const fewest = counts.size < constraint.minDomains ? 0 : Math.min(...counts.values())
    return { constraint, counts, fewest: Number.isFinite(fewest) ? fewest : 0 }
  })
  return (info) => {
    for (const { constraint, counts, fewest } of tallies) {
      const place = placeOf(info, constraint.topologyKey)
      if (place === undefined) {
        return "node(s) didn't match pod topology spread constraints (missing required label)"
      }
      const own = constraint.matches(pod) ? 1 : 0
      if ((counts.get(place) ?? 0) + own - fewest > constraint.maxSkew) {
        return "node(s) didn't match pod topology spread constraints"
      }
    }
    return undefined
  }
}

/** Constraints for Pods of a Service or workload that says nothing itself. */
const byDefault = [
  { topologyKey: 'kubernetes.io/hostname', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5 },
]

/** Raw scores, lower is better; undefined where a Node has none of the places asked for. */
export function spreadScores(
  pod: Pod,
  view: ClusterView,
  feasible: readonly NodeInfo[],
): ((info: NodeInfo) => number | undefined) | undefined {
  const own = pod.spec.topologySpreadConstraints ?? []
  const constraints = own
    .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'ScheduleAnyway')
    .map((spec) => constraintOf(pod, spec))
  const isDefault = own.length === 0
  if (isDefault) constraints.push(...defaultConstraints(pod, view))
  if (constraints.length === 0) return undefined
  const tallies = constraints.map((constraint) => {
    const counts = new Map<string, number>()
    for (const info of view.nodes) {
      const place = placeOf(info, constraint.topologyKey)
      if (place === undefined || !constraint.counts(info)) continue
      counts.set(place, (counts.get(place) ?? 0) + countMatching(info, constraint.matches))
    }
    const places = new Set(feasible.map((info) => placeOf(info, constraint.topologyKey)))
    return { constraint, counts, weight: Math.log(places.size + 2) }
  })
  return (info) => {
    let score = 0
    for (const { constraint, counts, weight } of tallies) {
      const place = placeOf(info, constraint.topologyKey)
      if (place === undefined && !isDefault) return undefined
      if (place !== undefined) score += (counts.get(place) ?? 0) * weight + (constraint.maxSkew - 1)
    }
    return Math.round(score)
  }
}

function defaultConstraints(pod: Pod, view: ClusterView): readonly Constraint[] {
  const groups = view.groupsOf(pod)
  if (groups.length === 0) return []
  return byDefault.map(({ topologyKey, maxSkew }) => ({
    topologyKey,
    maxSkew,
    minDomains: 1,
    matches: (other) =>
      other.metadata.namespace === pod.metadata.namespace &&
      other.metadata.deletionTimestamp === undefined &&
      groups.every((isMember) => isMember(other)),
    counts: ({ node }) => matchesNodeAffinity(pod, node),
  }))
}
