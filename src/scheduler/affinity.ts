// Affinity between Pods: which places a Pod must share with others, or must not. A place is a
// value of a Node label, such as a zone.
import { type Selector, selectorFromLabelSelector } from '../api/machinery/labels.ts'
import type { Pod, PodAffinityTerm } from '../api/types/core.gen.ts'
import type { ClusterView, NodeInfo } from './nodes.ts'

/** A term made ready for matching, on behalf of the Pod that has it. */
export interface Term {
  readonly topologyKey: string
  matches(pod: Pod): boolean
}

export function termsOf(
  owner: Pod,
  terms: readonly PodAffinityTerm[] | undefined,
  view: Pick<ClusterView, 'labelsOfNamespace'>,
): readonly Term[] {
  return (terms ?? []).map((term) => {
    const selector = selectorWithKeys(owner, term)
    const inNamespace = namespaceTest(owner, term, view)
    return {
      topologyKey: term.topologyKey,
      matches: (pod) =>
        inNamespace(pod.metadata.namespace ?? '') && selector.matches(pod.metadata.labels),
    }
  })
}

/** matchLabelKeys narrow the selector by the Pod's own labels. */
function selectorWithKeys(owner: Pod, term: PodAffinityTerm): Selector {
  const labels = owner.metadata.labels ?? {}
  const known = (keys: readonly string[] | undefined) =>
    (keys ?? []).filter((key) => labels[key] !== undefined)
  if (!term.labelSelector) return selectorFromLabelSelector(undefined)
  return selectorFromLabelSelector({
    ...term.labelSelector,
    matchExpressions: [
      ...(term.labelSelector.matchExpressions ?? []),
      ...known(term.matchLabelKeys).map((key) => ({
        key,
        operator: 'In',
        values: [labels[key] ?? ''],
      })),
      ...known(term.mismatchLabelKeys).map((key) => ({
        key,
        operator: 'NotIn',
        values: [labels[key] ?? ''],
      })),
    ],
  })
}

function namespaceTest(
  owner: Pod,
  term: PodAffinityTerm,
  view: Pick<ClusterView, 'labelsOfNamespace'>,
): (namespace: string) => boolean {
  const listed = new Set(term.namespaces ?? [])
  if (!term.namespaceSelector) {
    const own = owner.metadata.namespace ?? ''
    return (namespace) => (listed.size === 0 ? namespace === own : listed.has(namespace))
  }
  const selector = selectorFromLabelSelector(term.namespaceSelector)
  return (namespace) => listed.has(namespace) || selector.matches(view.labelsOfNamespace(namespace))
}

const required = (pod: Pod) => ({
  affinity: pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
  antiAffinity: pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
})

export type AffinityProblem =
  | "node(s) didn't match pod affinity rules"
  | "node(s) didn't match pod anti-affinity rules"
  | "node(s) didn't satisfy existing pods anti-affinity rules"

const placeOf = (info: NodeInfo, key: string): string | undefined =>
  info.node.metadata.labels?.[key]

/** What keeps a Pod off each Node; undefined where nothing does. Made once for a decision. */
export function affinityFilter(
  pod: Pod,
  view: ClusterView,
): ((info: NodeInfo) => AffinityProblem | undefined) | undefined {
  const { affinity, antiAffinity } = required(pod)
  if (!affinity?.length && !antiAffinity?.length && !view.hasAntiAffinity) return undefined
  const wanted = termsOf(pod, affinity, view)
  const refused = termsOf(pod, antiAffinity, view)
  const refusing = view.hasAntiAffinity ? refusedPlaces(pod, view) : new Set<string>()
  const wantedPlaces = wanted.map((term) => placesMatching(term, view, wanted))
  const refusedHere = refused.map((term) => placesMatching(term, view, [term]))
  // The first of a group that wants to be together has nobody to join.
  const isFirst =
    wantedPlaces.every((places) => places.size === 0) && wanted.every((term) => term.matches(pod))
  return (info) => {
    const joins = wanted.every((term, at) => {
      const place = placeOf(info, term.topologyKey)
      return place !== undefined && (isFirst || wantedPlaces[at]!.has(place))
    })
    if (!joins) return "node(s) didn't match pod affinity rules"
    if (refused.some((term, at) => refusedHere[at]!.has(placeOf(info, term.topologyKey) ?? ''))) {
      return "node(s) didn't match pod anti-affinity rules"
    }
    const labels = Object.entries(info.node.metadata.labels ?? {})
    if (refusing.size > 0 && labels.some(([key, value]) => refusing.has(`${key}=${value}`))) {
      return "node(s) didn't satisfy existing pods anti-affinity rules"
    }
    return undefined
  }
}

/** Values of the term's label on Nodes with a Pod that matches all of `terms`. */
function placesMatching(
  term: Term,
  view: ClusterView,
  terms: readonly Term[],
): ReadonlySet<string> {
  const places = new Set<string>()
  for (const info of view.nodes) {
    const place = placeOf(info, term.topologyKey)
    if (place === undefined || places.has(place)) continue
    for (const pod of info.pods.values()) {
      if (terms.every((each) => each.matches(pod))) {
        places.add(place)
        break
      }
    }
  }
  return places
}

/** "key=value" of the places where Pods that are there refuse this one. */
function refusedPlaces(pod: Pod, view: ClusterView): Set<string> {
  const places = new Set<string>()
  for (const info of view.nodes) {
    for (const other of info.pods.values()) {
      const terms = required(other).antiAffinity
      if (!terms?.length) continue
      for (const term of termsOf(other, terms, view)) {
        const place = placeOf(info, term.topologyKey)
        if (place !== undefined && term.matches(pod)) places.add(`${term.topologyKey}=${place}`)
      }
    }
  }
  return places
}

/** Preferences between Pods, both ways, summed over the places each Node is in. */
export function affinityScores(
  pod: Pod,
  view: ClusterView,
): ((info: NodeInfo) => number) | undefined {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {}
  const preferred = [
    ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => ({
      ...term,
      sign: 1,
    })),
    ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => ({
      ...term,
      sign: -1,
    })),
  ].map(({ weight, sign, podAffinityTerm }) => ({
    weight: weight * sign,
    term: termsOf(pod, [podAffinityTerm], view)[0]!,
  }))
  const points = new Map<string, number>()
  const give = (info: NodeInfo, key: string, weight: number) => {
    const place = placeOf(info, key)
    if (place !== undefined)
      points.set(`${key}=${place}`, (points.get(`${key}=${place}`) ?? 0) + weight)
  }
  for (const info of view.nodes) {
    for (const other of info.pods.values()) {
      for (const { weight, term } of preferred) {
        if (term.matches(other)) give(info, term.topologyKey, weight)
      }
      for (const { weight, term } of theirPreferences(other, view)) {
        if (term.matches(pod)) give(info, term.topologyKey, weight)
      }
    }
  }
  if (points.size === 0) return undefined
  return (info) =>
    Object.entries(info.node.metadata.labels ?? {}).reduce(
      (sum, [key, value]) => sum + (points.get(`${key}=${value}`) ?? 0),
      0,
    )
}

/** A Pod that must be with others would also rather have them stay near: weight 1. */
function theirPreferences(other: Pod, view: ClusterView) {
  const { podAffinity, podAntiAffinity } = other.spec.affinity ?? {}
  if (!podAffinity && !podAntiAffinity) return []
  return [
    ...(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => ({
      weight: 1,
      term,
    })),
    ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ weight, podAffinityTerm }) => ({ weight, term: podAffinityTerm }),
    ),
    ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ weight, podAffinityTerm }) => ({ weight: -weight, term: podAffinityTerm }),
    ),
  ].map(({ weight, term }) => ({ weight, term: termsOf(other, [term], view)[0]! }))
}
