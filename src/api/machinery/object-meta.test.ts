import { expect, test } from 'vitest'
import type { ObjectMeta } from '../types/meta.gen.ts'
import { fieldErrorText } from './field-error.ts'
import {
  validateFieldManager,
  validateObjectMeta,
  validateObjectMetaUpdate,
} from './object-meta.ts'

function onCreate(meta: Partial<ObjectMeta>, ...expected: readonly (string | RegExp)[]): void {
  const object = { name: 'a', namespace: 'default', ...meta } as ObjectMeta
  compare(validateObjectMeta(object, { namespaced: true }).map(fieldErrorText), expected)
}

const stored: ObjectMeta = {
  name: 'a',
  namespace: 'default',
  uid: '1',
  resourceVersion: '5',
  creationTimestamp: '2026-01-01T00:00:00Z',
}

function onUpdate(
  change: Partial<ObjectMeta>,
  old: Partial<ObjectMeta>,
  ...expected: readonly (string | RegExp)[]
): void {
  const before = { ...stored, ...old }
  compare(validateObjectMetaUpdate({ ...before, ...change }, before).map(fieldErrorText), expected)
}

function compare(errors: readonly string[], expected: readonly (string | RegExp)[]): void {
  expect(errors).toEqual(
    expected.map((one) => (typeof one === 'string' ? one : expect.stringMatching(one))),
  )
}

test('a name is needed, and a namespace where objects live in one', () => {
  onCreate({})
  onCreate({ name: '' }, 'metadata.name: Required value: name or generateName is required')
  onCreate({ namespace: '' }, 'metadata.namespace: Required value')
  const clusterWide = validateObjectMeta(stored, { namespaced: false }).map(fieldErrorText)
  expect(clusterWide).toEqual(['metadata.namespace: Forbidden: not allowed on this type'])
})

test('generateName is shown as it was sent', () => {
  onCreate({ generateName: 'x-' })
  onCreate({ generateName: 'X_' }, /^metadata.generateName: Invalid value: "X_": a lowercase RFC/)
})

test('labels, annotations, owners and finalizers have their forms', () => {
  onCreate({ labels: { 'a b': 'c' } }, /^metadata.labels: Invalid value: "a b": name part/)
  onCreate({ annotations: { 'Example.com/X': 'any thing' } })
  onCreate(
    { annotations: { a: 'x'.repeat(256 * 1024) } },
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  )
  onCreate(
    { ownerReferences: [{ apiVersion: '', kind: 'ReplicaSet', name: 'r', uid: '' }] },
    'metadata.ownerReferences[0].apiVersion: Required value: must not be empty',
    'metadata.ownerReferences[0].uid: Required value: must not be empty',
  )
  onCreate(
    { finalizers: ['orphan', 'foregroundDeletion'] },
    'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
  )
})

test('an object has one controller', () => {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', uid: '1', controller: true }
  onCreate(
    {
      ownerReferences: [
        { ...owner, name: 'r' },
        { ...owner, name: 's' },
      ],
    },
    /Only one reference can have Controller set to true. Found "true" in references for ReplicaSet\/r and ReplicaSet\/s$/,
  )
})

// The messages are recorded from kube-apiserver 1.36.
test('an update changes neither identity nor deletion', () => {
  onUpdate({ labels: { a: 'b' } }, {})
  onUpdate(
    { uid: '11111111-2222-3333-4444-555555555555' },
    {},
    'metadata.uid: Invalid value: "11111111-2222-3333-4444-555555555555": field is immutable',
  )
  onUpdate(
    { resourceVersion: '' },
    {},
    'metadata.resourceVersion: Invalid value: "": must be specified for an update',
  )
  onUpdate(
    { finalizers: ['a.b/c', 'd.e/f'] },
    { finalizers: ['a.b/c'], deletionTimestamp: '2026-01-02T00:00:00Z' },
    'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"d.e/f"}',
  )
})

test('a field manager is short and printable', () => {
  const texts = (manager: string) =>
    validateFieldManager(manager, 'fieldManager').map(fieldErrorText)
  expect(texts('kubectl-client-side-apply')).toEqual([])
  expect(texts('a\x01b')).toEqual([
    'fieldManager: Invalid value: "a\\x01b": invalid character U+0001 (at position 1)',
  ])
  expect(texts('x'.repeat(129))).toEqual(['fieldManager: Too long: may not be more than 128 bytes'])
})
