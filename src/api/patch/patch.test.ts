import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyJsonPatch, maxCopiedBytes, maxOperations, strictErrorsOf } from './json-patch.ts'
import { applyMergePatch } from './merge-patch.ts'
import { restoreError } from './restore.ts'
import { applyStrategicPatch } from './strategic.ts'

type Op = Record<string, unknown>

function checkJson(document: Record<string, unknown>, operations: readonly Op[], want: unknown) {
  const result = applyJsonPatch(document, operations)
  expect(result.ok ? result.object : result.error.code).toEqual(want)
}

describe('applyJsonPatch() follows RFC 6902', () => {
  const cases: [string, Record<string, unknown>, Op[], unknown][] = [
    ['add to an object', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
    ['add into a list', { a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    ['append', { a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
    ['add past the end', { a: [1] }, [{ op: 'add', path: '/a/3', value: 2 }], 422],
    ['remove', { a: [1, 2] }, [{ op: 'remove', path: '/a/0' }], { a: [2] }],
    ['remove what is not there', { a: 1 }, [{ op: 'remove', path: '/b' }], 422],
    ['replace of a missing index', { a: [1] }, [{ op: 'replace', path: '/a/1', value: 2 }], 422],
    ['replace the root', { a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
    ['the root cannot become a list', { a: 1 }, [{ op: 'replace', path: '', value: [] }], 422],
    [
      'negative indexes count from the end',
      { a: [1, 2] },
      [{ op: 'remove', path: '/a/-1' }],
      { a: [1] },
    ],
    ['~1 is a slash, ~0 a tilde', { 'a/~': 1 }, [{ op: 'remove', path: '/a~1~0' }], {}],
    ['~01 is ~1', { '~1': 1 }, [{ op: 'remove', path: '/~01' }], {}],
    [
      'test of equal objects',
      { a: { b: 1, c: 2 } },
      [{ op: 'test', path: '/a', value: { c: 2, b: 1 } }],
      { a: { b: 1, c: 2 } },
    ],
    [
      'test of null on a missing key',
      { a: 1 },
      [{ op: 'test', path: '/b', value: null }],
      { a: 1 },
    ],
    ['a move into itself fails', { a: { b: 1 } }, [{ op: 'move', from: '/a', path: '/a/b' }], 422],
    ['the empty key', { '': 1 }, [{ op: 'replace', path: '/', value: 2 }], { '': 2 }],
    ['an operation without a path', { a: 1 }, [{ op: 'add', value: 2 }], 422],
    ['a path that is no string', { a: 1 }, [{ op: 'add', path: 5 }], 400],
  ]
  it.each(cases)('%s', (_, document, operations, want) => checkJson(document, operations, want))

  it('refuses more than the allowed operations with 413', () => {
    const many = Array.from({ length: maxOperations + 1 }, () => ({
      op: 'test',
      path: '/a',
      value: 1,
    }))
    checkJson({ a: 1 }, many, 413)
  })

  it('refuses copies that double the document again and again', () => {
    const doubling = Array.from({ length: 40 }, (_, index) => ({
      op: 'copy',
      from: '/data',
      path: `/data/n${index}`,
    }))
    checkJson({ data: { k: 'x'.repeat(1000) } }, doubling, 422)
  })

  it('lets copies add as much as is allowed, and no byte more', () => {
    const half = 'x'.repeat(maxCopiedBytes / 2 - 2)
    const copies = ['/b', '/c'].map((path) => ({ op: 'copy', from: '/a', path }))
    checkJson({ a: half }, copies, { a: half, b: half, c: half })
    checkJson({ a: half, z: 1 }, [...copies, { op: 'copy', from: '/z', path: '/y' }], 422)
    const moves = ['/ab', '/bc', '/cd'].map(([, from, to]) => ({
      op: 'move',
      from: `/${from}`,
      path: `/${to}`,
    }))
    checkJson({ a: half }, moves, { d: half })
  })

  it('reports fields that operations do not have', () => {
    expect(strictErrorsOf([{ op: 'add', path: '/a', value: 1, foo: 1 }])).toEqual([
      'json patch unknown field "[0].foo"',
    ])
  })

  it('treats __proto__ as a key like any other', () => {
    const patch = JSON.parse('[{"op":"add","path":"/a/__proto__","value":{"polluted":true}}]')
    const result = applyJsonPatch({ a: {} }, patch)
    expect(JSON.stringify(result.ok && result.object)).toBe('{"a":{"__proto__":{"polluted":true}}}')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})

describe('applyMergePatch()', () => {
  it('drops nulls of new objects, and keeps __proto__ harmless', () => {
    const patch = JSON.parse('{"a":{"b":null,"c":1},"__proto__":{"polluted":true},"d":null}')
    const result = applyMergePatch({ d: 1 }, patch)
    expect(JSON.stringify(result.ok && result.object)).toBe(
      '{"a":{"c":1},"__proto__":{"polluted":true}}',
    )
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('is idempotent', () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue())
    fc.assert(
      fc.property(json, json, (document, patch) => {
        const once = applyMergePatch(document, patch)
        if (!once.ok) throw once.error
        expect(applyMergePatch(once.object, patch)).toEqual(once)
      }),
    )
  })
})

function checkStrategic(spec: unknown, patch: unknown, want: unknown) {
  const result = applyStrategicPatch({ spec }, { spec: patch }, 'core.v1.Pod')
  expect(result.ok ? result.object.spec : result.error.message).toEqual(want)
}

describe('applyStrategicPatch()', () => {
  const one = { name: 'a', image: 'x' }
  const two = { name: 'b', image: 'y' }
  const cases: [string, unknown, unknown, unknown][] = [
    [
      'merges items by name',
      { containers: [one] },
      { containers: [{ name: 'a', image: 'z' }] },
      { containers: [{ name: 'a', image: 'z' }] },
    ],
    [
      'puts new items before unrelated live ones',
      { containers: [one] },
      { containers: [two] },
      { containers: [two, one] },
    ],
    [
      'keeps live neighbours in place',
      { containers: [one, two] },
      { containers: [{ name: 'b', image: 'z' }] },
      { containers: [one, { name: 'b', image: 'z' }] },
    ],
    [
      'orders as told',
      { containers: [one, two] },
      { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
      { containers: [two, one] },
    ],
    [
      'deletes an item',
      { containers: [one, two] },
      { containers: [{ name: 'a', $patch: 'delete' }] },
      { containers: [two] },
    ],
    [
      'drops directives of what is new',
      {},
      { containers: [{ name: 'a', $patch: 'delete' }, two] },
      { containers: [two] },
    ],
    [
      'replaces atomic lists',
      { containers: [{ ...one, args: ['1'] }] },
      { containers: [{ name: 'a', args: ['2'] }] },
      { containers: [{ ...one, args: ['2'] }] },
    ],
    [
      'merges granular maps',
      { nodeSelector: { a: '1' } },
      { nodeSelector: { b: '2' } },
      { nodeSelector: { a: '1', b: '2' } },
    ],
    [
      'refuses a bad $retainKeys',
      { volumes: [] },
      { $retainKeys: 'x' },
      'invalid patch format of retainKeys',
    ],
    [
      'refuses a bad order list',
      {},
      { '$setElementOrder/containers': 'x' },
      'expected a []interface {}, but received a string',
    ],
    [
      'refuses a list directive',
      { containers: [one] },
      { containers: [{ name: 'a', $patch: 'merge' }] },
      'merging lists cannot yet be specified in the patch',
    ],
  ]
  it.each(cases)('%s', (_, spec, patch, want) => checkStrategic(spec, patch, want))
})

describe('restoreError()', () => {
  const spec = (value: unknown) => restoreError({ spec: value }, 'core.v1.Pod')
  it.each([
    [{ containers: { a: 1 } }, 'cannot restore slice from map'],
    [{ nodeSelector: 'x' }, 'cannot restore map from string'],
    [[], 'cannot restore struct from: slice'],
    [{ nodeName: 1 }, 'cannot convert int64 to string'],
    [{ priority: 'x' }, 'unrecognized type: int32'],
    [{ hostNetwork: 'x' }, 'unrecognized type: bool'],
    [{ nodeName: null, containers: [{ name: 'a' }] }, undefined],
  ])('%j: %s', (value, want) => expect(spec(value)).toBe(want))
})
