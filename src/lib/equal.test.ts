import { expect, test } from 'vitest'
import { semanticEqual } from './equal.ts'

function check(one: unknown, other: unknown, expected: boolean): void {
  expect(semanticEqual(one, other)).toBe(expected)
  expect(semanticEqual(other, one)).toBe(expected)
}

test('semanticEqual() takes absent, null and empty for the same', () => {
  check({ a: [] }, {}, true)
  check({ a: { b: null } }, undefined, true)
  check({ a: 1, b: undefined }, { a: 1 }, true)
  check([], undefined, true)
})

test('semanticEqual() tells values apart', () => {
  check({ a: 1 }, { a: '1' }, false)
  check([1, 2], [2, 1], false)
  check({ a: 0 }, {}, false)
  check({ a: '' }, {}, false)
  check({ a: false }, {}, false)
  check([{}], [], false)
  check({ length: 0 }, [1], false)
})
