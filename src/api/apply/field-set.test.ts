// The algebra against a naive twin: a set is a list of paths written as text.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeFields,
  difference,
  encodeFields,
  type FieldSet,
  insert,
  intersection,
  openSet,
  pathsOf,
  recursiveDifference,
  union,
} from './field-set.ts'
import { compareElements, itemElement, parseElement, showPath } from './path-element.ts'

const element = fc.constantFrom('f:a', 'f:b', 'k:{"n":1}', 'k:{"n":10}', 'v:"x"', 'i:0')
const paths = fc.array(fc.array(element, { minLength: 1, maxLength: 4 }), { maxLength: 12 })

function setOfPaths(list: readonly string[][]): FieldSet {
  const set = openSet()
  for (const path of list) insert(set, path)
  return set
}

const texts = (set: FieldSet): Set<string> => new Set(pathsOf(set).map((path) => path.join(' ')))
const naive = (list: readonly string[][]): Set<string> =>
  new Set(list.map((path) => path.join(' ')))

describe('field sets', () => {
  it('unite, meet and differ like sets of paths', () => {
    fc.assert(
      fc.property(paths, paths, (one, other) => {
        const [a, b] = [setOfPaths(one), setOfPaths(other)]
        const [x, y] = [naive(one), naive(other)]
        expect(texts(union(a, b))).toEqual(new Set([...x, ...y]))
        expect(texts(intersection(a, b))).toEqual(new Set([...x].filter((path) => y.has(path))))
        expect(texts(difference(a, b))).toEqual(new Set([...x].filter((path) => !y.has(path))))
        const below = (path: string) =>
          [...y].some((at) => path === at || path.startsWith(`${at} `))
        expect(texts(recursiveDifference(a, b))).toEqual(
          new Set([...x].filter((path) => !below(path))),
        )
      }),
    )
  })

  it('are given back themselves when nothing changes', () => {
    fc.assert(
      fc.property(paths, paths, (one, other) => {
        const a = setOfPaths(one)
        const b = setOfPaths(other)
        const both = union(a, b)
        expect(union(both, a)).toBe(both)
        expect(union(both, b)).toBe(both)
        const rest = difference(a, b)
        expect(difference(rest, b)).toBe(rest)
      }),
    )
  })

  it('read back what they write, in any order of keys', () => {
    fc.assert(
      fc.property(paths, (list) => {
        const set = setOfPaths(list)
        const text = JSON.stringify(encodeFields(set))
        const read = decodeFields(JSON.parse(text)) as FieldSet
        expect(texts(read)).toEqual(naive(list))
        expect(JSON.stringify(encodeFields(read))).toBe(text)
      }),
    )
  })

  it('mend keys that are not canonical, and drop what they do not know', () => {
    const read = decodeFields({ 'f:p': { 'k:{"protocol":"TCP", "port":80}': {}, 'x:y': {} } })
    expect(encodeFields(read as FieldSet)).toEqual({
      'f:p': { 'k:{"port":80,"protocol":"TCP"}': {} },
    })
    expect(decodeFields({ 'k:{': {} })).toHaveProperty('error')
  })
})

describe('path elements', () => {
  const list = {
    kind: 'list',
    relation: 'map',
    keyDefaults: { protocol: 'TCP' },
    element: { kind: 'any', atomic: false },
  } as const
  it('name items by their keys, defaults included', () => {
    const of = { ...list, keys: ['port', 'protocol'] }
    expect(itemElement(of, { port: 53 })).toBe('k:{"port":53,"protocol":"TCP"}')
    expect(itemElement(of, { protocol: 'UDP', port: 53 })).toBe('k:{"port":53,"protocol":"UDP"}')
    expect(itemElement({ ...list, keys: ['name'] }, { port: 1 })).toHaveProperty('error')
  })
  it('escape as Go does', () => {
    expect(itemElement({ ...list, relation: 'set', keys: [] }, 'a<b>&')).toBe(
      'v:"a\\u003cb\\u003e\\u0026"',
    )
    expect(parseElement('v:"a<b"')).toBe('v:"a\\u003cb"')
  })
  it('sort numbers as numbers', () => {
    expect(['k:{"p":443}', 'f:z', 'k:{"p":80}', 'v:1', 'f:a'].sort(compareElements)).toEqual([
      'f:a',
      'f:z',
      'k:{"p":80}',
      'k:{"p":443}',
      'v:1',
    ])
  })
  it('are shown as in messages', () => {
    expect(showPath(['f:spec', 'f:ports', 'k:{"port":53,"protocol":"TCP"}', 'f:name'])).toBe(
      '.spec.ports[port=53,protocol="TCP"].name',
    )
  })
})
