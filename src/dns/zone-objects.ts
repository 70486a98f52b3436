// What the zone keeps of each object, and nothing more: a cluster has many, a DNS replica little memory.
import type { Namespace, Pod, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import { canonicalAddress, parseAddress } from './wire/address.ts'

/** One port as names say it: protocol in lower case, name empty where the port has none. */
export interface ZonePort {
  readonly name: string
  readonly protocol: string
  readonly port: number
}

export interface ZoneService {
  readonly namespace: string
  readonly name: string
  readonly kind: 'clusterIP' | 'headless' | 'externalName'
  readonly addresses: readonly string[]
  /** Empty unless the kind is externalName; else absolute. */
  readonly externalName: string
  readonly ports: readonly ZonePort[]
}

/** One ready address behind a Service. */
export interface ZoneEndpoint {
  readonly address: string
  /** Empty where the endpoint has none. */
  readonly hostname: string
  /** targetRef.name, short enough for a label; else empty. */
  readonly podName: string
  readonly topologyZone: string
}

export interface ZoneSlice {
  /** "namespace/name" of the Service. */
  readonly service: string
  readonly ports: readonly ZonePort[]
  readonly endpoints: readonly ZoneEndpoint[]
}

const serviceNameLabel = 'kubernetes.io/service-name'
const maxLabelBytes = 63

/** Undefined for a Service that no name shows: an ExternalName that is an address or empty. */
export function zoneService(service: Service): ZoneService | undefined {
  const { namespace = '', name = '' } = service.metadata
  const { spec } = service
  const ports = (spec.ports ?? []).map((port) => zonePort(port.name, port.protocol, port.port))
  const base = { namespace, name, ports, externalName: '', addresses: [] }
  if (spec.type === 'ExternalName') {
    const target = spec.externalName ?? ''
    if (target === '' || parseAddress(target.replace(/\.$/, ''))) return undefined
    const externalName = target.endsWith('.') ? target : `${target}.`
    return { ...base, kind: 'externalName', externalName }
  }
  const addresses = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : [])
  if (addresses[0] === 'None') return { ...base, kind: 'headless' }
  const real = addresses.filter((address) => parseAddress(address) !== undefined)
  return { ...base, kind: 'clusterIP', addresses: real.map(canonicalAddress) }
}

function zonePort(name = '', protocol = 'TCP', port = 0): ZonePort {
  return { name: name.toLowerCase(), protocol: protocol.toLowerCase(), port }
}

/** Undefined for a slice that belongs to no Service or holds names instead of addresses. */
export function zoneSlice(slice: EndpointSlice): ZoneSlice | undefined {
  const service = slice.metadata.labels?.[serviceNameLabel]
  if (!service || slice.addressType === 'FQDN') return undefined
  const ports = (slice.ports ?? [])
    .filter((port) => port.port !== undefined)
    .map((port) => zonePort(port.name, port.protocol, port.port))
  const endpoints: ZoneEndpoint[] = []
  for (const endpoint of slice.endpoints ?? []) {
    // Only an explicit false is unready; serving and terminating do not count (spec 1.3).
    if (endpoint.conditions?.ready === false) continue
    const podName = endpoint.targetRef?.name ?? ''
    for (const address of endpoint.addresses) {
      if (parseAddress(address) === undefined) continue
      endpoints.push({
        address: canonicalAddress(address),
        hostname: (endpoint.hostname ?? '').toLowerCase(),
        podName: podName.length <= maxLabelBytes ? podName : '',
        topologyZone: (endpoint.zone ?? '').toLowerCase(),
      })
    }
  }
  return { service: `${slice.metadata.namespace ?? ''}/${service}`, ports, endpoints }
}

/** The label of an endpoint below its Service's name (spec 1.3): exactly one per endpoint. */
export function endpointLabel(endpoint: ZoneEndpoint, podNames: boolean): string {
  if (endpoint.hostname !== '') return endpoint.hostname
  if (podNames && endpoint.podName !== '') return endpoint.podName
  const dashed = endpoint.address.replace(/[.:]/g, '-')
  return dashed.endsWith('-') ? `${dashed}0` : dashed
}

// What the functions above read of an object, and nothing else: applied to each object as it comes
// off the wire, so that a first list of thousands never stands in memory with all its status.

export function pruneService(service: Service): Service {
  const { type, clusterIP, clusterIPs, externalName, ports } = service.spec
  const kept = (ports ?? []).map(({ name, protocol, port }) => ({ name, protocol, port }))
  return {
    metadata: pruneMetadata(service.metadata),
    spec: {
      type,
      ...(clusterIPs ? { clusterIPs } : { clusterIP }),
      ...(externalName ? { externalName } : {}),
      ports: kept,
    },
  }
}

const lastChangeTrigger = 'endpoints.kubernetes.io/last-change-trigger-time'

/** Names of Pods go too, unless endpoints are to be named by them. */
export function pruneSlice(slice: EndpointSlice, podNames: boolean): EndpointSlice {
  const { annotations, labels } = slice.metadata
  const trigger = annotations?.[lastChangeTrigger]
  const service = labels?.[serviceNameLabel]
  return {
    metadata: {
      ...pruneMetadata(slice.metadata),
      ...(service ? { labels: { [serviceNameLabel]: service } } : {}),
      ...(trigger ? { annotations: { [lastChangeTrigger]: trigger } } : {}),
    },
    addressType: slice.addressType,
    ports: (slice.ports ?? []).map(({ name, protocol, port }) => ({ name, protocol, port })),
    endpoints: (slice.endpoints ?? []).map((endpoint) => ({
      addresses: endpoint.addresses,
      ...(endpoint.conditions?.ready === false ? { conditions: { ready: false } } : {}),
      ...(endpoint.hostname ? { hostname: endpoint.hostname } : {}),
      ...(podNames && endpoint.targetRef ? { targetRef: { name: endpoint.targetRef.name } } : {}),
      ...(endpoint.zone ? { zone: endpoint.zone } : {}),
    })),
  }
}

export function prunePod(pod: Pod): Pod {
  const { deletionTimestamp } = pod.metadata
  const { podIP, phase } = pod.status ?? {}
  return {
    metadata: {
      ...pruneMetadata(pod.metadata),
      ...(deletionTimestamp ? { deletionTimestamp } : {}),
    },
    spec: { containers: [] },
    status: { podIP, phase },
  }
}

export function pruneNamespace(namespace: Namespace): Namespace {
  return { metadata: pruneMetadata(namespace.metadata), spec: {} }
}

function pruneMetadata(metadata: Service['metadata']): Service['metadata'] {
  const { name, namespace, uid, resourceVersion } = metadata
  return { name, ...(namespace ? { namespace } : {}), uid, resourceVersion }
}
