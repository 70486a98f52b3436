// All that was seen of a cluster, as plain data: what the shell fetched and what its probes met.
import type { Namespace, Node, Pod, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import type { NetworkPolicy } from '../api/types/networking.gen.ts'
import type { Table } from '../linux/nftables/objects.ts'
import type { PlannerNode } from '../proxy/rules.ts'

/** What a check has to have seen; without it the check is skipped, which is not passed. */
export type Fact =
  | 'services'
  | 'pods'
  | 'endpointslices'
  | 'namespaces'
  | 'networkpolicies'
  | 'nodes'
  | 'dns-pods'
  | 'dns-ready'
  | 'dns-logs'
  | 'dns-access'
  | 'dns-answers'
  | 'kubelet-config'
  | 'node-rules'
  | 'pod-ports'

export type SkipReason =
  | 'rbac'
  | 'no-probe'
  | 'timeout'
  | 'not-applicable'
  | 'unknown-implementation'

/** A fact that could not be had. */
export interface Unseen {
  readonly fact: Fact
  readonly reason: SkipReason
  readonly detail: string
}

/** What was asked, once it is known what the words mean. */
export interface Asked {
  readonly namespace: string
  /** Absent: everything in the namespace, or in all. */
  readonly service?: { readonly namespace: string; readonly name: string } | undefined
  readonly pod?: { readonly namespace: string; readonly name: string } | undefined
  /** As it was typed, without the port. */
  readonly name?: string | undefined
  /** The name is no cluster name: resolvers outside answer it. */
  readonly external?: boolean
  readonly port?: number | string | undefined
  /** The Pod that asks. */
  readonly client?: { readonly namespace: string; readonly name: string } | undefined
}

export interface Snapshot {
  readonly nowMs: number
  readonly asked: Asked
  readonly clusterDomain: string
  /** Those examined. */
  readonly services: readonly Service[]
  readonly endpointSlices: readonly EndpointSlice[]
  /** What the selectors match; where one matches nothing, all Pods of its namespace. */
  readonly pods: readonly Pod[]
  /** Services of the asked name, in other namespaces; else names like it, in the asked one. */
  readonly namesakes: readonly Service[]
  /** Pods of other namespaces that a selector without any Pod would match. */
  readonly podsElsewhere: readonly Pod[]
  /** Where a selector matches no Pod: what makes Pods there. */
  readonly workloads: readonly Workload[]
  /** The Pods whose names and connections are examined. */
  readonly clients: readonly Pod[]
  readonly namespaces: readonly Namespace[]
  readonly networkPolicies: readonly NetworkPolicy[]
  readonly nodes: readonly Node[]
  readonly dns: DnsSeen
  /** By node name. */
  readonly kubelets: ReadonlyMap<string, KubeletConfiguration>
  readonly nodeRules: readonly NodeRules[]
  readonly podPorts: readonly PodPort[]
  readonly unseen: readonly Unseen[]
}

export interface Workload {
  readonly kind: 'Deployment' | 'StatefulSet'
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly replicas: number
}

export interface KubeletConfiguration {
  readonly clusterDNS: readonly string[]
  readonly clusterDomain: string
  /** Of the node's own resolv.conf, as far as the kubelet tells. */
  readonly searches?: readonly string[]
}

export interface DnsSeen {
  readonly service: Service | undefined
  readonly endpointSlices: readonly EndpointSlice[]
  readonly pods: readonly Pod[]
  /** Pod name -> what /ready said. */
  readonly ready: ReadonlyMap<string, HttpSeen>
  /** Pod name -> the last lines of the container's log, of the run before where it crashed. */
  readonly logs: ReadonlyMap<string, string>
  /** What the DNS server's ServiceAccount may do, each asked of the API. */
  readonly access: readonly AccessSeen[]
  readonly answers: readonly DnsAnswer[]
}

export interface HttpSeen {
  readonly code: number
  readonly body: string
}

export interface AccessSeen {
  readonly serviceAccount: string
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly allowed: boolean
  readonly reason: string
}

/** One question to one DNS Pod, over TCP. */
export interface DnsAnswer {
  readonly pod: string
  readonly name: string
  readonly type: string
  /** Absent where nothing came; `error` says why. */
  readonly rcode?: string
  readonly addresses: readonly string[]
  readonly error?: string
  readonly ms: number
}

/** The live table of a node and what its proxy knows of the node, one for each IP family. */
export interface NodeRules {
  readonly node: string
  /** "nftables"; in any other mode there are no tables to read. */
  readonly mode: string
  readonly healthy: boolean
  readonly tables: readonly NodeTable[]
}

export interface NodeTable {
  readonly family: 'IPv4' | 'IPv6'
  readonly name: string
  /** Absent: the kernel has no such table. */
  readonly table: Table | undefined
  /** How many the whole table serves or denies; `table` may hold only those asked for. */
  readonly frontends: number
  readonly node: PlannerNode
}

/** A port of a Pod, dialled at its address and from within. */
export interface PodPort {
  readonly pod: string
  readonly namespace: string
  readonly ip: string
  readonly port: number
  readonly byAddress: PortState
  readonly byLoopback: PortState
}

export type PortState = 'open' | 'refused' | 'unknown'

export const emptyDns: DnsSeen = {
  service: undefined,
  endpointSlices: [],
  pods: [],
  ready: new Map(),
  logs: new Map(),
  access: [],
  answers: [],
}

/** Nothing seen yet. */
export const emptySnapshot: Omit<Snapshot, 'asked' | 'nowMs' | 'clusterDomain'> = {
  services: [],
  endpointSlices: [],
  pods: [],
  namesakes: [],
  podsElsewhere: [],
  workloads: [],
  clients: [],
  namespaces: [],
  networkPolicies: [],
  nodes: [],
  dns: emptyDns,
  kubelets: new Map(),
  nodeRules: [],
  podPorts: [],
  unseen: [],
}
