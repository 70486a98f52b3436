// Leader election over a real API (C52): one acts, another takes over in time, never two at once.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { leases } from '../api/resources.gen.ts'
import { buildNamespace } from '../testkit/build.ts'
import type { TestCluster } from '../testkit/testkit.ts'
import { startTestCluster } from '../testkit/testkit.ts'
import type { ApiRequest, ApiResponse, Client } from './client.ts'
import { runLeaderElection } from './leader-election.ts'
import { createClient } from './resource-client.ts'

let cluster: TestCluster
let candidates: Candidate[]

beforeEach(async () => {
  cluster = await startTestCluster({ controllers: false, nodes: [] })
  await cluster.apply([buildNamespace('kube-system')])
  candidates = []
})

afterEach(async () => {
  for (const { stop } of candidates) stop.abort()
  await cluster.advance(30_000)
  await cluster.stop()
})

const lease = { namespace: 'kube-system', name: 'test' }

interface Candidate {
  leads: boolean
  readonly stop: AbortController
  result: 'stopped' | 'lost' | Error | undefined
}

/** How requests of a candidate fare: undefined lets them pass. */
type Trouble = (request: ApiRequest) => Promise<ApiResponse> | undefined

function candidate(identity: string, trouble: Trouble = () => undefined): Candidate {
  const own: Candidate = { leads: false, stop: new AbortController(), result: undefined }
  const { transport } = cluster.client
  const client: Client = createClient({
    request: (request) => trouble(request) ?? transport.request(request),
    close: () => {},
  })
  const lead = (signal: AbortSignal) => {
    own.leads = true
    return new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        own.leads = false
        resolve()
      })
    })
  }
  const { signal } = own.stop
  runLeaderElection({ lease, identity }, { ...cluster, client }, { lead, signal }).then(
    (result) => {
      own.result = result
    },
    (error: Error) => {
      own.result = error
    },
  )
  candidates.push(own)
  return own
}

const spec = async () => (await cluster.client.resource(leases).get(lease)).spec

test('of two candidates one leads, and keeps leading', async () => {
  const a = candidate('a')
  await cluster.advance(100)
  const b = candidate('b')
  await cluster.advance(120_000)
  expect([a.leads, b.leads]).toEqual([true, false])
  expect(await spec()).toMatchObject({
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    leaseTransitions: 0,
  })
})

test('C52 when the leader dies another leads when its lease is over, and counts a transition', async () => {
  let dead = false
  candidate('a', () => (dead ? Promise.reject(new Error('dead')) : undefined))
  await cluster.advance(5000)
  const b = candidate('b')
  await cluster.advance(5000)
  dead = true
  await cluster.advance(12_000)
  expect(b.leads).toBe(false)
  // 15 s after b saw the last renewal, itself up to 4.4 s (a jittered try) late, at its next try.
  await cluster.advance(12_000)
  expect(b.leads).toBe(true)
  expect(await spec()).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 })
})

test('a leader that stops gives its lease back, and another leads at its next try', async () => {
  const a = candidate('a')
  await cluster.advance(5000)
  const b = candidate('b')
  await cluster.advance(5000)
  a.stop.abort()
  await cluster.advance(100)
  expect(a.result).toBe('stopped')
  expect(await spec()).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 })
  await cluster.advance(4500)
  expect(b.leads).toBe(true)
})

test('a leader that cannot renew steps down after 10 s, before the others may lead', async () => {
  let broken = false
  const a = candidate('a', () => (broken ? Promise.reject(new Error('no route')) : undefined))
  await cluster.advance(4100)
  broken = true
  await cluster.advance(9000)
  expect(a.leads).toBe(true)
  await cluster.advance(3100)
  expect([a.leads, a.result]).toEqual([false, 'lost'])
})

test('so does one whose requests hang', async () => {
  let hangs = false
  const a = candidate('a', () => (hangs ? new Promise(() => {}) : undefined))
  await cluster.advance(5000)
  const b = candidate('b')
  hangs = true
  let both = false
  for (let second = 0; second < 25; second++) {
    await cluster.advance(1000)
    both ||= a.leads && b.leads
  }
  expect([a.result, a.leads, b.leads, both]).toEqual(['lost', false, true, false])
})

test('expiry is judged by the own clock, not by the times in the lease', async () => {
  const longAgo = '2001-01-01T00:00:00.000000Z'
  await cluster.client.resource(leases).create({
    metadata: lease,
    spec: {
      holderIdentity: 'x',
      leaseDurationSeconds: 15,
      renewTime: longAgo,
      acquireTime: longAgo,
    },
  })
  const a = candidate('a')
  await cluster.advance(14_000)
  expect(a.leads).toBe(false)
  await cluster.advance(8000)
  expect(a.leads).toBe(true)
})

test('a lease that somebody else took in between is not overwritten', async () => {
  const a = candidate('a')
  await cluster.advance(3000)
  const found = await cluster.client.resource(leases).get(lease)
  const taken = { ...found.spec, holderIdentity: 'usurper', renewTime: found.spec!.renewTime! }
  await cluster.client.resource(leases).update({ ...found, spec: taken })
  await cluster.advance(13_000)
  expect([a.leads, a.result]).toEqual([false, 'lost'])
  expect((await spec())?.holderIdentity).toBe('usurper')
})

test('one that is stopped before it leads writes nothing', async () => {
  const stop = new AbortController()
  stop.abort()
  const lead = () => Promise.reject(new Error('must not lead'))
  const run = runLeaderElection({ lease, identity: 'a' }, cluster, { lead, signal: stop.signal })
  expect(await run).toBe('stopped')
  await expect(spec()).rejects.toThrow('not found')
})

test('work that fails ends the leadership and its error is passed on', async () => {
  const lead = () => Promise.reject(new Error('broken'))
  const { signal } = new AbortController()
  const run = runLeaderElection({ lease, identity: 'a' }, cluster, { lead, signal })
  await expect(Promise.all([run, cluster.advance(3000)])).rejects.toThrow('broken')
  await cluster.settle()
  expect((await spec())?.holderIdentity).toBe('')
})
