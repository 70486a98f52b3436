import { expect, test } from 'vitest'
import { parseQuantity, quantityMilli, quantityValue } from './quantity.ts'

test.each([
  ['1', 1_000_000_000n],
  ['1.5', 1_500_000_000n],
  ['.5', 500_000_000n],
  ['100m', 100_000_000n],
  ['1n', 1n],
  ['0.1n', 1n],
  ['2Ki', 2_048_000_000_000n],
  ['1.5Gi', 1_610_612_736_000_000_000n],
  ['1e3', 1_000_000_000_000n],
  ['1E', 1_000_000_000_000_000_000_000_000_000n],
  ['1E2', 100_000_000_000n],
  ['-1', -1_000_000_000n],
])('parseQuantity(%s)', (text, expected) => expect(parseQuantity(text)).toBe(expected))

test.each(['', '.', 'm', '1x', '1 Gi', '0x1', '1Kib'])('parseQuantity(%s) is none', (text) =>
  expect(parseQuantity(text)).toBeUndefined(),
)

test('quantityMilli() and quantityValue() round up', () => {
  expect(quantityMilli('250m')).toBe(250)
  expect(quantityMilli(2)).toBe(2000)
  expect(quantityMilli('100u')).toBe(1)
  expect(quantityValue('1500m')).toBe(2)
  expect(quantityValue('1Gi')).toBe(1024 ** 3)
  expect(quantityValue(undefined)).toBe(0)
})
