// From a checked configuration to live plugins and the tables that route packets to them.
import type { Query, Reply, Serve } from './chain.ts'
import { endOfChain, reply } from './chain.ts'
import type { BlockConfig, ServerConfig } from './config.ts'
import type { Host } from './host.ts'
import type { Instance } from './plugin.ts'
import type { Route, RouteTable } from './server.ts'
import { lookup } from './server.ts'
import { RCODE } from './wire/codes.ts'
import type { Scheme } from './zone-names.ts'

export interface ListenerPlan {
  readonly scheme: Scheme
  readonly host: string
  readonly port: number
  readonly table: RouteTable
  readonly block: BlockConfig
}

export interface LiveInstance {
  readonly plugin: string
  readonly instance: Instance
}

export interface LiveServer {
  /** By "scheme://host:port". */
  readonly listeners: ReadonlyMap<string, ListenerPlan>
  readonly instances: readonly LiveInstance[]
  /** As CoreDNS prints them at start: "cluster.local.:53". */
  readonly served: readonly string[]
  /** The plugins that serve, per zone: what coredns_plugin_enabled shows. */
  readonly handlers: readonly Handler[]
}

export interface Handler {
  readonly server: string
  readonly zone: string
  readonly plugin: string
}

/** What every block's Host shares; lookup, unready and listening are filled in here. */
export type SharedHost = Omit<Host, 'lookup' | 'unready' | 'listening'>

/** When a plugin cannot be made live, those made before it are stopped again. */
export function buildServer(config: ServerConfig, shared: SharedHost): LiveServer {
  const builder = new Builder(shared)
  try {
    for (const block of config.blocks) builder.add(block)
  } catch (error) {
    for (const { instance } of builder.instances) void instance.stop?.()
    throw error
  }
  return builder
}

interface Place {
  readonly scheme: Scheme
  readonly address: string
  readonly port: number
}

type OpenPlan = ListenerPlan & { readonly table: { routes: Route[] } }

class Builder implements LiveServer {
  readonly listeners = new Map<string, OpenPlan>()
  readonly instances: LiveInstance[] = []
  readonly served: string[] = []
  readonly handlers: Handler[] = []
  readonly #shared: SharedHost
  readonly #tables = new Map<string, RouteTable>()

  constructor(shared: SharedHost) {
    this.#shared = shared
  }

  add(block: BlockConfig): void {
    const { serve, serving } = this.#chain(block)
    for (const { scheme, zone, port } of block.keys) {
      for (const address of block.settings.bind ?? ['']) {
        const { table } = this.#plan({ scheme, address, port }, block)
        table.routes.push({ zone, serve })
        for (const plugin of serving) this.handlers.push({ server: table.server, zone, plugin })
        if (block.settings.anyClass) Object.assign(table, { anyClass: true })
        const prefix = scheme === 'dns' ? '' : `${scheme}://`
        this.served.push(`${prefix}${zone}:${port}${address === '' ? '' : ` on ${address}`}`)
      }
    }
  }

  /** A block without any serving plugin takes no queries: they are REFUSED. */
  #chain(block: BlockConfig): { serve: Serve; serving: readonly string[] } {
    const host: Host = {
      ...this.#shared,
      lookup: (query) => this.#lookup(query),
      unready: () => this.#unready(),
      listening: listeningOf(block),
    }
    const layers: LiveInstance[] = []
    for (const { plugin, part } of block.parts) {
      const instance = part.create?.(host)
      if (!instance) continue
      this.instances.push({ plugin, instance })
      if (instance.serve) layers.push({ plugin, instance })
    }
    const serve = layers.reduceRight<Serve>(
      (next, { instance }) => instance.serve!(next),
      layers.length === 0 ? refuse : endOfChain,
    )
    return { serve, serving: layers.map(({ plugin }) => plugin) }
  }

  #lookup(query: Query): Reply | Promise<Reply> {
    const table = this.#tables.get(query.server)
    return table ? lookup(table, query) : endOfChain(query)
  }

  #unready(): readonly string[] {
    const waiting = this.instances.filter(({ instance }) => instance.ready?.() === false)
    return waiting.map(({ plugin }) => plugin)
  }

  #plan({ scheme, address, port }: Place, block: BlockConfig): OpenPlan {
    const bracketed = address.includes(':') ? `[${address}]` : address
    const server = `${scheme}://${bracketed}:${port}`
    const known = this.listeners.get(server)
    if (known) return known
    const { metrics, log } = this.#shared
    const crashes = metrics.counter({
      name: 'coredns_panics_total',
      help: 'A metrics that counts the number of panics.',
    })
    const crashed = (error: unknown) => {
      crashes().add()
      log.error(`Recovered from panic in server: ${describe(error)}`)
    }
    const table = { server, routes: [] as Route[], anyClass: false, crashed }
    const plan: OpenPlan = { scheme, host: address, port, table, block }
    this.listeners.set(server, plan)
    this.#tables.set(server, table)
    return plan
  }
}

/** Where plain queries reach the block. */
function listeningOf({ keys, settings }: BlockConfig) {
  const ports = new Set(keys.filter(({ scheme }) => scheme === 'dns').map(({ port }) => port))
  const hosts = settings.bind ?? ['']
  return [...ports].flatMap((port) => hosts.map((address) => ({ address, port })))
}

const describe = (error: unknown) =>
  error instanceof Error ? (error.stack ?? error.message) : error

const refuse: Serve = () => reply('', { rcode: RCODE.REFUSED })
