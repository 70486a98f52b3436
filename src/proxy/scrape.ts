// What is only worth finding out when somebody asks for the metrics.
import type { IPFamily } from '../lib/ip.ts'
import type { ElementRecord } from '../linux/nftables/element-codec.ts'
import type { ProxyMetrics } from './metrics.ts'
import type { PlannedPort } from './plan.ts'
import { hasExternalFrontend } from './serviceports.ts'

export interface ScrapeSource {
  readonly family: IPFamily
  ports(): Iterable<PlannedPort>
  /** The elements of the dispatch maps, with their counters. */
  dispatchRecords(): readonly ElementRecord[]
}

export function scrape(metrics: ProxyMetrics, sources: readonly ScrapeSource[]): void {
  metrics.connections.reset()
  for (const source of sources) {
    countMissingLocals(metrics, source)
    countConnections(metrics, source)
  }
}

/** Ports whose policy asks for endpoints of this node, while all of them are elsewhere. */
function countMissingLocals({ noLocalEndpoints }: ProxyMetrics, source: ScrapeSource): void {
  const missing = { internal: 0, external: 0 }
  for (const { port, choice } of source.ports()) {
    if (choice.local.length > 0 || !choice.anyEndpoints) continue
    if (port.internalPolicy === 'Local') missing.internal++
    if (port.externalPolicy === 'Local' && hasExternalFrontend(port)) missing.external++
  }
  for (const [traffic_policy, count] of Object.entries(missing))
    noLocalEndpoints.set({ ip_family: source.family, traffic_policy }, count)
}

function countConnections({ connections }: ProxyMetrics, source: ScrapeSource): void {
  const packets = new Map(source.dispatchRecords().map((record) => [record.key, record.packets]))
  for (const { port, frontends } of source.ports()) {
    const [namespace = '', service = ''] = port.service.split('/')
    for (const { key, class: frontend } of frontends) {
      const { portName, protocol } = port
      const labels = { namespace, service, port: portName, protocol, frontend }
      connections.inc(labels, packets.get(key) ?? 0)
    }
  }
}
