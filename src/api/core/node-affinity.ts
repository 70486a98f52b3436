// Whether a Node is one that a Pod asks for: nodeSelector and required node affinity.
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../types/core.gen.ts'

/** All pairs of nodeSelector, and one of the required terms if there are any. */
export function matchesNodeAffinity(pod: Pod, node: Node): boolean {
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) {
    if (node.metadata.labels?.[key] !== value) return false
  }
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node))
}

/** All requirements of a term; a term without any matches no Node. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term
  if (matchExpressions.length + matchFields.length === 0) return false
  return (
    matchExpressions.every((wanted) => meets(wanted, node.metadata.labels?.[wanted.key])) &&
    matchFields.every((wanted) =>
      meets(wanted, wanted.key === 'metadata.name' ? node.metadata.name : undefined),
    )
  )
}

function meets(
  { operator, values = [] }: NodeSelectorRequirement,
  value: string | undefined,
): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && compare(value, values[0]) > 0
    case 'Lt':
      return value !== undefined && compare(value, values[0]) < 0
  }
}

/** Of whole numbers; NaN, which is neither above nor below, for anything else. */
function compare(value: string, limit: string | undefined): number {
  const whole = /^[+-]?\d+$/
  if (!whole.test(value) || limit === undefined || !whole.test(limit)) return Number.NaN
  const difference = BigInt(value) - BigInt(limit)
  return difference > 0n ? 1 : difference < 0n ? -1 : 0
}

/** Names of the only Nodes the Pod can go to, where each required term names some. */
export function namedNodes(pod: Pod): readonly string[] | undefined {
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (!required) return undefined
  const names = required.nodeSelectorTerms.map(({ matchFields }) => {
    const field = matchFields?.find(
      ({ key, operator }) => key === 'metadata.name' && operator === 'In',
    )
    return field?.values
  })
  return names.some((list) => list === undefined) ? undefined : names.flatMap((list) => list ?? [])
}
