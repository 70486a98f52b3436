// What a live plugin may use: everything that is not pure comes through here.
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Query, Reply } from './chain.ts'
import type { ClusterConfig, ClusterSource } from './cluster.ts'
import type { LineLog } from './lines.ts'
import type { Metrics } from './metrics.ts'
import type { Exchange } from './upstream.ts'

export interface Host {
  readonly clock: Clock
  readonly random: Random
  readonly log: LineLog
  readonly metrics: Metrics
  readonly files: Files
  /** One synced zone per configuration, kept over reloads. */
  readonly clusters: { acquire(config: ClusterConfig): ClusterSource }
  readonly http: HttpEndpoints
  readonly upstreams: Exchange
  /** A query through the whole server, as a client of this listener would send it. */
  lookup(query: Query): Reply | Promise<Reply>
  /** The addresses of this host that are not loopback. */
  localAddresses(): readonly string[]
  /** Whether every plugin of the server is ready; the names of those that are not. */
  unready(): readonly string[]
  reload: ReloadControl
  /** Ends the process: something that goes on would do harm. */
  fatal(message: string): void
  /** Where the block listens, for plugins that send queries to themselves. */
  readonly listening: readonly { readonly address: string; readonly port: number }[]
}

export interface ReloadControl {
  /** Asks for the Corefile to be looked at every interval. */
  poll(intervalMs: number, jitterMs: number): void
}

export interface Files {
  readText(path: string): string
  /** Changes when the file does; undefined where there is none. */
  stamp(path: string): string | undefined
}

export interface HttpReply {
  readonly code: number
  readonly text: string
  readonly contentType?: string
  readonly close?: boolean
}

export interface HttpEndpoints {
  /** Serves one path on an address; the same address may be shared by several paths. */
  serve(address: { host: string; port: number }, path: string, answer: () => HttpReply): void
}
