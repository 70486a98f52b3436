// What every Pod of this node is told about it.
import type { ClusterDNS, ResolvConf } from './resolvconf.ts'

export interface NodeFacts {
  readonly nodeName: string
  readonly nodeIPs: readonly string[]
  readonly hostname: string
  readonly clusterDNS: ClusterDNS
  readonly resolvConf: ResolvConf
  readonly allocatable: Readonly<Record<string, string>>
  /** Of all Pods, on disk. */
  readonly podsDirectory: string
  /** Of all Pods, in memory. */
  readonly memoryDirectory: string
  readonly logDirectory: string
  readonly singleUser: boolean
  /** "1.36", as probes and hooks call themselves. */
  readonly kubernetesVersion: string
}
