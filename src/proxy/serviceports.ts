// Services and their EndpointSlices to what the data plane serves: one record for every port of a
// Service in one IP family, with its frontends' addresses and its endpoints. Pure.

import type { Service } from '../api/types/core.gen.ts'
import type { EndpointSlice, Endpoint as SliceEndpoint } from '../api/types/discovery.gen.ts'
import { canonicalIp, familyOf, formatCidr, type IPFamily, parseCidr } from '../lib/ip.ts'

export type Protocol = 'tcp' | 'udp' | 'sctp'

export interface ServicePort {
  /** "namespace/name" of the Service. */
  readonly service: string
  readonly portName: string
  readonly protocol: Protocol
  readonly clusterIP: string
  readonly port: number
  /** 0: none. */
  readonly nodePort: number
  readonly externalIPs: readonly string[]
  /** Those a load balancer hands to the node unchanged (ipMode VIP). */
  readonly loadBalancerIPs: readonly string[]
  /** CIDRs that may dial the load balancer's addresses; empty: all may. */
  readonly sourceRanges: readonly string[]
  readonly internalPolicy: TrafficPolicy
  readonly externalPolicy: TrafficPolicy
  /** Present: connections of one client stay with one endpoint for this long. */
  readonly affinitySeconds?: number
  readonly endpoints: readonly Endpoint[]
}

export type TrafficPolicy = 'Cluster' | 'Local'

export interface Endpoint {
  readonly ip: string
  readonly port: number
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly isLocal: boolean
  readonly nodeName?: string
  /** Absent: no hint was given, which switches that kind of hint off for the whole port. */
  readonly zoneHints?: readonly string[]
  readonly nodeHints?: readonly string[]
}

export interface ServicePortOptions {
  readonly family: IPFamily
  readonly nodeName: string
  /** Kubernetes' gate AllowServiceExternalIPs. */
  readonly allowExternalIPs?: boolean
}

const serviceNameLabel = 'kubernetes.io/service-name'
const proxyNameLabel = 'service.kubernetes.io/service-proxy-name'
const headlessLabel = 'service.kubernetes.io/headless'
const defaultAffinitySeconds = 10_800

/** Label selectors of the watches; what they leave out does not exist for the proxy. */
export const serviceSelector = `!${proxyNameLabel}`
export const endpointSliceSelector = `!${headlessLabel}`

/** The key of the Service that owns a slice; undefined when the slice is not for us. */
export function ownerOfSlice(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[serviceNameLabel]
  if (name === undefined || slice.addressType === 'FQDN') return undefined
  if (slice.metadata.labels?.[headlessLabel] !== undefined) return undefined
  return `${slice.metadata.namespace}/${name}`
}

/** The ports of one Service in one family; empty when the proxy does not serve it there. */
export function servicePorts(
  service: Service,
  slices: readonly EndpointSlice[],
  options: ServicePortOptions,
): ServicePort[] {
  const clusterIP = clusterIPOf(service, options.family)
  if (clusterIP === undefined) return []
  const { spec, metadata } = service
  const ofFamily = (addresses: readonly string[]): string[] =>
    addresses.filter((ip) => familyOf(ip) === options.family).map((ip) => canonicalIp(ip)!)
  const externalIPs =
    options.allowExternalIPs === false ? [] : ofFamily(unique(spec.externalIPs ?? []))
  const loadBalancerIPs = ofFamily(unique(loadBalancerVips(service)))
  const isExternal = externalIPs.length > 0 || isNodePortType(service)
  const shared = {
    service: `${metadata.namespace}/${metadata.name}`,
    clusterIP,
    externalIPs,
    loadBalancerIPs,
    sourceRanges: sourceRanges(service, options.family),
    internalPolicy: spec.internalTrafficPolicy ?? 'Cluster',
    externalPolicy: isExternal ? (spec.externalTrafficPolicy ?? 'Cluster') : 'Cluster',
    ...affinityOf(service),
  } as const
  return (spec.ports ?? []).map((port) => {
    const portName = port.name ?? ''
    const protocol = lowerProtocol(port.protocol)
    return {
      ...shared,
      portName,
      protocol,
      port: port.port,
      nodePort: isNodePortType(service) ? (port.nodePort ?? 0) : 0,
      endpoints: endpointsOf(slices, { portName, protocol, ...options }),
    }
  })
}

function clusterIPOf({ spec, metadata }: Service, family: IPFamily): string | undefined {
  if (metadata.labels?.[proxyNameLabel] !== undefined) return undefined
  if (spec.type === 'ExternalName') return undefined
  if (spec.clusterIP === undefined || spec.clusterIP === '' || spec.clusterIP === 'None')
    return undefined
  const all = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP]
  // Without ipFamilies (objects of very old servers) the addresses speak for themselves.
  const index = (spec.ipFamilies ?? all.map(familyOf)).indexOf(family)
  const ip = index < 0 ? undefined : all[index]
  return ip === undefined ? undefined : canonicalIp(ip)
}

function isNodePortType({ spec }: Service): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer'
}

function loadBalancerVips({ status, spec }: Service): string[] {
  if (spec.type !== 'LoadBalancer') return []
  return (status?.loadBalancer?.ingress ?? [])
    .filter(({ ipMode }) => ipMode === undefined || ipMode === 'VIP')
    .flatMap(({ ip }) => (ip ? [ip] : []))
}

/** Canonical, of one family, and none within another, as interval sets want them. */
function sourceRanges({ spec }: Service, family: IPFamily): string[] {
  const cidrs = (spec.loadBalancerSourceRanges ?? [])
    .map((text) => parseCidr(text.trim()))
    .filter((cidr) => cidr?.family === family)
    .map((cidr) => cidr!)
  const widestFirst = cidrs.sort((one, other) => one.prefix - other.prefix)
  const kept: typeof cidrs = []
  for (const cidr of widestFirst) {
    const bits = family === 'IPv4' ? 32 : 128
    const isInside = kept.some(
      ({ base, prefix }) => cidr.base >> BigInt(bits - prefix) === base >> BigInt(bits - prefix),
    )
    if (!isInside) kept.push(cidr)
  }
  // A block of one address is written as the address, as the kernel's sets list it.
  return kept.map((cidr) => formatCidr(cidr).replace(family === 'IPv4' ? /\/32$/ : /\/128$/, ''))
}

function affinityOf({ spec }: Service): { affinitySeconds?: number } {
  if (spec.sessionAffinity !== 'ClientIP') return {}
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds
  return { affinitySeconds: seconds ?? defaultAffinitySeconds }
}

function lowerProtocol(protocol: 'TCP' | 'UDP' | 'SCTP' | undefined): Protocol {
  return (protocol ?? 'TCP').toLowerCase() as Protocol
}

interface PortOptions extends ServicePortOptions {
  readonly portName: string
  readonly protocol: Protocol
}

/** The endpoints behind one port, joined by the port's name and protocol, never by its number. */
function endpointsOf(slices: readonly EndpointSlice[], options: PortOptions): Endpoint[] {
  const byAddress = new Map<string, Endpoint>()
  for (const slice of slices) {
    if (slice.addressType !== options.family) continue
    for (const port of slice.ports ?? []) {
      // A slice's port without a name is not the unnamed port: that one is named "".
      if (port.name === undefined || port.name !== options.portName) continue
      if (lowerProtocol(port.protocol) !== options.protocol || !port.port) continue
      for (const endpoint of slice.endpoints ?? []) {
        const found = endpointOf(endpoint, port.port, options)
        const key = found && `${found.ip} . ${found.port}`
        // The same address in two slices is one endpoint; what makes it local wins.
        if (key && !byAddress.get(key)?.isLocal) byAddress.set(key, found)
      }
    }
  }
  return [...byAddress.values()]
}

function endpointOf(
  endpoint: SliceEndpoint,
  port: number,
  { family, nodeName }: PortOptions,
): Endpoint | undefined {
  const ip = canonicalIp(endpoint.addresses[0] ?? '')
  if (ip === undefined || familyOf(ip) !== family) return undefined
  const { ready = true, serving = true, terminating = false } = endpoint.conditions ?? {}
  const zoneHints = endpoint.hints?.forZones?.map(({ name }) => name)
  const nodeHints = endpoint.hints?.forNodes?.map(({ name }) => name)
  return {
    ip,
    port,
    ready,
    serving,
    terminating,
    isLocal: endpoint.nodeName === nodeName,
    ...(endpoint.nodeName === undefined ? {} : { nodeName: endpoint.nodeName }),
    ...(zoneHints?.length ? { zoneHints } : {}),
    ...(nodeHints?.length ? { nodeHints } : {}),
  }
}

/** "10.244.0.5 . 8080": an endpoint as the data plane's maps hold it. */
export function endpointKey({ ip, port }: Pick<Endpoint, 'ip' | 'port'>): string {
  return `${ip} . ${port}`
}

export function hasExternalFrontend(port: ServicePort): boolean {
  return port.nodePort !== 0 || port.externalIPs.length > 0 || port.loadBalancerIPs.length > 0
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}
