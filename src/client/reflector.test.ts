import { describe, expect, it } from 'vitest'
import { services } from '../api/resources.gen.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { silentLogger } from '../lib/log.ts'
import { seededRandom } from '../lib/random.ts'
import type { ApiRequest, ApiResponse, Transport } from './client.ts'
import { ObjectCache } from './informers.ts'
import { runReflector } from './reflector.ts'
import { createClient } from './resource-client.ts'

type Answer = (request: ApiRequest) => { code: number; lines: readonly object[] }

/** An API server that answers from a script, one entry a request; the last one never ends. */
function scripted(script: readonly Answer[]): {
  transport: Transport
  paths: string[]
  exhausted: Promise<void>
} {
  const paths: string[] = []
  let done = () => {}
  const exhausted = new Promise<void>((resolve) => (done = resolve))
  const transport: Transport = {
    close: () => {},
    async request(request): Promise<ApiResponse> {
      paths.push(request.path)
      const answer = script[paths.length - 1]
      if (!answer) {
        done()
        await new Promise((_, reject) =>
          request.signal?.addEventListener('abort', () => reject(new Error('aborted'))),
        )
      }
      const { code, lines } = answer!(request)
      const body = (async function* () {
        for (const line of lines) yield Buffer.from(`${JSON.stringify(line)}\n`)
      })()
      return { code, headers: {}, body }
    },
  }
  return { transport, paths, exhausted }
}

const object = (name: string, resourceVersion: number) => ({
  metadata: { namespace: 'default', name, uid: name, resourceVersion: String(resourceVersion) },
  spec: {},
})
const event = (type: string, name: string, version: number) => ({
  type,
  object: object(name, version),
})
const bookmark = (version: number, initial = false) => ({
  type: 'BOOKMARK',
  object: {
    metadata: {
      resourceVersion: String(version),
      ...(initial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    },
  },
})
const failure = (code: number, reason: string) => ({
  kind: 'Status',
  status: 'Failure',
  code,
  reason,
  message: reason,
})
const ok =
  (...lines: object[]) =>
  () => ({ code: 200, lines })

async function run(script: readonly Answer[]) {
  const { transport, paths, exhausted } = scripted(script)
  const cache = new ObjectCache<never>()
  const abort = new AbortController()
  const clock = new FakeClock()
  const running = runReflector(
    {
      client: createClient(transport),
      resource: services as never,
      selection: { labelSelector: 'app=web' },
      sink: cache,
      clock,
      random: seededRandom(1),
      log: silentLogger,
    },
    abort.signal,
  )
  const ticking = (async () => {
    while (!abort.signal.aborted) await clock.advance(1000)
  })()
  await exhausted
  abort.abort(new Error('test over'))
  await running
  await ticking
  const names = cache.list().map((item: { metadata: { name: string } }) => item.metadata.name)
  return { names: names.sort(), paths, cache }
}

describe('runReflector()', () => {
  it('takes the state and the changes after it from one WatchList', async () => {
    const { names, paths } = await run([
      ok(
        event('ADDED', 'a', 1),
        event('ADDED', 'b', 2),
        bookmark(3, true),
        event('DELETED', 'a', 4),
        event('ADDED', 'c', 5),
      ),
    ])
    expect(names).toEqual(['b', 'c'])
    expect(paths[0]).toMatch(/^\/api\/v1\/services\?.*sendInitialEvents=true/)
    expect(paths[0]).toMatch(/labelSelector=app%3Dweb/)
    expect(paths[1]).toMatch(/resourceVersion=5/)
    expect(paths[1]).not.toMatch(/sendInitialEvents/)
  })

  it('shows nothing of a WatchList that broke off before its end', async () => {
    const { cache } = await run([ok(event('ADDED', 'a', 1))])
    expect(cache.synced).toBe(false)
    expect(cache.list()).toEqual([])
  })

  it('falls back to pages of a list and a watch where WatchList is refused', async () => {
    const { names, paths } = await run([
      () => ({ code: 422, lines: [failure(422, 'Invalid')] }),
      ok({ metadata: { resourceVersion: '7', continue: 'next' }, items: [object('a', 1)] }),
      ok({ metadata: { resourceVersion: '7' }, items: [object('b', 2)] }),
      ok(event('ADDED', 'c', 8)),
    ])
    expect(names).toEqual(['a', 'b', 'c'])
    expect(paths[2]).toMatch(/continue=next/)
    expect(paths[3]).toMatch(/resourceVersion=7.*watch=true/)
  })

  it('reads everything again after 410 Expired, and goes on from a bookmark otherwise', async () => {
    const { names, paths } = await run([
      ok(event('ADDED', 'a', 1), bookmark(2, true), bookmark(50)),
      ok({ type: 'ERROR', object: failure(410, 'Expired') }),
      ok(event('ADDED', 'b', 60), bookmark(61, true)),
    ])
    expect(paths[1]).toMatch(/resourceVersion=50/)
    expect(paths[2]).toMatch(/sendInitialEvents=true/)
    expect(names).toEqual(['b'])
  })

  it('survives answers that are no Status and connections that break', async () => {
    const { names } = await run([
      () => ({ code: 503, lines: [] }),
      () => {
        throw new Error('connection refused')
      },
      ok(event('ADDED', 'a', 1), bookmark(2, true)),
    ])
    expect(names).toEqual(['a'])
  })
})
