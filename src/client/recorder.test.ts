// Events as client-go correlates them (C51), written to a real API.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { events } from '../api/resources.gen.ts'
import type { Event } from '../api/types/core.gen.ts'
import { buildPod } from '../testkit/build.ts'
import type { TestCluster } from '../testkit/testkit.ts'
import { startTestCluster } from '../testkit/testkit.ts'
import type { EventRecord } from './controller.ts'
import type { EventRecorder } from './recorder.ts'
import { createRecorder } from './recorder.ts'
import { createClient } from './resource-client.ts'

let cluster: TestCluster
let recorder: EventRecorder

beforeEach(async () => {
  cluster = await startTestCluster({ controllers: false, nodes: [] })
  recorder = createRecorder({ component: 'kubelet', host: 'n1' }, cluster)
})

afterEach(() => cluster.stop())

const pod = buildPod('web', {}, { uid: 'uid-1', resourceVersion: '7' })
const warning = (message: string, reason = 'Unhealthy'): EventRecord => ({
  regarding: pod,
  type: 'Warning',
  reason,
  message,
})

async function written(): Promise<readonly Event[]> {
  await recorder.flush()
  const { items } = await cluster.client.resource(events).list({ namespace: 'default' })
  return items
}

const shown = async () => (await written()).map(({ message, count }) => [message, count])

test('an event names its object, its source and its time', async () => {
  const nowMs = cluster.clock.now()
  recorder.record({ ...warning('no answer'), fieldPath: 'spec.containers{web}' })
  const [event] = await written()
  expect(event).toMatchObject({
    metadata: { namespace: 'default', name: `web.${(BigInt(nowMs) * 1_000_000n).toString(16)}` },
    involvedObject: {
      apiVersion: 'v1',
      kind: 'Pod',
      namespace: 'default',
      name: 'web',
      uid: 'uid-1',
      resourceVersion: '7',
      fieldPath: 'spec.containers{web}',
    },
    type: 'Warning',
    reason: 'Unhealthy',
    message: 'no answer',
    source: { component: 'kubelet', host: 'n1' },
    reportingComponent: 'kubelet',
    reportingInstance: 'n1',
    firstTimestamp: new Date(nowMs).toISOString().replace('.000', ''),
    count: 1,
  })
})

test('an event of something without a namespace is in "default"', async () => {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }
  recorder.record({ regarding: node, type: 'Normal', reason: 'Starting', message: '' })
  expect((await written()).map(({ metadata }) => metadata.namespace)).toEqual(['default'])
})

test('the same event again is counted, whatever version of the object it is of', async () => {
  for (const resourceVersion of ['7', '8', '9']) {
    const regarding = { ...pod, metadata: { ...pod.metadata, resourceVersion } }
    recorder.record({ ...warning('no answer'), regarding })
    await recorder.flush()
    await cluster.advance(1000)
  }
  const [event, ...others] = await written()
  expect(others).toEqual([])
  expect(event?.count).toBe(3)
  expect(Date.parse(event!.lastTimestamp!) - Date.parse(event!.firstTimestamp!)).toBe(2000)
})

test('from the tenth on, events that differ in their message only are combined', async () => {
  for (let index = 1; index <= 12; index++) recorder.record(warning(`try ${index}`))
  const all = await shown()
  expect(all).toHaveLength(10)
  expect(all).toContainEqual(['try 9', 1])
  expect(all).toContainEqual(['(combined from similar events): try 12', 3])
})

test('what is similar is forgotten after ten minutes', async () => {
  for (let index = 1; index <= 9; index++) recorder.record(warning(`try ${index}`))
  await recorder.flush()
  await cluster.advance(601_000)
  recorder.record(warning('try 10'))
  expect(await shown()).toContainEqual(['try 10', 1])
})

test('a flood is told 25 times, then every five minutes, and counted meanwhile', async () => {
  for (let index = 0; index < 30; index++) recorder.record(warning('no answer'))
  expect(await shown()).toEqual([['no answer', 25]])
  await cluster.advance(300_000)
  recorder.record(warning('no answer'))
  expect(await shown()).toEqual([['no answer', 31]])
  const other = { ...pod, metadata: { ...pod.metadata, name: 'other', uid: 'uid-2' } }
  recorder.record({ ...warning('no answer'), regarding: other })
  expect(await shown()).toContainEqual(['no answer', 1])
})

test('an event that is gone by now is written anew, with its count', async () => {
  recorder.record(warning('no answer'))
  const [first] = await written()
  await cluster.client.resource(events).delete(first!.metadata)
  await cluster.advance(1000)
  recorder.record(warning('no answer'))
  expect(await shown()).toEqual([['no answer', 2]])
})

test('an API that fails or refuses never fails who records, and the next event is written', async () => {
  let down = true
  const { transport } = cluster.client
  const client = createClient({
    request: (request) => (down ? Promise.reject(new Error('down')) : transport.request(request)),
    close: () => {},
  })
  recorder = createRecorder({ component: 'kubelet' }, { ...cluster, client })
  recorder.record(warning('lost'))
  await recorder.flush()
  down = false
  const nowhere = { ...pod, metadata: { ...pod.metadata, namespace: 'nowhere' } }
  recorder.record({ ...warning('refused'), regarding: nowhere })
  recorder.record(warning('told'))
  expect(await shown()).toEqual([['told', 1]])
})
