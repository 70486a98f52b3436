// What the proxy can be told, in the words of KubeProxyConfiguration.
export interface ProxyConfig {
  /** metadata.name of this node's Node object (hostnameOverride). */
  readonly nodeName: string
  /** "auto": nftables, else userspace where the kernel or our rights do not allow it. */
  readonly mode?: 'nftables' | 'userspace' | 'auto'
  /** Ours in nftables, in the families ip and ip6. Default "signpost". */
  readonly tableName?: string
  /** How packets of this node's Pods are told. Default ClusterCIDR if `clusterCIDR` is given, else NodeCIDR. */
  readonly detectLocalMode?: 'ClusterCIDR' | 'NodeCIDR' | 'BridgeInterface' | 'InterfaceNamePrefix'
  /** One CIDR of each family, with commas. */
  readonly clusterCIDR?: string
  readonly detectLocal?: {
    readonly bridgeInterface?: string
    readonly interfaceNamePrefix?: string
  }
  readonly masqueradeAll?: boolean
  /** 0 to 31; default 14. */
  readonly masqueradeBit?: number
  /** CIDRs and the words "primary" (the default) and "all". */
  readonly nodePortAddresses?: readonly string[]
  /** Everything is compared with the kernel this often. Default 30 s. */
  readonly syncPeriodMs?: number
  /** Changes within this time after a write are written together. Default 0. */
  readonly minSyncPeriodMs?: number
  /** "ADDRESS:PORT"; absent or "": not served. */
  readonly healthzBindAddress?: string
  readonly metricsBindAddress?: string
  readonly allowExternalIPs?: boolean
  /** Used until the API has told of ServiceCIDR objects. */
  readonly serviceCIDRs?: readonly string[]
  /** Delete our tables on stop. Default false: connections go on being served while we are away. */
  readonly cleanupOnStop?: boolean
}

export const defaultTableName = 'signpost'
/** A link without end, for routes to addresses that exist only in rules. */
export const serviceLink = 'spsvc'
export const defaultMasqueradeBit = 14
export const defaultSyncPeriodMs = 30_000
