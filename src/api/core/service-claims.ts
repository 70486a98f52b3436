// What a Service reserves in its own commit: ClusterIPs, node ports and the health check port.

import type { ClaimOutcome, Claims } from '../machinery/claims.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid } from '../machinery/field-error.ts'
import type { HookContext, IPFamily } from '../machinery/kind.ts'
import { none } from '../machinery/validation.ts'
import type { Service } from '../types/core.gen.ts'
import {
  isHeadless,
  needsClusterIP,
  needsHealthCheckNodePort,
  needsNodePort,
} from './service-defaults.ts'
import { fillFamilies } from './service-families.ts'

type ServiceDraft = Draft<Service>
type Claim = (service: ServiceDraft, old: Service | undefined, claims: Claims) => ClaimOutcome

const failed = (outcome: ClaimOutcome): boolean => 'serverError' in outcome || outcome.length > 0

export function claimService(
  service: ServiceDraft | undefined,
  old: Service | undefined,
  ...[claims, context]: readonly [claims: Claims, context: HookContext]
): ClaimOutcome {
  if (!service) {
    if (old) releaseAll(old, claims)
    return none
  }
  const errors = fillFamilies(service, old, context.facts)
  if (errors.length > 0) return errors
  for (const claim of [claimClusterIPs, claimNodePorts, claimHealthCheckNodePort] as const) {
    const outcome: ClaimOutcome = (claim as Claim)(service, old, claims)
    if (failed(outcome)) return outcome
  }
  return none
}

function releaseAll(old: Service, claims: Claims): void {
  for (const address of allocatedIPs(old)) claims.releaseClusterIP(address)
  for (const nodePort of nodePortsOf(old)) claims.releaseNodePort(nodePort)
  if (needsHealthCheckNodePort(old) && old.spec.healthCheckNodePort) {
    claims.releaseNodePort(old.spec.healthCheckNodePort)
  }
}

/** The addresses a stored Service holds; none for headless and ExternalName ones. */
export function allocatedIPs(service: Service): readonly string[] {
  if (!needsClusterIP(service) || isHeadless(service)) return []
  return service.spec.clusterIPs ?? []
}

function claimClusterIPs(
  service: ServiceDraft,
  old: Service | undefined,
  claims: Claims,
): ClaimOutcome {
  const held = old ? allocatedIPs(old) : []
  if (service.spec.type === 'ExternalName' || isHeadless(service)) {
    if (service.spec.type === 'ExternalName') {
      for (const address of held) claims.releaseClusterIP(address)
    }
    return none
  }
  // Between headless and not headless there is no way but through ExternalName: validation says so.
  if (old && needsClusterIP(old) && isHeadless(old)) return none
  const families = service.spec.ipFamilies ?? []
  for (const address of held.slice(families.length)) claims.releaseClusterIP(address)
  for (let index = held.length; index < families.length; index++) {
    const outcome = claimClusterIP(service, { index, family: families[index]! }, claims)
    if (failed(outcome)) return outcome
  }
  return none
}

function claimClusterIP(
  { spec }: ServiceDraft,
  slot: { readonly index: number; readonly family: IPFamily },
  claims: Claims,
): ClaimOutcome {
  const wanted = spec.clusterIPs?.[slot.index] || undefined
  const taken = claims.takeClusterIP(slot.family, wanted)
  if (taken.ok) {
    // An address that was asked for stays as it was written, canonical or not.
    const address = wanted ?? taken.value
    spec.clusterIPs ??= []
    spec.clusterIPs[slot.index] = address
    if (slot.index === 0) spec.clusterIP = address
    return none
  }
  if (wanted === undefined) {
    return { serverError: `failed to allocate a serviceIP: ${taken.message}` }
  }
  const message = `failed to allocate IP ${wanted}: ${taken.message}`
  return [invalid('spec.clusterIPs', spec.clusterIPs, message)]
}

/** Every number once: ports of one Service may share a node port. */
const nodePortsOf = (service: Pick<Service, 'spec'>): ReadonlySet<number> =>
  new Set((service.spec.ports ?? []).flatMap((port) => (port.nodePort ? [port.nodePort] : [])))

function claimNodePorts(
  service: ServiceDraft,
  old: Service | undefined,
  claims: Claims,
): ClaimOutcome {
  const held = old && needsNodePort(old) ? nodePortsOf(old) : new Set<number>()
  if (!needsNodePort(service)) {
    for (const nodePort of held) claims.releaseNodePort(nodePort)
    return none
  }
  const outcome = old
    ? claimChangedNodePorts(service, held, claims)
    : claimNewNodePorts(service, claims)
  if (failed(outcome)) return outcome
  const kept = nodePortsOf(service)
  for (const nodePort of held) if (!kept.has(nodePort)) claims.releaseNodePort(nodePort)
  return none
}

const allocates = ({ spec }: ServiceDraft): boolean =>
  spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false

/** On create, ports with one number (53/UDP and 53/TCP) share one node port. */
function claimNewNodePorts(service: ServiceDraft, claims: Claims): ClaimOutcome {
  const ports = service.spec.ports ?? []
  const byPort = new Map<number, number>()
  for (const [index, port] of ports.entries()) {
    if (!port.nodePort && !allocates(service)) continue
    const shared = byPort.get(port.port)
    if (shared !== undefined && (!port.nodePort || port.nodePort === shared)) {
      port.nodePort = shared
      continue
    }
    const asked =
      shared === undefined
        ? ports.find((other) => other.port === port.port && other.nodePort)?.nodePort
        : port.nodePort
    const outcome = takeNodePort(port, { index, asked }, claims)
    if (failed(outcome)) return outcome
    if (shared === undefined) byPort.set(port.port, port.nodePort!)
  }
  return none
}

function claimChangedNodePorts(
  service: ServiceDraft,
  held: ReadonlySet<number>,
  claims: Claims,
): ClaimOutcome {
  const taken = new Set(held)
  for (const [index, port] of (service.spec.ports ?? []).entries()) {
    if (port.nodePort ? taken.has(port.nodePort) : !allocates(service)) continue
    const outcome = takeNodePort(port, { index, asked: port.nodePort || undefined }, claims)
    if (failed(outcome)) return outcome
    taken.add(port.nodePort!)
  }
  return none
}

function takeNodePort(
  port: { nodePort?: number | undefined },
  slot: { readonly index: number; readonly asked: number | undefined },
  claims: Claims,
): ClaimOutcome {
  const taken = claims.takeNodePort(slot.asked)
  if (taken.ok) {
    port.nodePort = taken.value
    return none
  }
  if (slot.asked === undefined) {
    return { serverError: `failed to allocate a nodePort: ${taken.message}` }
  }
  return [invalid(`spec.ports[${slot.index}].nodePort`, slot.asked, taken.message)]
}

function claimHealthCheckNodePort(
  service: ServiceDraft,
  old: Service | undefined,
  claims: Claims,
): ClaimOutcome {
  const { spec } = service
  const held = old && needsHealthCheckNodePort(old) ? old.spec.healthCheckNodePort : undefined
  if (!needsHealthCheckNodePort(service)) {
    if (held) claims.releaseNodePort(held)
    return none
  }
  if (held) {
    return spec.healthCheckNodePort === held
      ? none
      : [forbidden('spec.healthCheckNodePort', 'field is immutable')]
  }
  const wanted = spec.healthCheckNodePort || undefined
  const taken = claims.takeNodePort(wanted)
  if (taken.ok) {
    spec.healthCheckNodePort = taken.value
    return none
  }
  return {
    serverError:
      wanted === undefined
        ? `failed to allocate a HealthCheck NodePort 0: ${taken.message}`
        : `failed to allocate requested HealthCheck NodePort ${wanted}: ${taken.message}`,
  }
}
