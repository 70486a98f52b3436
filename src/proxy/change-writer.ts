// Puts what several Services' changes need into one transaction, in an order that works.
import { diffElements } from '../linux/nftables/diff.ts'
import type {
  Chain,
  ElementOperation,
  Operation,
  SetDeclaration,
} from '../linux/nftables/objects.ts'
import type { SharedElement } from './plan.ts'
import { type SetName, slotSets } from './sets.ts'

export interface Transaction {
  /** In an order in which every prefix works. */
  readonly operations: readonly Operation[]
  /** Elements that may go a moment later: slots which no verdict leads to any more. */
  readonly deferred: readonly ElementOperation[]
}

/** Collects what several Services' changes need and puts it in order. */
export class ChangeWriter {
  readonly #sets: ReadonlyMap<SetName, SetDeclaration>
  readonly #chains: Operation[] = []
  readonly #rules: Operation[] = []
  readonly #deletedChains = new Set<string>()
  readonly #changed = new Map<string, ElementOperation[]>()
  readonly #deleted = new Map<string, ElementOperation[]>()
  readonly #shared = new Map<SharedElement, ElementOperation>()

  constructor(sets: ReadonlyMap<SetName, SetDeclaration>) {
    this.#sets = sets
  }

  /** When no verdict leads to it any more. */
  deleteChain(name: string): void {
    this.#deletedChains.add(name)
  }

  addChain(chain: Chain): void {
    // One Service was its last user, another is its next one in the same change.
    if (this.#deletedChains.delete(chain.name)) return
    this.#chains.push({ type: 'addChain', chain: { ...chain, rules: [] } })
    for (const rule of chain.rules) this.#rules.push({ type: 'addRule', chain: chain.name, rule })
  }

  diff(
    set: SetDeclaration,
    before: ReadonlyMap<string, string> = new Map(),
    after: ReadonlyMap<string, string> = new Map(),
  ): void {
    if (before.size === 0 && after.size === 0) return
    const { changed, deleted } = diffElements(set, before, after)
    append(this.#changed, set.name, changed)
    append(this.#deleted, set.name, deleted)
  }

  /** One Service may let go of what another takes up in the same change. */
  share(type: 'addElement' | 'deleteElement', id: SharedElement): void {
    if (this.#shared.delete(id)) return
    const [name, key] = splitShared(id)
    const set = this.#sets.get(name)!
    this.#shared.set(id, type === 'addElement' ? { type, set, key, value: '' } : { type, set, key })
  }

  finish(): Transaction {
    // A frontend may pass from one Service to another: what one deletes, the other then adds.
    const data: ElementOperation[] = [...this.#shared.values()]
    const verdicts: ElementOperation[] = []
    const gone: ElementOperation[] = []
    const deferred: ElementOperation[] = []
    for (const set of this.#sets.values()) {
      const { changed, deleted } = settle(
        this.#changed.get(set.name) ?? [],
        this.#deleted.get(set.name) ?? [],
      )
      ;(set.value === 'verdict' ? verdicts : data).push(...changed)
      ;(slotSets.has(set.name) ? deferred : gone).push(...deleted)
    }
    return {
      operations: [
        ...this.#chains,
        ...this.#rules,
        ...data,
        ...verdicts,
        ...gone,
        ...[...this.#deletedChains].flatMap((name): Operation[] => [
          { type: 'flushChain', name },
          { type: 'deleteChain', name },
        ]),
      ],
      deferred,
    }
  }
}

function append<T>(lists: Map<string, T[]>, key: string, items: readonly T[]): void {
  if (items.length === 0) return
  const list = lists.get(key)
  if (list) for (const item of items) list.push(item)
  else lists.set(key, [...items])
}

/** A key that is deleted by one Service and added by another becomes one change of its value. */
function settle(
  changed: readonly ElementOperation[],
  deleted: readonly ElementOperation[],
): { changed: readonly ElementOperation[]; deleted: readonly ElementOperation[] } {
  if (deleted.length === 0 || changed.length === 0) return { changed, deleted }
  const added = new Set(changed.filter(({ type }) => type === 'addElement').map(({ key }) => key))
  const first = deleted.filter(({ key }) => added.has(key))
  if (first.length === 0) return { changed, deleted }
  return {
    changed: [...first, ...changed],
    deleted: deleted.filter(({ key }) => !added.has(key)),
  }
}

export function splitShared(id: SharedElement): [set: 'hairpin' | 'cluster-ips', key: string] {
  const space = id.indexOf(' ')
  return [id.slice(0, space) as 'hairpin' | 'cluster-ips', id.slice(space + 1)]
}
