// What every write shares: status through its own door only, generation for changes of substance.
import { expect, test } from 'vitest'
import { seededRandom } from '../../lib/random.ts'
import { validatingPolicyKind } from '../admissionregistration/policies.ts'
import { deploymentKind } from '../apps/deployment.ts'
import { namespaceKind } from '../core/namespace.ts'
import { podKind } from '../core/pod.ts'
import { type Draft, draftOf } from './draft.ts'
import type { HookContext, Kind } from './kind.ts'
import type { KubeObject } from './resource.ts'
import { prepareCreate, prepareUpdate } from './strategy.ts'

const context = (subresource = ''): HookContext => ({
  clock: { now: () => 0 },
  random: seededRandom(1),
  facts: { serviceFamilies: ['IPv4'], nodePortRange: { from: 30000, to: 32767 } },
  subresource,
  dryRun: false,
  requestVersion: 'v1',
})

type Fields = Record<string, unknown>
const object = (fields: Fields, metadata: Fields = {}): KubeObject =>
  ({ metadata: { name: 'x', ...metadata }, ...fields }) as unknown as KubeObject

/** The object after prepareUpdate of what was sent over what is stored. */
function updated(kind: Kind, [sent, old]: [KubeObject, KubeObject], subresource = ''): Fields {
  const draft = draftOf(sent) as Draft<KubeObject>
  prepareUpdate(kind, draft, old, context(subresource))
  return draft as unknown as Fields
}

const template = { spec: { containers: [] } }

test('prepareCreate() drops status and starts generation at 1', () => {
  const draft = draftOf(object({ spec: { template }, status: { replicas: 3 } }, { generation: 9 }))
  prepareCreate(deploymentKind, draft as Draft<KubeObject>, context())
  expect(draft).toEqual({ metadata: { name: 'x', generation: 1 }, spec: { template } })
})

test('prepareUpdate() keeps status from the main resource and spec from status', () => {
  const old = object({ spec: { replicas: 1 }, status: { replicas: 1 } }, { generation: 4 })
  const sent = object({ spec: { replicas: 2 }, status: { replicas: 7 } }, { generation: 9 })
  expect(updated(deploymentKind, [sent, old])).toMatchObject({
    metadata: { generation: 5 },
    spec: { replicas: 2 },
    status: { replicas: 1 },
  })
  expect(updated(deploymentKind, [sent, old], 'status')).toMatchObject({
    metadata: { generation: 4 },
    spec: { replicas: 1 },
    status: { replicas: 7 },
  })
})

test('prepareUpdate() raises generation of a Deployment for annotations, not for labels', () => {
  const old = object({ spec: { replicas: 1 } }, { generation: 1 })
  const generation = (metadata: Fields) =>
    (updated(deploymentKind, [object({ spec: { replicas: 1 } }, metadata), old]).metadata as Fields)
      .generation
  expect(generation({ labels: { a: 'b' } })).toBe(1)
  expect(generation({ annotations: { a: 'b' } })).toBe(2)
})

test('prepareUpdate() keeps finalizers of a Namespace but through finalize', () => {
  const old = object({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } })
  const sent = object({ spec: {}, status: { phase: 'Terminating' } })
  expect(updated(namespaceKind, [sent, old]).spec).toEqual({ finalizers: ['kubernetes'] })
  expect(updated(namespaceKind, [sent, old], 'finalize')).toMatchObject({
    spec: {},
    status: { phase: 'Active' },
  })
})

test('prepareUpdate() writes nothing but ephemeral containers through ephemeralcontainers', () => {
  const old = object({ spec: { containers: [{ name: 'a' }] } }, { generation: 1 })
  const sent = object({ spec: { containers: [], ephemeralContainers: [{ name: 'd' }] } })
  expect(updated(podKind, [sent, old], 'ephemeralcontainers')).toMatchObject({
    metadata: { generation: 2 },
    spec: { containers: [{ name: 'a' }], ephemeralContainers: [{ name: 'd' }] },
  })
})

test('prepareUpdate() through status of a policy changes no labels', () => {
  const old = object({ spec: { a: 1 } }, { labels: { a: 'b' } })
  const sent = object({ spec: { a: 2 }, status: { b: 1 } }, { labels: { c: 'd' } })
  expect(updated(validatingPolicyKind, [sent, old], 'status')).toEqual({
    metadata: { name: 'x', labels: { a: 'b' } },
    spec: { a: 1 },
    status: { b: 1 },
  })
})
