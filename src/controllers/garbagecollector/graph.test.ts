import { expect, test } from 'vitest'
import type { Resource } from '../../api/machinery/resource.ts'
import { configmaps, namespaces } from '../../api/resources.gen.ts'
import type { ObjectMeta, OwnerReference } from '../../api/types/meta.gen.ts'
import { blocking, decide, type OwnerState, ownerState, type Verdict } from './decide.ts'
import { Graph } from './graph.ts'

const resource = configmaps as unknown as Resource
const owns = (uid: string, more: Partial<OwnerReference> = {}): OwnerReference => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  name: uid,
  uid,
  ...more,
})

const object = (uid: string, metadata: Partial<ObjectMeta> = {}) => ({
  metadata: { namespace: 'default', ...metadata, name: uid, uid },
})

const start = () =>
  new Graph((_apiVersion, kind) =>
    kind === 'Namespace' ? (namespaces as unknown as Resource) : resource,
  )

test('an owner nobody has seen is looked at, and once known its dependents are told', () => {
  const graph = start()
  expect(graph.observe(resource, object('b', { ownerReferences: [owns('a')] })).check).toEqual([
    'a',
  ])
  expect(graph.get('a')).toMatchObject({ isVirtual: true, namespace: 'default' })
  expect(graph.observe(resource, object('a')).check).toEqual([])
  expect(graph.dependents('a').map(({ uid }) => uid)).toEqual(['b'])
})

test('the end of an owner makes its dependents worth a look, and theirs later', () => {
  const graph = start()
  graph.observe(resource, object('a'))
  graph.observe(resource, object('b', { ownerReferences: [owns('a')] }))
  graph.observe(resource, object('c', { ownerReferences: [owns('b')] }))
  expect(graph.forget('a').check).toEqual(['b'])
  expect(graph.forget('b').check).toEqual(['c'])
  expect(graph.forget('b').check).toEqual([])
})

test('foreground deletion looks at the dependents, and at the owner when one is gone', () => {
  const graph = start()
  graph.observe(resource, object('a'))
  graph.observe(
    resource,
    object('b', { ownerReferences: [owns('a', { blockOwnerDeletion: true })] }),
  )
  const deletionTimestamp = '2026-01-01T00:00:00Z'
  const leaving = object('a', { deletionTimestamp, finalizers: ['foregroundDeletion'] })
  expect(graph.observe(resource, leaving).check).toEqual(['b', 'a'])
  expect(graph.observe(resource, leaving).check).toEqual([])
  expect(blocking('a', graph.dependents('a')).map(({ uid }) => uid)).toEqual(['b'])
  expect(graph.forget('b').check).toEqual(['a'])
})

test('a dependent that blocks no more lets its owner be looked at', () => {
  const graph = start()
  graph.observe(
    resource,
    object('b', { ownerReferences: [owns('a', { blockOwnerDeletion: true })] }),
  )
  graph.observe(
    resource,
    object('a', { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['foregroundDeletion'] }),
  )
  expect(graph.observe(resource, object('b', { ownerReferences: [owns('a')] })).check).toEqual([
    'a',
  ])
})

test('the orphan finalizer of a deleted owner is work of its own, once', () => {
  const graph = start()
  const leaving = object('a', { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['orphan'] })
  expect(graph.observe(resource, leaving).orphan).toEqual(['a'])
  expect(graph.observe(resource, leaving).orphan).toEqual([])
})

test('C47 an owner in another namespace is told, from either side', () => {
  const graph = start()
  const owner = object('a', { namespace: 'other' })
  const dependent = object('b', { ownerReferences: [owns('a')] })
  graph.observe(resource, dependent)
  expect(graph.observe(resource, owner).misplaced).toMatchObject([
    { dependent: 'b', owner: { uid: 'a' } },
  ])
  const reversed = start()
  reversed.observe(resource, owner)
  expect(reversed.observe(resource, dependent).misplaced).toMatchObject([{ dependent: 'b' }])
})

test('an owner that nobody names any more is not kept', () => {
  const graph = start()
  graph.observe(resource, object('b', { ownerReferences: [owns('a')] }))
  graph.observe(resource, object('b'))
  expect(graph.get('a')).toBeUndefined()
  expect(graph.size).toBe(1)
})

function check(
  states: readonly OwnerState[],
  expected: Verdict,
  facts: { readonly finalizers?: readonly string[]; readonly dependents?: readonly boolean[] } = {},
): void {
  const ownerReferences = states.map((_, at) => owns(`o${at}`))
  const item = object('x', {
    ownerReferences,
    ...(facts.finalizers ? { finalizers: facts.finalizers } : {}),
  })
  const dependents = (facts.dependents ?? []).map((waitsForDependents) => ({ waitsForDependents }))
  expect(decide(item, states, dependents)).toEqual(expected)
}
const goes = (
  propagationPolicy: 'Foreground' | 'Background' | 'Orphan',
  unblock = false,
): Verdict => ({
  type: 'delete',
  propagationPolicy,
  unblock,
})

test('GC2 one solid owner keeps an object, the others are dropped', () => {
  check([], { type: 'keep' })
  check(['solid'], { type: 'keep' })
  check(['dangling', 'solid', 'waiting'], { type: 'dropOwners', owners: [owns('o1')] })
})

test('GC2 without a solid owner it goes, by its own finalizers', () => {
  check(['dangling'], goes('Background'))
  check(['dangling'], goes('Orphan'), { finalizers: ['orphan'] })
  check(['dangling'], goes('Foreground'), { finalizers: ['foregroundDeletion'] })
  check(['waiting'], goes('Background'))
  check(['waiting', 'dangling'], goes('Foreground'), { dependents: [false] })
  check(['waiting'], goes('Foreground', true), { dependents: [false, true] })
})

test('ownerState() goes by uid, and by whether the owner waits for its dependents', () => {
  const deletionTimestamp = '2026-01-01T00:00:00Z'
  expect(ownerState(owns('a'), undefined)).toBe('dangling')
  expect(ownerState(owns('a'), object('b'))).toBe('dangling')
  expect(ownerState(owns('a'), object('a'))).toBe('solid')
  expect(ownerState(owns('a'), object('a', { deletionTimestamp }))).toBe('solid')
  expect(
    ownerState(owns('a'), object('a', { deletionTimestamp, finalizers: ['foregroundDeletion'] })),
  ).toBe('waiting')
})
