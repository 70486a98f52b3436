import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fieldErrorText } from '../machinery/field-error.ts'
import { Correlated } from './correlate.ts'
import { applyDefaults, dropNulls } from './defaults.ts'
import { resolveFieldPath } from './field-path.ts'
import { matchesFormat } from './formats.ts'
import { findAll, parseJsonPath } from './json-path.ts'
import { validateListTypes } from './list-types.ts'
import { prune } from './prune.ts'
import { rulesOf } from './rules.ts'
import type { Schema } from './schema.ts'
import { validateStructural } from './structural.ts'
import { validateValue } from './validate.ts'

const texts = (errors: readonly Parameters<typeof fieldErrorText>[0][]) =>
  errors.map(fieldErrorText)

const text: Schema = { type: 'string' }
const object = (properties: Record<string, Schema>, more: Schema = {}): Schema => ({
  type: 'object',
  properties,
  ...more,
})

describe('prune()', () => {
  const check = (
    schema: Schema,
    value: unknown,
    [left, unknown]: readonly [left: unknown, unknown: readonly string[]],
  ) => {
    const copy = structuredClone(value)
    expect(prune(copy, schema)).toEqual(unknown)
    expect(copy).toEqual(left)
  }

  it('drops what is not declared, and names it', () => {
    const schema = object({ a: text, l: { type: 'array', items: object({ b: text }) } })
    check(schema, { a: 'x', z: 1, l: [{ b: 'y', z: 2 }] }, [
      { a: 'x', l: [{ b: 'y' }] },
      ['l[0].z', 'z'],
    ])
  })

  it('stops at preserved fields, and resumes below declared ones', () => {
    const open = object(
      { known: object({ a: text }) },
      { 'x-kubernetes-preserve-unknown-fields': true },
    )
    check(open, { z: { y: 1 }, known: { a: 'x', z: 1 } }, [
      { z: { y: 1 }, known: { a: 'x' } },
      ['known.z'],
    ])
  })

  it('keeps every key of a map, and the type of an embedded resource', () => {
    check({ type: 'object', additionalProperties: text }, { z: 'a' }, [{ z: 'a' }, []])
    const embedded = object({ spec: object({}) }, { 'x-kubernetes-embedded-resource': true })
    check(embedded, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, z: 1 }, [
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } },
      ['z'],
    ])
  })
})

describe('applyDefaults() and dropNulls()', () => {
  const schema = object({
    s: { type: 'string', default: 'd' },
    null: { type: 'string', default: 'd', nullable: true },
    bare: text,
    o: object({ a: { type: 'string', default: 'inner' } }, { default: {} }),
  })
  const filled = (value: Record<string, unknown>) => {
    dropNulls(value, schema)
    applyDefaults(value, schema)
    return value
  }

  it('fill in what is absent, defaults of defaults included', () => {
    expect(filled({})).toEqual({ s: 'd', null: 'd', o: { a: 'inner' } })
  })

  it('replace nulls where none is allowed, and drop those that nothing replaces', () => {
    expect(filled({ s: null, null: null, bare: null, o: null })).toEqual({
      s: 'd',
      null: null,
      o: { a: 'inner' },
    })
  })

  it('do nothing the second time', () => {
    const value = fc.dictionary(fc.constantFrom('s', 'null', 'bare', 'o', 'z'), fc.jsonValue())
    fc.assert(
      fc.property(value, (given) => {
        const once = filled(structuredClone(given) as Record<string, unknown>)
        expect(filled(structuredClone(once))).toEqual(once)
      }),
    )
  })
})

describe('validateValue()', () => {
  it.each<readonly [Schema, unknown, readonly string[]]>([
    [text, 5, [': Invalid value: "integer":  in body must be of type string: "integer"']],
    [object({ a: text }, { required: ['a'] }), {}, ['a: Required value']],
    [
      object({ a: { type: 'string', enum: ['A', 'B'] } }),
      { a: 'C' },
      ['a: Unsupported value: "C": supported values: "A", "B"'],
    ],
    [
      object({ n: { type: 'integer', maximum: 10, exclusiveMaximum: true } }),
      { n: 10 },
      ['n: Invalid value: 10: n in body should be less than 10'],
    ],
    [
      object({ l: { type: 'array', items: text, maxItems: 1 } }),
      { l: ['a', 'b'] },
      ['l: Too many: 2: must have at most 1 item'],
    ],
    [
      object({ s: { type: 'string', pattern: '^a+$' } }),
      { s: 'b' },
      ['s: Invalid value: "b": s in body should match \'^a+$\''],
    ],
    [
      object({}, { anyOf: [{ required: ['a'] }, { required: ['b'] }] }),
      {},
      [
        '<nil>: Invalid value: "": "" must validate at least one schema (anyOf)',
        'a: Required value',
      ],
    ],
    [
      object({ a: text }, { not: { required: ['a'] } }),
      { a: 'x' },
      ['<nil>: Invalid value: "": "" must not validate the schema (not)'],
    ],
    [{ 'x-kubernetes-int-or-string': true }, 'a', []],
  ])('%j and %j', (schema, value, expected) => {
    expect(texts(validateValue(value, schema))).toEqual(expected)
  })

  it('lets what is unchanged stay wrong (ratcheting)', () => {
    const schema = object({
      a: { type: 'string', maxLength: 1 },
      b: { type: 'string', maxLength: 1 },
    })
    const old = { a: 'long', b: 'x' }
    const next = { a: 'long', b: 'long' }
    const correlation = new Correlated(next, old, schema)
    expect(texts(validateValue(next, schema, { correlation }))).toEqual([
      'b: Too long: may not be more than 1 byte',
    ])
  })

  it('has no opinion on any value without a schema, and never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(validateValue(value, undefined)).toEqual([])
        validateValue(value, object({ a: text }, { required: ['a'] }))
      }),
    )
  })
})

describe('validateStructural()', () => {
  it.each<readonly [Schema, readonly string[]]>([
    [{}, ['s.type: Required value: must not be empty at the root']],
    [
      object({ a: { type: 'string', anyOf: [{ type: 'string' }] } }),
      ['s.properties[a].anyOf[0].type: Forbidden: must be empty to be structural'],
    ],
    [
      object({ a: text }, { anyOf: [{ properties: { x: { maxLength: 1 } } }] }),
      ['s.properties[x]: Required value: because it is defined in s.anyOf[0].properties[x]'],
    ],
    [
      object({
        a: {
          'x-kubernetes-int-or-string': true,
          anyOf: [{ type: 'integer' }, { type: 'string' }],
        },
      }),
      [],
    ],
  ])('%j', (schema, expected) => {
    expect(texts(validateStructural(schema, 's'))).toEqual(expected)
  })
})

describe('validateListTypes()', () => {
  const map: Schema = {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['k', 'p'],
    items: object({ k: text, p: text }),
  }

  it('finds values of sets and keys of maps that stand twice', () => {
    const schema = object({
      s: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
      map,
    })
    const value = { s: ['a', 'a', 'a'], map: [{ k: '1', p: 'x' }, { k: '1' }, { p: 'x', k: '1' }] }
    expect(texts(validateListTypes(value, schema))).toEqual([
      's[1]: Duplicate value: "a"',
      'map[2]: Duplicate value: {"k":"1","p":"x"}',
    ])
  })
})

describe('rulesOf()', () => {
  const rules = rulesOf(
    object({
      name: {
        type: 'string',
        maxLength: 10,
        'x-kubernetes-validations': [
          { rule: 'self == oldSelf', message: 'immutable' },
          { rule: "self != 'bad'", messageExpression: "'not ' + self" },
        ],
      },
      list: {
        type: 'array',
        maxItems: 4,
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: object(
          { k: { type: 'string', maxLength: 4 }, v: { type: 'integer' } },
          { 'x-kubernetes-validations': [{ rule: 'self.v >= oldSelf.v' }] },
        ),
      },
    }),
    true,
  )
  const errorsOf = (value: unknown, old?: unknown) =>
    texts(rules?.validate(value, old).errors ?? [])

  it('run on what is there, transition rules on what was there before', () => {
    expect(errorsOf({ name: 'bad' })).toEqual(['name: Invalid value: "bad": not bad'])
    expect(errorsOf({ name: 'b' }, { name: 'a' })).toEqual(['name: Invalid value: "b": immutable'])
    expect(errorsOf({})).toEqual([])
  })

  it('match items of a list map by their keys', () => {
    const old = {
      list: [
        { k: 'a', v: 2 },
        { k: 'b', v: 2 },
      ],
    }
    const next = {
      list: [
        { k: 'b', v: 1 },
        { k: 'c', v: 0 },
        { k: 'a', v: 3 },
      ],
    }
    expect(errorsOf(next, old)).toEqual([
      'list[0]: Invalid value: failed rule: self.v >= oldSelf.v',
    ])
  })

  it('end with the budget', () => {
    const { errors, left } = rules!.validate({ name: 'a' }, undefined, { budget: 1 })
    expect(left).toBe(-1)
    expect(texts(errors)[0]).toContain('running out of cost budget')
  })
})

describe('paths', () => {
  const value = { spec: { list: [{ a: 1 }, { a: 2 }], 'a.b': 'dotted' } }

  it.each([
    ['.spec.list[0].a', [1]],
    ['.spec.list[*].a', [1, 2]],
    ['.spec.list[-1].a', [2]],
    ["['spec']['a.b']", ['dotted']],
    ['.spec.a\\.b', ['dotted']],
    ['..a', [1, 2]],
    ['.spec.none', []],
  ])('%s finds %j', (path, expected) => {
    expect(findAll(value, parseJsonPath(path) ?? [])).toEqual(expected)
  })

  it('of fields must lead to a declared one', () => {
    const schema = object({
      spec: object({ 'a.b': text, m: { type: 'object', additionalProperties: text } }),
    })
    expect(resolveFieldPath(".spec['a.b']", schema)).toMatchObject({ ok: true, path: 'spec.a.b' })
    expect(resolveFieldPath('.spec.m.any', schema)).toMatchObject({ ok: true, path: 'spec.m[any]' })
    expect(resolveFieldPath('.spec.none', schema)).toEqual({
      ok: false,
      message: 'does not refer to a valid field',
    })
  })
})

describe('formats', () => {
  it.each([
    ['date-time', '2020-01-02T03:04:05Z', 'yesterday'],
    ['date', '2024-02-29', '2023-02-29'],
    ['ipv4', '10.0.0.1', '10.0.0.256'],
    ['ipv6', '::1', '1.2.3.4'],
    ['cidr', '10.0.0.0/8', '10.0.0.0/33'],
    ['uuid', '123e4567-e89b-12d3-a456-426614174000', 'x'],
    ['byte', 'YQ==', '***'],
    ['duration', '1h30m', 'soon'],
    ['email', 'a@example.com', 'a'],
    ['hostname', 'a.example.com', '-a'],
    ['isbn13', '978-0321751041', '978-0321751042'],
    ['k8s-short-name', 'a-b', 'A'],
  ])('%s takes %s and refuses %s', (format, good, bad) => {
    expect([matchesFormat(format, good), matchesFormat(format, bad)]).toEqual([true, false])
  })
})
