import { expect, test } from 'vitest'
import { parseLabelSelector, selectorFromLabelSelector, validateLabelSelector } from './labels.ts'

const labels = { app: 'web', tier: 'front', size: '3', empty: '' }

test.each([
  ['', true],
  ['app', true],
  ['!app', false],
  ['!zone', true],
  ['app=web', true],
  ['app==web', true],
  ['app = web , tier=front', true],
  ['app!=web', false],
  ['zone!=a', true],
  ['app in (web,db)', true],
  ['app notin (web)', false],
  ['zone notin (a)', true],
  ['empty=', true],
  ['empty in ()', true],
  ['empty in (,a)', true],
  ['app in (in)', false],
  ['size>2', true],
  ['size<3', false],
  ['app>1', false],
])('parseLabelSelector(%j) matches: %s', (text, expected) => {
  const parsed = parseLabelSelector(text)
  expect(parsed.ok && parsed.value.matches(labels)).toBe(expected)
})

// Recorded from kube-apiserver 1.36.
test.each([
  ['app=x y', "found 'y', expected: ',' or 'end of string'"],
  ['app in x', "unable to parse requirement: found 'x' expected: '('"],
  ['=x', "found '=', expected: !, identifier, or 'end of string'"],
  ['app=in(x', "found '(', expected: ',' or 'end of string'"],
  ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
  [
    'app>x',
    `unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer`,
  ],
  [
    `app=${'v'.repeat(64)}`,
    `unable to parse requirement: values[0][app]: Invalid value: "${'v'.repeat(64)}": must be no more than 63 bytes`,
  ],
  ['!app=x', "found '=', expected: ',' or 'end of string'"],
])('parseLabelSelector(%j) is refused in the words of Kubernetes', (text, message) => {
  expect(parseLabelSelector(text)).toEqual({ ok: false, message })
})

test('the text of a selector reads back as the same selector', () => {
  for (const text of ['a,!b', 'a in (x,y),b!=c', 'n>1,z notin (q)']) {
    const parsed = parseLabelSelector(text)
    expect(parsed.ok && parsed.value.toString()).toBe(text)
  }
})

test('selectorFromLabelSelector() matches nothing when absent, everything when empty', () => {
  expect(selectorFromLabelSelector(undefined).matches(labels)).toBe(false)
  expect(selectorFromLabelSelector({}).matches(labels)).toBe(true)
  expect(
    selectorFromLabelSelector({
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['back'] }],
    }).matches(labels),
  ).toBe(true)
})

test('a label named like a member of Object is only a label', () => {
  const parsed = parseLabelSelector('constructor')
  expect(parsed.ok && parsed.value.matches({})).toBe(false)
})

test('validateLabelSelector() wants values where the operator takes some', () => {
  const errors = validateLabelSelector(
    {
      matchExpressions: [
        { key: 'a', operator: 'In' },
        { key: 'b', operator: 'Exists', values: ['x'] },
      ],
    },
    'spec.selector',
  )
  expect(errors.map((error) => `${error.field}: ${error.message}`)).toEqual([
    "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
  ])
})
