// Follows one resource: first everything that is, then every change, for ever.
// Prefers a WatchList (KEP-3157: one request, state then changes); falls back to list + watch.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { apiVersionOf } from '../api/machinery/resource.ts'
import { isReason, StatusError } from '../api/machinery/status.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Client, ListOptions, ResourceClient } from './client.ts'

export interface ReflectorSink<T> {
  /** The whole state at a resourceVersion. */
  replace(objects: readonly T[], resourceVersion: string): void
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void
  /** Nothing changed up to this resourceVersion. */
  bookmark(resourceVersion: string): void
}

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Client
  readonly resource: Resource<T>
  readonly selection: Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>
  readonly sink: ReflectorSink<T>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

const initialEventsEnd = 'k8s.io/initial-events-end'
const pageSize = 500
const minWatchSeconds = 300
const minDelayMs = 50
const maxDelayMs = 30_000

/** Runs until the signal is aborted; never rejects. */
export async function runReflector<T extends KubeObject>(
  options: ReflectorOptions<T>,
  signal: AbortSignal,
): Promise<void> {
  const reflector = new Reflector(options, signal)
  let failures = 0
  while (!signal.aborted) {
    const startedMs = options.clock.monotonic()
    try {
      await reflector.follow()
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      if (isReason(error, 'Expired') || isReason(error, 'Gone')) {
        reflector.forget()
        continue
      }
      const healthy = options.clock.monotonic() - startedMs > maxDelayMs
      failures = healthy ? 1 : failures + 1
      report(options, error, failures)
    }
    const delayMs = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(failures, 12))
    await options.clock.sleep(delayMs * (1 + options.random.next()), signal).catch(() => {})
  }
}

function report<T extends KubeObject>(
  options: ReflectorOptions<T>,
  error: unknown,
  failures: number,
): void {
  // A server that restarts costs one failure; worth a line only when it goes on.
  const level = failures === 3 || failures % 10 === 0 ? 'warn' : 'debug'
  options.log[level]('cannot follow resource', {
    resource: options.resource.plural,
    failures,
    error,
  })
}

class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>
  readonly #client: ResourceClient<T>
  readonly #signal: AbortSignal
  #resourceVersion: string | undefined
  #watchList = true

  constructor(options: ReflectorOptions<T>, signal: AbortSignal) {
    this.#options = options
    this.#client = options.client.resource(options.resource)
    this.#signal = signal
  }

  forget(): void {
    this.#resourceVersion = undefined
  }

  /** One watch from where we are, with a full read before it where we are nowhere. */
  async follow(): Promise<void> {
    if (this.#resourceVersion === undefined && !this.#watchList) await this.#list()
    try {
      await this.#watch()
    } catch (error) {
      if (!this.#refusesWatchList(error)) throw error
      this.#watchList = false
    }
  }

  #refusesWatchList(error: unknown): boolean {
    const refused = error instanceof StatusError && (error.code === 422 || error.code === 400)
    return refused && this.#resourceVersion === undefined && this.#watchList
  }

  async #list(): Promise<void> {
    const items: T[] = []
    let next: string | undefined
    let resourceVersion = '0'
    do {
      const page = await this.#client.list({
        ...this.#options.selection,
        limit: pageSize,
        signal: this.#signal,
        ...(next ? { continue: next } : { resourceVersion: '0' }),
      })
      items.push(...page.items)
      next = page.metadata.continue
      resourceVersion = page.metadata.resourceVersion ?? '0'
    } while (next)
    this.#options.sink.replace(items, resourceVersion)
    this.#resourceVersion = resourceVersion
  }

  async #watch(): Promise<void> {
    const { sink, selection, random } = this.#options
    let initial: T[] | undefined = this.#resourceVersion === undefined ? [] : undefined
    const events = this.#client.watch({
      ...selection,
      allowWatchBookmarks: true,
      timeoutSeconds: Math.floor(minWatchSeconds * (1 + random.next())),
      signal: this.#signal,
      ...(initial
        ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' as const }
        : { resourceVersion: this.#resourceVersion ?? '0' }),
    })
    for await (const { type, object } of events) {
      const resourceVersion = object.metadata.resourceVersion ?? '0'
      if (type === 'BOOKMARK') {
        if (initial && object.metadata.annotations?.[initialEventsEnd] === 'true') {
          sink.replace(initial, resourceVersion)
          initial = undefined
        }
        if (!initial) {
          this.#resourceVersion = resourceVersion
          sink.bookmark(resourceVersion)
        }
        continue
      }
      const typed = {
        apiVersion: apiVersionOf(this.#options.resource),
        kind: this.#options.resource.kind,
        ...object,
      }
      if (initial) {
        initial.push(typed)
        continue
      }
      // Told first, so that whoever is told of the object may ask what was seen.
      this.#resourceVersion = resourceVersion
      sink.apply(type, typed)
    }
  }
}
