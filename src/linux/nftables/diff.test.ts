import fc from 'fast-check'
import { expect, test } from 'vitest'
import { diffTables } from './diff.ts'
import { encodeBatches } from './encode.ts'
import { applyOperations } from './fake-kernel.ts'
import type { Chain, Rule, SetDeclaration, Table } from './objects.ts'

const ports = fc.integer({ min: 1, max: 9 }).map(String)
const targets = ['one', 'two', 'three'] as const
const dispatch: SetDeclaration = { name: 'dispatch', key: ['inet_service'], value: 'verdict' }
const plain: SetDeclaration = { name: 'plain', key: ['inet_service'] }
const other: SetDeclaration = { name: 'other', key: ['ipv4_addr'] }

const ruleTo = (chain: string): Rule => [{ type: 'verdict', verdict: `goto ${chain}` }]
const leaf: Rule = [{ type: 'verdict', verdict: 'drop' }]
const viaDispatch: Rule = [{ type: 'vmap', key: ['th dport'], map: 'dispatch' }]

/** Any table over a few names: chains may come, go, change their rules or their hook. */
const tables: fc.Arbitrary<Table> = fc
  .record({
    chains: fc.uniqueArray(fc.constantFrom(...targets), { minLength: 1 }),
    hasBase: fc.boolean(),
    priority: fc.constantFrom(-100, 0),
    leads: fc.boolean(),
    elements: fc.dictionary(ports, fc.nat({ max: 2 })),
    members: fc.uniqueArray(ports),
    plainKey: fc.constantFrom(plain, { ...plain, key: ['inet_proto'] as const }),
    hasOther: fc.boolean(),
  })
  .map((spec) => {
    const chains = new Map<string, Chain>()
    for (const name of spec.chains) chains.set(name, { name, rules: [leaf] })
    if (spec.hasBase) {
      const base = { type: 'filter', hook: 'input', priority: spec.priority } as const
      const rules = [viaDispatch, ...(spec.leads ? [ruleTo(spec.chains[0]!)] : [])]
      chains.set('base', { name: 'base', base, rules })
    }
    const sets = [dispatch, spec.plainKey, ...(spec.hasOther ? [other] : [])]
    const verdicts = Object.entries(spec.elements).map(
      ([port, index]) => [port, `goto ${spec.chains[index % spec.chains.length]}`] as const,
    )
    const elements = new Map<string, ReadonlyMap<string, string>>([
      ['dispatch', new Map(verdicts)],
      ['plain', new Map(spec.members.map((member) => [member, '']))],
      ...(spec.hasOther ? [['other', new Map([['10.0.0.1', '']])] as const] : []),
    ])
    const name = { family: 'ip', name: 't' } as const
    return { ...name, sets: new Map(sets.map((set) => [set.name, set])), chains, elements }
  })

test('applied, a difference turns one table into the other, from nothing too', () => {
  fc.assert(
    fc.property(fc.option(tables, { nil: undefined }), tables, (before, after) => {
      const built = before && applyOperations(before, undefined, diffTables(undefined, before))
      expect(built).toEqual(before)
      expect(applyOperations(after, built, diffTables(built, after))).toEqual(after)
    }),
    { numRuns: 500 },
  )
})

test('every batch of a large load leaves a table that works', () => {
  fc.assert(
    fc.property(tables, tables, (before, after) => {
      const built = applyOperations(before, undefined, diffTables(undefined, before))
      const operations = diffTables(built, after)
      let seq = 0
      const context = { family: 'ip', table: 't', tableFlags: 0, takeSeq: () => ++seq } as const
      const batches = encodeBatches(operations, context, 1)
      const starts = batches.map(({ operationOf }) => Math.min(...operationOf.values()))
      let table = built
      for (const [index, start] of starts.entries())
        table = applyOperations(after, table, operations.slice(start, starts[index + 1]))
      expect(table).toEqual(after)
    }),
  )
})

test('equal tables need nothing', () => {
  fc.assert(
    fc.property(tables, (table) => {
      expect(diffTables(table, table)).toEqual([])
    }),
  )
})
