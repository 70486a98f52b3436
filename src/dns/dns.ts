// The door of the room: cluster DNS as a component. Reads the Corefile, builds the plugins, opens
// the sockets, and swaps configurations between two packets when the file changes.
import { createHash } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import type { Client } from '../client/client.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import type { Random } from '../lib/random.ts'
import type { LiveServer, SharedHost } from './build.ts'
import { buildServer } from './build.ts'
import type { Peer } from './chain.ts'
import { defaultTimeouts } from './chain.ts'
import type { ClusterConfig } from './cluster.ts'
import { Clusters } from './cluster.ts'
import type { ServerConfig } from './config.ts'
import { configure } from './config.ts'
import { parseCorefile } from './corefile.ts'
import { systemFiles, systemImports } from './files.ts'
import type { Files } from './host.ts'
import { HttpPlan, HttpServers } from './http-endpoints.ts'
import type { LineLog } from './lines.ts'
import { asLogger, createLineLog, pluginLog } from './lines.ts'
import type { Credentials } from './listeners.ts'
import { Listener } from './listeners.ts'
import { Metrics } from './metrics.ts'
import type { TlsFiles } from './plugin.ts'
import { createExchange } from './upstream.ts'

export interface DnsConfig {
  /** The Corefile: a path, which reload follows, or its text. */
  readonly corefile: { readonly file: string } | { readonly text: string }
  /** Port of server blocks that name none; 53 by default. 0 takes a free one. */
  readonly dnsPort?: number
  readonly version?: string
  /** Without the lines that name zones and version at start. */
  readonly quiet?: boolean
}

export interface DnsDeps {
  readonly clock: Clock
  readonly random: Random
  /** Where log lines go; standard output in a process of its own. */
  readonly write: (text: string) => void
  /** A client for the kubernetes plugin's options; see connect.ts. */
  readonly connect: (config: ClusterConfig) => Client | Promise<Client>
  readonly files?: Files
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Called where going on would do harm (a forwarding loop). Ends the process, in a process of its own. */
  readonly fatal?: (message: string) => void
}

export interface Dns extends Component {
  /** What UDP and TCP listen on. */
  readonly addresses: readonly Peer[]
  /** Ports of the HTTP endpoints, by the address the Corefile gives (":8080"). */
  httpPort(address: string): number | undefined
  /** Reads the Corefile again, changed or not (SIGUSR1). A bad one is logged and changes nothing. */
  reload(): Promise<void>
}

/** Resolves once queries are answered. Rejects with CorefileError, or why a socket cannot be opened. */
export async function startDns(config: DnsConfig, deps: DnsDeps): Promise<Dns> {
  const server = new DnsServer(config, deps)
  await server.start()
  return server
}

interface Generation {
  readonly live: LiveServer
  readonly http: HttpPlan
  readonly hash: string
  poll: { readonly intervalMs: number; readonly jitterMs: number } | undefined
}

/** CoreDNS's version whose behaviour this is; what tools read from the log and the metrics. */
export const coreDnsVersion = '1.14.7'

class DnsServer implements Dns {
  readonly name = 'coredns'
  readonly #config: DnsConfig
  readonly #deps: DnsDeps
  readonly #log: LineLog
  readonly #metrics = new Metrics()
  readonly #http = new HttpServers()
  readonly #clusters: Clusters
  readonly #listeners = new Map<string, Listener>()
  #generation: Generation | undefined
  #pollTimer: Timer | undefined
  /** Of a Corefile that could not be served: not tried again until it changes. */
  #badHash = ''
  #work: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor(config: DnsConfig, deps: DnsDeps) {
    this.#config = config
    this.#deps = deps
    this.#log = createLineLog(deps.write)
    const { connect, clock, random } = deps
    const log = asLogger(pluginLog(this.#log, 'kubernetes'))
    this.#clusters = new Clusters({ connect, clock, random, log, metrics: this.#metrics })
  }

  get addresses(): readonly Peer[] {
    return [...this.#listeners.values()].map((listener) => listener.address)
  }

  httpPort(address: string): number | undefined {
    return this.#http.portOf(address)
  }

  ready(): Promise<void> {
    return this.#work
  }

  async start(): Promise<void> {
    const { config, hash } = await this.#load()
    const generation = this.#build(config, hash)
    // Health answers from here on; DNS once what the plugins wait for has come.
    try {
      await this.#http.apply(generation.http)
      await this.#activate(generation)
    } catch (error) {
      await stopInstances(generation.live)
      await this.#closeAll()
      throw error
    }
    this.#announce(generation.live)
    this.#generation = generation
    for (const { instance } of generation.live.instances) instance.listening?.()
    this.#tellConfiguration(generation)
    this.#schedulePoll()
  }

  reload(): Promise<void> {
    return this.#enqueue(() => this.#replace(true))
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#enqueue(() => this.#shutdown())
    return this.#stopped
  }

  /** Reloads and the stop follow one another. */
  #enqueue(work: () => Promise<void>): Promise<void> {
    const next = this.#work.then(work)
    this.#work = next.catch(() => {})
    return next
  }

  async #load(): Promise<{ config: ServerConfig; hash: string }> {
    const { corefile: source, dnsPort = 53 } = this.#config
    const file = 'file' in source ? source.file : 'Corefile'
    const text = 'file' in source ? this.#files.readText(source.file) : source.text
    const parsed = parseCorefile({ file, text }, systemImports(this.#deps.environment ?? {}))
    const hash = createHash('sha512').update(JSON.stringify(parsed.blocks)).digest('hex')
    return { config: expandBind(await configure(parsed, dnsPort)), hash }
  }

  get #files(): Files {
    return this.#deps.files ?? systemFiles
  }

  #build(config: ServerConfig, hash: string): Generation {
    for (const warning of config.warnings) this.#log.warning(warning)
    const http = new HttpPlan()
    let poll: Generation['poll']
    const shared: SharedHost = {
      clock: this.#deps.clock,
      random: this.#deps.random,
      log: this.#log,
      metrics: this.#metrics,
      files: this.#files,
      clusters: this.#clusters,
      http,
      upstreams: createExchange(this.#deps),
      localAddresses: hostAddresses,
      reload: {
        poll: (intervalMs, jitterMs) => {
          poll = { intervalMs, jitterMs }
        },
      },
      fatal: (message) => {
        this.#log.fatal(message)
        this.#deps.fatal?.(message)
      },
    }
    return { live: buildServer(config, shared), http, hash, poll }
  }

  /** Starts the plugins and points the sockets at them. */
  async #activate({ live }: Generation): Promise<void> {
    await Promise.all(live.instances.map(({ instance }) => instance.start?.()))
    for (const [key, { host, port, table, block }] of live.listeners) {
      const tls = key.startsWith('tls://') ? this.#credentials(block.settings.tls!) : undefined
      const known = this.#listeners.get(key)
      if (known) {
        known.table = table
        if (tls) known.renew(tls)
        continue
      }
      const timeouts = block.settings.timeouts ?? defaultTimeouts
      const listener = new Listener(table, { clock: this.#deps.clock, timeouts })
      await listener.open({ host, port, ...(tls ? { tls } : {}) })
      this.#listeners.set(key, listener)
    }
  }

  #credentials({ cert, key, ca, clients }: TlsFiles): Credentials {
    const read = this.#files.readText
    return {
      cert: read(cert),
      key: read(key),
      ...(ca ? { ca: read(ca) } : {}),
      requestCert: clients !== 'nocert',
      rejectUnauthorized: clients === 'require_and_verify',
    }
  }

  async #replace(force: boolean): Promise<void> {
    const old = this.#generation
    if (!old || this.#stopped) return
    let hash = ''
    let next: Generation | undefined
    try {
      const loaded = await this.#load()
      hash = loaded.hash
      if (!force && (hash === old.hash || hash === this.#badHash)) return
      this.#log.info('Reloading')
      next = this.#build(loaded.config, hash)
      await this.#activate(next)
      await this.#http.apply(next.http)
    } catch (error) {
      await this.#keepOld(old, { next, hash, error })
      return
    }
    this.#generation = next
    await this.#closeUnused(next.live)
    await stopInstances(old.live)
    this.#tellConfiguration(next)
    this.#log.info('Reloading complete')
    this.#schedulePoll()
  }

  /** The configuration that could not be brought up leaves no trace but a line and a count. */
  async #keepOld(
    old: Generation,
    { next, hash, error }: { next: Generation | undefined; hash: string; error: unknown },
  ): Promise<void> {
    const text = error instanceof Error ? error.message : String(error)
    if (hash === '' || hash !== this.#badHash) {
      this.#log.error(`Restart failed: ${text}`)
      pluginLog(this.#log, 'reload').error(`Corefile changed but reload failed: ${text}`)
    }
    this.#badHash = hash
    this.#metrics
      .counter({
        name: 'coredns_reload_failed_total',
        help: 'Counter of the number of failed reload attempts.',
      })()
      .add()
    if (next) {
      for (const [key, listener] of this.#listeners) {
        const plan = old.live.listeners.get(key)
        if (plan) listener.table = plan.table
      }
      await this.#closeUnused(old.live)
      await this.#http.apply(old.http).catch(() => {})
      await stopInstances(next.live)
    }
    this.#schedulePoll()
  }

  async #closeUnused(live: LiveServer): Promise<void> {
    for (const [key, listener] of [...this.#listeners]) {
      if (live.listeners.has(key)) continue
      this.#listeners.delete(key)
      await listener.close()
    }
  }

  #schedulePoll(): void {
    this.#pollTimer?.cancel()
    const poll = this.#generation?.poll
    if (!poll || this.#stopped || !('file' in this.#config.corefile)) return
    const jitterMs = (this.#deps.random.next() * 2 - 1) * poll.jitterMs
    this.#pollTimer = this.#deps.clock.after(poll.intervalMs + jitterMs, () => {
      void this.#enqueue(() => this.#replace(false)).then(() => this.#schedulePoll())
    })
  }

  async #shutdown(): Promise<void> {
    this.#pollTimer?.cancel()
    const live = this.#generation?.live
    // Queries are answered until the lameduck period is over (dns.md 3.3).
    await Promise.all(live?.instances.map(({ instance }) => instance.freeze?.()) ?? [])
    await this.#closeAll()
    if (live) await stopInstances(live)
  }

  async #closeAll(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()))
    this.#listeners.clear()
    await this.#http.close()
  }

  #announce(live: LiveServer): void {
    if (this.#config.quiet) return
    for (const zone of live.served) this.#log.plain(zone)
    const { version = '0.0.0' } = this.#config
    this.#log.plain(`CoreDNS-${coreDnsVersion}`)
    this.#log.plain(`${platform()}, signpost-${version}`)
  }

  #tellConfiguration({ hash, live, poll }: Generation): void {
    const gauges = (name: string, help: string, labels: readonly string[]) =>
      this.#metrics.gauge({ name, help, labels })
    const build = gauges('coredns_build_info', 'A metric with a constant 1 value.', [
      'version',
      'revision',
      'goversion',
    ])
    build.set(1, coreDnsVersion, this.#config.version ?? '', `node${process.versions.node}`)
    const enabled = gauges(
      'coredns_plugin_enabled',
      'A metric that indicates whether a plugin is enabled.',
      ['server', 'zone', 'view', 'name'],
    )
    enabled.clear()
    for (const { server, zone, plugin } of live.handlers) enabled.set(1, server, zone, '', plugin)
    if (!poll) return
    pluginLog(this.#log, 'reload').info(`Running configuration SHA512 = ${hash}`)
    const info = gauges(
      'coredns_reload_version_info',
      'A metric with a constant 1 value labeled by hash, and value which type of hash generated.',
      ['hash', 'value'],
    )
    info.clear()
    info.set(1, 'sha512', hash)
  }
}

/** As Go names it: "linux/amd64, node20.20.2". */
export function platform(): string {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  return `linux/${arch}, node${process.versions.node}`
}

async function stopInstances(live: LiveServer): Promise<void> {
  await Promise.all(live.instances.map(({ instance }) => instance.stop?.()))
}

function hostAddresses(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const usable = addresses.filter(
    ({ internal, address }) => !internal && !address.startsWith('fe80:'),
  )
  return usable.map(({ address }) => address)
}

/** Interfaces that `bind` names become their addresses. */
function expandBind(config: ServerConfig): ServerConfig {
  const interfaces = networkInterfaces()
  const expand = (text: string): readonly string[] =>
    interfaces[text]?.map(({ address }) => address) ?? [text]
  return {
    ...config,
    blocks: config.blocks.map((block) => {
      const { bind } = block.settings
      return bind
        ? { ...block, settings: { ...block.settings, bind: bind.flatMap(expand) } }
        : block
    }),
  }
}
