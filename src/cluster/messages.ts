// What the API process and the node's agent say to each other over their IPC channel.
// Everything about the cluster itself goes through the Kubernetes API; this is only what an API
// cannot carry: sockets made in one network namespace and served from the other.

import type { ImagePolicy } from './config.ts'

/** Everything the agent needs, sent once after it started. */
export interface AgentConfig {
  readonly nodeName: string
  readonly nodeIP: string
  readonly podCIDR: string
  readonly clusterCIDR: string
  readonly serviceCIDR: string
  readonly clusterDNS: string
  readonly clusterDomain: string
  readonly kubeletPort: number
  readonly apiPort: number
  readonly stateDir: string
  readonly egressSocket: string
  readonly rootless: boolean
  readonly imagePolicy: ImagePolicy
  readonly program: { readonly execPath: string; readonly entry: string }
  readonly ca: string
  readonly kubelet: { readonly cert: string; readonly key: string }
  readonly kubeletServing: { readonly cert: string; readonly key: string }
  readonly proxy: { readonly cert: string; readonly key: string }
  readonly verbose: boolean
}

export type ToAgent =
  | { readonly type: 'config'; readonly config: AgentConfig }
  /** With a listening server of the host's: connections go to this port of the node. */
  | { readonly type: 'node-port'; readonly port: number; readonly protocol: 'TCP' | 'UDP' }
  | { readonly type: 'close-node-port'; readonly port: number; readonly protocol: 'TCP' | 'UDP' }
  | { readonly type: 'stop' }

export type FromAgent =
  | { readonly type: 'hello' }
  /** With a server that listens in the node's namespace. */
  | { readonly type: 'api-listener' }
  | { readonly type: 'resolver-tcp' }
  /** With a UDP socket bound in the node's namespace. */
  | { readonly type: 'resolver-udp' }
  | { readonly type: 'node-ready'; readonly proxyMode: string }
  | { readonly type: 'dns-answers'; readonly name: string; readonly address: string }
  | { readonly type: 'failed'; readonly message: string }
