// Writes Events, correlated as client-go does it: equal ones are counted, similar ones are
// combined, floods are dropped. A failed write never fails its caller.
import type { KubeObject } from '../api/machinery/resource.ts'
import { events } from '../api/resources.gen.ts'
import type { Event } from '../api/types/core.gen.ts'
import type { Clock } from '../lib/clock.ts'
import { formatTime } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Client } from './client.ts'
import type { EventRecord } from './controller.ts'

export interface EventSource {
  readonly component: string
  readonly host?: string
}

export interface EventRecorder {
  /** Returns at once. `fieldPath` names a part: "spec.containers{web}". */
  record(event: EventRecord & { readonly fieldPath?: string }): void
  /** Resolves when everything recorded so far is written or given up. */
  flush(): Promise<void>
}

export interface RecorderDeps {
  readonly client: Client
  readonly clock: Clock
  readonly log: Logger
}

const similarLimit = 10
const similarWindowMs = 600_000
const bucketBurst = 25
const bucketRefillMs = 300_000
const maxQueued = 1000
const maxRemembered = 4096
const combinedPrefix = '(combined from similar events): '

interface Remembered {
  readonly name: string
  readonly namespace: string
  readonly firstTimestamp: string
  count: number
}

export function createRecorder(source: EventSource, deps: RecorderDeps): EventRecorder {
  const correlator = new Correlator(deps.clock)
  const client = deps.client.resource(events)
  let queued = 0
  let last: Promise<void> = Promise.resolve()

  const write = async (record: EventRecord & { fieldPath?: string }): Promise<void> => {
    const reference = referenceTo(record.regarding, record.fieldPath)
    const decision = correlator.decide(record, JSON.stringify(reference))
    if (!decision) return
    const now = formatTime(deps.clock.now())
    const known = decision.known
    if (known) {
      known.count++
      const body = { count: known.count, lastTimestamp: now, message: decision.message }
      try {
        await client.patch(known, { type: 'merge', body })
        return
      } catch {
        // Gone by its retention, most likely: written anew below.
      }
    }
    const namespace = reference.namespace ?? 'default'
    const name = eventName(record.regarding.metadata.name, deps.clock.now(), correlator.sequence())
    const event: Event = {
      metadata: { name, namespace },
      involvedObject: reference,
      type: record.type,
      reason: record.reason,
      message: decision.message,
      source: { component: source.component, ...(source.host ? { host: source.host } : {}) },
      reportingComponent: source.component,
      reportingInstance: source.host ?? '',
      ...(record.action ? { action: record.action } : {}),
      firstTimestamp: known?.firstTimestamp ?? now,
      lastTimestamp: now,
      count: known?.count ?? 1,
    }
    await client.create(event)
    correlator.remember(decision.key, {
      name,
      namespace,
      firstTimestamp: event.firstTimestamp ?? now,
      count: event.count ?? 1,
    })
  }

  return {
    record(event) {
      if (queued >= maxQueued) return
      queued++
      last = last
        .then(() => write(event))
        .catch((error: unknown) =>
          deps.log.debug('cannot write event', { reason: event.reason, error }),
        )
        .finally(() => queued--)
    },
    flush: () => last,
  }
}

function referenceTo(object: KubeObject, fieldPath: string | undefined) {
  const { namespace, name, uid, resourceVersion } = object.metadata
  return {
    kind: object.kind,
    apiVersion: object.apiVersion,
    ...(namespace ? { namespace } : {}),
    name,
    ...(uid ? { uid } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(fieldPath ? { fieldPath } : {}),
  }
}

/** "<object>.<16 hex digits>", unique by time in nanoseconds. */
function eventName(object: string, nowMs: number, sequence: number): string {
  const nanos = BigInt(Math.floor(nowMs)) * 1_000_000n + BigInt(sequence % 1_000_000)
  return `${object}.${nanos.toString(16)}`
}

interface Decision {
  readonly key: string
  readonly message: string
  readonly known: Remembered | undefined
}

/** Decides whether an event is new, a repetition, one of many alike, or too much. */
class Correlator {
  readonly #clock: Clock
  readonly #known = new Map<string, Remembered>()
  readonly #similar = new Map<string, { messages: Set<string>; lastMs: number }>()
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()
  #sequence = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  sequence(): number {
    return this.#sequence++
  }

  decide(event: EventRecord, reference: string): Decision | undefined {
    const object = identityOf(event.regarding)
    const group = [object, event.type, event.reason].join('|')
    const combined = this.#combine(group, event.message)
    const message = combined ? combinedPrefix + event.message : event.message
    const part = withoutVersion(reference)
    const key = combined ? group : [part, event.type, event.reason, event.message].join('|')
    const known = this.#known.get(key)
    if (this.#spend(object)) return { key, message, known }
    // Not told, but counted: the next one that is told says so.
    if (known) known.count++
    return undefined
  }

  remember(key: string, event: Remembered): void {
    this.#known.set(key, event)
    forgetOldest(this.#known)
  }

  #combine(group: string, message: string): boolean {
    const nowMs = this.#clock.monotonic()
    let seen = this.#similar.get(group)
    if (!seen || nowMs - seen.lastMs > similarWindowMs) {
      seen = { messages: new Set(), lastMs: nowMs }
      this.#similar.set(group, seen)
      forgetOldest(this.#similar)
    }
    seen.lastMs = nowMs
    seen.messages.add(message)
    if (seen.messages.size < similarLimit) return false
    const [oldest] = seen.messages
    seen.messages.delete(oldest ?? '')
    return true
  }

  #spend(object: string): boolean {
    const nowMs = this.#clock.monotonic()
    const bucket = this.#buckets.get(object) ?? { tokens: bucketBurst, atMs: nowMs }
    bucket.tokens = Math.min(bucketBurst, bucket.tokens + (nowMs - bucket.atMs) / bucketRefillMs)
    bucket.atMs = nowMs
    this.#buckets.set(object, bucket)
    forgetOldest(this.#buckets)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }
}

/** The object without its parts and versions: what similar events and floods are told by. */
function identityOf({ apiVersion, kind, metadata: { namespace, name, uid } }: KubeObject): string {
  return JSON.stringify([apiVersion, kind, namespace, name, uid])
}

const withoutVersion = (reference: string) => reference.replace(/,"resourceVersion":"[^"]*"/, '')

function forgetOldest(map: Map<string, unknown>): void {
  if (map.size <= maxRemembered) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}
