// Which endpoints a Service has and which it should have (troubleshooting spec 1.1), and in words
// why a Pod is none of them.
import type { Pod, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import { familyOf } from '../lib/ip.ts'

export const serviceNameLabel = 'kubernetes.io/service-name'

/** The addresses that get connections: ready ones, else those that still serve while they end. */
export function usableAddresses(slices: readonly EndpointSlice[]): Set<string> {
  const ready = new Set<string>()
  const draining = new Set<string>()
  for (const slice of slices) {
    for (const { addresses, conditions } of slice.endpoints ?? []) {
      const isReady = conditions?.ready ?? true
      const isDraining = (conditions?.serving ?? isReady) && (conditions?.terminating ?? false)
      for (const ip of addresses) {
        if (isReady) ready.add(ip)
        else if (isDraining) draining.add(ip)
      }
    }
  }
  return ready.size > 0 ? ready : draining
}

export const isFinished = (pod: Pod): boolean =>
  pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'

export const isLeaving = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined

/** A Pod that is being deleted may say Ready to its end; nobody may count on it. */
export const isPodReady = (pod: Pod): boolean =>
  !isLeaving(pod) &&
  (pod.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')

export interface Membership {
  readonly isIn: boolean
  /** "ready", or in a few words why not. */
  readonly why: string
}

/** Whether a Pod that the selector matches gets connections of the Service, and why. */
export function membershipOf(pod: Pod, service: Service): Membership {
  if (isFinished(pod)) return { isIn: false, why: `it has ended (${pod.status?.phase})` }
  const { podIP } = pod.status ?? {}
  if (!podIP) return { isIn: false, why: reasonNotReady(pod) }
  const families = service.spec.ipFamilies ?? []
  const ips = [...new Set([podIP, ...(pod.status?.podIPs ?? []).map(({ ip }) => ip)])]
  if (families.length > 0 && !ips.some((ip) => families.includes(familyOf(ip) ?? 'IPv4')))
    return { isIn: false, why: `it has no ${families.join(' or ')} address` }
  if (service.spec.publishNotReadyAddresses) return { isIn: true, why: 'published ready or not' }
  if (pod.metadata.deletionTimestamp !== undefined)
    return { isIn: false, why: 'it is being deleted' }
  return isPodReady(pod) ? { isIn: true, why: 'ready' } : { isIn: false, why: reasonNotReady(pod) }
}

/** "readiness probe fails", "CrashLoopBackOff (exit code 1)", "Unschedulable: …". */
export function reasonNotReady(pod: Pod): string {
  const { status, spec } = pod
  if (pod.metadata.deletionTimestamp !== undefined) return 'it is being deleted'
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled')
  if (!spec.nodeName)
    return `${scheduled?.reason ?? 'not scheduled yet'}${scheduled?.message ? `: ${scheduled.message}` : ''}`
  const containers = [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]
  const waiting = containers.find(({ state }) => state?.waiting?.reason)?.state?.waiting
  const crashed = containers.find(({ lastState }) => lastState?.terminated)?.lastState?.terminated
  if (waiting?.reason === 'CrashLoopBackOff' && crashed)
    return `CrashLoopBackOff (${crashed.reason ?? 'ended'}, exit code ${crashed.exitCode})`
  if (waiting && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing')
    return `${waiting.reason}${waiting.message ? `: ${waiting.message}` : ''}`
  const gate = missingGate(pod)
  if (gate) return `readiness gate ${gate} is not True`
  const unready = containers.find(({ ready, state }) => !ready && state?.running)
  if (unready) {
    const container = spec.containers.find(({ name }) => name === unready.name)
    return container?.readinessProbe
      ? `readiness probe ${probeText(container.readinessProbe)} of container ${unready.name} fails`
      : `container ${unready.name} is not ready`
  }
  const terminated = containers.find(({ state }) => state?.terminated)?.state?.terminated
  if (terminated) return `container ended with exit code ${terminated.exitCode}`
  return waiting?.reason ?? `phase ${status?.phase ?? 'Pending'}`
}

function missingGate(pod: Pod): string | undefined {
  const ready = pod.status?.conditions?.find(({ type }) => type === 'ContainersReady')
  if (ready?.status !== 'True') return undefined
  return (pod.spec.readinessGates ?? []).find(
    ({ conditionType }) =>
      !pod.status?.conditions?.some(
        ({ type, status }) => type === conditionType && status === 'True',
      ),
  )?.conditionType
}

type Probe = NonNullable<Pod['spec']['containers'][number]['readinessProbe']>

function probeText({ httpGet, tcpSocket, grpc, exec }: Probe): string {
  if (httpGet) return `GET :${httpGet.port}${httpGet.path ?? '/'}`
  if (tcpSocket) return `TCP :${tcpSocket.port}`
  if (grpc) return `gRPC :${grpc.port}`
  return exec ? `"${(exec.command ?? []).join(' ')}"` : ''
}

/** The number a Service's target port has on a Pod; undefined: the Pod declares no such port. */
export function targetPortOn(
  pod: Pod,
  port: NonNullable<Service['spec']['ports']>[number],
): number | undefined {
  const target = port.targetPort ?? port.port
  if (typeof target === 'number' && target !== 0) return target
  if (target === 0 || target === '') return port.port
  for (const { ports } of pod.spec.containers) {
    const found = ports?.find(
      ({ name, protocol }) => name === target && (protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )
    if (found) return found.containerPort
  }
  return undefined
}
