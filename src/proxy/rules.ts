// The desired table for a set of Services: as a whole (buildRules), or kept up to date one changed
// Service at a time (Planner), at a cost that does not depend on how many others there are.
import type { Chain, SetDeclaration, Table } from '../linux/nftables/objects.ts'
import {
  buildBaseChains,
  buildRecordChain,
  buildServiceChains,
  type DataplaneConfig,
  recordChainName,
} from './chains.ts'
import { ChangeWriter, splitShared, type Transaction } from './change-writer.ts'
import {
  type Frontend,
  frontendClasses,
  frontendsOf,
  type PlannedPort,
  planService,
  type ServicePlan,
  type SharedElement,
} from './plan.ts'
import type { ServicePort } from './serviceports.ts'
import { declareSets, type SetName, schemaVersion, slotSets } from './sets.ts'
import { arrangeSlots } from './slots.ts'
import type { NodeTopology } from './topology.ts'

/** One Service as the planner takes it. */
export interface PlannerService {
  readonly ports: readonly ServicePort[]
  /** Of two Services that claim one address and port the older has it, then the lower UID. */
  readonly creationTimestamp: string
  readonly uid: string
}

export interface PlannerNode {
  readonly config: DataplaneConfig
  readonly topology: NodeTopology
}

export interface PlanChange extends Transaction {
  /** Services whose plan changed, with the plan before and after. */
  readonly changed: readonly ServiceChange[]
}

export interface ServiceChange {
  readonly key: string
  readonly before: ServicePlan | undefined
  readonly after: ServicePlan | undefined
}

/** The whole table at once. */
export function buildRules(
  services: ReadonlyMap<string, PlannerService>,
  node: PlannerNode,
): Table {
  const planner = new Planner(node)
  planner.update(services)
  return planner.table()
}

interface Claimant {
  readonly service: string
  readonly frontend: Frontend
  readonly rank: string
}

export class Planner {
  readonly #node: PlannerNode
  readonly #sets: ReadonlyMap<SetName, SetDeclaration>
  readonly #services = new Map<string, PlannerService>()
  readonly #plans = new Map<string, ServicePlan>()
  readonly #claims = new Map<string, Claimant[]>()
  /** Shared elements, with how many Services need them. */
  readonly #shared = new Map<SharedElement, number>()
  /** Chains made so far, with how many Services use them. Unused ones stay until `dropIdle`. */
  readonly #chains = new Map<string, { readonly chain: Chain; users: number }>()
  /** What buildServiceChains gave for a name. */
  readonly #built = new Map<string, readonly Chain[]>()
  readonly #slots: Map<string, readonly string[]>

  /** `slots` come from a planner before, or from a table that is to be adopted. */
  constructor(node: PlannerNode, slots: ReadonlyMap<string, readonly string[]> = new Map()) {
    this.#node = node
    this.#sets = declareSets(node.config.family)
    this.#slots = new Map(slots)
  }

  get node(): PlannerNode {
    return this.#node
  }

  get services(): ReadonlyMap<string, PlannerService> {
    return this.#services
  }

  get slots(): ReadonlyMap<string, readonly string[]> {
    return this.#slots
  }

  plan(service: string): ServicePlan | undefined {
    return this.#plans.get(service)
  }

  *ports(): Generator<PlannedPort> {
    for (const plan of this.#plans.values()) yield* plan.ports
  }

  /** Services that claim this frontend but do not have it, for events and `explain`. */
  losers(frontend: Frontend): string[] {
    const claimants = this.#claims.get(frontend.key) ?? []
    return claimants.slice(1).map(({ service }) => service)
  }

  /** Takes in new, changed and deleted (undefined) Services. */
  update(changes: ReadonlyMap<string, PlannerService | undefined>): PlanChange {
    const dirty = new Set(changes.keys())
    for (const [key, service] of changes) {
      for (const other of this.#updateClaims(key, service)) dirty.add(other)
      if (service && service.ports.length > 0) this.#services.set(key, service)
      else this.#services.delete(key)
    }
    const writer = new ChangeWriter(this.#sets)
    const changed: ServiceChange[] = []
    for (const key of dirty) {
      const before = this.#plans.get(key)
      const service = this.#services.get(key)
      const after = service && this.#planOne(key, service)
      if (!before && !after) continue
      changed.push({ key, before, after })
      this.#replace({ key, before, after }, writer)
    }
    return { ...writer.finish(), changed }
  }

  table(): Table {
    const { config } = this.#node
    const elements = new Map<string, Map<string, string>>()
    for (const { name } of this.#sets.values()) elements.set(name, new Map())
    for (const [name, own] of this.#ownElements()) elements.get(name)!.set(...own)
    for (const plan of this.#plans.values()) {
      for (const [set, planned] of plan.elements)
        for (const [key, value] of planned) elements.get(set)!.set(key, value)
    }
    for (const id of this.#shared.keys()) {
      const [set, key] = splitShared(id)
      elements.get(set)!.set(key, '')
    }
    elements.delete('aff')
    const chains = [
      ...buildBaseChains(config),
      ...[...this.#chains.values()].map(({ chain }) => chain),
    ]
    return {
      family: config.family,
      name: config.tableName,
      sets: new Map([...this.#sets.values()].map((set) => [set.name, set])),
      chains: new Map(chains.map((chain) => [chain.name, chain])),
      elements,
    }
  }

  /** Forgets chains no Service uses; the next comparison with the kernel deletes them. */
  dropIdleChains(): number {
    const idle = [...this.#chains].filter(([, { users }]) => users === 0)
    for (const [name] of idle) this.#chains.delete(name)
    return idle.length
  }

  *#ownElements(): Generator<[string, [string, string]]> {
    yield ['schema', [schemaVersion, '']]
    const { nodePortAddresses } = this.#node.config
    if (nodePortAddresses === 'all') return
    for (const ip of nodePortAddresses) yield ['nodeport-ips', [ip, '']]
  }

  #planOne(key: string, service: PlannerService): ServicePlan {
    return planService(service.ports, {
      config: this.#node.config,
      node: this.#node.topology,
      owns: (frontend) => this.#claims.get(frontend.key)?.[0]?.service === key,
      slots: (set, frontend, wanted) => {
        const id = `${set} ${frontend}`
        const slots = arrangeSlots(this.#slots.get(id) ?? [], wanted)
        if (slots.length > 0) this.#slots.set(id, slots)
        else this.#slots.delete(id)
        return slots
      },
    })
  }

  /** Returns the other Services that thereby win or lose a frontend. */
  #updateClaims(key: string, service: PlannerService | undefined): Set<string> {
    const affected = new Set<string>()
    const wanted = new Map<string, Claimant>()
    for (const frontend of service?.ports.flatMap(frontendsOf) ?? []) {
      const rank = rankOf(service!, frontend)
      const known = wanted.get(frontend.key)
      if (!known || rank < known.rank) wanted.set(frontend.key, { service: key, frontend, rank })
    }
    const old = this.#services.get(key)?.ports.flatMap(frontendsOf) ?? []
    for (const id of new Set([...old.map((frontend) => frontend.key), ...wanted.keys()])) {
      const before = this.#claims.get(id) ?? []
      const claim = wanted.get(id)
      const after = [
        ...before.filter(({ service: other }) => other !== key),
        ...(claim ? [claim] : []),
      ]
      after.sort((one, other) => (one.rank < other.rank ? -1 : 1))
      if (after.length > 0) this.#claims.set(id, after)
      else this.#claims.delete(id)
      if (before[0]?.service === after[0]?.service) continue
      for (const winner of [before[0], after[0]]) if (winner) affected.add(winner.service)
    }
    return affected
  }

  #replace({ key, before, after }: ServiceChange, writer: ChangeWriter): void {
    if (after) this.#plans.set(key, after)
    else this.#plans.delete(key)
    this.#forgetSlots(before)
    for (const chain of this.#neededChains(after)) this.#useChain(chain, writer)
    for (const chain of this.#neededChains(before)) this.#chains.get(chain.name)!.users--
    for (const seconds of before?.recordSeconds ?? [])
      this.#dropIdle(recordChainName(seconds), writer)
    for (const [name, set] of this.#sets)
      writer.diff(set, before?.elements.get(name), after?.elements.get(name))
    this.#share(before, after, writer)
  }

  #share(
    before: ServicePlan | undefined,
    after: ServicePlan | undefined,
    writer: ChangeWriter,
  ): void {
    for (const id of after?.shared ?? []) {
      const users = this.#shared.get(id) ?? 0
      this.#shared.set(id, users + 1)
      if (users === 0) writer.share('addElement', id)
    }
    for (const id of before?.shared ?? []) {
      const users = this.#shared.get(id)! - 1
      if (users > 0) this.#shared.set(id, users)
      else {
        this.#shared.delete(id)
        writer.share('deleteElement', id)
      }
    }
  }

  /** Those of frontends that nobody claims any more. */
  #forgetSlots(plan: ServicePlan | undefined): void {
    for (const { frontends } of plan?.ports ?? []) {
      for (const { key } of frontends) {
        if (this.#claims.has(key)) continue
        for (const set of slotSets) this.#slots.delete(`${set} ${key}`)
      }
    }
  }

  #neededChains(plan: ServicePlan | undefined): Chain[] {
    if (!plan) return []
    const { config } = this.#node
    const chains = new Map<string, Chain>()
    for (const [name, wanted] of plan.chains) {
      let built = this.#built.get(name)
      if (!built) {
        built = buildServiceChains(wanted, config)
        this.#built.set(name, built)
      }
      for (const chain of built) chains.set(chain.name, chain)
    }
    for (const seconds of plan.recordSeconds)
      chains.set(recordChainName(seconds), buildRecordChain(seconds, config))
    return [...chains.values()]
  }

  /** At once: there are as many chains of this sort as timeouts that somebody may think of. */
  #dropIdle(name: string, writer: ChangeWriter): void {
    if (this.#chains.get(name)?.users !== 0) return
    this.#chains.delete(name)
    writer.deleteChain(name)
  }

  #useChain(chain: Chain, writer: ChangeWriter): void {
    const known = this.#chains.get(chain.name)
    if (known) {
      known.users++
      return
    }
    this.#chains.set(chain.name, { chain, users: 1 })
    writer.addChain(chain)
  }
}

/** Lower wins. Timestamps are RFC 3339 in UTC, whose text sorts as time does. */
function rankOf({ creationTimestamp, uid }: PlannerService, frontend: Frontend): string {
  return `${frontendClasses.indexOf(frontend.class)} ${creationTimestamp} ${uid}`
}

/** Anything beyond was not written by us. */
const maxAdoptedSlots = 10_000

/** The slots of a table read from the kernel, for a planner that is to continue it. */
export function slotsOf(table: Table): Map<string, string[]> {
  const slots = new Map<string, string[]>()
  for (const set of slotSets) {
    for (const [key, value] of table.elements.get(set) ?? []) {
      const at = key.lastIndexOf(' . ')
      const id = `${set} ${key.slice(0, at)}`
      const index = Number(key.slice(at + 3))
      if (!(index < maxAdoptedSlots)) continue
      const list = slots.get(id) ?? []
      list[index] = value
      slots.set(id, list)
    }
  }
  return slots
}
