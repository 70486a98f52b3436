// The contract of store/store.ts, held over every store that ships.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store, StoreError, StoreEvent, Write } from '../../src/store/store.ts'

const cleanups: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'signpost-store-'))
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const peers: Record<string, () => Promise<Store>> = {
  memory: async () => openMemoryStore(),
  lmdb: () => openLmdbStore({ directory: temporaryDirectory() }),
  'lmdb without fsync': () =>
    openLmdbStore({ directory: temporaryDirectory(), durability: 'none' }),
}

const bytes = (text: string) => Buffer.from(text)
const text = (value: Uint8Array) => Buffer.from(value).toString()
const put = (key: string, value: string): Write => ({ type: 'put', key, value: bytes(value) })
const remove = (key: string): Write => ({ type: 'delete', key })

/** A watch that notes what it sees as "put /a=1@2" lines. */
function record(store: Store, prefix: string, after: number) {
  const lines: string[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  const note = (line: string) => {
    lines.push(line)
    for (const waiter of waiting.filter(({ count }) => lines.length >= count)) waiter.resolve()
  }
  const handle = store.watch(prefix, after, {
    onEvents: (events) => {
      for (const event of events) note(lineOf(event))
    },
    onEnd: (error) => note(`end ${error.code} ${error.compactRevision}`),
  })
  const until = (count: number) =>
    lines.length >= count
      ? Promise.resolve()
      : new Promise<void>((resolve) => waiting.push({ count, resolve }))
  return { lines, until, cancel: () => handle.cancel() }
}

function lineOf(event: StoreEvent): string {
  const before = event.previous
    ? ` was ${text(event.previous.value)}@${event.previous.modRevision}`
    : ''
  return `${event.type} ${event.key}=${text(event.value)}@${event.revision}${before}`
}

async function contents(store: Store, prefix: string, options = {}): Promise<string[]> {
  const { entries } = await store.list(prefix, options)
  return entries.map(({ key, value, modRevision, createRevision }) => {
    return `${key}=${text(value)}@${createRevision}/${modRevision}`
  })
}

const codeOf = (error: unknown) => (error as StoreError).code

describe.each(Object.entries(peers))('store: %s', (_name, openPeer) => {
  async function open(): Promise<Store> {
    const store = await openPeer()
    cleanups.push(() => store.close())
    return store
  }

  test('a fresh store is empty at revision 1', async () => {
    const store = await open()
    expect(store.revision()).toBe(1)
    expect(await store.get('/a')).toBeUndefined()
    const empty = { entries: [], revision: 1, more: false, remaining: 0 }
    expect(await store.list('/')).toEqual(empty)
  })

  test('commit() writes several keys at one revision', async () => {
    const store = await open()
    expect(await store.commit([], [put('/a', '1'), put('/b', '2')])).toEqual({
      ok: true,
      revision: 2,
    })
    expect(await contents(store, '/')).toEqual(['/a=1@2/2', '/b=2@2/2'])
    await store.commit([], [put('/a', '3')])
    expect(await contents(store, '/')).toEqual(['/a=3@2/3', '/b=2@2/2'])
    expect(store.revision()).toBe(3)
  })

  test('commit() does nothing when an expectation fails, and shows what it found', async () => {
    const store = await open()
    await store.commit([], [put('/a', '1')])
    const result = await store.commit(
      [
        { key: '/a', modRevision: 2 },
        { key: '/b', modRevision: 7 },
      ],
      [put('/a', '2')],
    )
    expect(result).toEqual({ ok: false, key: '/b', found: undefined })
    const stale = await store.commit([{ key: '/a', modRevision: 0 }], [put('/a', '2')])
    expect(stale).toMatchObject({ ok: false, key: '/a', found: { modRevision: 2 } })
    expect(await contents(store, '/')).toEqual(['/a=1@2/2'])
    expect(store.revision()).toBe(2)
  })

  test('commit() of nothing, or of deletes of absent keys, makes no revision', async () => {
    const store = await open()
    expect(await store.commit([], [])).toEqual({ ok: true, revision: 1 })
    expect(await store.commit([], [remove('/a')])).toEqual({ ok: true, revision: 1 })
  })

  test('exactly one of many concurrent creates of a key succeeds', async () => {
    const store = await open()
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        store.commit([{ key: '/a', modRevision: 0 }], [put('/a', String(index))]),
      ),
    )
    expect(results.filter((result) => result.ok)).toHaveLength(1)
    expect(await contents(store, '/')).toEqual(['/a=0@2/2'])
  })

  test('a key made anew gets a new createRevision', async () => {
    const store = await open()
    await store.commit([], [put('/a', '1')])
    await store.commit([], [remove('/a')])
    await store.commit([], [put('/a', '2')])
    expect(await contents(store, '/')).toEqual(['/a=2@4/4'])
  })

  test('list() gives pages in byte order and counts what remains', async () => {
    const store = await open()
    await store.commit(
      [],
      ['/a/c', '/a/a', '/b/a', '/a/b', '/a0', '/a-'].map((key) => put(key, 'x')),
    )
    const first = await store.list('/a/', { limit: 2 })
    expect(first.entries.map(({ key }) => key)).toEqual(['/a/a', '/a/b'])
    expect(first).toMatchObject({ more: true, remaining: 1 })
    const second = await store.list('/a/', { limit: 2, from: '/a/b\0' })
    expect(second.entries.map(({ key }) => key)).toEqual(['/a/c'])
    expect(second).toMatchObject({ more: false, remaining: 0 })
    expect((await store.list('')).entries.map(({ key }) => key)).toEqual([
      '/a-',
      '/a/a',
      '/a/b',
      '/a/c',
      '/a0',
      '/b/a',
    ])
  })

  test('list() reads the past until it is compacted', async () => {
    const store = await open()
    await store.commit([], [put('/a', '1'), put('/b', '1')])
    await store.commit([], [put('/a', '2'), remove('/b'), put('/c', '1')])
    expect(await contents(store, '/', { atRevision: 2 })).toEqual(['/a=1@2/2', '/b=1@2/2'])
    expect(await contents(store, '/', { atRevision: 3 })).toEqual(['/a=2@2/3', '/c=1@3/3'])
    await expect(store.list('/', { atRevision: 4 })).rejects.toSatisfy(
      (error) => codeOf(error) === 'future',
    )
    await store.compact(3)
    expect(await contents(store, '/', { atRevision: 3 })).toEqual(['/a=2@2/3', '/c=1@3/3'])
    await expect(store.list('/', { atRevision: 2 })).rejects.toMatchObject({
      code: 'compacted',
      compactRevision: 3,
    })
  })

  test('watch() gives the past after a revision, then the future, without gaps', async () => {
    const store = await open()
    await store.commit([], [put('/a', '1')])
    await store.commit([], [put('/a', '2'), put('/other', '1')])
    const seen = record(store, '/a', 2)
    await store.commit([], [remove('/a')])
    await seen.until(2)
    expect(seen.lines).toEqual(['put /a=2@3 was 1@2', 'delete /a=2@4 was 2@3'])
    seen.cancel()
    await store.commit([], [put('/a', '3')])
    expect(seen.lines).toHaveLength(2)
  })

  test('watch() has delivered a commit when the commit resolves', async () => {
    const store = await open()
    const seen = record(store, '/', store.revision())
    await store.commit([], [put('/a', '1')])
    expect(seen.lines).toEqual(['put /a=1@2'])
  })

  test('a watcher that commits is not called within its own call', async () => {
    const store = await open()
    let depth = 0
    const depths: number[] = []
    const done = new Promise<void>((resolve) => {
      store.watch('/', 1, {
        onEvents: (events) => {
          depth++
          depths.push(depth)
          if (events[0]?.key === '/a') void store.commit([], [put('/b', '1')])
          else resolve()
          depth--
        },
        onEnd: () => {},
      })
    })
    await store.commit([], [put('/a', '1')])
    await done
    expect(depths).toEqual([1, 1])
  })

  test('watch() ends with "compacted" or "future" when its start cannot be had', async () => {
    const store = await open()
    for (const value of ['1', '2', '3']) await store.commit([], [put('/a', value)])
    await store.compact(3)
    const tooOld = record(store, '/', 2)
    const future = record(store, '/', 9)
    const fine = record(store, '/', 3)
    await Promise.all([tooOld.until(1), future.until(1), fine.until(1)])
    expect(tooOld.lines).toEqual(['end compacted 3'])
    expect(future.lines).toEqual(['end future 0'])
    expect(fine.lines).toEqual(['put /a=3@4 was 2@3'])
  })

  test('close() ends watches and refuses everything after', async () => {
    const store = await openPeer()
    const seen = record(store, '/', 1)
    await store.close()
    expect(seen.lines).toEqual(['end closed 0'])
    await expect(store.get('/a')).rejects.toMatchObject({ code: 'closed' })
    await expect(store.commit([], [put('/a', '1')])).rejects.toMatchObject({ code: 'closed' })
    await store.close()
  })
})

const keys = fc.constantFrom('/a', '/a/b', '/a/c', '/b', '/b/a')
const step = fc.oneof(
  fc.record({
    kind: fc.constant('commit' as const),
    writes: fc.array(fc.tuple(keys, fc.option(fc.string({ maxLength: 4 }))), { maxLength: 3 }),
    expected: fc.option(fc.tuple(keys, fc.nat(6)), { freq: 3 }),
  }),
  fc.record({ kind: fc.constant('compact' as const), back: fc.nat(5) }),
  fc.record({ kind: fc.constant('reopen' as const) }),
  fc.record({ kind: fc.constant('past' as const), back: fc.nat(6) }),
)

test('lmdb = memory, over any sequence of commits, compactions and restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const directory = mkdtempSync(join(tmpdir(), 'signpost-store-'))
      const memory = openMemoryStore()
      let lmdb = await openLmdbStore({ directory, durability: 'none' })
      const both = async (run: (store: Store) => Promise<unknown>) => {
        const settle = (promise: Promise<unknown>) => promise.catch((error) => codeOf(error))
        expect(await settle(run(lmdb))).toEqual(await settle(run(memory)))
      }
      try {
        for (const one of steps) {
          if (one.kind === 'reopen') {
            await lmdb.close()
            lmdb = await openLmdbStore({ directory, durability: 'none' })
          } else if (one.kind === 'compact') {
            await both((store) => store.compact(Math.max(0, store.revision() - one.back)))
          } else if (one.kind === 'past') {
            const atRevision = Math.max(0, memory.revision() - one.back)
            await both((store) => contents(store, '/', { atRevision }))
          } else {
            const writes = one.writes.map(([key, value]) => {
              return value === null ? remove(key) : put(key, value)
            })
            const expected = one.expected
              ? [{ key: one.expected[0], modRevision: one.expected[1] }]
              : []
            await both(async (store) => (await store.commit(expected, writes)).ok)
          }
          expect(lmdb.revision()).toBe(memory.revision())
        }
        await both((store) => contents(store, '/a'))
        for (let back = 0; back < 8; back++) {
          const after = Math.max(0, memory.revision() - back)
          const seen = [lmdb, memory].map((store) => record(store, '/', after))
          await new Promise((resolve) => setImmediate(resolve))
          expect(seen[0]?.lines).toEqual(seen[1]?.lines)
          for (const one of seen) one.cancel()
        }
      } finally {
        await lmdb.close()
        rmSync(directory, { recursive: true, force: true })
      }
    }),
    { numRuns: 60 },
  )
})
