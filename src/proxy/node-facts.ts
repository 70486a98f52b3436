// What the rules need to know of this node, from its Node object, its configuration, the addresses
// of its interfaces and the cluster's ServiceCIDRs. Pure.
import type { Node } from '../api/types/core.gen.ts'
import {
  canonicalIp,
  cidrContains,
  familyOf,
  formatCidr,
  type IPFamily,
  parseCidr,
  parseIp,
} from '../lib/ip.ts'
import type { LocalAddress } from '../linux/local-addresses.ts'
import type { DataplaneConfig, LocalDetector } from './chains.ts'
import { defaultMasqueradeBit, defaultTableName, type ProxyConfig } from './config.ts'
import type { PlannerNode } from './rules.ts'

export interface NodeFacts {
  readonly config: ProxyConfig
  /** Absent until the API knows this node. */
  readonly node: Node | undefined
  readonly localAddresses: readonly LocalAddress[]
  readonly serviceCIDRs: readonly string[]
}

const zoneLabel = 'topology.kubernetes.io/zone'

export function plannerNode(facts: NodeFacts, family: IPFamily): PlannerNode {
  const { config, node } = facts
  return {
    config: dataplaneConfig(facts, family),
    topology: { name: config.nodeName, topologyZone: node?.metadata.labels?.[zoneLabel] },
  }
}

function dataplaneConfig(facts: NodeFacts, family: IPFamily): DataplaneConfig {
  const { config, serviceCIDRs } = facts
  const nodeIP = primaryIP(facts.node, family)
  const addresses = facts.localAddresses
    .map(({ ip }) => ip)
    .filter((ip) => familyOf(ip) === family && !isLoopback(ip))
  const nodePortAddresses = selectNodePortAddresses(config.nodePortAddresses ?? [], {
    family,
    nodeIP,
    addresses,
  })
  return {
    family: family === 'IPv4' ? 'ip' : 'ip6',
    tableName: config.tableName ?? defaultTableName,
    masqueradeMark: (1 << (config.masqueradeBit ?? defaultMasqueradeBit)) >>> 0,
    masqueradeAll: config.masqueradeAll ?? false,
    localDetector: localDetector(facts, family),
    nodePortAddresses,
    localAddresses: nodePortAddresses === 'all' ? sorted(addresses) : nodePortAddresses,
    serviceCIDRs: serviceCIDRs.filter((text) => parseCidr(text)?.family === family),
    nodeIP,
  }
}

/** The node's InternalIP, else its ExternalIP. */
export function primaryIP(node: Node | undefined, family: IPFamily): string | undefined {
  const addresses = node?.status?.addresses ?? []
  for (const type of ['InternalIP', 'ExternalIP']) {
    const found = addresses.find(
      (address) => address.type === type && familyOf(address.address) === family,
    )
    if (found) return canonicalIp(found.address)
  }
  return undefined
}

interface AddressChoice {
  readonly family: IPFamily
  readonly nodeIP: string | undefined
  readonly addresses: readonly string[]
}

/** Spec 1.10: a family that no entry is for has its NodePorts on all its addresses. */
export function selectNodePortAddresses(
  entries: readonly string[],
  { family, nodeIP, addresses }: AddressChoice,
): 'all' | readonly string[] {
  const cidrs = entries.map((entry) => parseCidr(entry))
  const ofFamily = cidrs.filter((cidr) => cidr?.family === family).map((cidr) => cidr!)
  const isPrimary = entries.length === 0 || entries.includes('primary')
  if (entries.includes('all') || ofFamily.some(({ prefix }) => prefix === 0)) return 'all'
  if (!isPrimary && ofFamily.length === 0) return entries.includes('localhost') ? [] : 'all'
  const chosen = new Set(isPrimary && nodeIP ? [nodeIP] : [])
  for (const ip of addresses) {
    if (ofFamily.some((cidr) => cidrContains(cidr, parseIp(ip)!))) chosen.add(ip)
  }
  return sorted([...chosen])
}

/** Undefined: nothing is configured for this family, and Pods count as strangers. */
function localDetector(facts: NodeFacts, family: IPFamily): LocalDetector | undefined {
  const { config, node } = facts
  const field = family === 'IPv4' ? 'ip saddr' : 'ip6 saddr'
  const mode = config.detectLocalMode ?? (config.clusterCIDR ? 'ClusterCIDR' : 'NodeCIDR')
  const { bridgeInterface, interfaceNamePrefix } = config.detectLocal ?? {}
  switch (mode) {
    case 'BridgeInterface':
      return bridgeInterface ? { field: 'iifname', value: bridgeInterface } : undefined
    case 'InterfaceNamePrefix':
      return interfaceNamePrefix
        ? { field: 'iifname', value: `${interfaceNamePrefix}*` }
        : undefined
    case 'ClusterCIDR':
      return cidrDetector(field, (config.clusterCIDR ?? '').split(','), family)
    case 'NodeCIDR': {
      const { podCIDRs, podCIDR } = node?.spec ?? {}
      return cidrDetector(field, podCIDRs ?? (podCIDR ? [podCIDR] : []), family)
    }
  }
}

function cidrDetector(
  field: LocalDetector['field'],
  cidrs: readonly string[],
  family: IPFamily,
): LocalDetector | undefined {
  const cidr = cidrs.map((text) => parseCidr(text.trim())).find((one) => one?.family === family)
  return cidr && { field, value: formatCidr(cidr) }
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.')
}

function sorted(addresses: readonly string[]): string[] {
  return [...new Set(addresses)].sort()
}
