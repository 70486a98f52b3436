// Is the proxy healthy, and the two servers that tell: /healthz and /livez, /metrics and friends.
import type { Server } from 'node:http'
import type { Node } from '../api/types/core.gen.ts'
import type { Clock } from '../lib/clock.ts'
import { defaultSyncPeriodMs, type ProxyConfig } from './config.ts'
import { closeServer, type HttpAnswer, listenHttp } from './healthcheck.ts'
import type { ProxyMetrics } from './metrics.ts'

export interface StatusDeps {
  readonly config: ProxyConfig
  readonly clock: Clock
  readonly metrics: ProxyMetrics
  readonly mode: string
  node(): Node | undefined
  /** Brings up to date what is found out only when asked for. */
  beforeScrape?(): void
}

/** The cluster autoscaler marks nodes it is about to take away. */
const deletionTaint = 'ToBeDeletedByClusterAutoscaler'

export class ProxyStatus {
  readonly #deps: StatusDeps
  readonly #servers: Server[] = []
  #queuedMs: number | undefined
  #syncedMs: number

  constructor(deps: StatusDeps) {
    this.#deps = deps
    this.#syncedMs = deps.clock.now()
  }

  /** There is something to write. */
  queued(): void {
    this.#queuedMs ??= this.#deps.clock.now()
  }

  synced(): void {
    this.#queuedMs = undefined
    this.#syncedMs = this.#deps.clock.now()
  }

  /** False once an update has waited for longer than two sync periods. */
  get isHealthy(): boolean {
    if (this.#queuedMs === undefined) return true
    const limitMs = 2 * (this.#deps.config.syncPeriodMs ?? defaultSyncPeriodMs)
    return this.#deps.clock.now() - this.#queuedMs <= limitMs
  }

  async listen(): Promise<void> {
    const { healthzBindAddress, metricsBindAddress } = this.#deps.config
    if (healthzBindAddress)
      this.#servers.push(await listenHttp(healthzBindAddress, (path) => this.#health(path)))
    if (metricsBindAddress)
      this.#servers.push(await listenHttp(metricsBindAddress, (path) => this.#metrics(path)))
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map(closeServer))
  }

  #health(path: string): HttpAnswer {
    const { clock, metrics } = this.#deps
    const { isHealthy } = this
    const currentMs = clock.now()
    const times = {
      lastUpdated: new Date(isHealthy ? currentMs : this.#syncedMs).toISOString(),
      currentTime: new Date(currentMs).toISOString(),
    }
    if (path === '/livez') {
      const status = isHealthy ? 200 : 503
      metrics.livez.inc({ code: String(status) })
      return json(status, times)
    }
    if (path !== '/healthz') return notFound
    const nodeEligible = this.#isNodeEligible()
    const status = isHealthy && nodeEligible ? 200 : 503
    metrics.healthz.inc({ code: String(status) })
    return json(status, { ...times, nodeEligible })
  }

  /** A node that is going away should get no more traffic from load balancers. */
  #isNodeEligible(): boolean {
    const node = this.#deps.node()
    if (!node) return true
    if (node.metadata.deletionTimestamp !== undefined) return false
    return !(node.spec?.taints ?? []).some(({ key }) => key === deletionTaint)
  }

  async #metrics(path: string): Promise<HttpAnswer> {
    const { config, metrics, mode } = this.#deps
    if (path === '/metrics') {
      const { registry } = metrics
      this.#deps.beforeScrape?.()
      const headers = { 'Content-Type': registry.contentType }
      return { status: 200, headers, body: await registry.metrics() }
    }
    if (path === '/healthz') return plain('ok')
    if (path === '/proxyMode') return plain(mode)
    if (path === '/configz') return json(200, { 'kubeproxy.config.k8s.io': config })
    return notFound
  }
}

const notFound: HttpAnswer = { status: 404, body: '404 page not found\n' }

function plain(body: string): HttpAnswer {
  return { status: 200, headers: { 'Content-Type': 'text/plain; charset=utf-8' }, body }
}

function json(status: number, value: unknown): HttpAnswer {
  return {
    status,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(value),
  }
}
