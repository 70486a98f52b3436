// What a selector that matches nothing was probably meant to match: Pods that share most of its
// labels, and labels that are spelled almost alike.
import type { Pod } from '../api/types/core.gen.ts'

type Labels = Readonly<Record<string, string>>

export interface NearMiss {
  readonly pod: Pod
  /** "app: web (Service), app: web-v2 (Pod)" for each label that differs. */
  readonly differences: readonly string[]
  /** The selector that would match it. */
  readonly selector: Labels
  /** Higher is nearer. */
  readonly score: number
}

const wholeLabel = 4
const nearLabel = 3
const sameKey = 1
const maxTypos = 2
/** Labels that controllers add; no Service should select by them. */
const generated =
  /^(pod-template-hash|controller-revision-hash|pod-template-generation|apps\.kubernetes\.io\/pod-index|statefulset\.kubernetes\.io\/pod-name)$/

/** Pods that nearly match, the nearest first. A key alone in common is no near miss. */
export function nearMisses(selector: Labels, pods: readonly Pod[]): NearMiss[] {
  return pods
    .map((pod) => compare(selector, pod))
    .filter(({ score }) => score >= nearLabel)
    .sort((one, other) => other.score - one.score)
}

function compare(selector: Labels, pod: Pod): NearMiss {
  const labels = pod.metadata.labels ?? {}
  const differences: string[] = []
  const wanted: Record<string, string> = {}
  let score = 0
  for (const [key, value] of Object.entries(selector)) {
    if (labels[key] === value) {
      wanted[key] = value
      score += wholeLabel
      continue
    }
    const near = nearestLabel(key, value, labels)
    if (near) {
      wanted[near.key] = labels[near.key]!
      score += near.score
      differences.push(`${key}: ${value} (Service), ${near.key}: ${labels[near.key]} (Pod)`)
    } else differences.push(`${key}: ${value} (Service), no such label (Pod)`)
  }
  return { pod, differences, selector: wanted, score }
}

/** The same key with another value, another key with the same value, or both spelled almost so. */
function nearestLabel(
  key: string,
  value: string,
  labels: Labels,
): { key: string; score: number } | undefined {
  const own = labels[key]
  if (own !== undefined) return { key, score: isNear(own, value) ? nearLabel : sameKey }
  for (const [other, text] of Object.entries(labels)) {
    if (generated.test(other)) continue
    if (text === value) return { key: other, score: nearLabel }
    if (isNear(other, key) && isNear(text, value)) return { key: other, score: nearLabel }
  }
  return undefined
}

/** At most two typos apart, or one a beginning of the other: "web" and "web-v2". */
function isNear(one: string, other: string): boolean {
  const shorter = Math.min(one.length, other.length)
  if (shorter >= 2 && (one.startsWith(other) || other.startsWith(one))) return true
  return shorter > maxTypos && editDistance(one, other) <= maxTypos
}

/** Levenshtein's, in one row. */
export function editDistance(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > 63) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const substituted = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[other.length]!
}

/** Names like the one asked, the nearest first. */
export function similarNames(name: string, names: readonly string[]): string[] {
  return [...new Set(names)]
    .filter((other) => other !== name && isNear(other, name))
    .sort((one, other) => editDistance(one, name) - editDistance(other, name))
}
