// The cluster as the kubernetes plugin sees it: a Zone kept up to date by reflectors. Shared by all
// blocks, and over reloads, that ask for the same data.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { endpointslices, namespaces, pods, services } from '../api/resources.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import type {
  Client,
  List,
  ListOptions,
  ResourceClient,
  WatchEvent,
  WatchOptions,
} from '../client/client.ts'
import { keyOf } from '../client/informer.ts'
import type { ReflectorSink } from '../client/reflector.ts'
import { runReflector } from '../client/reflector.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Metrics } from './metrics.ts'
import { programmingBuckets } from './metrics.ts'
import type { ZoneIndex } from './zone.ts'
import { Zone } from './zone.ts'
import { pruneNamespace, prunePod, pruneService, pruneSlice } from './zone-objects.ts'

/** Where the API is, and what of it is watched. Plain data: equal ones share their copy. */
export interface ClusterConfig {
  /** Absent with kubeconfig absent: the ServiceAccount of the Pod we run in. */
  readonly endpoint?: string
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string }
  readonly kubeconfig?: string
  readonly context?: string
  readonly labels?: string
  readonly namespaceLabels?: string
  readonly watchSlices: boolean
  readonly watchPods: boolean
  /** Whether endpoints are named by their Pods, so that those names have to be kept. */
  readonly podNames: boolean
}

export interface ClusterSource {
  readonly zone: ZoneIndex
  readonly synced: boolean
  /** Rejects where no client can be made: a wrong kubeconfig, no in-cluster credentials. */
  readonly connected: Promise<void>
  whenSynced(): Promise<void>
  /** Ends the watches; the data stays as it is. */
  freeze(): void
  release(): void
}

export interface ClusterDeps {
  readonly connect: (config: ClusterConfig) => Client | Promise<Client>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Metrics
}

/** Hands out one source per configuration and ends it when the last user has released it. */
export class Clusters {
  readonly #deps: ClusterDeps
  readonly #sources = new Map<string, { source: Source; users: number }>()

  constructor(deps: ClusterDeps) {
    this.#deps = deps
  }

  acquire(config: ClusterConfig): ClusterSource {
    const key = JSON.stringify(config)
    const entry = this.#sources.get(key) ?? { source: new Source(config, this.#deps), users: 0 }
    this.#sources.set(key, entry)
    entry.users++
    const { source } = entry
    const release = () => {
      if (--entry.users > 0) return
      source.freeze()
      source.close()
      if (this.#sources.get(key) === entry) this.#sources.delete(key)
    }
    return {
      zone: source.zone,
      get synced() {
        return source.synced
      },
      connected: source.connected,
      whenSynced: () => source.whenSynced(),
      freeze: () => source.freeze(),
      release,
    }
  }
}

const livePods = 'status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown'

class Source {
  readonly zone: Zone
  readonly connected: Promise<void>
  readonly #deps: ClusterDeps
  readonly #abort = new AbortController()
  readonly #unsynced = new Set<string>()
  readonly #synced: Promise<void>
  #tellSynced: () => void = () => {}
  #client: Client | undefined

  constructor(config: ClusterConfig, deps: ClusterDeps) {
    this.#deps = deps
    this.zone = new Zone(deps.clock.now())
    this.#synced = new Promise((resolve) => {
      this.#tellSynced = resolve
    })
    this.#unsynced.add('connection')
    this.connected = this.#connect(config)
    // Whoever starts the plugin awaits it; until then a rejection is not unhandled.
    this.connected.catch(() => {})
  }

  get synced(): boolean {
    return this.#unsynced.size === 0
  }

  whenSynced(): Promise<void> {
    return this.#synced
  }

  freeze(): void {
    this.#abort.abort(new Error('watches stopped'))
  }

  close(): void {
    this.#client?.transport.close()
  }

  async #connect(config: ClusterConfig): Promise<void> {
    this.#client = await this.#deps.connect(config)
    const selection = config.labels === undefined ? {} : { labelSelector: config.labels }
    const { zone } = this
    const nowMs = () => this.#deps.clock.now()
    this.#follow(services, selection, {
      kind: 'service',
      prune: pruneService,
      set: (service) => zone.setService(service, nowMs()),
      delete: (key) => zone.deleteService(key, nowMs()),
    })
    const { namespaceLabels } = config
    this.#follow(namespaces, namespaceLabels ? { labelSelector: namespaceLabels } : {}, {
      kind: 'namespace',
      prune: pruneNamespace,
      set: (namespace) => zone.setNamespace(namespace),
      delete: (key) => zone.deleteNamespace(key),
    })
    if (config.watchSlices) {
      const measure = programmingDuration(this.#deps)
      this.#follow(endpointslices, selection, {
        kind: 'slice',
        prune: (slice) => pruneSlice(slice, config.podNames),
        set: (slice) => {
          zone.setSlice(slice, nowMs())
          if (this.synced) measure(zone, slice)
        },
        delete: (key) => zone.deleteSlice(key, nowMs()),
      })
    }
    if (config.watchPods) {
      this.#follow(
        pods,
        { ...selection, fieldSelector: livePods },
        {
          kind: 'pod',
          prune: prunePod,
          set: (pod) => zone.setPod(pod, nowMs()),
          delete: (key) => zone.deletePod(key, nowMs()),
        },
      )
    }
    this.#arrived('connection')
  }

  #follow<T extends KubeObject>(
    resource: Resource<T>,
    selection: { labelSelector?: string; fieldSelector?: string },
    fold: Fold<T>,
  ): void {
    this.#unsynced.add(fold.kind)
    const sink = foldingSink(this.zone, fold, () => this.#arrived(fold.kind))
    const { clock, random, log } = this.#deps
    const client = pruningClient(this.#client!, fold.prune)
    void runReflector({ client, resource, selection, sink, clock, random, log }, this.#abort.signal)
  }

  #arrived(kind: string): void {
    this.#unsynced.delete(kind)
    if (this.synced) this.#tellSynced()
  }
}

/** The same client, but that objects are pruned before anything keeps them. */
function pruningClient<T extends KubeObject>(client: Client, prune: (object: T) => T): Client {
  return {
    transport: client.transport,
    resource<R extends KubeObject>(resource: Resource<R>): ResourceClient<R> {
      const inner = client.resource(resource) as unknown as ResourceClient<T>
      const lean = {
        async list(options?: ListOptions): Promise<List<T>> {
          const list = await inner.list(options)
          return { ...list, items: list.items.map(prune) }
        },
        async *watch(options?: WatchOptions): AsyncIterable<WatchEvent<T>> {
          for await (const event of inner.watch(options)) {
            // A bookmark is no object: its annotations are the reflector's to read.
            yield event.type === 'BOOKMARK' ? event : { ...event, object: prune(event.object) }
          }
        },
      }
      return lean as unknown as ResourceClient<R>
    },
  }
}

interface Fold<T> {
  readonly kind: 'service' | 'namespace' | 'slice' | 'pod'
  readonly prune: (object: T) => T
  set(object: T): void
  delete(key: string): void
}

/** Objects go straight into the zone: it alone keeps what it needs of them, in one copy. */
function foldingSink<T extends KubeObject>(
  zone: Zone,
  fold: Fold<T>,
  synced: () => void,
): ReflectorSink<T> {
  return {
    replace(objects) {
      const gone = new Set(zone.keys(fold.kind))
      for (const object of objects) {
        gone.delete(keyOf(object))
        fold.set(object)
      }
      for (const key of gone) fold.delete(key)
      synced()
    },
    apply(type, object) {
      if (type === 'DELETED') fold.delete(keyOf(object))
      else fold.set(object)
    },
    bookmark() {},
  }
}

const lastChangeTrigger = 'endpoints.kubernetes.io/last-change-trigger-time'

/** How long a change of Pods took to reach the zone (the DNS programming SLI). */
function programmingDuration({ clock, metrics }: ClusterDeps) {
  const histogram = metrics.histogram(
    {
      name: 'coredns_kubernetes_dns_programming_duration_seconds',
      help: 'Histogram of the time (in seconds) it took to program a dns instance.',
      labels: ['service_kind'],
    },
    programmingBuckets,
  )
  return (zone: ZoneIndex, slice: EndpointSlice) => {
    const trigger = Date.parse(slice.metadata.annotations?.[lastChangeTrigger] ?? '')
    const label = slice.metadata.labels?.['kubernetes.io/service-name']
    const service = zone.service(`${slice.metadata.namespace}/${label}`)
    if (!service || Number.isNaN(trigger)) return
    const kind = service.kind === 'headless' ? 'headless_with_selector' : 'cluster_ip'
    histogram(kind).observe((clock.now() - trigger) / 1000)
  }
}
