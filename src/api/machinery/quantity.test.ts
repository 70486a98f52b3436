import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  parseQuantity,
  quantityMillis,
  quantityUnits,
} from './quantity.ts'

const canonical = (text: string) => {
  const result = canonicalQuantity(text)
  return result.ok ? result.value : result.message
}

const wrongFormat =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

test.each([
  ['0', '0'],
  ['100m', '100m'],
  ['1000m', '1'],
  ['1.5', '1500m'],
  ['.5', '500m'],
  ['1000', '1k'],
  ['1024', '1024'],
  ['1024Ki', '1Mi'],
  ['1.5Gi', '1536Mi'],
  ['0.5Ki', '512'],
  ['0.1Ki', '102400m'],
  ['1e3', '1e3'],
  ['12e0', '12'],
  ['1E', '1E'],
  ['1E2', '100'],
  ['100e6', '100e6'],
  ['0.1n', '1n'],
  ['-1.5', '-1500m'],
  ['+5', '5'],
  ['9223372036854775808', '9223372036854775807'],
  ['abc', wrongFormat],
  ['', wrongFormat],
  ['1 Gi', wrongFormat],
  ['1kk', "unable to parse quantity's suffix"],
  ['1e', "unable to parse quantity's suffix"],
  ['.', 'unable to parse numeric part of quantity'],
])('canonicalQuantity(%j) is %j', (text, expected) => expect(canonical(text)).toBe(expected))

test('the canonical text has the same value and is its own canonical text', () => {
  const suffix = fc.constantFrom('n', 'u', 'm', '', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3', 'e-3')
  fc.assert(
    fc.property(fc.integer({ min: -99999, max: 99999 }), suffix, (number, unit) => {
      const text = canonical(`${number}${unit}`)
      expect(parseQuantity(text)).toBe(parseQuantity(`${number}${unit}`))
      expect(canonical(text)).toBe(text)
    }),
  )
})

test('quantityMillis() and quantityUnits() round up', () => {
  expect(quantityMillis('250m')).toBe(250)
  expect(quantityMillis(2)).toBe(2000)
  expect(quantityMillis('100u')).toBe(1)
  expect(quantityUnits('1500m')).toBe(2)
  expect(quantityUnits('1Gi')).toBe(1024 ** 3)
  expect(quantityUnits(undefined)).toBe(0)
})

test('compareQuantities() and addQuantities() mind the suffix', () => {
  expect(compareQuantities('1Gi', '1G')).toBeGreaterThan(0)
  expect(compareQuantities('1', '1000m')).toBe(0)
  expect(addQuantities('900m', '100m')).toBe('1')
  expect(addQuantities('1Gi', '1Gi')).toBe('2Gi')
})
