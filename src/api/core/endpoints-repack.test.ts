// Repacking changes how addresses are grouped, never which address is reachable on which port.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { EndpointSubset } from '../types/core.gen.ts'
import { repackSubsets } from './endpoints-repack.ts'

const address = fc.record({ ip: fc.integer({ min: 1, max: 5 }).map((last) => `10.0.0.${last}`) })
const port = fc.record({
  name: fc.constantFrom('a', 'b'),
  port: fc.integer({ min: 80, max: 82 }),
  protocol: fc.constant('TCP' as const),
})
const subset = fc.record({
  addresses: fc.array(address, { maxLength: 3 }),
  notReadyAddresses: fc.array(address, { maxLength: 3 }),
  ports: fc.array(port, { minLength: 1, maxLength: 2 }),
})

/** "ip ports ready?" of everything; not ready wins within one set of ports. */
function facts(subsets: readonly EndpointSubset[]): readonly string[] {
  const ready = new Map<string, boolean>()
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets) {
    const set = JSON.stringify(
      ports.map(({ name, port, protocol }) => [name, port, protocol]).sort(),
    )
    for (const { ip } of addresses) ready.set(`${ip} ${set}`, ready.get(`${ip} ${set}`) ?? true)
    for (const { ip } of notReadyAddresses) ready.set(`${ip} ${set}`, false)
  }
  return [...ready].map(([key, value]) => `${key} ${value}`).sort()
}

test('repackSubsets() keeps every address with its ports and readiness', () => {
  fc.assert(
    fc.property(fc.array(subset, { maxLength: 4 }), (subsets) => {
      expect(facts(repackSubsets(structuredClone(subsets)))).toEqual(facts(subsets))
    }),
  )
})

test('repackSubsets() names each set of ports once, and again changes nothing', () => {
  fc.assert(
    fc.property(fc.array(subset, { maxLength: 4 }), (subsets) => {
      const packed = repackSubsets(structuredClone(subsets))
      const sets = packed.map(({ ports = [] }) =>
        JSON.stringify([...ports].map((item) => JSON.stringify(item)).sort()),
      )
      expect(new Set(sets).size).toBe(sets.length)
      expect(repackSubsets(structuredClone(packed))).toEqual(packed)
    }),
  )
})
