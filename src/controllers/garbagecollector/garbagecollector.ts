// The garbage collector: a component of its own, as it watches every resource there is and looks
// at owners live. Events feed the graph, the graph feeds two queues, workers let the collector act.
import { setMaxListeners } from 'node:events'
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import { isReason } from '../../api/machinery/status.ts'
import type { Client } from '../../client/client.ts'
import type { Informer, InformerFactory } from '../../client/informer.ts'
import type { EventRecorder } from '../../client/recorder.ts'
import { WorkQueue } from '../../client/workqueue.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Component } from '../../lib/component.ts'
import type { Logger } from '../../lib/log.ts'
import { type Discovered, isDeletable } from '../discovery.ts'
import { Collector } from './collector.ts'
import { Graph, type Work } from './graph.ts'

export interface GarbageCollectorConfig {
  readonly workers: number
  /** How often discovery is asked for resources that have come. */
  readonly resyncMs: number
  /** Resources other controllers watch in full anyway; of all others only metadata is kept. */
  readonly sharedResources: ReadonlySet<string>
}

export interface GarbageCollectorDeps {
  readonly client: Client
  readonly informers: InformerFactory
  readonly recorder: EventRecorder
  readonly discover: () => Promise<Discovered>
  readonly clock: Clock
  readonly log: Logger
}

/** As sharedResources names them. */
export const resourceKey = (resource: Pick<Resource, 'group' | 'plural'>): string =>
  `${resource.plural}.${resource.group}`

export function startGarbageCollector(
  config: GarbageCollectorConfig,
  deps: GarbageCollectorDeps,
): Component {
  const collector = new GarbageCollector(config, deps)
  const running = collector.run()
  return {
    name: 'garbagecollector',
    ready: () => collector.ready,
    async stop() {
      collector.stop()
      await running
    },
  }
}

const ignored = new Set(['events.', 'events.events.k8s.io'])

class GarbageCollector {
  readonly ready: Promise<void>
  readonly #config: GarbageCollectorConfig
  readonly #deps: GarbageCollectorDeps
  readonly #abort = new AbortController()
  readonly #watched = new Map<string, Informer<KubeObject>>()
  readonly #kinds = new Map<string, Resource>()
  readonly #graph = new Graph((apiVersion, kind) => this.#findKind(apiVersion, kind))
  readonly #checks: WorkQueue
  readonly #orphans: WorkQueue
  readonly #collector: Collector
  #settleReady: { resolve: () => void; reject: (error: unknown) => void } | undefined

  constructor(config: GarbageCollectorConfig, deps: GarbageCollectorDeps) {
    this.#config = config
    // Every request under way listens for the end.
    setMaxListeners(0, this.#abort.signal)
    this.#deps = { ...deps, log: deps.log.child({ controller: 'garbagecollector' }) }
    this.#checks = new WorkQueue(deps.clock)
    this.#orphans = new WorkQueue(deps.clock)
    this.#collector = new Collector({
      graph: this.#graph,
      client: deps.client,
      signal: this.#abort.signal,
      findResource: (apiVersion, kind) => this.#findKind(apiVersion, kind),
    })
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject }
    })
    // Whoever does not wait for it learns of failures from the log.
    this.ready.catch(() => {})
  }

  stop(): void {
    this.#abort.abort(new Error('garbage collector stopped'))
    this.#checks.close()
    this.#orphans.close()
  }

  async run(): Promise<void> {
    const workers = Array.from({ length: this.#config.workers }, () => [
      this.#work(this.#checks, async (uid) => this.#note(await this.#collector.check(uid))),
      this.#work(this.#orphans, (uid) => this.#collector.orphan(uid)),
    ])
    await Promise.all([this.#resync(), ...workers.flat()])
  }

  #findKind(apiVersion: string, kind: string): Resource | undefined {
    const slash = apiVersion.indexOf('/')
    const group = slash < 0 ? '' : apiVersion.slice(0, slash)
    return this.#kinds.get(`${group}/${kind}`)
  }

  /** Asks discovery again and again, and watches what is new. */
  async #resync(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        await this.#watchAll()
        this.#settleReady?.resolve()
      } catch (error) {
        if (!this.#abort.signal.aborted)
          this.#deps.log.warn('cannot resync with discovery', { error })
      }
      await this.#deps.clock.sleep(this.#config.resyncMs, this.#abort.signal).catch(() => {})
    }
    this.#settleReady?.reject(this.#abort.signal.reason)
  }

  async #watchAll(): Promise<void> {
    const { resources } = await this.#deps.discover()
    for (const resource of resources)
      this.#kinds.set(`${resource.group}/${resource.kind}`, resource)
    const fresh: Informer<KubeObject>[] = []
    for (const resource of resources.filter(isDeletable)) {
      const key = resourceKey(resource)
      if (this.#watched.has(key) || ignored.has(key)) continue
      const informer = this.#deps.informers.informer(
        resource,
        this.#config.sharedResources.has(key) ? {} : { transform: metadataOnly },
      )
      this.#watched.set(key, informer)
      fresh.push(informer)
      informer.subscribe(({ type, object, old }) => {
        const uid = object.metadata.uid ?? ''
        // Deleted and made again while nobody watched shows as an update.
        const gone = type === 'deleted' ? uid : old?.metadata.uid
        if (gone !== undefined && (gone !== uid || type === 'deleted')) {
          this.#note(this.#graph.forget(gone))
        }
        if (type !== 'deleted') this.#note(this.#graph.observe(resource, object))
      })
    }
    this.#deps.informers.start()
    const stopped = new Promise<void>((resolve) => {
      this.#abort.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([Promise.all(fresh.map((informer) => informer.whenSynced())), stopped])
  }

  #note(work: Pick<Work, 'check'> & Partial<Work>): void {
    for (const uid of work.check) this.#checks.add(uid)
    for (const uid of work.orphan ?? []) this.#orphans.add(uid)
    for (const { dependent, owner } of work.misplaced ?? []) {
      this.#checks.add(dependent)
      this.#reportMisplaced(dependent, owner)
    }
  }

  #reportMisplaced(
    uid: string,
    owner: { apiVersion: string; kind: string; name: string; uid: string },
  ): void {
    const node = this.#graph.get(uid)
    if (!node) return
    const { apiVersion, kind, namespace, name } = node
    const reference = `[${owner.apiVersion}/${owner.kind}, namespace: ${namespace ?? ''}, name: ${owner.name}, uid: ${owner.uid}]`
    this.#deps.recorder.record({
      regarding: { apiVersion, kind, metadata: { namespace, name, uid } },
      type: 'Warning',
      reason: 'OwnerRefInvalidNamespace',
      message: `ownerRef ${reference} does not exist in namespace "${namespace ?? ''}"`,
    })
  }

  async #work(queue: WorkQueue, act: (uid: string) => Promise<void>): Promise<void> {
    for (;;) {
      const uid = await queue.take()
      if (uid === undefined) return
      try {
        // Owners that are not seen yet are not absent: no verdict before all is known.
        await this.ready
        await act(uid)
        queue.forget(uid)
      } catch (error) {
        if (!this.#abort.signal.aborted) this.#retry(queue, uid, error)
      }
      queue.done(uid)
    }
  }

  #retry(queue: WorkQueue, uid: string, error: unknown): void {
    const failures = queue.retry(uid)
    const level = isReason(error, 'Conflict') || failures < 5 ? 'debug' : 'warn'
    this.#deps.log[level]('cannot collect object, will retry', { uid, failures, error })
  }
}

// One function for all, so that one informer of each resource serves.
const metadataOnly = (object: KubeObject): KubeObject => {
  const { namespace, name, uid, resourceVersion, ownerReferences, finalizers, deletionTimestamp } =
    object.metadata
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(ownerReferences ? { ownerReferences } : {}),
      ...(finalizers ? { finalizers } : {}),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
  }
}
