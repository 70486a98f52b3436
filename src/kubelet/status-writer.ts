// Sends Pod statuses to the API: the newest only, one request a Pod at a time, none that says
// what was said before.

import { isReason } from '../api/machinery/status.ts'
import { pods } from '../api/resources.gen.ts'
import type { Pod, PodStatus } from '../api/types/core.gen.ts'
import type { Client } from '../client/client.ts'
import type { Clock } from '../lib/clock.ts'
import { semanticEqual } from '../lib/equal.ts'
import type { Logger } from '../lib/log.ts'

interface Entry {
  readonly pod: Pod
  wanted: PodStatus
  written: PodStatus | undefined
  busy: Promise<void> | undefined
}

export interface StatusWriterDeps {
  readonly client: Client
  readonly clock: Clock
  readonly log: Logger
}

const firstRetryMs = 200
const maxRetryMs = 10_000

export class StatusWriter {
  readonly #deps: StatusWriterDeps
  readonly #entries = new Map<string, Entry>()
  #stopped = false

  constructor(deps: StatusWriterDeps) {
    this.#deps = deps
  }

  set(pod: Pod, status: PodStatus): void {
    const uid = pod.metadata.uid ?? ''
    const entry = this.#entries.get(uid)
    if (!entry) {
      const fresh: Entry = { pod, wanted: status, written: undefined, busy: undefined }
      this.#entries.set(uid, fresh)
      fresh.busy = this.#write(uid, fresh)
      return
    }
    entry.wanted = status
    if (!semanticEqual(entry.written, status)) entry.busy ??= this.#write(uid, entry)
  }

  /** Resolves when the newest status of the Pod is in the API, or cannot be written any more. */
  async flush(uid: string): Promise<void> {
    for (;;) {
      const busy = this.#entries.get(uid)?.busy
      if (!busy) return
      await busy
    }
  }

  forget(uid: string): void {
    this.#entries.delete(uid)
  }

  stop(): void {
    this.#stopped = true
  }

  async #write(uid: string, entry: Entry): Promise<void> {
    let retryMs = firstRetryMs
    while (!this.#stopped && this.#entries.get(uid) === entry) {
      const status = entry.wanted
      if (semanticEqual(entry.written, status)) break
      try {
        await this.#patch(entry.pod, status)
        entry.written = status
        retryMs = firstRetryMs
      } catch (error) {
        if (isReason(error, 'NotFound') || isReason(error, 'Conflict')) {
          this.#entries.delete(uid)
          break
        }
        const { namespace, name } = entry.pod.metadata
        this.#deps.log.warn('cannot write a pod status', { pod: `${namespace}/${name}`, error })
        await this.#deps.clock.sleep(retryMs)
        retryMs = Math.min(retryMs * 2, maxRetryMs)
      }
    }
    entry.busy = undefined
  }

  /** The UID makes the server refuse it for another Pod of the same name. */
  async #patch(pod: Pod, status: PodStatus): Promise<void> {
    const { namespace, name, uid } = pod.metadata
    const body = { metadata: { uid }, status: withRemovals(status) }
    const patch = { type: 'strategic', body } as const
    await this.#deps.client
      .resource(pods)
      .patch({ namespace, name }, patch, { subresource: 'status' })
  }
}

const replace = { $patch: 'replace' }

/** A strategic merge keeps what a patch does not name: what is no longer so is named as null. */
function withRemovals(status: PodStatus): unknown {
  return {
    ...status,
    podIP: status.podIP ?? null,
    // These are merged by address, so the address of an earlier sandbox would stay.
    podIPs: [replace, ...(status.podIPs ?? [])],
    hostIPs: [replace, ...(status.hostIPs ?? [])],
    reason: status.reason ?? null,
    message: status.message ?? null,
    conditions: status.conditions?.map((condition) => ({
      ...condition,
      reason: condition.reason ?? null,
      message: condition.message ?? null,
    })),
  }
}
