// What a proxy takes and gives, whichever way it carries the traffic.
import type { Client } from '../client/client.ts'
import type { InformerFactory } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import type { IPFamily } from '../lib/ip.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { ProxyMetrics } from './metrics.ts'
import type { Planner } from './rules.ts'

export interface ProxyDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Shared with other components of the process; made and stopped by the proxy when absent. */
  readonly informers?: InformerFactory
}

export interface Proxy extends Component {
  readonly mode: 'nftables' | 'userspace'
  /** True while everything told by the API is in the kernel. */
  readonly isHealthy: boolean
  readonly metrics: ProxyMetrics
  /** What was planned, for `explain`: the ports, their endpoints, and the whole desired table. */
  planner(family: IPFamily): Planner | undefined
  /** Resolves when all changes seen so far are written. */
  settled(): Promise<void>
  /** Stops, and deletes our tables whatever cleanupOnStop says. */
  cleanup(): Promise<void>
}
