import { expect, test } from 'vitest'
import { maxLogBytes, StorageCache } from './cache.ts'

const size = 1024 * 1024
const value = Buffer.alloc(size, 120)

function filled(count: number): StorageCache {
  const cache = new StorageCache('/registry/configmaps/', 1)
  for (let revision = 2; revision < 2 + count; revision++) {
    cache.apply({ type: 'put', key: '/registry/configmaps/default/a', revision, value })
  }
  return cache
}

test('the log is bounded by what its changes weigh', () => {
  const count = 80
  const cache = filled(count)
  const kept = cache.changesAfter(cache.logStart) ?? []
  expect(kept.length * size).toBeLessThanOrEqual(maxLogBytes)
  expect(kept.length * size).toBeGreaterThan(maxLogBytes / 2)
  expect(kept[0]!.revision).toBe(cache.logStart + 1)
  expect(kept.at(-1)!.revision).toBe(count + 1)
  expect(cache.changesAfter(cache.logStart - 1)).toBeUndefined()
})

test('frames are shared among those who are told, and then forgotten', () => {
  const cache = filled(1)
  const frame = Buffer.from('{}')
  const seen: (Uint8Array | undefined)[] = []
  const listener = {
    onEvent: ({ frames }: { frames: Map<string, Uint8Array> }) => {
      seen.push(frames.get('ADDED'))
      frames.set('ADDED', frame)
    },
    onEnd: () => {},
  }
  cache.listen('', listener)
  cache.listen('default/', { ...listener })
  cache.apply({ type: 'put', key: '/registry/configmaps/default/b', revision: 3, value })
  expect(seen).toEqual([undefined, frame])
  expect(cache.changesAfter(2)![0]!.frames.size).toBe(0)
})
