// Which Nodes a Pod can go to, and in upstream's words why it cannot go to the others.
import { matchesNodeAffinity, namedNodes } from '../api/core/node-affinity.ts'
import { type Amounts, podRequests } from '../api/core/pod-requests.ts'
import { toleratesTaint, untoleratedTaint } from '../api/core/toleration.ts'
import type { ContainerPort, Pod } from '../api/types/core.gen.ts'
import { affinityFilter } from './affinity.ts'
import type { ClusterView, NodeInfo } from './nodes.ts'
import { withNominated } from './nominations.ts'
import { spreadFilter } from './spread.ts'

export interface Refusal {
  readonly reasons: readonly string[]
  /** Whether evicting Pods from the Node could help. */
  readonly resolvable: boolean
}

export interface Fit {
  readonly feasible: readonly NodeInfo[]
  /** By name of the Node. */
  readonly refused: ReadonlyMap<string, Refusal>
}

/** `enough`: stop looking once so many Nodes are found. The Node a Pod was promised goes first. */
export function fit(pod: Pod, view: ClusterView, enough = Number.POSITIVE_INFINITY): Fit {
  const check = roomFor(pod, view)
  const promised = view.nodes.find(
    ({ node }) => node.metadata.name === pod.status?.nominatedNodeName,
  )
  if (promised && !check(promised)) return { feasible: [promised], refused: new Map() }
  const named = namedNodes(pod)
  const feasible: NodeInfo[] = []
  const refused = new Map<string, Refusal>()
  for (const info of view.nodes) {
    if (feasible.length >= enough) break
    const { name } = info.node.metadata
    const refusal = named && !named.includes(name) ? notNamed : check(info)
    if (refusal) refused.set(name, refusal)
    else feasible.push(info)
  }
  return { feasible, refused }
}

const never = (...reasons: string[]): Refusal => ({ reasons, resolvable: false })
const byOthers = (...reasons: string[]): Refusal => ({ reasons, resolvable: true })

const notNamed = never("node(s) didn't satisfy plugin(s) [NodeAffinity]")
const unschedulable = never('node(s) were unschedulable')
const otherName = never("node(s) didn't match the requested node name")
const tainted = never('node(s) had untolerated taint(s)')
const notAffine = never("node(s) didn't match Pod's node affinity/selector")
const portTaken = byOthers("node(s) didn't have free ports for the requested pod ports")

const unschedulableTaint = {
  key: 'node.kubernetes.io/unschedulable',
  effect: 'NoSchedule',
} as const

/** Whether the Pod fits beside what is there, and also beside those who were promised room. */
export function roomFor(pod: Pod, view: ClusterView): (info: NodeInfo) => Refusal | undefined {
  const check = filterFor(pod, view)
  return (info) => {
    const refusal = check(info)
    const crowded = refusal ? undefined : withNominated(pod, info, view)
    return crowded ? filterFor(pod, crowded.view)(crowded.info) : refusal
  }
}

/** Everything that does not depend on the Node is worked out once; the first refusal counts. */
function filterFor(pod: Pod, view: ClusterView): (info: NodeInfo) => Refusal | undefined {
  const tolerations = pod.spec.tolerations ?? []
  const toleratesUnschedulable = tolerations.some((item) =>
    toleratesTaint(item, unschedulableTaint),
  )
  const ports = hostPorts(pod)
  const requests = podRequests(pod)
  const spread = spreadFilter(pod, view)
  const affinity = affinityFilter(pod, view)
  return (info) => {
    const { node } = info
    if (node.spec.unschedulable && !toleratesUnschedulable) return unschedulable
    if (pod.spec.nodeName && pod.spec.nodeName !== node.metadata.name) return otherName
    if (untoleratedTaint(node.spec.taints, tolerations, ['NoSchedule', 'NoExecute'])) return tainted
    if (!matchesNodeAffinity(pod, node)) return notAffine
    if (ports.length > 0 && hasPortConflict(ports, info)) return portTaken
    const short = shortOf(requests, info)
    if (short) return short
    const uneven = spread?.(info)
    if (uneven) return uneven.endsWith(')') ? never(uneven) : byOthers(uneven)
    const unkind = affinity?.(info)
    if (unkind) return unkind.includes('pod affinity') ? never(unkind) : byOthers(unkind)
    return undefined
  }
}

function shortOf(requests: Amounts, info: NodeInfo): Refusal | undefined {
  const reasons: string[] = []
  let resolvable = true
  if (info.pods.size + 1 > (info.allocatable['pods'] ?? 0)) {
    reasons.push('Too many pods')
    resolvable = (info.allocatable['pods'] ?? 0) > 0
  }
  for (const [resource, wanted] of Object.entries(requests)) {
    if (wanted === 0) continue
    const total = info.allocatable[resource] ?? 0
    if (wanted <= total - (info.requested[resource] ?? 0)) continue
    reasons.push(`Insufficient ${resource}`)
    if (wanted > total) resolvable = false
  }
  return reasons.length > 0 ? { reasons, resolvable } : undefined
}

/** Of all containers that start with the Pod's own; sidecars too. */
function hostPorts(pod: Pod): readonly ContainerPort[] {
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always')
  return [...pod.spec.containers, ...sidecars]
    .flatMap(({ ports }) => ports ?? [])
    .filter(({ hostPort }) => (hostPort ?? 0) > 0)
}

function hasPortConflict(wanted: readonly ContainerPort[], info: NodeInfo): boolean {
  for (const other of info.pods.values()) {
    const taken = hostPorts(other)
    if (wanted.some((port) => taken.some((used) => conflicts(port, used)))) return true
  }
  return false
}

const everywhere = (port: ContainerPort): boolean => !port.hostIP || port.hostIP === '0.0.0.0'

const conflicts = (one: ContainerPort, other: ContainerPort): boolean =>
  one.hostPort === other.hostPort &&
  (one.protocol ?? 'TCP') === (other.protocol ?? 'TCP') &&
  (everywhere(one) || everywhere(other) || one.hostIP === other.hostIP)

/** "2 Insufficient cpu, 1 node(s) were unschedulable", sorted as upstream sorts it. */
export function histogram(reasons: Iterable<string>): string {
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ')
}

/** Why the Pod is not scheduled: the PodScheduled condition's and the event's message. */
export function unfitMessage(
  nodeCount: number,
  refused: Fit['refused'],
  preemption: string,
): string {
  if (nodeCount === 0) return 'no nodes available to schedule pods'
  const reasons = [...refused.values()].flatMap((refusal) => refusal.reasons)
  return `0/${nodeCount} nodes are available: ${histogram(reasons)}. no new claims to deallocate, preemption: ${preemption}`
}
