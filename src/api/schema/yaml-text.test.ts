import { beforeAll, expect, test } from 'vitest'
import { loadYaml, maxYamlDepth, parseYaml } from './yaml-text.ts'

beforeAll(loadYaml)

function check(text: string, expected: unknown): void {
  const parsed = parseYaml(text)
  expect(parsed.ok ? parsed.document.value : parsed.message).toEqual(expected)
}

test('the first document is read, with the words of YAML 1.1', () => {
  check('a: yes\nb: 012\nc: 2020-01-02\n---\nd: [', { a: true, b: 10, c: '2020-01-02' })
  check('', null)
  check('# nothing\n', null)
  check('a: {b', 'yaml: did not find expected key')
})

const nested: Readonly<Record<string, (depth: number) => string>> = {
  'flow lists': (depth) => '['.repeat(depth) + ']'.repeat(depth),
  'flow maps': (depth) => '{a: '.repeat(depth) + '}'.repeat(depth),
  'block lists': (depth) => `${'- '.repeat(depth)}a`,
  'block maps': (depth) =>
    Array.from({ length: depth }, (_, index) => `${' '.repeat(index)}a:`).join('\n'),
}

test.each(Object.entries(nested))('nesting of %s is limited', (_, textOf) => {
  expect(parseYaml(textOf(maxYamlDepth)).ok).toBe(true)
  check(textOf(maxYamlDepth + 3), 'yaml: exceeded max depth')
  check(textOf(5000), 'yaml: exceeded max depth')
})

test('nesting that is never closed is limited, too, whatever the size of the text', () => {
  check('['.repeat(3_000_000), 'yaml: exceeded max depth')
  check('[a: '.repeat(3_000_000), 'yaml: exceeded max depth')
  check('[a: '.repeat(200) + ']'.repeat(200), 'yaml: exceeded max depth')
  check('? '.repeat(3_000_000), 'yaml: exceeded max depth')
})

test('a key is text: keys within keys are not written out', () => {
  check(`${'? '.repeat(200)}a`, 'yaml: invalid map key')
  check('{[a]: b}', 'yaml: invalid map key')
})
