// One Event under two APIs: what goes in through one comes out of the other, nothing lost.
import { expect, test } from 'vitest'
import type { KubeObject } from '../machinery/resource.ts'
import type { Event } from '../types/core.gen.ts'
import { eventKind, eventViewKind } from './event.ts'

const stored = {
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'e', namespace: 'default' },
  involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' },
  reason: 'Pulled',
  message: 'done',
  source: { component: 'kubelet', host: 'n1' },
  firstTimestamp: '2026-01-01T00:00:00Z',
  lastTimestamp: '2026-01-01T00:01:00Z',
  count: 4,
  type: 'Normal',
  reportingComponent: 'kubelet',
}

const view = eventViewKind.view!

test('fromStored() renames as events.k8s.io/v1 has it', () => {
  expect(view.fromStored(stored as unknown as KubeObject)).toEqual({
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'default' },
    regarding: { kind: 'Pod', name: 'web', namespace: 'default' },
    reason: 'Pulled',
    note: 'done',
    deprecatedSource: { component: 'kubelet', host: 'n1' },
    deprecatedFirstTimestamp: '2026-01-01T00:00:00Z',
    deprecatedLastTimestamp: '2026-01-01T00:01:00Z',
    deprecatedCount: 4,
    type: 'Normal',
    reportingController: 'kubelet',
  })
})

test('toStored() undoes fromStored()', () => {
  expect(view.toStored(view.fromStored(stored as unknown as KubeObject))).toEqual(stored)
})

test('validate() asks more of events that come through events.k8s.io', () => {
  const context = (requestVersion: string) => ({ requestVersion }) as never
  const fields = (version: string) =>
    eventKind.validate!(stored as unknown as Event, context(version)).map(({ field }) => field)
  expect(fields('v1')).toEqual([])
  expect(fields('events.k8s.io/v1')).toEqual(['eventTime', 'reportingInstance', 'action'])
})

test('an event of another namespace than its object is refused', () => {
  const stray = { ...stored, involvedObject: { ...stored.involvedObject, namespace: 'other' } }
  const errors = eventKind.validate!(stray as unknown as Event, { requestVersion: 'v1' } as never)
  expect(errors.map(({ field, message }) => `${field}: ${message}`)).toEqual([
    'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
  ])
})
