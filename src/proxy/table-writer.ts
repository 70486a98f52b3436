// Keeps the kernel's table equal to a Planner's: adopts what is there, writes changes, sweeps what
// was left for a moment, and mends the table when it is not what it should be.
import { SystemError } from '../linux/ffi.ts'
import type { Nftables } from '../linux/nftables/apply.ts'
import { diffTables } from '../linux/nftables/diff.ts'
import type { ElementOperation, Operation, Table } from '../linux/nftables/objects.ts'
import {
  Planner,
  type PlannerNode,
  type PlannerService,
  type ServiceChange,
  slotsOf,
} from './rules.ts'

/** What the kernel offers; the real one is `Nftables`. */
export type TableDoor = Pick<Nftables, 'read' | 'apply' | 'adopt' | 'generation' | 'isOwner'>

export interface WriteResult {
  readonly bytes: number
  /** Elements, rules, chains and sets written. */
  readonly operations: number
}

/** A freed slot stays at least this long: packets may still hold the verdict that leads to it. */
const tombstoneMs = 1000

export class TableWriter {
  readonly #nftables: TableDoor
  #planner: Planner
  /** Elements that are in the kernel and no longer planned: "set key" -> how to delete it. */
  readonly #tombstones = new Map<string, { operation: ElementOperation; sinceMs: number }>()
  #postponed: readonly Operation[] = []
  #changed: ServiceChange[] = []
  #generation = -1
  #isBroken = false

  constructor(nftables: TableDoor, node: PlannerNode) {
    this.#nftables = nftables
    this.#planner = new Planner(node)
  }

  get planner(): Planner {
    return this.#planner
  }

  /** True after a write that failed even after starting over. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Before start: the node as it is known by then. */
  reset(node: PlannerNode): void {
    this.#planner = new Planner(node)
  }

  /** Takes over the table an earlier run left, writing only what differs: nothing is interrupted. */
  start(services: ReadonlyMap<string, PlannerService>): WriteResult {
    this.#nftables.adopt()
    this.#generation = this.#nftables.generation()
    const applied = this.#nftables.read()
    this.#planner = new Planner(this.#planner.node, applied && slotsOf(applied))
    this.#changed.push(...this.#planner.update(services).changed)
    return this.#mend(applied)
  }

  /** Other facts about the node: plans every Service anew and writes the difference. */
  reconfigure(node: PlannerNode): WriteResult {
    const before = this.#planner.table()
    const services = new Map(this.#planner.services)
    this.#planner = new Planner(node, this.#planner.slots)
    this.#planner.update(services)
    if (this.#isBroken) return this.resync()
    return this.#write(this.#overTombstones(diffTables(before, this.#planner.table())))
  }

  /** One transaction for all the changed Services. Throws SystemError when even repair failed. */
  update(changes: ReadonlyMap<string, PlannerService | undefined>, nowMs: number): WriteResult {
    const { operations, deferred, changed } = this.#planner.update(changes)
    this.#changed.push(...changed)
    if (this.#isBroken) return this.resync()
    const written = this.#write(this.#overTombstones(operations))
    for (const operation of deferred)
      this.#tombstones.set(`${operation.set.name} ${operation.key}`, { operation, sinceMs: nowMs })
    return written
  }

  /** What changed since this was last asked; kept until it was written. */
  takeChanged(): ServiceChange[] {
    const changed = this.#changed
    this.#changed = []
    return changed
  }

  /** True while `sweep` will have work. */
  get hasTombstones(): boolean {
    return this.#tombstones.size > 0
  }

  /** Deletes slots that were freed a while ago, and chains that were busy then. */
  sweep(nowMs: number): void {
    const due: Operation[] = [...this.#postponed]
    this.#postponed = []
    for (const [id, { operation, sinceMs }] of this.#tombstones) {
      if (nowMs - sinceMs < tombstoneMs) continue
      this.#tombstones.delete(id)
      due.push(operation)
    }
    if (due.length > 0) this.#write(due)
  }

  /**
   * Compares the kernel's table with the plan and writes what differs. Cheap when nobody else
   * committed since (`thorough` compares all the same). Returns how many operations it took.
   */
  verify(options: { thorough: boolean }): number {
    if (!options.thorough && this.#nftables.generation() === this.#generation) return 0
    return this.resync().operations
  }

  resync(): WriteResult {
    this.#generation = this.#nftables.generation()
    return this.#mend(this.#nftables.read())
  }

  remove(): void {
    if (this.#nftables.read()) this.#nftables.apply([{ type: 'deleteTable' }])
  }

  #mend(applied: Table | undefined): WriteResult {
    this.#tombstones.clear()
    this.#postponed = []
    const operations = diffTables(applied, this.#planner.table())
    try {
      return this.#apply(operations)
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      return this.#rebuild()
    }
  }

  /** The last resort: everything anew in one go. Costs the counters and affinity records. */
  #rebuild(): WriteResult {
    this.#isBroken = true
    const remove: Operation[] = this.#nftables.read() ? [{ type: 'deleteTable' }] : []
    const result = this.#apply([...remove, ...diffTables(undefined, this.#planner.table())])
    this.#isBroken = false
    return result
  }

  #write(operations: readonly Operation[]): WriteResult {
    try {
      return this.#apply(operations)
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      // The kernel is not as we thought: look, and write what differs.
      this.#isBroken = true
      const result = this.resync()
      this.#isBroken = false
      return result
    }
  }

  #apply(operations: readonly Operation[]): WriteResult {
    if (operations.length === 0) return { bytes: 0, operations: 0 }
    const before = this.#nftables.generation()
    const { bytes, commits, postponed } = this.#nftables.apply(operations)
    const isBack = (name: string) =>
      operations.some((other) => other.type === 'addChain' && other.chain.name === name)
    this.#postponed = [...this.#postponed, ...postponed].filter(
      (operation) => operation.type !== 'deleteChain' || !isBack(operation.name),
    )
    // Someone else's commit in between stays visible as a difference, until `verify` looked.
    if (this.#generation === before) this.#generation = before + commits
    return { bytes, operations: operations.length }
  }

  /** A slot that comes back while its old element is still there must be deleted first. */
  #overTombstones(operations: readonly Operation[]): readonly Operation[] {
    if (this.#tombstones.size === 0) return operations
    return operations.flatMap((operation): readonly Operation[] => {
      if (operation.type !== 'addElement') return [operation]
      const tombstone = this.#tombstones.get(`${operation.set.name} ${operation.key}`)
      if (!tombstone) return [operation]
      this.#tombstones.delete(`${operation.set.name} ${operation.key}`)
      return [tombstone.operation, operation]
    })
  }
}
