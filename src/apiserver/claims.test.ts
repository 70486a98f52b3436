import { beforeEach, expect, test } from 'vitest'
import { seededRandom } from '../lib/random.ts'
import { openMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { Cache } from './cache.ts'
import type { ClaimBook, ClaimTransaction } from './claims.ts'
import { createClaimBook, ipAddressPrefix, nodePortPrefix, serviceCidrPrefix } from './claims.ts'

let store: Store
let book: ClaimBook

async function open(cidrs: readonly string[], nodePortRange = { from: 30000, to: 32767 }) {
  store = openMemoryStore()
  const status = { conditions: [{ type: 'Ready', status: 'True' }] }
  const cidr = { metadata: { name: 'kubernetes' }, spec: { cidrs }, status }
  const value = Buffer.from(JSON.stringify(cidr))
  await store.commit([], [{ type: 'put', key: `${serviceCidrPrefix}kubernetes`, value }])
  const cache = new Cache(store)
  book = createClaimBook(cache, { nodePortRange, random: seededRandom(7) })
  await cache.start(() => {})
}

beforeEach(() => open(['10.96.0.0/24', 'fd00::/112']))

const service = (name: string) => ({ metadata: { name, namespace: 'default', uid: `uid-${name}` } })

/** What an IPAddress looks like to the book: whose it is. */
const addressOf = (name: string) => () =>
  Buffer.from(
    JSON.stringify({
      metadata: { name },
      spec: { parentRef: { resource: 'services', namespace: 'default', name } },
    }),
  )

async function commit(claims: ClaimTransaction, name: string): Promise<boolean> {
  const writes = claims.writes(service(name), addressOf(name))
  const { ok } = await store.commit(claims.expectations(), writes)
  claims.end()
  return ok
}

const begin = () => book.begin({ dryRun: false })

const keys = async (prefix: string) =>
  (await store.list(prefix)).entries.map(({ key }) => key.slice(prefix.length))

test('takeClusterIP() fills the upper band of a /24 first, then the lower, then is full', async () => {
  const own = begin()
  expect(own.takeClusterIP('IPv4', '10.96.0.1')).toEqual({ ok: true, value: '10.96.0.1' })
  expect(await commit(own, 'kubernetes')).toBe(true)
  const taken: number[] = []
  for (let index = 0; index < 253; index++) {
    const claims = begin()
    const result = claims.takeClusterIP('IPv4')
    if (!result.ok) throw new Error(result.message)
    taken.push(Number(result.value.split('.')[3]))
    await commit(claims, `s${index}`)
  }
  // A static band of 16: .1 to .16, of which the Service "kubernetes" has .1.
  expect(taken.slice(0, 238).every((last) => last >= 17 && last <= 254)).toBe(true)
  expect(taken.slice(238).sort((a, b) => a - b)).toEqual([
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
  ])
  expect(begin().takeClusterIP('IPv4')).toMatchObject({ ok: false, reason: 'full' })
})

test('takeClusterIP() refuses what is outside, special or taken', async () => {
  const first = begin()
  first.takeClusterIP('IPv4', '10.96.0.30')
  for (const address of ['10.97.0.1', '10.96.0.0', '10.96.0.255', 'nonsense']) {
    expect(begin().takeClusterIP('IPv4', address)).toMatchObject({ reason: 'out-of-range' })
  }
  const message = 'provided IP is already allocated'
  expect(begin().takeClusterIP('IPv4', '10.96.0.30')).toMatchObject({ reason: 'taken', message })
  await commit(first, 'a')
  expect(begin().takeClusterIP('IPv4', '10.96.0.30')).toMatchObject({ reason: 'taken' })
})

test('an address that was held but not committed is free again', () => {
  const claims = begin()
  claims.takeClusterIP('IPv4', '10.96.0.30')
  claims.end()
  expect(begin().takeClusterIP('IPv4', '10.96.0.30').ok).toBe(true)
})

test('an IPv6 address keeps its spelling, its row is canonical', async () => {
  const claims = begin()
  const result = claims.takeClusterIP('IPv6', 'FD00::0050')
  expect(result).toEqual({ ok: true, value: 'FD00::0050' })
  await commit(claims, 'a')
  expect(await keys(ipAddressPrefix)).toEqual(['fd00::50'])
  expect(begin().takeClusterIP('IPv6', 'fd00::50')).toMatchObject({ reason: 'taken' })
})

test('releaseClusterIP() frees an address in the commit, but not that of somebody else', async () => {
  const first = begin()
  first.takeClusterIP('IPv4', '10.96.0.30')
  await commit(first, 'a')
  const thief = begin()
  thief.releaseClusterIP('10.96.0.30')
  await commit(thief, 'b')
  expect(await keys(ipAddressPrefix)).toEqual(['10.96.0.30'])
  const owner = begin()
  owner.releaseClusterIP('10.96.0.30')
  await commit(owner, 'a')
  expect(await keys(ipAddressPrefix)).toEqual([])
})

test('takeNodePort() takes any port above the static band, and a given one anywhere', async () => {
  for (let index = 0; index < 50; index++) {
    const result = begin().takeNodePort()
    expect(result.ok && result.value).toBeGreaterThanOrEqual(30086)
  }
  const claims = begin()
  expect(claims.takeNodePort(30000)).toEqual({ ok: true, value: 30000 })
  await commit(claims, 'a')
  expect(await keys(nodePortPrefix)).toEqual(['30000'])
  expect(begin().takeNodePort(30000)).toMatchObject({
    reason: 'taken',
    message: 'provided port is already allocated',
  })
  expect(begin().takeNodePort(80)).toMatchObject({
    reason: 'out-of-range',
    message: 'provided port is not in the valid range. The range of valid ports is 30000-32767',
  })
})

test('two requests never hold the same number at once', async () => {
  await open(['10.96.0.0/28'], { from: 30000, to: 30003 })
  const held = Array.from({ length: 4 }, () => begin().takeNodePort())
  expect(new Set(held.map((result) => result.ok && result.value)).size).toBe(4)
  expect(begin().takeNodePort()).toMatchObject({ ok: false, reason: 'full' })
})
