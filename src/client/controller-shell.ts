// Runs a Controller: informers feed keys to its queue, workers reconcile them and carry out
// what was returned. The only place that retries, and that waits for its own writes.
//
//   informers -> keys -> queue -> observe -> reconcile -> changes -> API
//                          ^                                  |
//                          └── retry, requeue ── writes seen ─┘
import { setMaxListeners } from 'node:events'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { isReason, StatusError } from '../api/machinery/status.ts'
import type { Clock } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Client, ObjectKey } from './client.ts'
import type {
  Change,
  Changes,
  Controller,
  Failure,
  Outcome,
  Snapshot,
  Watch,
} from './controller.ts'
import type { Informer, InformerFactory } from './informer.ts'
import { keyOf } from './informer.ts'
import type { EventRecorder } from './recorder.ts'
import { defaultBackoff, WorkQueue } from './workqueue.ts'

export interface ControllerDeps {
  readonly client: Client
  readonly informers: InformerFactory
  readonly recorder: EventRecorder
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** So many failures in a row are no passing trouble. */
const loudFailures = 16
/** A write that has not come back by then was made on a connection we no longer watch on. */
const ownWriteTimeoutMs = 10_000

/** Asks for the controller's informers; they run once the factory is started. */
export function startController(controller: Controller, deps: ControllerDeps): Component {
  const shell = new Shell(controller, deps)
  const running = shell.run()
  return {
    name: controller.name,
    ready: () => shell.whenSynced(),
    async stop() {
      shell.stop()
      await running
    },
  }
}

class Shell {
  readonly #controller: Controller
  readonly #deps: ControllerDeps
  readonly #queue: WorkQueue
  readonly #abort = new AbortController()
  readonly #informers = new Map<Resource, Informer<KubeObject>>()
  readonly #snapshot: Snapshot

  constructor(controller: Controller, deps: ControllerDeps) {
    this.#controller = controller
    this.#deps = { ...deps, log: deps.log.child({ controller: controller.name }) }
    // One listener for each request under way, by design.
    setMaxListeners(0, this.#abort.signal)
    this.#queue = new WorkQueue(deps.clock, controller.backoff ?? defaultBackoff)
    for (const watch of watchesOf(controller)) {
      const informer = deps.informers.informer(
        watch.resource,
        watch.indexes ? { indexes: watch.indexes } : {},
      )
      this.#informers.set(watch.resource, informer)
    }
    this.#snapshot = {
      of: <T extends KubeObject>(resource: Resource<T>) => {
        const informer = this.#informers.get(resource as Resource)
        if (!informer)
          throw new Error(`controller ${controller.name} does not watch ${resource.plural}`)
        return informer as unknown as Informer<T>
      },
    }
  }

  async whenSynced(): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.whenSynced()))
  }

  async run(): Promise<void> {
    const stopped = new Promise<void>((resolve) =>
      this.#abort.signal.addEventListener('abort', () => resolve(), { once: true }),
    )
    await Promise.race([this.whenSynced(), stopped])
    if (this.#abort.signal.aborted) return
    const unsubscribe = watchesOf(this.#controller).map((watch) => this.#subscribe(watch))
    const workers = Array.from({ length: this.#controller.workers ?? 1 }, () => this.#work())
    await Promise.all(workers)
    for (const end of unsubscribe) end()
  }

  stop(): void {
    this.#abort.abort(new Error('controller stopped'))
    this.#queue.close()
  }

  #subscribe(watch: Watch): () => void {
    return this.#informers.get(watch.resource)!.subscribe(({ object, old }) => {
      const keys = watch.keys ? watch.keys(object, old, this.#snapshot) : [keyOf(object)]
      for (const key of keys) this.#queue.add(key)
    })
  }

  async #work(): Promise<void> {
    for (;;) {
      const key = await this.#queue.take()
      if (key === undefined) return
      try {
        await this.#process(key)
      } catch (error) {
        if (!this.#abort.signal.aborted) this.#retry(key, error)
      }
      this.#queue.done(key)
    }
  }

  async #process(key: string): Promise<void> {
    const { client, clock, random } = this.#deps
    const live = { client, signal: this.#abort.signal }
    const observed = await this.#controller.observe?.(key, this.#snapshot, live)
    const outcome = this.#controller.reconcile(key, this.#snapshot, {
      nowMs: clock.now(),
      random,
      observed,
    })
    const failures = await this.#carryOut(outcome.changes)
    if (failures.length > 0) await this.#afterFailures(key, outcome, failures)
    else if (outcome.retry !== undefined) this.#retry(key, outcome.retry)
    else this.#queue.forget(key)
    if (outcome.requeueAfterMs !== undefined) this.#queue.addAfter(key, outcome.requeueAfterMs)
  }

  async #afterFailures(key: string, outcome: Outcome, failures: readonly Failure[]): Promise<void> {
    const serious = failures.filter(({ change, error }) => !isTerminatingNamespace(change, error))
    if (serious.length === 0) return
    await this.#carryOut(outcome.failed?.(serious) ?? [])
    this.#retry(key, serious[0]!.error)
  }

  /** Says aloud, once until the key succeeds, that a key keeps failing; expected refusals stay quiet. */
  #retry(key: string, cause: unknown): void {
    const { log } = this.#deps
    const failures = this.#queue.retry(key)
    const keys = { key, failures, ...(cause instanceof Error ? { error: cause } : { cause }) }
    const isExpected = cause instanceof StatusError || typeof cause === 'string'
    if (failures === loudFailures) log.error('key keeps failing', keys)
    else if (isExpected || failures > loudFailures) log.debug('key failed, will retry', keys)
    else log.warn('key failed, will retry', keys)
  }

  /** In order; the first step with a failure is the last one. Waits until its writes came back. */
  async #carryOut(changes: Changes): Promise<readonly Failure[]> {
    const seen: Promise<void>[] = []
    let failures: readonly Failure[] = []
    for (const step of changes) {
      const group: readonly Change[] = 'type' in step ? [step] : step
      const results = await Promise.all(group.map((change) => this.#attempt(change, seen)))
      failures = results.filter((result) => result !== undefined)
      if (failures.length > 0) break
    }
    await Promise.all(seen)
    return failures
  }

  async #attempt(change: Change, seen: Promise<void>[]): Promise<Failure | undefined> {
    try {
      const written = await this.#write(change)
      if (written) seen.push(this.#comesBack(change, written))
      if (change.done) this.#deps.recorder.record(change.done)
      return undefined
    } catch (error) {
      if (change.type === 'delete' && isReason(error, 'NotFound')) return undefined
      return { change, error }
    }
  }

  /** The object as written; undefined where nothing comes back that could be waited for. */
  async #write(change: Change): Promise<KubeObject | 'deleted' | undefined> {
    if (change.type === 'event') {
      this.#deps.recorder.record(change.event)
      return undefined
    }
    const client = this.#deps.client.resource(change.resource)
    const options = { signal: this.#abort.signal }
    switch (change.type) {
      case 'create':
        return client.create(change.object, subresource(change, options))
      case 'update':
        return client.update(change.object, subresource(change, options))
      case 'patch':
        return client.patch(change.key, change.patch, subresource(change, options))
      case 'delete':
        await client.delete(change.key, {
          ...options,
          ...(change.options ? { body: change.options } : {}),
        })
        return 'deleted'
      case 'deleteCollection':
        await client.deleteCollection({
          ...options,
          namespace: change.namespace,
          ...(change.options ? { body: change.options } : {}),
        })
        return undefined
    }
  }

  #comesBack(change: Change, written: KubeObject | 'deleted'): Promise<void> {
    const informer = 'resource' in change ? this.#informers.get(change.resource) : undefined
    if (!informer) return Promise.resolve()
    if (written === 'deleted') {
      return change.type === 'delete'
        ? this.#within(deletionSeen(informer, change.key))
        : Promise.resolve()
    }
    const { resourceVersion } = written.metadata
    return resourceVersion ? this.#within(informer.whenSeen(resourceVersion)) : Promise.resolve()
  }

  async #within(seen: Promise<void>): Promise<void> {
    const timeout = new AbortController()
    const giveUp = this.#deps.clock
      .sleep(ownWriteTimeoutMs, AbortSignal.any([timeout.signal, this.#abort.signal]))
      .catch(() => {})
    await Promise.race([seen, giveUp])
    timeout.abort()
  }
}

function subresource<Options extends object>(change: { subresource?: string }, options: Options) {
  return change.subresource ? { ...options, subresource: change.subresource } : options
}

/** Resolves when the object is gone, is another one, or is marked as being deleted. */
function deletionSeen(informer: Informer<KubeObject>, key: ObjectKey): Promise<void> {
  const id = key.namespace ? `${key.namespace}/${key.name}` : key.name
  const before = informer.get(id)
  const done = () => {
    const now = informer.get(id)
    return (
      !now ||
      now.metadata.deletionTimestamp !== undefined ||
      now.metadata.uid !== before?.metadata.uid
    )
  }
  if (done()) return Promise.resolve()
  return new Promise((resolve) => {
    const unsubscribe = informer.subscribe(() => {
      if (!done()) return
      // Not within subscribe()'s own first calls: they come before unsubscribe is there.
      queueMicrotask(() => unsubscribe())
      resolve()
    })
  })
}

/** F6: nothing more can be created there, and nothing needs to be. */
function isTerminatingNamespace(change: Change, error: unknown): boolean {
  if (change.type !== 'create' || !(error instanceof StatusError)) return false
  return (
    error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true
  )
}

/** The watches as the shell handles them: of any object. */
function watchesOf(controller: Controller): readonly Watch[] {
  return controller.watches as unknown as readonly Watch[]
}
