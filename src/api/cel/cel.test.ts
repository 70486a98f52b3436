import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compile, perCallLimit } from './cel.ts'
import { schemaType } from './schema-type.ts'
import type { Type } from './types.ts'
import { formatType, types } from './types.ts'
import type { Value } from './values.ts'
import { fromJson } from './values.ts'

const schema = {
  type: 'object',
  properties: {
    a: { type: 'string', maxLength: 10 },
    n: { type: 'integer' },
    'x-y': { type: 'number' },
    l: { type: 'array', maxItems: 5, items: { type: 'string', maxLength: 10 } },
    set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    m: { type: 'object', additionalProperties: { type: 'integer' }, maxProperties: 3 },
    ios: { 'x-kubernetes-int-or-string': true },
    t: { type: 'string', format: 'date-time' },
    deep: {
      type: 'array',
      items: { type: 'array', items: { type: 'array', items: { type: 'string' } } },
    },
  },
} as const

const selfType = schemaType(schema, true) as Type
const self = fromJson(
  {
    kind: 'K',
    a: 'hello',
    n: 3,
    'x-y': 2,
    l: ['b', 'a'],
    set: ['x', 'y'],
    m: { q: 1, r: 2 },
    ios: '5%',
    t: '2020-01-02T03:04:05Z',
  },
  selfType,
)

/** What an expression gives: its value as text, or what is wrong with it. */
function outcome(text: string, limit = perCallLimit): string {
  const compiled = compile(text, { self: selfType, free: types.dyn })
  if (!compiled.ok) return compiled.message.split('\n')[0] as string
  const run = compiled.program.run((name) => (name === 'self' ? self : undefined), limit)
  return run.ok ? show(run.value) : `error: ${run.message}`
}

const show = (value: Value): string =>
  typeof value === 'object' && value !== null ? value.constructor.name : String(value)

const check = (text: string, expected: unknown) => expect(outcome(text)).toBe(String(expected))

describe('compile() and run()', () => {
  it.each([
    ['1 + 2 * 3', 7],
    ['7 / 2', 3],
    ['-7 % 3', -1],
    ['1u + 2u == 3u', true],
    ['9223372036854775807 + 1', 'error: integer overflow'],
    ['-9223372036854775808 < 0', true],
    ['1 / 0', 'error: division by zero'],
    ['1.0 / 0.0', 'Infinity'],
    ['dyn(1) == 1.0 && 1 < 1.5', true],
    ["'a' + 'b' == 'ab'", true],
    ["b'a' == bytes('a')", true],
    ['[1, 2] + [3] == [1, 2, 3]', true],
    ["{'a': 1}.a == 1 && 'a' in {'a': 1}", true],
    ['2 in [1, 2]', true],
    [
      "timestamp('2020-01-01T00:00:00Z') + duration('1h') == timestamp('2020-01-01T01:00:00Z')",
      true,
    ],
    ["timestamp('2024-07-01T12:00:00Z').getHours('Europe/Berlin')", 14],
    ["string(duration('90m'))", '5400s'],
    ["int('12') + int(3.9)", 15],
    ["type(1) == int && type('') == string", true],
  ])('gives what the language says of %s', check)

  it.each([
    ["self.a.startsWith('he') && self.kind == 'K'", true],
    ['self.n + 1 == 4', true],
    ['self.x__dash__y > 1.5', true],
    ["type(self.ios) == string && self.ios.endsWith('%')", true],
    ['self.t.getFullYear()', 2020],
    ["self.set == ['y', 'x']", true],
    ["(self.set + ['x', 'z']).size()", 3],
    ['has(self.deep)', false],
    ["self.?deep.hasValue() || self.?a.orValue('') == 'hello'", true],
    ['self.deep.size() > 0', 'error: no such key: deep'],
    ['self.deep.size() > 0 || true', true],
    ["self.l[2] == 'c'", 'error: index out of bounds: 2'],
  ])('sees an object through its schema: %s', check)

  it.each([
    ['self.m.all(k, self.m[k] > 0)', true],
    ["self.l.exists(i, v, i == 1 && v == 'a')", true],
    ["self.l.map(x, x + '!').join(',')", 'b!,a!'],
    ["self.l.filter(x, x == 'a').size()", 1],
    ['[1, 2, 3].exists_one(x, x > 2)', true],
    ["{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}", true],
    ['[3, 1].transformList(i, v, v - i) == [3, 0]', true],
    ['cel.bind(x, self.n, x * x)', 9],
    ['optional.of(1).optMap(x, x + 1).value()', 2],
    ['[0, 1].all(x, 1 / x > 0) || true', true],
  ])('expands macros: %s', check)

  it.each([
    ["self.l.isSorted() || ['a', 'b'].isSorted()", true],
    ['[1, 2, 3].sum() + [3, 1].max()', 9],
    ["'a,b'.split(',').size()", 2],
    ["'Hello'.lowerAscii().replace('l', 'L').substring(1, 4)", 'eLL'],
    ["'%s %d %.2f %x'.format([dyn('a'), 3, 1.5, 255])", 'a 3 1.50 ff'],
    ["'abc123'.find('[0-9]+')", '123'],
    ["'a1b2'.findAll('[0-9]').size()", 2],
    ["quantity('1Gi').isGreaterThan(quantity('1M'))", true],
    ["string(quantity('1').add(quantity('500m')))", '1500m'],
    ["ip('10.0.0.1').family() == 4 && !isIP('::ffff:1.2.3.4')", true],
    ["cidr('10.0.0.0/8').containsIP('10.1.2.3')", true],
    ["cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", true],
    ["url('https://a.b:80/c?d=e').getHost()", 'a.b:80'],
    ["semver('1.2.3-a').isLessThan(semver('1.2.3'))", true],
    ['sets.contains([1, 2, 3], [1, 3])', true],
    ["format.dns1123Label().validate('A_').hasValue()", true],
  ])("has Kubernetes' functions: %s", check)

  it.each([
    ['self.a ==', /^ERROR: <input>:1:10: Syntax error: mismatched input '<EOF>' expecting/],
    ['self.', /^ERROR: <input>:1:6: Syntax error: no viable alternative at input '.'/],
    ["self.b == 'x'", /^ERROR: <input>:1:5: undefined field 'b'$/],
    [
      "1 + 'a'",
      /^ERROR: <input>:1:3: found no matching overload for '_\+_' applied to '\(int, string\)'$/,
    ],
    ['nobody', /^ERROR: <input>:1:1: undeclared reference to 'nobody' \(in container ''\)$/],
    ['self.n.foo', /^ERROR: <input>:1:7: type 'int' does not support field selection$/],
    ["[1, 'a']", /^ERROR: <input>:1:5: expected type 'int' but found 'string'$/],
    ['self.n.all(x, true)', /cannot be range of a comprehension/],
    ['has(1)', /invalid argument to has\(\) macro/],
  ])('tells mistakes as cel-go does: %s', (text, expected) => {
    expect(outcome(text)).toMatch(expected)
  })

  it('points at the place of a mistake', () => {
    const compiled = compile("true &&\n  self.b == 'x'", { self: selfType })
    expect(compiled).toMatchObject({
      message: "ERROR: <input>:2:7: undefined field 'b'\n |   self.b == 'x'\n | ......^",
    })
  })
})

describe('cost', () => {
  const costOf = (text: string) => {
    const compiled = compile(text, { self: selfType })
    if (!compiled.ok) throw new Error(compiled.message)
    const run = compiled.program.run(() => self)
    return { estimate: compiled.program.maxCost, run: run.cost }
  }

  it.each([
    ['self.n == self.n', 5, 5],
    ["self.a == 'hello'", 3, 3],
    ["self.a.startsWith('h')", 3, 3],
    ["self.l.all(x, x == 'b')", 28, 13],
    ['has(self.a)', 2, 2],
    ['[1, 2, 3].size()', 11, 11],
  ])('of %s is %d at worst and %d here', (text, estimate, run) => {
    expect(costOf(text)).toEqual({ estimate, run })
  })

  it('is beyond every limit for nested loops over what nothing bounds', () => {
    const { estimate } = costOf(
      'self.deep.all(x, x.all(y, y.all(z, self.deep.all(q, q.size() > 0))))',
    )
    expect(estimate).toBeGreaterThan(1e12)
  })

  it('ends a run at its limit', () => {
    const list = `[${Array.from({ length: 100 }, (_, index) => index).join(',')}]`
    const bomb = `${list}.all(a, ${list}.all(b, ${list}.all(c, ${list}.all(d, a + b + c + d >= 0))))`
    expect(outcome(bomb)).toBe('error: operation cancelled: actual cost limit exceeded')
  })

  it('of a pattern that backtracking engines choke on stays linear', () => {
    const text = `('${'a'.repeat(5000)}!').matches('(a+)+$')`
    expect(outcome(text)).toBe('false')
  })
})

describe('any text', () => {
  const word = fc.constantFrom(
    ...[
      'self',
      '.a',
      '.l',
      '.n',
      '[0]',
      '(',
      ')',
      '+',
      '==',
      '&&',
      '||',
      '!',
      '?',
      ':',
      '1',
      '2.5',
    ],
    ...["'x'", 'true', 'null', '[', ']', '{', '}', ',', '.all(x, ', '.map(y, ', 'size(', 'in', '-'],
    ...['has(', 'dyn(', '.?a', '.orValue(', 'free', '%', '<', 'timestamp(', 'quantity('],
  )

  it('compiles or says why not, and runs or says why not', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        expect(typeof outcome(words.join(' '), 10_000)).toBe('string')
      }),
      { numRuns: 2000 },
    )
  })

  it('gives a value of the type the checker promised', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        const compiled = compile(words.join(' '), { self: selfType })
        if (!compiled.ok) return
        const run = compiled.program.run(() => self, 10_000)
        const type = formatType(compiled.program.type)
        if (run.ok && type === 'bool') expect(typeof run.value).toBe('boolean')
        if (run.ok && type === 'string') expect(typeof run.value).toBe('string')
      }),
    )
  })
})
