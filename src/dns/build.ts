// From a checked configuration to live plugins and the tables that route packets to them.
import type { Query, Reply, Serve } from './chain.ts'
import { endOfChain, reply } from './chain.ts'
import type { BlockConfig, ServerConfig } from './config.ts'
import type { Host } from './host.ts'
import type { Instance } from './plugin.ts'
import type { Route, RouteTable } from './server.ts'
import { lookup } from './server.ts'
import { RCODE } from './wire/codes.ts'

export interface ListenerPlan {
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
  /** By "host:port". */
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

export function buildServer(config: ServerConfig, shared: SharedHost): LiveServer {
  const listeners = new Map<string, ListenerPlan & { table: { routes: Route[] } }>()
  const instances: LiveInstance[] = []
  const served: string[] = []
  const handlers: Handler[] = []
  const unready = () =>
    instances.filter(({ instance }) => instance.ready?.() === false).map(({ plugin }) => plugin)
  const tables = new Map<string, RouteTable>()
  const lookupAnywhere = (query: Query): Reply | Promise<Reply> => {
    const table = tables.get(query.server)
    return table ? lookup(table, query) : endOfChain(query)
  }
  for (const block of config.blocks) {
    const listening = addressesOf(block)
    const host: Host = { ...shared, lookup: lookupAnywhere, unready, listening }
    const { serve, serving, live } = buildChain(block, host)
    instances.push(...live)
    for (const { address, port } of listening) {
      const key = `${address}:${port}`
      const plan = listeners.get(key) ?? newPlan({ address, port }, block, shared)
      listeners.set(key, plan)
      tables.set(plan.table.server, plan.table)
    }
    for (const { zone, port } of block.keys) {
      for (const address of block.settings.bind ?? ['']) {
        const plan = listeners.get(`${address}:${port}`)!
        plan.table.routes.push({ zone, serve })
        const { server } = plan.table
        for (const plugin of serving) handlers.push({ server, zone, plugin })
        if (block.settings.anyClass) Object.assign(plan.table, { anyClass: true })
        served.push(`${zone}:${port}${address === '' ? '' : ` on ${address}`}`)
      }
    }
  }
  return { listeners, instances, served, handlers }
}

function addressesOf(block: BlockConfig) {
  const ports = [...new Set(block.keys.map((key) => key.port))]
  const hosts = block.settings.bind ?? ['']
  return ports.flatMap((port) => hosts.map((address) => ({ address, port })))
}

function newPlan(at: { address: string; port: number }, block: BlockConfig, shared: SharedHost) {
  const bracketed = at.address.includes(':') ? `[${at.address}]` : at.address
  const crashes = shared.metrics.counter({
    name: 'coredns_panics_total',
    help: 'A metrics that counts the number of panics.',
  })
  const table = {
    server: `dns://${bracketed}:${at.port}`,
    routes: [] as Route[],
    anyClass: false,
    crashed: (error: unknown) => {
      crashes().add()
      shared.log.error(`Recovered from panic in server: ${describe(error)}`)
    },
  }
  return { host: at.address, port: at.port, table, block }
}

const describe = (error: unknown) =>
  error instanceof Error ? (error.stack ?? error.message) : error

/** A block without any serving plugin takes no queries: they are REFUSED. */
const refuse: Serve = () => reply('', { rcode: RCODE.REFUSED })

function buildChain(
  block: BlockConfig,
  host: Host,
): { serve: Serve; serving: readonly string[]; live: readonly LiveInstance[] } {
  const live = block.parts.flatMap(({ plugin, part }): LiveInstance[] => {
    const instance = part.create?.(host)
    return instance ? [{ plugin, instance }] : []
  })
  const layers = live.filter(({ instance }) => instance.serve)
  const serve = layers.reduceRight<Serve>(
    (next, { instance }) => instance.serve!(next),
    layers.length === 0 ? refuse : endOfChain,
  )
  return { serve, serving: layers.map(({ plugin }) => plugin), live }
}
