// The taints a Node should have by its conditions, and how many Nodes of a zone may be emptied at
// a time when much of it is down.
import type { Node, Taint } from '../../api/types/core.gen.ts'
import { formatTime } from '../../lib/clock.ts'
import { readyOf } from './health.ts'

export const notReadyKey = 'node.kubernetes.io/not-ready'
export const unreachableKey = 'node.kubernetes.io/unreachable'

export interface EvictionRates {
  /** Nodes a second, in a zone that is mostly well. */
  readonly normal: number
  /** Nodes a second, in a large zone that is mostly down. */
  readonly reduced: number
  /** From so many Nodes on a zone is large. */
  readonly largeZone: number
  /** Share of a zone's Nodes that are down from which it is mostly down. */
  readonly unhealthyShare: number
}

const pressureKeys: readonly (readonly [condition: string, key: string])[] = [
  ['MemoryPressure', 'node.kubernetes.io/memory-pressure'],
  ['DiskPressure', 'node.kubernetes.io/disk-pressure'],
  ['PIDPressure', 'node.kubernetes.io/pid-pressure'],
  ['NetworkUnavailable', 'node.kubernetes.io/network-unavailable'],
]
const unschedulableKey = 'node.kubernetes.io/unschedulable'

/** Keys of the NoSchedule taints that follow from the Node's own state. */
function noScheduleKeys(node: Node): readonly string[] {
  const down = downKey(node)
  const isTrue = (type: string) =>
    node.status?.conditions?.some(
      (condition) => condition.type === type && condition.status === 'True',
    )
  return [
    ...(down ? [down] : []),
    ...pressureKeys.filter(([type]) => isTrue(type)).map(([, key]) => key),
    ...(node.spec.unschedulable ? [unschedulableKey] : []),
  ]
}

const managedNoSchedule = new Set([
  notReadyKey,
  unreachableKey,
  unschedulableKey,
  ...pressureKeys.map(([, key]) => key),
])

const downKey = (node: Node): string | undefined => {
  const status = readyOf(node)?.status
  return status === 'False' ? notReadyKey : status === 'Unknown' ? unreachableKey : undefined
}

const isDownTaint = ({ key, effect }: Taint): boolean =>
  effect === 'NoExecute' && (key === notReadyKey || key === unreachableKey)

/** The taints as they should be; those of others stay. undefined: as they are. */
export function desiredTaints(
  node: Node,
  may: { readonly evict: boolean; readonly clear: boolean; readonly nowMs: number },
): readonly Taint[] | undefined {
  const taints = node.spec.taints ?? []
  const timeAdded = formatTime(may.nowMs)
  const wanted = noScheduleKeys(node)
  const down = downKey(node)
  const executing = taints.some(isDownTaint)
  // A Node that is emptied already only swaps one reason for the other.
  const execute = !may.clear && down !== undefined && (executing || may.evict) ? down : undefined
  const kept = taints.filter((taint) =>
    isDownTaint(taint)
      ? taint.key === execute
      : taint.effect !== 'NoSchedule' ||
        !managedNoSchedule.has(taint.key) ||
        wanted.includes(taint.key),
  )
  const has = (key: string, effect: string) =>
    kept.some((taint) => taint.key === key && taint.effect === effect)
  const added: Taint[] = wanted
    .filter((key) => !has(key, 'NoSchedule'))
    .map((key) => ({ key, effect: 'NoSchedule', timeAdded }))
  if (execute !== undefined && !has(execute, 'NoExecute')) {
    added.push({ key: execute, effect: 'NoExecute', timeAdded })
  }
  return kept.length === taints.length && added.length === 0 ? undefined : [...kept, ...added]
}

const zoneOf = ({ metadata: { labels } }: Node): string =>
  `${labels?.['topology.kubernetes.io/region'] ?? ''}|${labels?.['topology.kubernetes.io/zone'] ?? ''}`

const isUp = (node: Node): boolean => readyOf(node)?.status === 'True'

/** Whether the Pods of a Node that is down may be evicted now, or evictions are called off. */
export function evictionAllowed(
  node: Node,
  nodes: readonly Node[],
  { rates, nowMs }: { readonly rates: EvictionRates; readonly nowMs: number },
): { readonly evict: boolean; readonly clear: boolean } {
  // When nothing is up any more, it is more likely this controller that is cut off.
  if (!nodes.some(isUp)) return { evict: false, clear: true }
  const zone = nodes.filter((other) => zoneOf(other) === zoneOf(node))
  const rate = zoneRate(zone, rates)
  if (rate <= 0) return { evict: false, clear: false }
  // Counted by the taints themselves, so that it holds over a restart.
  const windowMs = Math.max(1000, 1000 / rate)
  const recent = zone.filter((other) =>
    other.spec.taints?.some(
      (taint) => isDownTaint(taint) && nowMs - Date.parse(taint.timeAdded ?? '') < windowMs,
    ),
  ).length
  return { evict: recent < Math.max(1, (rate * windowMs) / 1000), clear: false }
}

function zoneRate(zone: readonly Node[], rates: EvictionRates): number {
  const down = zone.filter((node) => !isUp(node)).length
  if (down === zone.length) return rates.normal
  const mostlyDown = down > 2 && down / zone.length >= rates.unhealthyShare
  if (!mostlyDown) return rates.normal
  return zone.length > rates.largeZone ? rates.reduced : 0
}
