// Where a DaemonSet's Pods belong, and what makes a Pod stay on its Node.
import { matchesNodeAffinity } from '../../api/core/node-affinity.ts'
import { untoleratedTaint } from '../../api/core/toleration.ts'
import type { DaemonSet } from '../../api/types/apps.gen.ts'
import type { Node, Pod, PodSpec, Toleration } from '../../api/types/core.gen.ts'

/** What the Pods put up with besides their template: they keep Nodes in order. */
const tolerations: readonly Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
]
const networkUnavailable: Toleration = {
  key: 'node.kubernetes.io/network-unavailable',
  operator: 'Exists',
  effect: 'NoSchedule',
}

export const toleratedBy = (spec: PodSpec): readonly Toleration[] => {
  const added = spec.hostNetwork ? [...tolerations, networkUnavailable] : tolerations
  const given = spec.tolerations ?? []
  const isGiven = ({ key, effect }: Toleration) =>
    given.some(
      (other) => other.key === key && other.effect === effect && other.operator === 'Exists',
    )
  return [...given, ...added.filter((toleration) => !isGiven(toleration))]
}

export interface Belonging {
  /** A Pod should be there. */
  readonly runs: boolean
  /** A Pod that is there may stay. */
  readonly stays: boolean
}

export function belongs(set: DaemonSet, node: Node): Belonging {
  const spec = set.spec.template.spec ?? { containers: [] }
  const asked: Pod = { metadata: { name: '' }, spec }
  if (!matchesNodeAffinity(asked, node)) return { runs: false, stays: false }
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return { runs: false, stays: false }
  const tolerated = toleratedBy(spec)
  const { taints } = node.spec
  return {
    runs: !untoleratedTaint(taints, tolerated, ['NoSchedule', 'NoExecute']),
    stays: !untoleratedTaint(taints, tolerated, ['NoExecute']),
  }
}

/** Bound to one Node by affinity, so that the scheduler still has the say. */
export const placedOn = (spec: PodSpec, nodeName: string): PodSpec => ({
  ...spec,
  tolerations: toleratedBy(spec),
  affinity: {
    ...spec.affinity,
    nodeAffinity: {
      ...spec.affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          { matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] },
        ],
      },
    },
  },
})

/** The Node a Pod is on, or is meant for. */
export function nodeOf(pod: Pod): string | undefined {
  if (pod.spec.nodeName) return pod.spec.nodeName
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return required?.nodeSelectorTerms
    .flatMap(({ matchFields }) => matchFields ?? [])
    .find(({ key }) => key === 'metadata.name')?.values?.[0]
}
