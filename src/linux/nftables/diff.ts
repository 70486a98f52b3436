// What must be done to an applied table so that it becomes the desired one.
import { isDeepStrictEqual } from 'node:util'
import type {
  Chain,
  ElementOperation,
  Elements,
  Operation,
  SetDeclaration,
  Table,
} from './objects.ts'

const none: Elements = new Map()

/**
 * The operations from `applied` (undefined: no such table) to `desired`, in an order in which
 * every prefix works: data before the verdicts that lead to them, and deletions last.
 */
export function diffTables(applied: Table | undefined, desired: Table): Operation[] {
  if (!applied) return buildTable(desired)
  // A set cannot change its type, nor a chain become a hook: such a table is made anew at once.
  if (mustRebuild(applied, desired)) return [{ type: 'deleteTable' }, ...buildTable(desired)]
  const changed: ElementOperation[] = []
  const changedVerdicts: ElementOperation[] = []
  const deletedVerdicts: ElementOperation[] = []
  const deleted: ElementOperation[] = []
  for (const set of desired.sets.values()) {
    if (set.dynamic) continue
    const isVerdict = set.value === 'verdict'
    const before = applied.elements.get(set.name) ?? none
    const diff = diffElements(set, before, desired.elements.get(set.name) ?? none)
    for (const operation of diff.changed) (isVerdict ? changedVerdicts : changed).push(operation)
    for (const operation of diff.deleted) (isVerdict ? deletedVerdicts : deleted).push(operation)
  }
  return [
    ...addedSets(applied, desired),
    ...changedChains(applied, desired),
    ...changed,
    ...changedVerdicts,
    ...deletedVerdicts,
    ...deleted,
    ...deletedObjects(applied, desired),
  ]
}

export interface ElementDiff {
  /** Adds, and for a changed value the delete and the add next to each other. */
  readonly changed: readonly ElementOperation[]
  readonly deleted: readonly ElementOperation[]
}

export function diffElements(set: SetDeclaration, before: Elements, after: Elements): ElementDiff {
  const changed: ElementOperation[] = []
  const deleted: ElementOperation[] = []
  for (const [key, value] of after) {
    const old = before.get(key)
    if (old === value) continue
    if (old !== undefined) changed.push({ type: 'deleteElement', set, key })
    changed.push({ type: 'addElement', set, key, value })
  }
  for (const key of before.keys()) {
    if (!after.has(key)) deleted.push({ type: 'deleteElement', set, key })
  }
  return { changed, deleted }
}

function buildTable(desired: Table): Operation[] {
  const empty: Table = { ...desired, sets: new Map(), chains: new Map(), elements: new Map() }
  return [{ type: 'addTable' }, ...diffTables(empty, desired)]
}

function mustRebuild(applied: Table, desired: Table): boolean {
  for (const set of desired.sets.values()) {
    const before = applied.sets.get(set.name)
    if (before && !isDeepStrictEqual(before, set)) return true
  }
  for (const chain of desired.chains.values()) {
    const before = applied.chains.get(chain.name)
    if (before && Boolean(before.base) !== Boolean(chain.base)) return true
  }
  return false
}

function addedSets(applied: Table, desired: Table): Operation[] {
  return [...desired.sets.values()]
    .filter((set) => !applied.sets.has(set.name))
    .map((set) => ({ type: 'addSet', set }))
}

/** New chains first, so that any rule may name any chain. */
function changedChains(applied: Table, desired: Table): Operation[] {
  const chains: Operation[] = []
  const rules: Operation[] = []
  for (const chain of desired.chains.values()) {
    const before = applied.chains.get(chain.name)
    const isRehooked = before !== undefined && !isDeepStrictEqual(before.base, chain.base)
    if (before && !isRehooked && isDeepStrictEqual(before.rules, chain.rules)) continue
    if (before && before.rules.length > 0) {
      ;(isRehooked ? chains : rules).push({ type: 'flushChain', name: chain.name })
    }
    if (isRehooked) chains.push({ type: 'deleteChain', name: chain.name })
    if (!before || isRehooked) chains.push({ type: 'addChain', chain: withoutRules(chain) })
    for (const rule of chain.rules) rules.push({ type: 'addRule', chain: chain.name, rule })
  }
  return [...chains, ...rules]
}

function withoutRules(chain: Chain): Chain {
  return { ...chain, rules: [] }
}

/** Rules go before the chains and sets they name. */
function deletedObjects(applied: Table, desired: Table): Operation[] {
  const chains = [...applied.chains.values()].filter(({ name }) => !desired.chains.has(name))
  const sets = [...applied.sets.keys()].filter((name) => !desired.sets.has(name))
  return [
    ...chains
      .filter(({ rules }) => rules.length > 0)
      .map(({ name }): Operation => ({ type: 'flushChain', name })),
    ...chains.map(({ name }): Operation => ({ type: 'deleteChain', name })),
    ...sets.map((name): Operation => ({ type: 'deleteSet', name })),
  ]
}
