// Which labels a selector means: the map form of Services and the LabelSelector of workloads.
import type { LabelSelector, LabelSelectorRequirement } from '../types/meta.gen.ts'

export type Labels = Readonly<Record<string, string>>

/** Every pair of the selector is among the labels. An empty selector matches everything. */
export function matchesPairs(selector: Labels, labels: Labels | undefined): boolean {
  for (const key in selector) {
    if (labels?.[key] !== selector[key]) return false
  }
  return true
}

/** As workloads mean it: an absent selector matches nothing, an empty one everything. */
export function matchesSelector(
  selector: LabelSelector | undefined,
  labels: Labels | undefined,
): boolean {
  if (!selector) return false
  return (
    matchesPairs(selector.matchLabels ?? {}, labels) &&
    (selector.matchExpressions ?? []).every((wanted) => matchesRequirement(wanted, labels))
  )
}

function matchesRequirement(wanted: LabelSelectorRequirement, labels: Labels | undefined): boolean {
  const value = labels?.[wanted.key]
  switch (wanted.operator) {
    case 'In':
      return value !== undefined && (wanted.values ?? []).includes(value)
    case 'NotIn':
      return value === undefined || !(wanted.values ?? []).includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    default:
      return false
  }
}

export const isEmptySelector = (selector: LabelSelector): boolean =>
  Object.keys(selector.matchLabels ?? {}).length === 0 &&
  (selector.matchExpressions ?? []).length === 0
