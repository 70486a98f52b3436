// The proxy where nf_tables is not to be had: a listener for every frontend, and every byte
// through this process. What it cannot do is stated in docs/decisions/0064.

import type { InformerFactory } from '../client/informer.ts'
import { createInformers } from '../client/informers.ts'
import type { Timer } from '../lib/clock.ts'
import { deferred } from '../lib/deferred.ts'
import { type IPFamily, parseCidr } from '../lib/ip.ts'
import type { Logger } from '../lib/log.ts'
import { hasIPv6, listLocalAddresses } from '../linux/local-addresses.ts'
import { ensureLocalRoutes, removeLocalRoutes } from '../linux/service-link.ts'
import type { ProxyConfig } from './config.ts'
import { createProxyMetrics } from './metrics.ts'
import { plannerNode } from './node-facts.ts'
import { type Frontend, frontendsOf } from './plan.ts'
import type { Proxy, ProxyDeps } from './proxy-door.ts'
import type { ServicePort } from './serviceports.ts'
import { ProxyStatus } from './status.ts'
import { chooseEndpoints, type NodeTopology } from './topology.ts'
import { Tracker } from './tracker.ts'
import { type Forwarder, forwardTcp, forwardUdp, type TargetChoice } from './userspace.ts'

/** What one listener serves; replaced when its Service changes, while the listener stays. */
interface Served {
  choice: TargetChoice
  readonly forwarder: Promise<Forwarder | undefined>
}

interface Wanted {
  readonly ip: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  readonly choice: TargetChoice
}

const settleMs = 0
const retryMs = 1000

export class UserspaceProxy implements Proxy {
  readonly name = 'kube-proxy'
  readonly mode = 'userspace'
  readonly metrics = createProxyMetrics()
  readonly #config: ProxyConfig
  readonly #deps: ProxyDeps
  readonly #log: Logger
  readonly #informers: InformerFactory
  readonly #tracker: Tracker
  readonly #status: ProxyStatus
  readonly #ready = deferred()
  readonly #served = new Map<string, Served>()
  readonly #closers: (() => void)[] = []
  #localCIDRs: readonly string[] = []
  #timer: Timer | undefined
  #isStarted = false
  #isStopped = false
  #isDirty = true
  #waiters: (() => void)[] = []

  constructor(config: ProxyConfig, deps: ProxyDeps) {
    this.#config = config
    this.#deps = deps
    this.#log = deps.log.child({ component: 'kube-proxy' })
    this.#informers = deps.informers ?? createInformers(deps)
    this.#tracker = new Tracker(this.#informers, config.nodeName)
    this.#status = new ProxyStatus({
      config,
      clock: deps.clock,
      metrics: this.metrics,
      mode: this.mode,
      node: () => this.#tracker.node,
    })
  }

  get isHealthy(): boolean {
    return this.#status.isHealthy
  }

  ready(): Promise<void> {
    return this.#ready.promise
  }

  /** There is no table. */
  planner(): undefined {
    return undefined
  }

  settled(): Promise<void> {
    if (this.#isStarted && !this.#isDirty) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  async start(): Promise<void> {
    await this.#status.listen()
    const onChange = (): void => {
      this.#isDirty = true
      this.#status.queued()
      this.#schedule(settleMs)
    }
    this.#closers.push(this.#tracker.subscribe({ onService: onChange, onNode: onChange }))
    this.#informers.start()
    void this.#tracker.whenSynced().then(() => {
      this.#isStarted = true
      this.#schedule(settleMs)
    })
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#timer?.cancel()
    for (const close of this.#closers) close()
    if (!this.#deps.informers) this.#informers.stop()
    await this.#status.close()
    await Promise.all([...this.#served.keys()].map((key) => this.#close(key)))
    removeLocalRoutes(this.#localCIDRs)
    this.#ready.reject(new Error('the proxy was stopped'))
    for (const resolve of this.#waiters.splice(0)) resolve()
  }

  cleanup(): Promise<void> {
    return this.stop()
  }

  #schedule(delayMs: number): void {
    if (!this.#isStarted || this.#isStopped || this.#timer) return
    this.#timer = this.#deps.clock.after(delayMs, () => {
      this.#timer = undefined
      void this.#sync()
    })
  }

  async #sync(): Promise<void> {
    this.#isDirty = false
    try {
      this.#route()
      const wanted = this.#wanted()
      const gone = [...this.#served.keys()].filter((key) => !wanted.has(key))
      await Promise.all(gone.map((key) => this.#close(key)))
      await Promise.all([...wanted].map(([key, one]) => this.#serve(key, one)))
    } catch (error) {
      this.#log.error('cannot sync listeners', { error })
      this.#isDirty = true
    }
    if (this.#isDirty) return this.#schedule(retryMs)
    this.#status.synced()
    this.#ready.resolve()
    for (const resolve of this.#waiters.splice(0)) resolve()
  }

  /** Sockets can only be bound to addresses of our own: the ServiceCIDRs become that. */
  #route(): void {
    const cidrs = this.#tracker.serviceCIDRs
    const wanted = cidrs.length > 0 ? cidrs : (this.#config.serviceCIDRs ?? [])
    const missing = wanted.filter((cidr) => !this.#localCIDRs.includes(cidr))
    if (missing.length === 0) return
    const usable = missing.filter((cidr) => parseCidr(cidr)?.family === 'IPv4' || hasIPv6())
    ensureLocalRoutes(usable)
    this.#localCIDRs = [...this.#localCIDRs, ...usable]
  }

  #wanted(): Map<string, Wanted> {
    const wanted = new Map<string, Wanted>()
    const { allowExternalIPs = true } = this.#config
    const localAddresses = listLocalAddresses()
    const facts = {
      config: this.#config,
      node: this.#tracker.node,
      localAddresses,
      serviceCIDRs: [],
    }
    for (const family of ['IPv4', 'IPv6'] as const satisfies readonly IPFamily[]) {
      const { config, topology } = plannerNode(facts, family)
      for (const key of this.#tracker.keys()) {
        const service = this.#tracker.plannerService(key, family, { allowExternalIPs })
        for (const port of service?.ports ?? []) {
          for (const one of wantedOf(port, { topology, nodeAddresses: config.localAddresses }))
            wanted.set(`${one.protocol} ${one.ip} ${one.port}`, one)
        }
      }
    }
    return wanted
  }

  async #serve(key: string, { ip, port, protocol, choice }: Wanted): Promise<void> {
    const known = this.#served.get(key)
    if (known) {
      known.choice = choice
      return
    }
    const forward = protocol === 'tcp' ? forwardTcp : forwardUdp
    const { clock, random } = this.#deps
    const served: Served = {
      choice,
      forwarder: forward({ ip, port }, { clock, random, choice: () => served.choice }).catch(
        (error: unknown) => {
          // An external address that is not ours, or a port that is taken: the others go on.
          this.#log.warn('cannot serve a frontend', { frontend: key, error })
          this.#served.delete(key)
          return undefined
        },
      ),
    }
    this.#served.set(key, served)
    await served.forwarder
  }

  async #close(key: string): Promise<void> {
    const served = this.#served.get(key)
    this.#served.delete(key)
    await (await served?.forwarder)?.close()
  }
}

/** A frontend without endpoints has no listener: its clients are refused by the kernel. */
function wantedOf(
  port: ServicePort,
  node: { topology: NodeTopology; nodeAddresses: readonly string[] },
): Wanted[] {
  const { protocol, affinitySeconds } = port
  if (protocol === 'sctp') return []
  const endpoints = chooseEndpoints(port, node.topology)
  return frontendsOf(port).flatMap((frontend) => {
    const policy = frontend.class === 'ClusterIP' ? port.internalPolicy : port.externalPolicy
    const targets = policy === 'Local' ? endpoints.local : endpoints.cluster
    if (targets.length === 0) return []
    const choice = { targets, affinitySeconds }
    return addressesOf(frontend, port, node.nodeAddresses).map((at) => ({
      ...at,
      protocol,
      choice,
    }))
  })
}

function addressesOf(
  frontend: Frontend,
  { port, nodePort }: ServicePort,
  nodeAddresses: readonly string[],
): { ip: string; port: number }[] {
  if (frontend.class === 'NodePort') return nodeAddresses.map((ip) => ({ ip, port: nodePort }))
  return [{ ip: frontend.key.slice(0, frontend.key.indexOf(' . ')), port }]
}
