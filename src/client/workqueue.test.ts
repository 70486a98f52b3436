import { describe, expect, it } from 'vitest'
import { FakeClock } from '../lib/fake-clock.ts'
import { WorkQueue } from './workqueue.ts'

describe('WorkQueue', () => {
  it('hands a key to one worker at a time, and once more if it was added meanwhile', async () => {
    const queue = new WorkQueue(new FakeClock())
    queue.add('a')
    queue.add('a')
    expect(await queue.take()).toBe('a')
    queue.add('a')
    queue.add('a')
    expect(queue.length).toBe(0)
    queue.done('a')
    expect(await queue.take()).toBe('a')
    queue.done('a')
    expect(queue.length).toBe(0)
  })

  it('keeps the order in which keys came', async () => {
    const queue = new WorkQueue(new FakeClock())
    for (const key of ['c', 'a', 'b']) queue.add(key)
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['c', 'a', 'b'])
  })

  it('of several delays takes the earliest', async () => {
    const clock = new FakeClock()
    const queue = new WorkQueue(clock)
    queue.addAfter('a', 100)
    queue.addAfter('a', 50)
    queue.addAfter('a', 200)
    await clock.advance(49)
    expect(queue.length).toBe(0)
    await clock.advance(1)
    expect(queue.length).toBe(1)
    expect(await queue.take()).toBe('a')
    queue.done('a')
    await clock.advance(1000)
    expect(queue.length).toBe(0)
  })

  it('doubles the delay of a key that keeps failing, and starts anew once it succeeded', async () => {
    const clock = new FakeClock()
    const queue = new WorkQueue(clock, { baseMs: 10, maxMs: 35 })
    const delays: number[] = []
    for (let round = 0; round < 4; round++) {
      queue.retry('a')
      let waitedMs = 0
      while (queue.length === 0) {
        await clock.advance(5)
        waitedMs += 5
      }
      delays.push(waitedMs)
      queue.done((await queue.take())!)
    }
    expect(delays).toEqual([10, 20, 35, 35])
    queue.forget('a')
    expect(queue.retry('a')).toBe(1)
  })

  it('lets 100 retries through at once, then 10 a second', async () => {
    const clock = new FakeClock()
    const queue = new WorkQueue(clock, { baseMs: 1, maxMs: 1 })
    for (let index = 0; index < 120; index++) queue.retry(`key-${index}`)
    await clock.advance(1)
    expect(queue.length).toBe(100)
    await clock.advance(1000)
    expect(queue.length).toBe(110)
  })

  it('ends its takers when it is closed', async () => {
    const queue = new WorkQueue(new FakeClock())
    const waiting = queue.take()
    queue.close()
    expect(await waiting).toBeUndefined()
    expect(await queue.take()).toBeUndefined()
  })
})
