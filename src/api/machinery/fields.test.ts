import { expect, test } from 'vitest'
import { exactFieldValue, fieldMatcher, formatFieldSelector, parseFieldSelector } from './fields.ts'

function terms(text: string): string {
  const parsed = parseFieldSelector(text)
  return parsed.ok ? formatFieldSelector(parsed.value) : parsed.message
}

test.each([
  ['metadata.name=a', 'metadata.name=a'],
  ['metadata.name==a,b!=c', 'b!=c,metadata.name=a'],
  ['a=x\\,y\\=z\\\\', 'a=x\\,y\\=z\\\\'],
  ['', ''],
  [',,', ''],
  // Recorded from kube-apiserver 1.36.
  ['metadata.name', "invalid selector: 'metadata.name'; can't understand 'metadata.name'"],
  [
    'metadata.name in (a)',
    "invalid selector: 'metadata.name in (a)'; can't understand 'metadata.name in (a)'",
  ],
  ['a=b=c', 'invalid field selector: unescaped character in value: 61'],
  ['a=\\x', 'invalid field selector: invalid escape sequence: \\x'],
])('parseFieldSelector(%j) reads %j', (text, expected) => expect(terms(text)).toBe(expected))

test('fieldMatcher() needs every term and names the field that no kind knows', () => {
  const readers = { phase: (pod: { phase: string }) => pod.phase }
  const parsed = parseFieldSelector('phase!=Failed,phase!=Succeeded')
  const matcher = parsed.ok && fieldMatcher(parsed.value, readers, true)
  expect(matcher && matcher.ok && matcher.value({ phase: 'Running' })).toBe(true)
  expect(matcher && matcher.ok && matcher.value({ phase: 'Failed' })).toBe(false)
  const unknown = [{ field: 'data.k', operator: '=', value: 'a' }] as const
  expect(fieldMatcher(unknown, readers, true)).toEqual({
    ok: false,
    message: 'field label not supported: data.k',
  })
  expect(fieldMatcher(unknown, readers, false)).toEqual({
    ok: false,
    message: '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"',
  })
})

test('exactFieldValue() finds the name a list is pinned to', () => {
  const parsed = parseFieldSelector('metadata.name=x,a!=b')
  expect(parsed.ok && exactFieldValue(parsed.value, 'metadata.name')).toBe('x')
  expect(parsed.ok && exactFieldValue(parsed.value, 'a')).toBeUndefined()
})
