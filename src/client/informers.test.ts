import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Service } from '../api/types/core.gen.ts'
import type { InformerEvent } from './informer.ts'
import { keyOf } from './informer.ts'
import { ObjectCache } from './informers.ts'

const service = (name: string, version: number, app = 'web'): Service => ({
  metadata: {
    namespace: 'default',
    name,
    uid: name,
    resourceVersion: String(version),
    labels: { app },
  },
  spec: {},
})
const byApp = (object: Service) => [object.metadata.labels?.['app'] ?? '']

describe('ObjectCache', () => {
  it('tells a new subscriber what is there, then what changes', () => {
    const cache = new ObjectCache<Service>()
    cache.replace([service('a', 1)], '1')
    const events: string[] = []
    cache.subscribe(({ type, object, old }) =>
      events.push(`${type} ${object.metadata.name} ${old?.metadata.resourceVersion ?? '-'}`),
    )
    cache.apply('ADDED', service('b', 2))
    cache.apply('MODIFIED', service('b', 3))
    cache.apply('DELETED', service('a', 4))
    expect(events).toEqual(['added a -', 'added b -', 'updated b 2', 'deleted a -'])
  })

  it('a relist tells only the difference', () => {
    const cache = new ObjectCache<Service>()
    cache.replace([service('same', 1), service('gone', 1), service('old', 1)], '1')
    const events: string[] = []
    cache.subscribe(({ type, object }) => events.push(`${type} ${object.metadata.name}`))
    events.length = 0
    cache.replace([service('same', 1), service('old', 5), service('new', 6)], '7')
    expect(events.sort()).toEqual(['added new', 'deleted gone', 'updated old'])
  })

  it('resolves whenSeen() with the event, the list or the bookmark that covers it', async () => {
    const cache = new ObjectCache<Service>()
    expect(cache.synced).toBe(false)
    const seen: number[] = []
    for (const version of [3, 5, 9])
      void cache.whenSeen(String(version)).then(() => seen.push(version))
    cache.replace([], '3')
    cache.apply('ADDED', service('a', 6))
    await Promise.resolve()
    expect(seen).toEqual([3, 5])
    cache.bookmark('10')
    await Promise.resolve()
    expect(seen).toEqual([3, 5, 9])
  })

  it('keeps what transform leaves', () => {
    const cache = new ObjectCache<Service>((object) => ({
      metadata: { ...object.metadata, labels: {} },
      spec: {},
    }))
    cache.replace([service('a', 1)], '1')
    expect(cache.get('default/a')?.metadata.labels).toEqual({})
  })

  it('indexes equal those rebuilt from its objects, whatever happened', () => {
    const step = fc.record({
      type: fc.constantFrom('ADDED' as const, 'MODIFIED' as const, 'DELETED' as const),
      name: fc.constantFrom('a', 'b', 'c'),
      app: fc.constantFrom('x', 'y', 'z'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const cache = new ObjectCache<Service>()
        cache.addIndex(byApp)
        const twin = new Map<string, Service>()
        const told = new Map<string, Service>()
        cache.subscribe(({ type, object }: InformerEvent<Service>) => {
          if (type === 'deleted') told.delete(keyOf(object))
          else told.set(keyOf(object), object)
        })
        for (const [index, { type, name, app }] of steps.entries()) {
          const object = service(name, index + 1, app)
          cache.apply(type, object)
          if (type === 'DELETED') twin.delete(keyOf(object))
          else twin.set(keyOf(object), object)
        }
        expect(new Set(cache.list())).toEqual(new Set(twin.values()))
        expect(told).toEqual(twin)
        for (const app of ['x', 'y', 'z']) {
          const expected = [...twin.values()].filter((object) => byApp(object)[0] === app)
          expect(new Set(cache.indexed(byApp, app))).toEqual(new Set(expected))
        }
      }),
    )
  })
})
