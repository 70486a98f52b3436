import { expect, test } from 'vitest'
import type { Pod } from '../api/types/core.gen.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { SchedulingQueue, type Waiting } from './queue.ts'

const pod = (name: string, priority = 0): Pod => ({
  metadata: { namespace: 'default', name },
  spec: { containers: [], priority },
})

function start() {
  const clock = new FakeClock()
  const queue = new SchedulingQueue(clock)
  let taken: Waiting | undefined
  let asking = false
  /** The Pod that is handed out now, if any; asks once until one came. */
  const next = async () => {
    if (!asking) {
      asking = true
      void queue.take().then((waiting) => {
        taken = waiting
        asking = false
      })
    }
    await Promise.resolve()
    await Promise.resolve()
    const result = taken
    taken = undefined
    return result
  }
  return { clock, queue, next, name: async () => (await next())?.pod.metadata.name }
}

test('SC1 the highest priority first, then the one that waits longest', async () => {
  const { clock, queue, name } = start()
  for (const each of [pod('a'), pod('b', 10), pod('c'), pod('d', 10)]) {
    queue.put(each, true)
    await clock.advance(1)
  }
  expect([await name(), await name(), await name(), await name(), await name()]).toEqual([
    'b',
    'd',
    'a',
    'c',
    undefined,
  ])
})

test('SC1 a Pod that does not fit waits for a change, and for others while it backs off', async () => {
  const { clock, queue, next, name } = start()
  queue.put(pod('a'), true)
  queue.failed((await next())!)
  await clock.advance(60_000)
  expect(await name()).toBeUndefined()
  queue.move()
  const again = (await next())!
  expect(again.attempts).toBe(2)
  queue.failed(again)
  queue.move()
  queue.put(pod('b', -1), true)
  expect([await name(), await name(), await name()]).toEqual(['b', 'a', undefined])
})

test('SC1 after an error the back-off is waited out, and doubles', async () => {
  const { clock, queue, next, name } = start()
  queue.put(pod('a'), true)
  queue.failed((await next())!, true)
  for (const backoffMs of [1000, 2000, 4000, 8000, 10_000, 10_000]) {
    await clock.advance(backoffMs - 1)
    expect(await name()).toBeUndefined()
    await clock.advance(1)
    queue.failed((await next())!, true)
  }
})

test('SC1 what changes while a Pod is being tried counts for it', async () => {
  const { clock, queue, next, name } = start()
  queue.put(pod('a'), true)
  const waiting = (await next())!
  queue.move()
  queue.failed(waiting)
  await clock.advance(1000)
  expect(await name()).toBe('a')
})

test('SC1 after five minutes a Pod is tried whatever happened', async () => {
  const { clock, queue, next, name } = start()
  queue.put(pod('a'), true)
  queue.failed((await next())!)
  await clock.advance(5 * 60_000)
  expect(await name()).toBe('a')
})

test('SC1 only Pods that an event concerns are moved, and removed ones never come', async () => {
  const { clock, queue, next, name } = start()
  for (const each of ['a', 'b']) queue.put(pod(each), true)
  queue.failed((await next())!)
  queue.failed((await next())!)
  queue.move(({ metadata }) => metadata.name === 'b')
  await clock.advance(10_000)
  expect([await name(), await name()]).toEqual(['b', undefined])
  queue.remove('default/a')
  queue.move()
  await clock.advance(10 * 60_000)
  expect(queue.size).toBe(1)
})
