// One of several candidates acts: a Lease decides (client-go's leaderelection).
// Expiry is judged by our own clock since the record was last seen to change, never by the
// times that another machine wrote into it.
import { isReason } from '../api/machinery/status.ts'
import { leases } from '../api/resources.gen.ts'
import type { Lease } from '../api/types/coordination.gen.ts'
import type { Clock } from '../lib/clock.ts'
import { formatMicroTime } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Client, ObjectKey } from './client.ts'

export interface LeaderElectionConfig {
  readonly lease: ObjectKey
  /** "<hostname>_<uuid>" */
  readonly identity: string
  readonly leaseDurationMs?: number
  readonly renewDeadlineMs?: number
  readonly retryPeriodMs?: number
}

export interface LeaderElectionDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface Leading {
  /** What the leader does, until the signal is aborted. */
  lead(signal: AbortSignal): Promise<void>
  /** Ends the candidacy, or the leadership. */
  readonly signal: AbortSignal
}

const jitterFactor = 1.2
const defaultRetryMs = 2000
const defaultDeadlineMs = 10_000

/**
 * Waits until we lead, then runs `lead`. Resolves with 'lost' when the lease could not be renewed in
 * time, with 'stopped' when the signal was aborted or `lead` came to its end; the lease is given back
 * then. Rejects with what `lead` rejects with.
 */
export async function runLeaderElection(
  config: LeaderElectionConfig,
  deps: LeaderElectionDeps,
  { lead, signal }: Leading,
): Promise<'stopped' | 'lost'> {
  const elector = new Elector(config, deps)
  if (!(await acquire(elector, { config, deps, signal }))) return 'stopped'
  const lost = new AbortController()
  const ended = new AbortController()
  const leading = lead(AbortSignal.any([signal, lost.signal])).finally(() => ended.abort())
  // Awaited below; until then a rejection is not unhandled.
  leading.catch(() => {})
  const over = AbortSignal.any([signal, ended.signal])
  const held = await hold(elector, { config, deps, signal: over })
  if (!held) lost.abort(new Error('leader election lost'))
  try {
    await leading
  } finally {
    if (held) await elector.release()
  }
  return held ? 'stopped' : 'lost'
}

interface Attempts {
  readonly config: LeaderElectionConfig
  readonly deps: LeaderElectionDeps
  readonly signal: AbortSignal
}

/** False when the signal came first. */
async function acquire(elector: Elector, { config, deps, signal }: Attempts): Promise<boolean> {
  const retryMs = config.retryPeriodMs ?? defaultRetryMs
  while (!signal.aborted) {
    if (await elector.tryOnce(signal)) return true
    const delayMs = retryMs * (1 + deps.random.next() * jitterFactor)
    await deps.clock.sleep(delayMs, signal).catch(() => {})
  }
  return false
}

/** Renews until the signal comes (true) or until it is too late to renew (false). */
async function hold(elector: Elector, { config, deps, signal }: Attempts): Promise<boolean> {
  const { clock } = deps
  const deadlineMs = config.renewDeadlineMs ?? defaultDeadlineMs
  // Counted from the start of the attempt that succeeded: what others see was written after it.
  let renewedMs = clock.monotonic()
  while (!signal.aborted) {
    await clock.sleep(config.retryPeriodMs ?? defaultRetryMs, signal).catch(() => {})
    if (signal.aborted) break
    const startedMs = clock.monotonic()
    const remainsMs = renewedMs + deadlineMs - startedMs
    if (remainsMs <= 0) return false
    // A request that hangs must not keep us leading beyond the deadline.
    const tooLate = new AbortController()
    const timer = clock.after(remainsMs, () => tooLate.abort(new Error('renew deadline exceeded')))
    const renewed = await elector.tryOnce(AbortSignal.any([signal, tooLate.signal]))
    timer.cancel()
    if (renewed) renewedMs = startedMs
  }
  return true
}

/** Rejects when the signal comes first, whether or not the work listens to it. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

class Elector {
  readonly #config: LeaderElectionConfig
  readonly #deps: LeaderElectionDeps
  #observed: { readonly record: string; readonly atMs: number } | undefined

  constructor(config: LeaderElectionConfig, deps: LeaderElectionDeps) {
    this.#config = config
    this.#deps = deps
  }

  /** Takes or renews the lease; false when someone else holds it or the API failed. */
  async tryOnce(signal: AbortSignal): Promise<boolean> {
    try {
      return await unlessAborted(this.#acquireOrRenew(signal), signal)
    } catch (error) {
      this.#deps.log.debug('cannot take or renew lease', { lease: this.#config.lease.name, error })
      return false
    }
  }

  async release(): Promise<void> {
    const client = this.#deps.client.resource(leases)
    const lease = await client.get(this.#config.lease).catch(() => undefined)
    if (lease?.spec?.holderIdentity !== this.#config.identity) return
    const now = formatMicroTime(this.#deps.clock.now())
    const spec = {
      ...lease.spec,
      holderIdentity: '',
      leaseDurationSeconds: 1,
      renewTime: now,
      acquireTime: now,
    }
    await client.update({ ...lease, spec }).catch(() => {})
  }

  async #acquireOrRenew(signal: AbortSignal): Promise<boolean> {
    const client = this.#deps.client.resource(leases)
    const { lease: key, identity } = this.#config
    const now = formatMicroTime(this.#deps.clock.now())
    const durationMs = this.#config.leaseDurationMs ?? 15_000
    const mine = {
      holderIdentity: identity,
      leaseDurationSeconds: durationMs / 1000,
      renewTime: now,
    }
    const found = await client.get(key, { signal }).catch((error: unknown) => {
      if (isReason(error, 'NotFound')) return undefined
      throw error
    })
    if (!found) {
      const spec = { ...mine, acquireTime: now, leaseTransitions: 0 }
      await client.create({ metadata: { ...key }, spec }, { signal })
      return true
    }
    this.#observe(found)
    const held = found.spec?.holderIdentity ?? ''
    if (held !== '' && held !== identity && !this.#expired(found)) return false
    const transitions = found.spec?.leaseTransitions ?? 0
    const acquired = held === identity ? (found.spec?.acquireTime ?? now) : now
    const leaseTransitions = held === identity ? transitions : transitions + 1
    const spec = { ...found.spec, ...mine, acquireTime: acquired, leaseTransitions }
    await client.update({ ...found, spec }, { signal })
    return true
  }

  #observe(lease: Lease): void {
    const record = JSON.stringify(lease.spec)
    if (this.#observed?.record === record) return
    this.#observed = { record, atMs: this.#deps.clock.monotonic() }
  }

  #expired(lease: Lease): boolean {
    const durationMs = (lease.spec?.leaseDurationSeconds ?? 15) * 1000
    return this.#deps.clock.monotonic() - (this.#observed?.atMs ?? 0) > durationMs
  }
}
