import type { Client } from '../client/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { ContainerLogs } from './container-logs.ts'
import type { PodWorker } from './pod-worker.ts'

export interface ServerConfig {
  readonly port: number
  readonly tls: { readonly cert: string; readonly key: string }
  readonly clientCA: string
  readonly nodeIPs: readonly string[]
  readonly nodeName: string
}
export interface ServerDeps {
  readonly client: Client
  readonly clock: Clock
  readonly log: Logger
  readonly logs: ContainerLogs
  pods(): readonly PodWorker[]
}
export interface KubeletServer {
  readonly port: number
  stop(): Promise<void>
}
export async function startServer(config: ServerConfig, _deps: ServerDeps): Promise<KubeletServer> {
  return { port: config.port, stop: async () => {} }
}
