import { expect, test } from 'vitest'
import type { LabelSelector } from '../types/meta.gen.ts'
import { matchesPairs, matchesSelector } from './selector.ts'

const labels = { app: 'web', tier: 'front' }

function check(selector: LabelSelector | undefined, expected: boolean): void {
  expect(matchesSelector(selector, labels)).toBe(expected)
}

test('matchesSelector() matches nothing when absent and everything when empty', () => {
  check(undefined, false)
  check({}, true)
})

test('matchesSelector() needs every pair and every expression', () => {
  check({ matchLabels: { app: 'web' } }, true)
  check({ matchLabels: { app: 'web', tier: 'back' } }, false)
  check({ matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'web'] }] }, true)
  check({ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, false)
  check({ matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['web'] }] }, true)
  check({ matchExpressions: [{ key: 'zone', operator: 'Exists' }] }, false)
  check({ matchExpressions: [{ key: 'zone', operator: 'DoesNotExist' }] }, true)
  check(
    { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] },
    false,
  )
})

test('matchesPairs() takes an empty selector for everything', () => {
  expect(matchesPairs({}, undefined)).toBe(true)
  expect(matchesPairs({ app: 'web' }, undefined)).toBe(false)
})
