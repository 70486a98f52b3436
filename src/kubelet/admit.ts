// Whether this node takes a Pod that was bound to it. A Pod refused here fails and is never tried again.
import type { Pod } from '../api/types/core.gen.ts'
import type { Reason } from './pod-observed.ts'

export interface AdmitLimits {
  readonly maxPods: number
}

export function admit(pod: Pod, others: readonly Pod[], limits: AdmitLimits): Reason | undefined {
  // What has run before was taken before.
  if (pod.status?.containerStatuses?.length || pod.metadata.deletionTimestamp) return undefined
  if (others.length >= limits.maxPods) {
    const message = `Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: ${others.length}, capacity: ${limits.maxPods}`
    return { reason: 'OutOfpods', message }
  }
  const taken = new Set(others.flatMap(hostPorts))
  if (hostPorts(pod).some((port) => taken.has(port))) {
    const message =
      "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    return { reason: 'NodePorts', message }
  }
  return undefined
}

function hostPorts(pod: Pod): string[] {
  return pod.spec.containers.flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort }) => hostPort)
      .map(({ hostPort, protocol = 'TCP', hostIP = '' }) => `${protocol}/${hostIP}/${hostPort}`),
  )
}
