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

const jitterFactor = 1.2

/**
 * Waits until we lead, runs `lead` with a signal that is aborted when leadership is lost, and
 * resolves with why it ended. On `signal` the lease is given back.
 */
export async function runLeaderElection(
  config: LeaderElectionConfig,
  deps: LeaderElectionDeps,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<'stopped' | 'lost'> {
  const elector = new Elector(config, deps)
  const retryMs = config.retryPeriodMs ?? 2000
  while (!(await elector.tryOnce())) {
    await deps.clock
      .sleep(retryMs * (1 + deps.random.next() * jitterFactor), signal)
      .catch(() => {})
    if (signal.aborted) return 'stopped'
  }
  const lost = new AbortController()
  const leading = lead(AbortSignal.any([signal, lost.signal]))
  const deadlineMs = config.renewDeadlineMs ?? 10_000
  let renewedMs = deps.clock.monotonic()
  while (!signal.aborted && deps.clock.monotonic() - renewedMs < deadlineMs) {
    await deps.clock.sleep(retryMs, signal).catch(() => {})
    if (!signal.aborted && (await elector.tryOnce())) renewedMs = deps.clock.monotonic()
  }
  lost.abort(new Error('leader election lost'))
  await leading
  if (!signal.aborted) return 'lost'
  await elector.release()
  return 'stopped'
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
  async tryOnce(): Promise<boolean> {
    try {
      return await this.#acquireOrRenew()
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

  async #acquireOrRenew(): Promise<boolean> {
    const client = this.#deps.client.resource(leases)
    const { lease: key, identity } = this.#config
    const now = formatMicroTime(this.#deps.clock.now())
    const durationMs = this.#config.leaseDurationMs ?? 15_000
    const mine = {
      holderIdentity: identity,
      leaseDurationSeconds: durationMs / 1000,
      renewTime: now,
    }
    const found = await client.get(key).catch((error: unknown) => {
      if (isReason(error, 'NotFound')) return undefined
      throw error
    })
    if (!found) {
      const spec = { ...mine, acquireTime: now, leaseTransitions: 0 }
      await client.create({ metadata: { ...key }, spec })
      return true
    }
    this.#observe(found)
    const held = found.spec?.holderIdentity ?? ''
    if (held !== '' && held !== identity && !this.#expired(found)) return false
    const transitions = found.spec?.leaseTransitions ?? 0
    const acquired = held === identity ? (found.spec?.acquireTime ?? now) : now
    const leaseTransitions = held === identity ? transitions : transitions + 1
    await client.update({
      ...found,
      spec: { ...found.spec, ...mine, acquireTime: acquired, leaseTransitions },
    })
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
