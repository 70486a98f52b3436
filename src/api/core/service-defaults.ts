// What a Service means when it says nothing, and what an update that left allocated fields out means.

import type { Draft } from '../machinery/draft.ts'
import { sameValue } from '../machinery/validation.ts'
import type { Service, ServicePort, ServiceSpec } from '../types/core.gen.ts'

type ServiceDraft = Draft<Service>
type PortLike = Pick<ServicePort, 'name' | 'port' | 'protocol' | 'nodePort'>
type SpecView = {
  readonly spec: Omit<ServiceSpec, 'ports'> & { readonly ports?: readonly PortLike[] | undefined }
}

const affinityTimeoutSeconds = 10800

export const isHeadless = ({ spec }: SpecView): boolean =>
  spec.clusterIPs?.length === 1 ? spec.clusterIPs[0] === 'None' : spec.clusterIP === 'None'

export const needsClusterIP = ({ spec }: SpecView): boolean =>
  spec.type === 'ClusterIP' || needsNodePort({ spec })

export const needsNodePort = ({ spec }: SpecView): boolean =>
  spec.type === 'NodePort' || spec.type === 'LoadBalancer'

export const needsHealthCheckNodePort = ({ spec }: SpecView): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'

/** Reachable from outside by something other than its ClusterIP. */
export const isExternallyAccessible = ({ spec }: SpecView): boolean =>
  needsNodePort({ spec }) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)

export function defaultService(service: ServiceDraft): void {
  const spec = (service.spec ??= {})
  spec.type ||= 'ClusterIP'
  defaultAffinity(spec)
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP'
    port.targetPort ||= port.port
  }
  if (isExternallyAccessible(service)) spec.externalTrafficPolicy ||= 'Cluster'
  if (needsClusterIP(service)) spec.internalTrafficPolicy ??= 'Cluster'
  if (spec.type === 'LoadBalancer') {
    spec.allocateLoadBalancerNodePorts ??= true
    for (const ingress of service.status?.loadBalancer?.ingress ?? []) {
      if (ingress.ip) ingress.ipMode ??= 'VIP'
    }
  }
}

function defaultAffinity(spec: ServiceDraft['spec']): void {
  spec.sessionAffinity ||= 'None'
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.sessionAffinity !== 'ClientIP') return
  if (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: affinityTimeoutSeconds } }
  }
}

/** Old clients know clusterIP only: keeps clusterIPs in step with what they meant. */
export function normalizeClusterIPs(service: ServiceDraft, old: Service | undefined): void {
  const { spec } = service
  const given = spec.clusterIPs ?? []
  if (!old) {
    if (spec.clusterIP && given.length === 0) spec.clusterIPs = [spec.clusterIP]
    return
  }
  const before = old.spec.clusterIP ?? ''
  const now = spec.clusterIP ?? ''
  if (before === now) {
    if (given.length === 0 && old.spec.clusterIPs) spec.clusterIPs = [...old.spec.clusterIPs]
  } else if (given.length === 0 || sameValue(spec.clusterIPs, old.spec.clusterIPs)) {
    if (now === '') delete spec.clusterIPs
    else spec.clusterIPs = [now]
  }
}

/** A PUT of the manifest as it was first written keeps addresses and ports (idempotence). */
export function keepAllocated(service: ServiceDraft, old: Service): void {
  const { spec } = service
  if (needsClusterIP(old) && needsClusterIP(service)) {
    if (!spec.clusterIP && old.spec.clusterIP) spec.clusterIP = old.spec.clusterIP
    const untouched = spec.clusterIP === old.spec.clusterIP
    if ((spec.clusterIPs ?? []).length === 0 && untouched && old.spec.clusterIPs) {
      spec.clusterIPs = [...old.spec.clusterIPs]
    }
  }
  if (needsNodePort(old) && needsNodePort(service))
    keepNodePorts(spec.ports ?? [], old.spec.ports ?? [])
  if (needsHealthCheckNodePort(old) && needsHealthCheckNodePort(service)) {
    if (!spec.healthCheckNodePort && old.spec.healthCheckNodePort) {
      spec.healthCheckNodePort = old.spec.healthCheckNodePort
    }
  }
}

/** By name first, then by protocol and number; never a node port the new ports use already. */
function keepNodePorts(ports: Draft<ServicePort>[], oldPorts: readonly ServicePort[]): void {
  const used = new Set(ports.map((port) => port.nodePort ?? 0))
  const same: readonly ((port: PortLike, old: PortLike) => boolean)[] = [
    (port, old) => (port.name ?? '') === (old.name ?? ''),
    (port, old) => port.port === old.port && port.protocol === old.protocol,
  ]
  for (const matches of same) {
    for (const port of ports) {
      if (port.nodePort) continue
      const nodePort = oldPorts.find((old) => matches(port, old))?.nodePort
      if (!nodePort || used.has(nodePort)) continue
      port.nodePort = nodePort
      used.add(nodePort)
    }
  }
}

/** What the old type needed and the new one does not is dropped, unless the client changed it. */
export function dropTypeDependent(service: ServiceDraft, old: Service): void {
  const { spec } = service
  const drop = (needs: (of: SpecView) => boolean, ...fields: (keyof ServiceSpec)[]) => {
    if (!needs(old) || needs(service)) return
    for (const field of fields) if (sameValue(spec[field], old.spec[field])) delete spec[field]
  }
  if (needsClusterIP(old) && !needsClusterIP(service)) {
    if (sameValue(spec.clusterIPs, old.spec.clusterIPs)) delete spec.clusterIP
  }
  drop(needsClusterIP, 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy')
  drop(needsHealthCheckNodePort, 'healthCheckNodePort')
  drop(isLoadBalancer, 'allocateLoadBalancerNodePorts', 'loadBalancerClass')
  drop(isExternallyAccessible, 'externalTrafficPolicy')
  if (needsNodePort(old) && !needsNodePort(service) && sameNodePorts(service, old)) {
    for (const port of spec.ports ?? []) delete port.nodePort
  }
  if (isLoadBalancer(old) && !isLoadBalancer(service) && service.status) {
    service.status.loadBalancer = {}
  }
}

const isLoadBalancer = ({ spec }: SpecView): boolean => spec.type === 'LoadBalancer'

/** No node port among the new ones that was not among the old. */
function sameNodePorts(service: SpecView, old: Service): boolean {
  const numbers = (of: SpecView) => (of.spec.ports ?? []).map((port) => port.nodePort ?? 0)
  const before = new Set(numbers(old))
  return numbers(service).every((nodePort) => nodePort === 0 || before.has(nodePort))
}
