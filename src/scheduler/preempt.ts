// Preemption: which Pods of lower priority would have to go so that a Pod fits, and where the
// fewest and least important would.
import { findPodCondition } from '../api/core/pod-state.ts'
import type { Pod } from '../api/types/core.gen.ts'
import { keyOf } from '../client/informer.ts'
import { type Fit, histogram, roomFor } from './fit.ts'
import { type ClusterView, type NodeInfo, NodeTable, priorityOf } from './nodes.ts'

/** Of the DisruptionTarget condition of Pods that go for another. */
export const preemptionReason = 'PreemptionByScheduler'

export type Preemption =
  | { readonly type: 'found'; readonly node: string; readonly victims: readonly Pod[] }
  /** Nothing more to do: those who go are on their way. */
  | { readonly type: 'waiting'; readonly message: string }
  | { readonly type: 'none'; readonly message: string }

export function preempt(pod: Pod, view: ClusterView, refused: Fit['refused']): Preemption {
  if (pod.spec.preemptionPolicy === 'Never') {
    return { type: 'none', message: 'not eligible due to preemptionPolicy=Never.' }
  }
  if (isMakingRoom(pod, view, refused)) {
    const message = 'not eligible due to a terminating pod on the nominated node.'
    return { type: 'waiting', message }
  }
  const reasons: string[] = []
  let best: Candidate | undefined
  for (const info of view.nodes) {
    const { name } = info.node.metadata
    if (!refused.get(name)?.resolvable) {
      reasons.push('Preemption is not helpful for scheduling')
      continue
    }
    const victims = victimsOn(pod, info, view)
    if (!victims) reasons.push('No preemption victims found for incoming pod')
    else if (!best || isBetter(victims, best.victims)) best = { node: name, victims }
  }
  if (best) return { type: 'found', ...best }
  return {
    type: 'none',
    message: `0/${view.nodes.length} nodes are available: ${histogram(reasons)}.`,
  }
}

/** Whether Pods still end on the Node that this one was promised. */
function isMakingRoom(pod: Pod, view: ClusterView, refused: Fit['refused']): boolean {
  const name = pod.status?.nominatedNodeName
  if (!name || refused.get(name)?.resolvable === false) return false
  const info = view.nodes.find(({ node }) => node.metadata.name === name)
  return [...(info?.pods.values() ?? [])].some(
    (other) =>
      priorityOf(other) < priorityOf(pod) &&
      other.metadata.deletionTimestamp !== undefined &&
      findPodCondition(other, 'DisruptionTarget')?.reason === preemptionReason,
  )
}

interface Candidate {
  readonly node: string
  readonly victims: readonly Pod[]
}

/** The Pods to evict from a Node, most important first; undefined when even all would not do. */
function victimsOn(pod: Pod, info: NodeInfo, view: ClusterView): readonly Pod[] | undefined {
  const mayGo = [...info.pods.values()].filter((other) => priorityOf(other) < priorityOf(pod))
  if (mayGo.length === 0) return undefined
  const table = new NodeTable()
  table.putNode(info.node)
  for (const other of info.pods.values()) if (!mayGo.includes(other)) table.putPod(other)
  const fits = (): boolean => {
    const [candidate] = table.list()
    const nodes = view.nodes.map((each) => (each === info ? candidate! : each))
    return roomFor(pod, { ...view, nodes })(candidate!) === undefined
  }
  if (!fits()) return undefined
  const victims: Pod[] = []
  for (const other of [...mayGo].sort(moreImportantFirst)) {
    table.putPod(other)
    if (fits()) continue
    table.dropPod(keyOf(other))
    victims.push(other)
  }
  return victims.length > 0 ? victims : undefined
}

const startOf = (pod: Pod): number =>
  Date.parse(pod.status?.startTime ?? '') || Number.POSITIVE_INFINITY

const moreImportantFirst = (one: Pod, other: Pod): number =>
  priorityOf(other) - priorityOf(one) || startOf(one) - startOf(other)

/** Lower highest priority, then a lower sum of priorities, then fewer. */
function isBetter(one: readonly Pod[], other: readonly Pod[]): boolean {
  const highest = (pods: readonly Pod[]) => Math.max(...pods.map(priorityOf))
  const sum = (pods: readonly Pod[]) => pods.reduce((total, pod) => total + priorityOf(pod), 0)
  const order = highest(one) - highest(other) || sum(one) - sum(other) || one.length - other.length
  return order < 0
}
