// One IP family's half of the proxy: its table in the kernel, and the kernel's memory of flows and
// of affinity, which must follow the table.
import type { IPFamily } from '../lib/ip.ts'
import type { Logger } from '../lib/log.ts'
import { type Conntrack, openConntrack } from '../linux/conntrack.ts'
import { type Nftables, openNftables } from '../linux/nftables/apply.ts'
import type { ElementRecord } from '../linux/nftables/element-codec.ts'
import { defaultTableName } from './config.ts'
import { type NodeFacts, plannerNode } from './node-facts.ts'
import type { PlannedPort } from './plan.ts'
import type { Planner, PlannerService } from './rules.ts'
import { declareSets } from './sets.ts'
import {
  endedUdpFrontends,
  staleAffinity,
  staleFlows,
  touchesAffinity,
  touchesUdp,
  udpFrontends,
} from './stale.ts'
import { TableWriter, type WriteResult } from './table-writer.ts'

const udp = 17

export class Dataplane {
  readonly family: IPFamily
  readonly #nftables: Nftables
  readonly #conntrack: Conntrack
  readonly #writer: TableWriter
  readonly #log: Logger
  /** UDP frontends that ended and whose flows are not cleaned up yet. */
  readonly #ended = new Set<string>()

  /** Throws SystemError where the kernel or our rights do not allow nftables. */
  constructor(facts: NodeFacts, family: IPFamily, log: Logger) {
    this.family = family
    this.#log = log
    const { config } = facts
    this.#nftables = openNftables({
      family: family === 'IPv4' ? 'ip' : 'ip6',
      name: config.tableName ?? defaultTableName,
    })
    // Asks for something every nf_tables answers: a refusal comes here, not at the first Service.
    this.#nftables.generation()
    this.#conntrack = openConntrack()
    this.#writer = new TableWriter(this.#nftables, plannerNode(facts, family))
  }

  get planner(): Planner {
    return this.#writer.planner
  }

  /** True when somebody else could change our table, so that it must be watched. */
  get isExposed(): boolean {
    return !this.#nftables.isOwner
  }

  get hasTombstones(): boolean {
    return this.#writer.hasTombstones
  }

  start(facts: NodeFacts, services: ReadonlyMap<string, PlannerService>): WriteResult {
    this.#writer.reset(plannerNode(facts, this.family))
    return this.#writer.start(services)
  }

  update(changes: ReadonlyMap<string, PlannerService | undefined>, nowMs: number): WriteResult {
    return this.#writer.update(changes, nowMs)
  }

  reconfigure(facts: NodeFacts): WriteResult {
    return this.#writer.reconfigure(plannerNode(facts, this.family))
  }

  /** After a commit: returns how many flows were forgotten. Never throws; what failed is repeated. */
  cleanUp(options: { always: boolean }): number {
    const changes = this.#writer.takeChanged()
    for (const change of changes) for (const key of endedUdpFrontends(change)) this.#ended.add(key)
    let deleted = 0
    try {
      if (options.always || this.#ended.size > 0 || changes.some(touchesUdp))
        deleted = this.#forgetFlows()
      if (changes.some(touchesAffinity)) this.#forgetAffinity()
    } catch (error) {
      this.#log.warn('cannot clean up after a change', { family: this.family, error })
    }
    return deleted
  }

  ports(): Iterable<PlannedPort> {
    return this.planner.ports()
  }

  dispatchRecords(): ElementRecord[] {
    const sets = declareSets(this.planner.node.config.family)
    return (['svc', 'nport'] as const).flatMap((name) =>
      this.#nftables.readElements(sets.get(name)!),
    )
  }

  sweep(nowMs: number): void {
    this.#writer.sweep(nowMs)
  }

  verify(options: { thorough: boolean }): number {
    if (options.thorough) this.planner.dropIdleChains()
    return this.#writer.verify(options)
  }

  resync(): void {
    this.#writer.resync()
  }

  /** Frees the sockets; the table stays and goes on serving unless it is to be removed. */
  close(options: { remove: boolean }): void {
    if (options.remove) this.#writer.remove()
    this.#nftables.close()
    this.#conntrack.close()
  }

  #forgetFlows(): number {
    const served = udpFrontends(this.planner.ports())
    for (const key of this.#ended) if (!served.has(key)) served.set(key, new Set())
    if (served.size === 0) return 0
    const addresses = new Set(this.planner.node.config.localAddresses)
    const stale = staleFlows(this.#conntrack.list(this.family, udp), served, addresses)
    for (const entry of stale) this.#conntrack.delete(entry)
    this.#ended.clear()
    return stale.length
  }

  /** Twice: a connection on its way may have written its record just after we looked. */
  #forgetAffinity(): void {
    const set = declareSets(this.planner.node.config.family).get('aff')!
    for (let round = 0; round < 2; round++) {
      const { localAddresses } = this.planner.node.config
      const records = this.#nftables.readElements(set)
      const stale = staleAffinity(records, this.planner.ports(), localAddresses)
      if (stale.length === 0) return
      for (const key of stale) this.#deleteRecord(set, key)
    }
  }

  /** One by one: a record that ran out meanwhile must not undo the others' deletion. */
  #deleteRecord(set: Parameters<Nftables['readElements']>[0], key: string): void {
    try {
      this.#nftables.apply([{ type: 'deleteElement', set, key }])
    } catch (error) {
      this.#log.debug('affinity record was gone already', { key, error })
    }
  }
}
