// Whether a Node is still heard of, and what its status says once it is not.
import type { Lease } from '../../api/types/coordination.gen.ts'
import type { Node, NodeCondition } from '../../api/types/core.gen.ts'
import { formatTime } from '../../lib/clock.ts'

/** What was seen of a Node, by this controller's own clock; clocks of others may be wrong. */
export interface Heard {
  readonly renewTime: string | undefined
  readonly heartbeat: string | undefined
  readonly atMs: number
}

export const readyOf = (node: Node): NodeCondition | undefined =>
  node.status?.conditions?.find(({ type }) => type === 'Ready')

/** A sign of life is a change of the Lease or of the heartbeat, not the time that stands in it. */
export function hear(
  node: Node,
  lease: Lease | undefined,
  { before, nowMs }: { readonly before: Heard | undefined; readonly nowMs: number },
): Heard {
  const ready = readyOf(node)
  const renewTime = lease?.spec?.renewTime
  const heartbeat = ready && `${ready.lastHeartbeatTime ?? ''}|${ready.status}`
  if (!before) {
    const createdMs = Date.parse(node.metadata.creationTimestamp ?? '') || nowMs
    return { renewTime, heartbeat, atMs: ready ? nowMs : createdMs }
  }
  const renewed = renewTime !== undefined && renewTime !== before.renewTime
  // Becoming Unknown is this controller's own doing.
  const beaten = heartbeat !== before.heartbeat && ready?.status !== 'Unknown'
  return { renewTime, heartbeat, atMs: renewed || beaten ? nowMs : before.atMs }
}

const told = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

/** The conditions of a Node that has gone silent; undefined when they say so already. */
export function silentConditions(node: Node, nowMs: number): readonly NodeCondition[] | undefined {
  const conditions = node.status?.conditions ?? []
  const now = formatTime(nowMs)
  const missing = told
    .filter((type) => !conditions.some((condition) => condition.type === type))
    .map((type) => ({
      type,
      status: 'Unknown',
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
      lastHeartbeatTime: node.metadata.creationTimestamp ?? now,
      lastTransitionTime: now,
    }))
  const stale = conditions.filter(({ type, status }) => told.includes(type) && status !== 'Unknown')
  if (missing.length === 0 && stale.length === 0) return undefined
  const unknown = (condition: NodeCondition): NodeCondition => ({
    ...condition,
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
    lastTransitionTime: now,
  })
  return [...conditions.map((item) => (stale.includes(item) ? unknown(item) : item)), ...missing]
}
