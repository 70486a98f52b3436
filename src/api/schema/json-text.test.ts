import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseExactJson } from './json-exact.ts'
import { maxJsonDepth, parseJson } from './json-text.ts'

const message = (text: string) => {
  const result = parseJson(text)
  return result.ok ? undefined : result.message
}

test.each([
  ['{"a":1,}', `invalid character '}' looking for beginning of object key string`],
  ['{"a" 1}', `invalid character '1' after object key`],
  ['{"a":1 "b":2}', `invalid character '"' after object key:value pair`],
  ['[1 2]', `invalid character '2' after array element`],
  ['tru', 'unexpected end of JSON input'],
  ['trux', `invalid character 'x' in literal true (expecting 'e')`],
  ['"\\q"', `invalid character 'q' in string escape code`],
  ['"\\u12g4"', `invalid character 'g' in \\u hexadecimal character escape`],
  ['"a\nb"', `invalid character '\\n' in string literal`],
  ['1.x', `invalid character 'x' after decimal point in numeric literal`],
  ['1ex', `invalid character 'x' in exponent of numeric literal`],
  ['-x', `invalid character 'x' in numeric literal`],
  ["'a'", `invalid character '\\'' looking for beginning of value`],
  ['é', `invalid character 'Ã' looking for beginning of value`],
])('parseJson(%j) fails as encoding/json does', (text, expected) =>
  expect(message(text)).toBe(expected),
)

test('parseJson() and its exact twin read whatever JSON.stringify writes', () => {
  fc.assert(
    fc.property(fc.json(), fc.integer({ min: 0, max: 4 }), (text, indent) => {
      const value = JSON.parse(text) as unknown
      const spaced = JSON.stringify(value, null, indent)
      const parsed = parseJson(spaced)
      const exact = parseExactJson(spaced, maxJsonDepth)
      expect(parsed.ok && parsed.document.value).toEqual(value)
      expect(exact.ok && exact.document.value).toEqual(value)
    }),
  )
})

test('a key "__proto__" is data', () => {
  for (const text of ['{"__proto__":{"x":1}}', '{"__proto__":{"x":1},"a":1,"a":2}']) {
    const parsed = parseJson(text)
    const value = (parsed.ok && parsed.document.value) as object
    expect(Object.hasOwn(value, '__proto__')).toBe(true)
    expect('x' in value).toBe(false)
  }
})

test('nesting is limited, whatever the size of the text', () => {
  expect(message('['.repeat(maxJsonDepth + 1))).toBe('exceeded max depth')
  expect(message('['.repeat(3_000_000))).toBe('exceeded max depth')
})

test('numbers keep their text where JavaScript would lose it', () => {
  const parsed = parseJson('{"a":1.0,"b":[9007199254740993,5]}')
  const texts = parsed.ok ? [...parsed.document.numberTexts.values()] : []
  expect(texts.map((map) => [...map])).toEqual([[['a', '1.0']], [[0, '9007199254740993']]])
})
