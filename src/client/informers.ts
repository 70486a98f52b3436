// Informers: shared local copies with indexes, fed by reflectors. The contract is informer.ts.
import { setMaxListeners } from 'node:events'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Client } from './client.ts'
import type { Informer, InformerEvent, InformerFactory, InformerOptions } from './informer.ts'
import { keyOf } from './informer.ts'
import type { ReflectorSink } from './reflector.ts'
import { runReflector } from './reflector.ts'

export interface InformerDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

type IndexFunction<T> = (object: T) => readonly string[]

const byNamespace = (object: KubeObject): readonly string[] => [object.metadata.namespace ?? '']

/** The copy itself. One writer (the reflector), any number of readers. */
export class ObjectCache<T extends KubeObject> implements ReflectorSink<T> {
  readonly #transform: ((object: T) => T) | undefined
  readonly #objects = new Map<string, T>()
  readonly #indexes = new Map<IndexFunction<T>, Map<string, Set<string>>>()
  readonly #subscribers = new Set<(event: InformerEvent<T>) => void>()
  readonly #waiting = new Set<{ readonly until: bigint; readonly resolve: () => void }>()
  #seen = -1n

  constructor(transform?: (object: T) => T) {
    this.#transform = transform
    this.addIndex(byNamespace)
  }

  get synced(): boolean {
    return this.#seen >= 0n
  }

  get(key: string): T | undefined {
    return this.#objects.get(key)
  }

  list(namespace?: string): readonly T[] {
    return namespace === undefined
      ? [...this.#objects.values()]
      : this.indexed(byNamespace, namespace)
  }

  indexed(index: IndexFunction<T>, value: string): readonly T[] {
    const keys = this.#indexes.get(index)?.get(value)
    return keys ? Array.from(keys, (key) => this.#objects.get(key)!) : []
  }

  addIndex(index: IndexFunction<T>): void {
    if (this.#indexes.has(index)) return
    const entries = new Map<string, Set<string>>()
    this.#indexes.set(index, entries)
    for (const [key, object] of this.#objects) enter(entries, index(object), key)
  }

  subscribe(onEvent: (event: InformerEvent<T>) => void): () => void {
    for (const object of [...this.#objects.values()]) onEvent({ type: 'added', object })
    this.#subscribers.add(onEvent)
    return () => this.#subscribers.delete(onEvent)
  }

  whenSeen(resourceVersion: string): Promise<void> {
    const until = BigInt(resourceVersion)
    if (this.#seen >= until) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.add({ until, resolve }))
  }

  replace(objects: readonly T[], resourceVersion: string): void {
    const gone = new Set(this.#objects.keys())
    for (const object of objects) {
      gone.delete(keyOf(object))
      this.#put(object)
    }
    for (const key of gone) this.#remove(key)
    this.bookmark(resourceVersion)
  }

  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void {
    if (type === 'DELETED') this.#remove(keyOf(object), object)
    else this.#put(object)
    this.bookmark(object.metadata.resourceVersion ?? '0')
  }

  bookmark(resourceVersion: string): void {
    const seen = BigInt(resourceVersion)
    if (seen > this.#seen) this.#seen = seen
    for (const waiter of this.#waiting) {
      if (waiter.until > this.#seen) continue
      this.#waiting.delete(waiter)
      waiter.resolve()
    }
  }

  #put(received: T): void {
    const object = this.#transform ? this.#transform(received) : received
    const key = keyOf(object)
    const old = this.#objects.get(key)
    // A relist brings back what is already known.
    if (old && old.metadata.resourceVersion === object.metadata.resourceVersion) return
    this.#objects.set(key, object)
    for (const [index, entries] of this.#indexes) {
      if (old) leave(entries, index(old), key)
      enter(entries, index(object), key)
    }
    this.#tell(old ? { type: 'updated', object, old } : { type: 'added', object })
  }

  #remove(key: string, last?: T): void {
    const old = this.#objects.get(key)
    if (!old) return
    this.#objects.delete(key)
    for (const [index, entries] of this.#indexes) leave(entries, index(old), key)
    const object = last && (this.#transform ? this.#transform(last) : last)
    this.#tell({ type: 'deleted', object: object ?? old })
  }

  #tell(event: InformerEvent<T>): void {
    for (const subscriber of this.#subscribers) subscriber(event)
  }
}

function enter(entries: Map<string, Set<string>>, values: readonly string[], key: string): void {
  for (const value of values) {
    const keys = entries.get(value)
    if (keys) keys.add(key)
    else entries.set(value, new Set([key]))
  }
}

function leave(entries: Map<string, Set<string>>, values: readonly string[], key: string): void {
  for (const value of values) {
    const keys = entries.get(value)
    keys?.delete(key)
    if (keys?.size === 0) entries.delete(value)
  }
}

/** One user's view of a shared copy, with the index names that user gave. */
function informerView<T extends KubeObject>(
  resource: Resource<T>,
  cache: ObjectCache<T>,
  indexes: Readonly<Record<string, IndexFunction<T>>>,
): Informer<T> {
  for (const index of Object.values(indexes)) cache.addIndex(index)
  return {
    resource,
    get synced() {
      return cache.synced
    },
    whenSynced: () => cache.whenSeen('0'),
    get: (key) => cache.get(key),
    list: (namespace) => cache.list(namespace),
    byIndex(name, value) {
      const index = indexes[name]
      if (!index) throw new Error(`no index "${name}" on the ${resource.plural} informer`)
      return cache.indexed(index, value)
    },
    subscribe: (onEvent) => cache.subscribe(onEvent),
    whenSeen: (resourceVersion) => cache.whenSeen(resourceVersion),
  }
}

interface Shared {
  readonly cache: ObjectCache<never>
  readonly run: (signal: AbortSignal) => Promise<void>
  started: boolean
}

export function createInformers(deps: InformerDeps): InformerFactory {
  const shared = new Map<string, Shared>()
  const transforms = new Map<unknown, number>()
  const abort = new AbortController()
  // One listener for each watch and each sleep, by design.
  setMaxListeners(0, abort.signal)
  const log = deps.log

  return {
    informer<T extends KubeObject>(
      resource: Resource<T>,
      options: InformerOptions<T> = {},
    ): Informer<T> {
      const { namespace, labelSelector, fieldSelector, transform } = options
      if (transform && !transforms.has(transform)) transforms.set(transform, transforms.size + 1)
      const id = [
        resource.group,
        resource.version,
        resource.plural,
        namespace,
        labelSelector,
        fieldSelector,
        transforms.get(transform),
      ].join('|')
      let entry = shared.get(id)
      if (!entry) {
        const cache = new ObjectCache<T>(transform)
        const selection = {
          namespace,
          ...(labelSelector === undefined ? {} : { labelSelector }),
          ...(fieldSelector === undefined ? {} : { fieldSelector }),
        }
        const run = (signal: AbortSignal) =>
          runReflector({ ...deps, resource, selection, sink: cache, log }, signal)
        entry = { cache: cache as unknown as ObjectCache<never>, run, started: false }
        shared.set(id, entry)
      }
      return informerView(resource, entry.cache as unknown as ObjectCache<T>, options.indexes ?? {})
    },

    start() {
      for (const entry of shared.values()) {
        if (entry.started) continue
        entry.started = true
        void entry.run(abort.signal)
      }
    },

    stop: () => abort.abort(new Error('informers stopped')),
  }
}
