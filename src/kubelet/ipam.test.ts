import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextAddress } from './ipam.ts'
import { linkName, macOf } from './network.ts'

describe('nextAddress()', () => {
  const check = (
    block: string,
    taken: readonly string[],
    last: string | undefined,
    expected: string | undefined,
  ) => expect(nextAddress(block, new Set(taken), last)).toBe(expected)

  it('begins behind the gateway and goes on behind the last one', () => {
    check('10.244.0.0/24', [], undefined, '10.244.0.2')
    check('10.244.0.0/24', [], '10.244.0.9', '10.244.0.10')
    check('10.244.0.0/24', ['10.244.0.10'], '10.244.0.9', '10.244.0.11')
    check('10.244.0.0/24', [], '10.1.0.9', '10.244.0.2')
  })

  it('wraps around before the broadcast address', () => {
    check('10.244.0.0/24', [], '10.244.0.254', '10.244.0.2')
    check('fd00::/126', ['fd00::2'], 'fd00::3', 'fd00::3')
  })

  it('gives none of a full or tiny block', () => {
    check('10.244.0.0/30', ['10.244.0.2'], undefined, undefined)
    check('10.244.0.0/31', [], undefined, undefined)
  })

  it('never gives an address twice, and gives all of them', () => {
    fc.assert(
      fc.property(fc.nat(252), (start) => {
        const taken = new Set<string>()
        let last: string | undefined = `10.244.0.${start}`
        for (;;) {
          const next = nextAddress('10.244.0.0/24', taken, last)
          if (next === undefined) break
          expect(taken.has(next)).toBe(false)
          taken.add(next)
          last = next
        }
        expect(taken.size).toBe(253)
      }),
      { numRuns: 10 },
    )
  })
})

describe('names of a Pod’s link', () => {
  it('come from its UID and its address', () => {
    expect(linkName('0a1b2c3d-4e5f-6789-aaaa-bbbbccccdddd')).toBe('sp0a1b2c3d4e')
    expect(macOf('10.244.0.2')).toBe('0a:58:0a:f4:00:02')
    expect(macOf('fd00::1:2')).toBe('0a:58:00:01:00:02')
  })
})
