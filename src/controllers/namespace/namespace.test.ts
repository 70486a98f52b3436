import { expect, test } from 'vitest'
import type { KubeObject, Resource } from '../../api/machinery/resource.ts'
import { configmaps, namespaces, pods, secrets } from '../../api/resources.gen.ts'
import { Play } from '../play.ts'
import { type Contents, namespaceController } from './namespace.ts'

const controller = namespaceController({
  discover: () => Promise.resolve({ resources: [], failures: [] }),
  workers: 1,
})

function start(
  metadata: { deletionTimestamp?: string } = { deletionTimestamp: '2026-01-01T00:00:00Z' },
) {
  const play = new Play()
  play.put(namespaces, {
    metadata: { name: 'x', ...metadata },
    spec: { finalizers: ['kubernetes'] },
  })
  const run = (found: Contents['found'], failures: readonly string[] = []) =>
    play
      .run(controller, 'x', { found, discoveryFailures: failures, listFailures: [] })
      .map(({ type, resource, name }) => `${type} ${resource} ${name}`)
  const conditions = () =>
    (play.get(namespaces, 'x').status?.conditions ?? [])
      .filter(({ status }) => status === 'True')
      .map(({ type, message }) => `${type}: ${message}`)
  return { play, run, conditions }
}

const some = (resource: unknown, metadata: Partial<KubeObject['metadata']> = {}) => ({
  resource: resource as Resource,
  objects: [{ metadata: { namespace: 'x', ...metadata, name: 'o' } }],
})

test('NS1 nothing is done to a Namespace that stays', () => {
  expect(start({}).run([some(configmaps)])).toEqual([])
})

test('C48 Pods go first, and the rest is not looked at while one is left', () => {
  const { run, conditions } = start()
  expect(run([some(configmaps), some(pods)])).toEqual([
    'deleteCollection pods x',
    'patch namespaces/status x',
  ])
  expect(conditions()).toEqual([])
  const ending = some(pods, { deletionTimestamp: '2026-01-01T00:00:00Z' })
  expect(run([some(configmaps), ending])).toEqual([])
})

test('C48 then all else goes; a finalizer that stays is told', () => {
  const { run, conditions } = start()
  expect(run([some(configmaps), some(secrets)])).toEqual([
    'deleteCollection configmaps x',
    'deleteCollection secrets x',
  ])
  const held = some(configmaps, {
    deletionTimestamp: '2026-01-01T00:00:00Z',
    finalizers: ['example.com/hold'],
  })
  expect(run([held])).toEqual(['patch namespaces/status x'])
  expect(conditions()).toEqual([
    'NamespaceContentRemaining: Some resources are remaining: configmaps. has 1 resource instances',
    'NamespaceFinalizersRemaining: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
  ])
  expect(run([held])).toEqual([])
})

test('NS1 an empty Namespace is finalized', () => {
  const { run, play } = start()
  expect(run([])).toEqual(['patch namespaces/status x', 'update namespaces/finalize x'])
  expect(play.get(namespaces, 'x').spec?.finalizers).toEqual([])
})

test('NS1 a group that does not answer keeps the Namespace, with a condition', () => {
  const { run, conditions } = start()
  expect(run([], ['/apis/metrics.k8s.io/v1beta1: HTTP 503'])).toEqual(['patch namespaces/status x'])
  expect(conditions()[0]).toMatch(/^NamespaceDeletionDiscoveryFailure: /)
})
