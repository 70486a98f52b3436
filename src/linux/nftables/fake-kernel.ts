// nf_tables without a kernel, for tests: carries out operations on a table and refuses what the
// kernel would refuse. Elements of dynamic sets are not kept.
import { constants } from 'node:os'
import { SystemError } from '../ffi.ts'
import type { Applied } from './apply.ts'
import {
  type Chain,
  type Operation,
  type SetDeclaration,
  type Table,
  verdictTarget,
} from './objects.ts'
import { formatOperation } from './text.ts'

const { EBUSY, EEXIST, ENOENT } = constants.errno

interface Draft {
  readonly sets: Map<string, SetDeclaration>
  readonly chains: Map<string, Chain>
  readonly elements: Map<string, Map<string, string>>
}

/** The table after the operations. Throws SystemError as the kernel would, and changes nothing then. */
export function applyOperations(
  name: Pick<Table, 'family' | 'name'>,
  table: Table | undefined,
  operations: readonly Operation[],
): Table | undefined {
  let draft = table && draftOf(table)
  for (const operation of operations) {
    const refuse = (errno: number): never => {
      throw new SystemError(`cannot ${formatOperation(operation, name)}`, errno)
    }
    if (operation.type === 'addTable') {
      draft ??= { sets: new Map(), chains: new Map(), elements: new Map() }
    } else if (!draft) {
      refuse(ENOENT)
    } else if (operation.type === 'deleteTable') {
      draft = undefined
    } else {
      step(draft, operation, refuse)
    }
  }
  if (draft) checkTargets(draft)
  return draft && { family: name.family, name: name.name, ...draft }
}

function draftOf({ sets, chains, elements }: Table): Draft {
  return {
    sets: new Map(sets),
    chains: new Map(chains),
    elements: new Map([...elements].map(([set, list]) => [set, new Map(list)])),
  }
}

function step(draft: Draft, operation: Operation, refuse: (errno: number) => never): void {
  switch (operation.type) {
    case 'addSet':
      draft.sets.set(operation.set.name, operation.set)
      if (!operation.set.dynamic) draft.elements.set(operation.set.name, new Map())
      return
    case 'deleteSet':
      if (isSetUsed(draft, operation.name)) refuse(EBUSY)
      if (!draft.sets.delete(operation.name)) refuse(ENOENT)
      draft.elements.delete(operation.name)
      return
    case 'addChain':
      if (draft.chains.has(operation.chain.name)) refuse(EEXIST)
      draft.chains.set(operation.chain.name, { ...operation.chain, rules: [] })
      return
    case 'flushChain':
    case 'deleteChain': {
      const chain = draft.chains.get(operation.name) ?? refuse(ENOENT)
      if (operation.type === 'flushChain') {
        draft.chains.set(chain.name, { ...chain, rules: [] })
        return
      }
      if (chain.rules.length > 0 || isChainUsed(draft, chain.name)) refuse(EBUSY)
      draft.chains.delete(chain.name)
      return
    }
    case 'addRule': {
      const chain = draft.chains.get(operation.chain) ?? refuse(ENOENT)
      draft.chains.set(chain.name, { ...chain, rules: [...chain.rules, operation.rule] })
      return
    }
    case 'addElement': {
      const elements = draft.elements.get(operation.set.name) ?? refuse(ENOENT)
      const known = elements.get(operation.key)
      if (known !== undefined && known !== operation.value) refuse(EEXIST)
      const target = verdictTarget(operation.value)
      if (target !== undefined && !draft.chains.has(target)) refuse(ENOENT)
      elements.set(operation.key, operation.value)
      return
    }
    case 'deleteElement':
      if (!draft.elements.get(operation.set.name)?.delete(operation.key)) refuse(ENOENT)
  }
}

function isChainUsed(draft: Draft, name: string): boolean {
  const isTarget = (verdict: string) => verdictTarget(verdict) === name
  for (const elements of draft.elements.values())
    for (const value of elements.values()) if (isTarget(value)) return true
  return statementsOf(draft).some((one) => one.type === 'verdict' && isTarget(one.verdict))
}

function isSetUsed(draft: Draft, name: string): boolean {
  return statementsOf(draft).some(
    (one) => ('set' in one && one.set === name) || ('map' in one && one.map === name),
  )
}

function statementsOf(draft: Draft) {
  return [...draft.chains.values()].flatMap(({ rules }) => rules.flat())
}

/** Rules may name chains that come later in the same transaction, but not missing ones. */
function checkTargets(draft: Draft): void {
  for (const statement of statementsOf(draft)) {
    const target = statement.type === 'verdict' ? verdictTarget(statement.verdict) : undefined
    if (target !== undefined && !draft.chains.has(target))
      throw new SystemError(`cannot commit a verdict to chain ${target}`, ENOENT)
  }
}

/** The door of `Nftables`, over a table in memory. */
export class FakeNftables {
  readonly isOwner = false
  table: Table | undefined
  /** Every transaction that was committed. */
  readonly transactions: (readonly Operation[])[] = []
  /** How many were not. */
  refused = 0
  readonly #name: Pick<Table, 'family' | 'name'>
  #generation = 1

  constructor(name: Pick<Table, 'family' | 'name'>) {
    this.#name = name
  }

  read(): Table | undefined {
    return this.table
  }

  adopt(): boolean {
    return this.table !== undefined
  }

  generation(): number {
    return this.#generation
  }

  apply(operations: readonly Operation[]): Applied {
    this.refused++
    this.table = applyOperations(this.#name, this.table, operations)
    this.refused--
    this.transactions.push(operations)
    this.#generation++
    return { bytes: 0, commits: 1, postponed: [] }
  }
}
