import { expect, test } from 'vitest'
import { withAcceptEncoding } from './respond.ts'

test.each([
  [undefined, 'Accept-Encoding'],
  ['Accept', 'Accept, Accept-Encoding'],
  [['Accept', 'Origin'], 'Accept, Origin, Accept-Encoding'],
  ['Accept, Accept-Encoding', 'Accept, Accept-Encoding'],
])('a compressed answer that varied by %s', (before, expected) => {
  expect(withAcceptEncoding(before)).toBe(expected)
})
