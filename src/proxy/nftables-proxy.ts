// The proxy over nftables: informers in, transactions out, and the beat that keeps both honest.

import type { InformerFactory } from '../client/informer.ts'
import { createInformers } from '../client/informers.ts'
import { createRecorder, type EventRecorder } from '../client/recorder.ts'
import type { Timer } from '../lib/clock.ts'
import { deferred } from '../lib/deferred.ts'
import { type IPFamily, parseCidr } from '../lib/ip.ts'
import type { Logger } from '../lib/log.ts'
import { hasIPv6, listLocalAddresses, watchLocalAddresses } from '../linux/local-addresses.ts'
import { ensureServiceRoutes, removeServiceLink } from '../linux/service-link.ts'
import { defaultSyncPeriodMs, type ProxyConfig, serviceLink } from './config.ts'
import { Dataplane } from './dataplane.ts'
import { type ServiceHealth, ServiceHealthServers } from './healthcheck.ts'
import { createProxyMetrics, familyLabelOf } from './metrics.ts'
import { type NodeFacts, primaryIP } from './node-facts.ts'
import type { Proxy, ProxyDeps } from './proxy-door.ts'
import type { Planner, PlannerService } from './rules.ts'
import { scrape } from './scrape.ts'
import { ProxyStatus } from './status.ts'
import type { WriteResult } from './table-writer.ts'
import { Tracker } from './tracker.ts'

const retryFirstMs = 100
const retryLongestMs = 5000
/** The clean-up of freed slots and the look for others' commits share this beat. */
const watchPeriodMs = 1000
/** ServiceCIDR objects are awaited this long: older API servers do not have them. */
const serviceCIDRWaitMs = 2000
const families: readonly IPFamily[] = ['IPv4', 'IPv6']

export class NftablesProxy implements Proxy {
  readonly name = 'kube-proxy'
  readonly mode = 'nftables'
  readonly metrics = createProxyMetrics()
  readonly #config: ProxyConfig
  readonly #deps: ProxyDeps
  readonly #log: Logger
  readonly #informers: InformerFactory
  readonly #tracker: Tracker
  readonly #dataplanes: Dataplane[] = []
  readonly #recorder: EventRecorder
  readonly #healthServers: ServiceHealthServers
  readonly #status: ProxyStatus
  readonly #startedMs: number
  readonly #closers: (() => void | Promise<void>)[] = []
  readonly #ready = deferred()
  /** Services to plan again -> when the changes behind them began. */
  #dirty = new Map<string, number[]>()
  #isNodeDirty = false
  #mustResync = false
  /** The first lists are here and may be written. */
  #isStarted = false
  #mustStart = true
  #isStopped = false
  #timer: Timer | undefined
  #retryMs = retryFirstMs
  #lastWriteMs = Number.NEGATIVE_INFINITY
  #waiters: (() => void)[] = []

  constructor(config: ProxyConfig, deps: ProxyDeps) {
    this.#config = config
    this.#deps = deps
    this.#log = deps.log.child({ component: 'kube-proxy' })
    this.#informers = deps.informers ?? createInformers(deps)
    this.#tracker = new Tracker(this.#informers, config.nodeName)
    this.#startedMs = deps.clock.now()
    this.#recorder = createRecorder({ component: 'kube-proxy', host: config.nodeName }, deps)
    this.#status = new ProxyStatus({
      config,
      clock: deps.clock,
      metrics: this.metrics,
      mode: this.mode,
      node: () => this.#tracker.node,
      beforeScrape: () => scrape(this.metrics, this.#dataplanes),
    })
    this.#healthServers = new ServiceHealthServers({
      log: this.#log,
      isProxyHealthy: () => this.isHealthy,
      onFailure: (health, port, error) => this.#onHealthPortTaken(health, port, error),
    })
  }

  get isHealthy(): boolean {
    return this.#status.isHealthy
  }

  ready(): Promise<void> {
    return this.#ready.promise
  }

  planner(family: IPFamily): Planner | undefined {
    return this.#dataplanes.find((one) => one.family === family)?.planner
  }

  settled(): Promise<void> {
    if (this.#isStarted && !this.#isPending) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  async start(): Promise<void> {
    this.#openDataplanes()
    await this.#status.listen()
    this.#closers.push(() => this.#status.close())
    const addresses = watchLocalAddresses(() => this.#onNode())
    this.#closers.push(() => addresses.close())
    this.#closers.push(
      this.#tracker.subscribe({
        onService: (key, change, triggerMs) => this.#onService(key, change, triggerMs),
        onNode: () => this.#onNode(),
      }),
    )
    this.#informers.start()
    void this.#firstSync().catch((error: unknown) => this.#ready.reject(error))
  }

  stop(): Promise<void> {
    return this.#stop(this.#config.cleanupOnStop ?? false)
  }

  cleanup(): Promise<void> {
    return this.#stop(true)
  }

  async #stop(remove: boolean): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#timer?.cancel()
    for (const close of this.#closers.splice(0).reverse()) await close()
    if (!this.#deps.informers) this.#informers.stop()
    await this.#healthServers.close()
    for (const dataplane of this.#dataplanes.splice(0)) this.#closeDataplane(dataplane, remove)
    if (remove) removeServiceLink(serviceLink)
    this.#ready.reject(new Error('the proxy was stopped'))
    for (const resolve of this.#waiters.splice(0)) resolve()
  }

  #closeDataplane(dataplane: Dataplane, remove: boolean): void {
    try {
      dataplane.close({ remove })
    } catch (error) {
      this.metrics.cleanupFailures.inc(familyLabelOf(dataplane.family))
      this.#log.warn('cannot remove the nftables table', { family: dataplane.family, error })
    }
  }

  #openDataplanes(): void {
    const facts = this.#facts()
    for (const family of families) {
      if (family === 'IPv4' || hasIPv6())
        this.#dataplanes.push(new Dataplane(facts, family, this.#log))
    }
  }

  #facts(): NodeFacts {
    const cidrs = this.#tracker.serviceCIDRs
    return {
      config: this.#config,
      node: this.#tracker.node,
      localAddresses: listLocalAddresses(),
      serviceCIDRs: cidrs.length > 0 ? cidrs : (this.#config.serviceCIDRs ?? []),
    }
  }

  /** Not fatal: where there is a default route, connections work without. */
  #route(facts: NodeFacts): void {
    try {
      const routes = facts.serviceCIDRs.map((cidr) => ({
        cidr,
        source: primaryIP(facts.node, parseCidr(cidr)?.family ?? 'IPv4'),
      }))
      if (routes.length > 0) ensureServiceRoutes(serviceLink, routes)
    } catch (error) {
      this.#log.warn('cannot add the route for Services', { error })
    }
  }

  async #firstSync(): Promise<void> {
    await this.#tracker.whenSynced()
    await Promise.race([
      this.#tracker.whenServiceCIDRsSynced(),
      this.#deps.clock.sleep(serviceCIDRWaitMs),
    ])
    if (this.#isStopped) return
    this.#isStarted = true
    this.#sync()
    this.#beat()
  }

  #onService(key: string, change: 'service' | 'endpoints', triggerMs: number | undefined): void {
    const { metrics } = this
    if (change === 'service') {
      metrics.serviceChanges.inc()
      metrics.serviceChangesPending.inc()
    } else {
      metrics.endpointChanges.inc()
      metrics.endpointChangesPending.inc()
    }
    const triggers = this.#dirty.get(key) ?? []
    // Changes of before our start say nothing about how fast we are.
    if (triggerMs !== undefined && triggerMs >= this.#startedMs) triggers.push(triggerMs)
    this.#dirty.set(key, triggers)
    this.#queue()
  }

  #onNode(): void {
    this.#isNodeDirty = true
    this.#queue()
  }

  get #isPending(): boolean {
    return this.#dirty.size > 0 || this.#isNodeDirty || this.#mustResync
  }

  #queue(): void {
    this.#status.queued()
    for (const { family } of this.#dataplanes)
      this.metrics.lastQueued.set(familyLabelOf(family), this.#deps.clock.now() / 1000)
    const sinceMs = this.#deps.clock.monotonic() - this.#lastWriteMs
    this.#schedule(Math.max(0, (this.#config.minSyncPeriodMs ?? 0) - sinceMs))
  }

  /** Everything that arrives before the timer fires is written in one transaction. */
  #schedule(delayMs: number): void {
    if (!this.#isStarted || this.#isStopped || this.#timer) return
    this.#timer = this.#deps.clock.after(delayMs, () => {
      this.#timer = undefined
      this.#sync()
    })
  }

  #sync(): void {
    const dirty = this.#dirty
    const isFull = this.#mustStart
    const isNodeDirty = this.#isNodeDirty
    const mustResync = this.#mustResync
    this.#dirty = new Map()
    this.#isNodeDirty = false
    this.#mustResync = false
    this.#mustStart = false
    this.#lastWriteMs = this.#deps.clock.monotonic()
    const facts = isNodeDirty || isFull ? this.#facts() : undefined
    if (facts) this.#route(facts)
    for (const dataplane of this.#dataplanes) {
      try {
        this.#syncOne(dataplane, { dirty, facts, isFull, mustResync })
      } catch (error) {
        this.metrics.syncFailures.inc(familyLabelOf(dataplane.family))
        this.#log.error('cannot sync rules', { family: dataplane.family, error })
        this.#mustResync = true
        this.#mustStart ||= isFull
      }
    }
    if (this.#mustResync) return this.#retry()
    this.#onSynced()
  }

  #syncOne(
    dataplane: Dataplane,
    work: {
      dirty: ReadonlyMap<string, readonly number[]>
      facts: NodeFacts | undefined
      isFull: boolean
      mustResync: boolean
    },
  ): void {
    const { family } = dataplane
    const { clock } = this.#deps
    const label = familyLabelOf(family)
    const startMs = clock.monotonic()
    const results: WriteResult[] = []
    if (work.isFull) {
      results.push(
        dataplane.start(work.facts!, this.#plannerServices(this.#tracker.keys(), family)),
      )
    } else {
      const changes = this.#plannerServices(work.dirty.keys(), family)
      if (work.dirty.size > 0) results.push(dataplane.update(changes, startMs))
      if (work.facts) results.push(dataplane.reconfigure(work.facts))
      if (work.mustResync) dataplane.resync()
    }
    const seconds = (clock.monotonic() - startMs) / 1000
    this.metrics.syncDuration.observe(label, seconds)
    const kind = work.isFull || work.facts ? 'syncFullDuration' : 'syncPartialDuration'
    this.metrics[kind].observe(label, seconds)
    this.metrics.lastTimestamp.set(label, clock.now() / 1000)
    for (const { bytes } of results) this.metrics.commitBytes.inc(label, bytes)
    for (const triggers of work.dirty.values())
      for (const triggerMs of triggers)
        this.metrics.programming.observe(label, Math.max(0, clock.now() - triggerMs) / 1000)
    this.#cleanUp(dataplane, { always: work.isFull })
  }

  #plannerServices<K extends Iterable<string>>(
    keys: K,
    family: IPFamily,
  ): Map<string, PlannerService> & Map<string, PlannerService | undefined> {
    const { allowExternalIPs = true } = this.#config
    const found = new Map<string, PlannerService | undefined>()
    for (const key of keys)
      found.set(key, this.#tracker.plannerService(key, family, { allowExternalIPs }))
    return found as Map<string, PlannerService> & typeof found
  }

  #cleanUp(dataplane: Dataplane, options: { always: boolean }): void {
    const label = familyLabelOf(dataplane.family)
    const startMs = this.#deps.clock.monotonic()
    const deleted = dataplane.cleanUp(options)
    this.metrics.conntrackDeleted.inc(label, deleted)
    const seconds = (this.#deps.clock.monotonic() - startMs) / 1000
    this.metrics.conntrackDuration.observe(label, seconds)
  }

  #onSynced(): void {
    this.#retryMs = retryFirstMs
    this.metrics.serviceChangesPending.set(0)
    this.metrics.endpointChangesPending.set(0)
    this.#healthServers.update(this.#tracker.serviceHealth())
    this.#status.synced()
    this.#ready.resolve()
    for (const resolve of this.#waiters.splice(0)) resolve()
  }

  #retry(): void {
    this.#schedule(this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, retryLongestMs)
  }

  /** Once a second: sweep, and look whether others changed our tables; thoroughly now and then. */
  #beat(): void {
    let thoroughMs = this.#deps.clock.monotonic()
    const beat = (): void => {
      if (this.#isStopped) return
      const nowMs = this.#deps.clock.monotonic()
      const thorough = nowMs - thoroughMs >= (this.#config.syncPeriodMs ?? defaultSyncPeriodMs)
      if (thorough) thoroughMs = nowMs
      for (const dataplane of this.#dataplanes) this.#inspect(dataplane, { nowMs, thorough })
      this.#deps.clock.after(watchPeriodMs, beat)
    }
    this.#deps.clock.after(watchPeriodMs, beat)
  }

  #inspect(dataplane: Dataplane, { nowMs, thorough }: { nowMs: number; thorough: boolean }): void {
    try {
      dataplane.sweep(nowMs)
      if (thorough) this.#cleanUp(dataplane, { always: true })
      if (!thorough && !dataplane.isExposed) return
      const repaired = dataplane.verify({ thorough })
      if (repaired === 0) return
      this.metrics.driftRepairs.inc(familyLabelOf(dataplane.family))
      this.#log.warn('nftables table was changed by others and is mended', {
        family: dataplane.family,
        operations: repaired,
      })
    } catch (error) {
      this.#log.error('cannot verify rules', { family: dataplane.family, error })
      this.#mustResync = true
      this.#retry()
    }
  }

  #onHealthPortTaken(health: ServiceHealth, port: number, error: unknown): void {
    const key = `${health.namespace}/${health.name}`
    const service = this.#tracker.service(key)
    this.#log.warn('cannot listen on healthCheckNodePort', { service: key, port, error })
    if (!service) return
    this.#recorder.record({
      regarding: { ...service, apiVersion: 'v1', kind: 'Service' },
      type: 'Warning',
      reason: 'FailedToStartServiceHealthcheck',
      message: `node ${this.#config.nodeName} failed to start healthcheck "${key}" on port ${port}: ${String(error)}`,
      action: 'Listen',
    })
  }
}
