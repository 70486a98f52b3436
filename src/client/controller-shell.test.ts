// The shell against a real API: what it promises to every controller.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { statusError } from '../api/machinery/status.ts'
import { configmaps, namespaces, services } from '../api/resources.gen.ts'
import type { ConfigMap, Service } from '../api/types/core.gen.ts'
import type { Component } from '../lib/component.ts'
import type { Logger } from '../lib/log.ts'
import { silentLogger } from '../lib/log.ts'
import { buildConfigMap, buildService } from '../testkit/build.ts'
import type { TestCluster } from '../testkit/testkit.ts'
import { startTestCluster } from '../testkit/testkit.ts'
import type { Client, Transport } from './client.ts'
import type { Change, Controller, EventRecord, Outcome } from './controller.ts'
import { watching } from './controller.ts'
import { startController } from './controller-shell.ts'
import { createInformers } from './informers.ts'
import { createClient } from './resource-client.ts'

let cluster: TestCluster
let started: (() => Promise<void>)[]

beforeEach(async () => {
  cluster = await startTestCluster({ controllers: false, nodes: [] })
  started = []
})

afterEach(async () => {
  for (const stop of started) await stop()
  await cluster.stop()
})

interface RunOptions {
  /** What informers read through, where it is not what writes go through. */
  readonly reader?: Client
  readonly writer?: Client
  readonly log?: Logger
}

interface Run {
  readonly component: Component
  readonly recorded: EventRecord[]
}

async function run(
  controller: Omit<Controller, 'name' | 'watches'> & Partial<Controller>,
  { reader = cluster.client, writer = cluster.client, log = silentLogger }: RunOptions = {},
): Promise<Run> {
  const informers = createInformers({ ...cluster, client: reader })
  const recorded: EventRecord[] = []
  const recorder = {
    record: (event: EventRecord) => void recorded.push(event),
    flush: () => Promise.resolve(),
  }
  const watches = [watching<ConfigMap>({ resource: configmaps })]
  const whole: Controller = { name: 'test', watches, ...controller }
  const component = startController(whole, { ...cluster, client: writer, informers, recorder, log })
  informers.start()
  started.push(async () => {
    await component.stop()
    informers.stop()
  })
  // Informers that lag need some time to be ready.
  await Promise.all([component.ready(), cluster.advance(10_000)])
  return { component, recorded }
}

const get = (name: string) =>
  cluster.client.resource(configmaps).get({ namespace: 'default', name })
const names = async () =>
  (await cluster.client.resource(configmaps).list({ namespace: 'default' })).items
    .map(({ metadata }) => metadata.name)
    .filter((name) => name !== 'kube-root-ca.crt')

const setData = (name: string, data: Record<string, string>): Change => ({
  type: 'patch',
  resource: configmaps,
  key: { namespace: 'default', name },
  patch: { type: 'merge', body: { data } },
})

const onlyFor = (wanted: string, outcome: () => Outcome) => (key: string) =>
  key === `default/${wanted}` ? outcome() : { changes: [] }

/** A transport whose watches of ConfigMaps tell everything later. */
function lagging(inner: Transport, delayMs: number): Transport {
  return {
    async request(request) {
      const response = await inner.request(request)
      if (!/\/configmaps\?.*watch=true/.test(request.path)) return response
      async function* late() {
        for await (const chunk of response.body) {
          await cluster.clock.sleep(delayMs)
          yield chunk
        }
      }
      return { ...response, body: late() }
    },
    close: () => inner.close(),
  }
}

describe('workers', () => {
  test('run different keys at once, and one key never twice at once', async () => {
    const inside = new Map<string, number>()
    let most = 0
    let mostOfOne = 0
    await run({
      workers: 3,
      async observe(key) {
        inside.set(key, (inside.get(key) ?? 0) + 1)
        const counts = [...inside.values()]
        most = Math.max(
          most,
          counts.reduce((sum, count) => sum + count, 0),
        )
        mostOfOne = Math.max(mostOfOne, ...counts)
        await cluster.clock.sleep(100)
        inside.set(key, inside.get(key)! - 1)
      },
      reconcile: () => ({ changes: [] }),
    })
    for (const name of ['a', 'b', 'c']) {
      await cluster.apply([buildConfigMap(name)])
    }
    for (let round = 0; round < 5; round++) {
      for (const name of ['a', 'b', 'c']) {
        await cluster.client
          .resource(configmaps)
          .patch(
            { namespace: 'default', name },
            { type: 'merge', body: { data: { r: `${round}` } } },
          )
      }
    }
    await cluster.settle()
    expect(mostOfOne).toBe(1)
    expect(most).toBe(3)
  })

  test('see every key again that changed while it was being worked on', async () => {
    const seen: string[] = []
    await run({
      async observe() {
        await cluster.clock.sleep(50)
      },
      reconcile(key, snapshot) {
        const value = snapshot.of(configmaps).get(key)?.data?.['v']
        if (value) seen.push(value)
        return { changes: [] }
      },
    })
    const client = cluster.client.resource(configmaps)
    const object = await client.create(buildConfigMap('a', { v: '1' }))
    await client.patch(object.metadata as never, { type: 'merge', body: { data: { v: '2' } } })
    await cluster.settle()
    expect(seen.at(-1)).toBe('2')
  })
})

describe('own writes', () => {
  /** One ConfigMap for each Service, found by label: made twice by whoever trusts an old snapshot. */
  const oneForEach: Omit<Controller, 'name'> = {
    watches: [
      watching<Service>({ resource: services }),
      watching<ConfigMap>({ resource: configmaps, keys: ({ data }) => [data?.['for'] ?? ''] }),
    ],
    workers: 2,
    reconcile(key, snapshot) {
      if (key !== 'default/web' || !snapshot.of(services).get(key)) return { changes: [] }
      const made = snapshot
        .of(configmaps)
        .list()
        .filter(({ data }) => data?.['for'] === key)
      if (made.length > 0) return { changes: [] }
      const metadata = { namespace: 'default', name: '', generateName: 'made-' }
      const object = { metadata, data: { for: key } }
      return { changes: [{ type: 'create', resource: configmaps, object }] }
    },
  }

  test('have come back before the key is run again, however late the watch is', async () => {
    const reader = createClient(lagging(cluster.client.transport, 700))
    await cluster.apply([buildService('web')])
    let pokes = 0
    const poke = async (): Promise<void> => {
      const body = { metadata: { annotations: { poke: `${pokes++}` } } }
      const key = { namespace: 'default', name: 'web' }
      await cluster.client.resource(services).patch(key, { type: 'merge', body })
      if (pokes < 60) cluster.clock.after(200, () => void poke())
    }
    await poke()
    await run(oneForEach, { reader })
    await cluster.advance(10_000)
    expect(pokes).toBe(60)
    expect(await names()).toHaveLength(1)
  })

  test('of a deletion too', async () => {
    const reader = createClient(lagging(cluster.client.transport, 700))
    let deletions = 0
    await cluster.apply([buildConfigMap('old'), buildService('poke')])
    await run(
      {
        watches: [
          watching<ConfigMap>({ resource: configmaps, keys: () => ['all'] }),
          watching<Service>({ resource: services, keys: () => ['all'] }),
        ],
        reconcile(_, snapshot) {
          const old = snapshot.of(configmaps).get('default/old')
          if (!old) return { changes: [] }
          if (deletions++ > 20) return { changes: [] }
          const again = buildService('poke', {}, { annotations: { deletions: `${deletions}` } })
          void cluster.client.resource(services).patch(again.metadata, {
            type: 'merge',
            body: { metadata: again.metadata },
          })
          const key = { namespace: 'default', name: 'old' }
          return { changes: [{ type: 'delete', resource: configmaps, key }] }
        },
      },
      { reader },
    )
    await cluster.advance(10_000)
    expect(deletions).toBe(1)
  })

  test('that never come back hold a key up for ten seconds only', async () => {
    const reader = createClient(lagging(cluster.client.transport, 60_000))
    await cluster.apply([buildConfigMap('a')])
    let runs = 0
    const starting = run(
      {
        reconcile: onlyFor('a', () => {
          runs++
          return { changes: [setData('a', { run: `${runs}` })], requeueAfterMs: 1 }
        }),
      },
      { reader },
    )
    await cluster.advance(61_000)
    await starting
    const before = runs
    await cluster.advance(10_500)
    expect(runs - before).toBeGreaterThanOrEqual(1)
    expect(runs - before).toBeLessThanOrEqual(2)
  })
})

describe('changes', () => {
  test('are carried out in order, those in a list at once, and none after a failure', async () => {
    const order: string[] = []
    const writer = createClient({
      request: (request) => {
        if (request.method === 'POST') {
          const { metadata } = JSON.parse(Buffer.from(request.body!).toString())
          order.push(metadata.name)
        }
        return cluster.client.transport.request(request)
      },
      close: () => {},
    })
    const create = (name: string): Change => ({
      type: 'create',
      resource: configmaps,
      object: buildConfigMap(name),
    })
    await cluster.apply([buildConfigMap('trigger'), buildConfigMap('taken')])
    let runs = 0
    await run(
      {
        reconcile: onlyFor('trigger', () => {
          if (runs++ > 0) return { changes: [] }
          const group = [create('two'), create('taken'), create('three')]
          return { changes: [create('one'), group, create('never')] }
        }),
      },
      { writer },
    )
    expect(order).toEqual(['one', 'two', 'taken', 'three'])
    expect(await names()).not.toContain('never')
    expect(runs).toBe(2)
  })

  test('that delete what is gone are done, and say nothing; nor do those that failed', async () => {
    await cluster.apply([buildConfigMap('a')])
    const says = (reason: string): EventRecord => ({
      regarding: buildConfigMap('a'),
      type: 'Normal',
      reason,
      message: reason,
    })
    let runs = 0
    const { recorded } = await run({
      reconcile: onlyFor('a', () => {
        if (runs++ > 0) return { changes: [] }
        const key = { namespace: 'default', name: 'gone' }
        return {
          changes: [
            { type: 'delete', resource: configmaps, key, done: says('Deleted') },
            { type: 'event', event: says('Told') },
            { ...setData('gone', { a: 'b' }), done: says('Patched') },
          ],
        }
      }),
    })
    expect(recorded.map(({ reason }) => reason)).toEqual(['Told'])
    expect(runs).toBe(2)
  })

  test('of what somebody else changed meanwhile are decided anew', async () => {
    await cluster.apply([buildConfigMap('a', { count: '1' })])
    let runs = 0
    const client = cluster.client.resource(configmaps)
    await run({
      async observe(key) {
        // Between the snapshot and the write, once.
        if (key !== 'default/a' || runs > 0) return
        await client.patch(
          { namespace: 'default', name: 'a' },
          { type: 'merge', body: { data: { other: 'x' } } },
        )
      },
      reconcile(key, snapshot) {
        if (key !== 'default/a') return { changes: [] }
        runs++
        const object = snapshot.of(configmaps).get(key)!
        if (object.data?.['mine']) return { changes: [] }
        const stale = runs === 1 ? { ...object, metadata: staleOf(object) } : object
        const next = { ...stale, data: { ...stale.data, mine: 'y' } }
        return { changes: [{ type: 'update', resource: configmaps, object: next }] }
      },
    })
    expect((await get('a')).data).toEqual({ count: '1', other: 'x', mine: 'y' })
    expect(runs).toBeGreaterThan(2)
  })

  /** As read before the write that observe() made. */
  const staleOf = ({ metadata }: ConfigMap) => ({ ...metadata, resourceVersion: '1' })

  test('in a namespace that is terminating end quietly', async () => {
    const finalizers = ['test/hold']
    await cluster.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'going', finalizers } },
      buildConfigMap('a', {}, { namespace: 'going' }),
    ])
    await cluster.client.resource(namespaces).delete({ name: 'going' })
    let runs = 0
    let asked = 0
    await run({
      reconcile(key) {
        if (key !== 'going/a') return { changes: [] }
        runs++
        const object = buildConfigMap('late', {}, { namespace: 'going' })
        return {
          changes: [{ type: 'create', resource: configmaps, object }],
          failed: () => {
            asked++
            return []
          },
        }
      },
    })
    await cluster.advance(60_000)
    expect([runs, asked]).toEqual([1, 0])
  })
})

describe('a key that fails', () => {
  test('asks failed() what is left to do, and is retried', async () => {
    await cluster.apply([buildConfigMap('a')])
    let runs = 0
    await run({
      reconcile: onlyFor('a', () => {
        runs++
        if (runs > 2) return { changes: [] }
        return {
          changes: [setData('missing', { a: 'b' })],
          failed: (failures) => [setData('a', { failed: `${failures.length} at run ${runs}` })],
        }
      }),
    })
    await cluster.advance(1000)
    expect((await get('a')).data).toEqual({ failed: '1 at run 2' })
  })

  test('comes back after 5, 10, 20 … ms, is told of aloud once, and succeeds when it can', async () => {
    const errors: string[] = []
    const log = { ...silentLogger, error: (message: string) => void errors.push(message) }
    const withChild = { ...log, child: () => log }
    await cluster.apply([buildConfigMap('a')])
    const at: number[] = []
    let fails = true
    await run(
      {
        reconcile: onlyFor('a', () => {
          at.push(cluster.clock.monotonic())
          return fails ? { changes: [setData('missing', {})] } : { changes: [] }
        }),
      },
      { log: withChild },
    )
    await cluster.advance(400_000)
    const gaps = at.slice(1).map((time, index) => time - at[index]!)
    expect(gaps.slice(0, 5)).toEqual([5, 10, 20, 40, 80])
    expect(gaps.slice(10, 16)).toEqual([5120, 10_240, 20_480, 40_960, 81_920, 163_840])
    expect(errors).toHaveLength(1)
    fails = false
    const before = at.length
    await cluster.advance(400_000)
    expect(at.length - before).toBe(1)
  })

  test('starts its delays anew after a success', async () => {
    await cluster.apply([buildConfigMap('a')])
    const at: number[] = []
    let failures = 3
    await run({
      reconcile: onlyFor('a', () => {
        at.push(cluster.clock.monotonic())
        return failures-- > 0 ? { changes: [], retry: 'not yet' } : { changes: [] }
      }),
    })
    at.length = 0
    failures = 2
    const key = { namespace: 'default', name: 'a' }
    await cluster.client
      .resource(configmaps)
      .patch(key, { type: 'merge', body: { data: { v: '1' } } })
    await cluster.settle()
    expect(at.map((time) => time - at[0]!)).toEqual([0, 5, 15])
  })

  test('by an error of its controller is retried as well', async () => {
    await cluster.apply([buildConfigMap('a')])
    let runs = 0
    await run({
      async observe() {
        if (runs === 0) {
          runs++
          throw statusError('ServiceUnavailable', 'not now')
        }
      },
      reconcile: onlyFor('a', () => {
        runs++
        if (runs === 2) throw new Error('a bug')
        return { changes: [setData('a', { done: 'yes' })] }
      }),
    })
    expect((await get('a')).data).toEqual({ done: 'yes' })
  })
})

test('requeueAfterMs looks again when nothing changed', async () => {
  await cluster.apply([buildConfigMap('a')])
  const at: number[] = []
  await run({
    reconcile: onlyFor('a', () => {
      at.push(cluster.clock.monotonic())
      return { changes: [], requeueAfterMs: 30_000 }
    }),
  })
  await cluster.advance(65_000)
  expect(at.map((time) => time - at[0]!)).toEqual([0, 30_000, 60_000])
})

test('stop() ends a run that waits, and nothing runs afterwards', async () => {
  await cluster.apply([buildConfigMap('a')])
  let runs = 0
  const { component } = await run({
    reconcile: onlyFor('a', () => {
      runs++
      return { changes: [], requeueAfterMs: 1000 }
    }),
  })
  await component.stop()
  const before = runs
  await cluster.advance(10_000)
  expect(runs).toBe(before)
})
