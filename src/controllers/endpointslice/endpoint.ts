// One Pod as an endpoint of a Service, and what makes two endpoints or two port lists the same.
import { isPodReady, isPodTerminating } from '../../api/core/pod-state.ts'
import type { Node, Pod, Service } from '../../api/types/core.gen.ts'
import type { Endpoint, EndpointPort } from '../../api/types/discovery.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { canonicalIp, familyOf } from '../../lib/ip.ts'
import { endpointHostname, findTargetPort } from '../service-pods.ts'

export type AddressType = 'IPv4' | 'IPv6'

export const zoneLabel = 'topology.kubernetes.io/zone'

/** The Pod's endpoint in one family, or undefined when it has no address of it. */
export function endpointOf(
  pod: Pod,
  service: Service,
  at: { readonly node: Node | undefined; readonly addressType: AddressType },
): Endpoint | undefined {
  const addresses = (pod.status?.podIPs ?? [])
    .filter(({ ip }) => familyOf(ip) === at.addressType)
    .map(({ ip }) => canonicalIp(ip) ?? ip)
  if (addresses.length === 0) return undefined
  const serving = isPodReady(pod)
  const terminating = isPodTerminating(pod)
  const hostname = endpointHostname(pod, service)
  const zone = at.node?.metadata.labels?.[zoneLabel]
  return {
    addresses,
    conditions: {
      ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(hostname === undefined ? {} : { hostname }),
    targetRef: {
      kind: 'Pod',
      namespace: pod.metadata.namespace,
      name: pod.metadata.name,
      uid: pod.metadata.uid,
    },
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    ...(zone ? { zone } : {}),
  }
}

/** The ports of a Service as this Pod serves them; a port it does not name is left out. */
export function endpointPorts(service: Service, pod: Pod): readonly EndpointPort[] {
  const ports: EndpointPort[] = []
  for (const wanted of service.spec.ports ?? []) {
    const port = findTargetPort(pod, wanted)
    if (port === undefined) continue
    ports.push({
      name: wanted.name ?? '',
      port,
      protocol: wanted.protocol ?? 'TCP',
      ...(wanted.appProtocol === undefined ? {} : { appProtocol: wanted.appProtocol }),
    })
  }
  return ports
}

/** Equal for lists with the same ports in any order; slices are grouped by it. */
export function portsKey(ports: readonly EndpointPort[] | undefined): string {
  return (ports ?? [])
    .map((port) =>
      JSON.stringify([
        port.name ?? '',
        port.protocol ?? '',
        port.port ?? 0,
        port.appProtocol ?? '',
      ]),
    )
    .sort()
    .join()
}

/** What makes it the same endpoint; the rest may change in place. */
export function endpointKey(endpoint: Endpoint): string {
  const { targetRef, hostname } = endpoint
  return `${[...endpoint.addresses].sort().join()}|${hostname ?? ''}|${targetRef?.namespace ?? ''}/${targetRef?.name ?? ''}`
}

/** Whether an endpoint of the same key needs no write. Hints are decided on elsewhere. */
export function sameEndpoint(one: Endpoint, other: Endpoint): boolean {
  return (
    one.nodeName === other.nodeName &&
    one.zone === other.zone &&
    one.conditions?.ready === other.conditions?.ready &&
    one.conditions?.serving === other.conditions?.serving &&
    one.conditions?.terminating === other.conditions?.terminating &&
    semanticEqual(withoutVersion(one), withoutVersion(other))
  )
}

const withoutVersion = ({ targetRef }: Endpoint): unknown =>
  targetRef && { ...targetRef, resourceVersion: undefined }
