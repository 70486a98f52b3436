// What the shell does about failures; that it waits for its own writes is held by the scenarios.
import { expect, test } from 'vitest'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { services } from '../api/resources.gen.ts'
import type { Service } from '../api/types/core.gen.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import type { Logger } from '../lib/log.ts'
import { silentLogger } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import type { Client } from './client.ts'
import type { Outcome } from './controller.ts'
import { watching } from './controller.ts'
import { startController } from './controller-shell.ts'
import type { Informer, InformerFactory } from './informer.ts'
import { ObjectCache } from './informers.ts'

const service = (version: number): Service => ({
  metadata: { namespace: 'default', name: 'web', uid: 'web', resourceVersion: String(version) },
  spec: {},
})

/** One controller over a copy that the test feeds; `errors` are its logs at that level. */
function running(reconcile: () => Outcome) {
  const cache = new ObjectCache<Service>()
  cache.replace([], '1')
  const informer: Informer<Service> = {
    resource: services,
    synced: true,
    whenSynced: () => Promise.resolve(),
    whenSeen: (version) => cache.whenSeen(version),
    get: (key) => cache.get(key),
    list: (namespace) => cache.list(namespace),
    byIndex: () => [],
    subscribe: (onEvent) => cache.subscribe(onEvent),
  }
  const informers: InformerFactory = {
    informer: <T extends KubeObject>(_resource: Resource<T>) => informer as unknown as Informer<T>,
    start: () => {},
    stop: () => {},
  }
  const errors: string[] = []
  const log: Logger = { ...silentLogger, child: () => log, error: (text) => errors.push(text) }
  const clock = new FakeClock()
  const controller = startController(
    { name: 'test', watches: [watching({ resource: services })], reconcile },
    {
      client: {} as Client,
      informers,
      recorder: { record: () => {}, flush: () => Promise.resolve() },
      clock,
      random: seededRandom(1),
      log,
    },
  )
  let version = 1
  const change = async () => {
    version += 1
    cache.apply('MODIFIED', service(version))
    await clock.advance(0)
  }
  return { clock, change, errors, stop: () => controller.stop() }
}

test('a key that keeps failing is told of once, until it has succeeded', async () => {
  let fails = true
  const outcome = (): Outcome => ({ changes: [], ...(fails ? { retry: 'not yet' } : {}) })
  const shell = running(outcome)
  for (let round = 0; round < 50; round += 1) await shell.change()
  expect(shell.errors).toEqual(['key keeps failing'])
  fails = false
  await shell.change()
  fails = true
  for (let round = 0; round < 50; round += 1) await shell.change()
  expect(shell.errors).toEqual(['key keeps failing', 'key keeps failing'])
  await shell.stop()
})

test('a key that keeps failing is still retried, ever more rarely', async () => {
  let runs = 0
  const shell = running(() => {
    runs += 1
    return { changes: [], retry: 'not yet' }
  })
  await shell.change()
  await shell.clock.advance(400_000)
  const soon = runs
  expect(soon).toBeGreaterThan(16)
  await shell.clock.advance(4_000_000)
  expect(runs - soon).toBeGreaterThanOrEqual(4)
  expect(runs - soon).toBeLessThanOrEqual(6)
  await shell.stop()
})
