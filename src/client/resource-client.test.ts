// The resource client: every verb against a real API in memory; what it makes of odd answers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Resource } from '../api/machinery/resource.ts'
import type { StatusError } from '../api/machinery/status.ts'
import { configmaps, deployments, nodes, pods, serviceaccounts } from '../api/resources.gen.ts'
import type { ConfigMap } from '../api/types/core.gen.ts'
import { buildConfigMap, buildDeployment, buildNamespace } from '../testkit/build.ts'
import type { TestCluster } from '../testkit/testkit.ts'
import { startTestCluster } from '../testkit/testkit.ts'
import type { ApiRequest, ObjectKey, ResourceClient } from './client.ts'
import { createClient, resourcePath } from './resource-client.ts'

let cluster: TestCluster
let client: ResourceClient<ConfigMap>
let count = 0
let namespace: string

beforeAll(async () => {
  cluster = await startTestCluster({ controllers: false, nodes: [] })
  client = cluster.client.resource(configmaps)
})
afterAll(() => cluster.stop())

/** A namespace of the test's own, with these ConfigMaps. */
async function start(...names: string[]): Promise<void> {
  namespace = `t${++count}`
  await cluster.apply([buildNamespace(namespace)])
  for (const name of names) await client.create(own(name))
}

const own = (name: string, data = {}) => buildConfigMap(name, data, { namespace, labels: { name } })
const key = (name: string): ObjectKey => ({ namespace, name })
const thrown = (work: Promise<unknown>): Promise<StatusError> =>
  work.then(
    () => {
      throw new Error('nothing was thrown')
    },
    (error: StatusError) => error,
  )

test('resourcePath() names groups, namespaces, objects and their parts', () => {
  const check = (resource: Resource, of: Partial<ObjectKey>, expected: string, part?: string) =>
    expect(resourcePath(resource, of, part)).toBe(expected)
  check(pods as Resource, {}, '/api/v1/pods')
  check(pods as Resource, { namespace: 'a' }, '/api/v1/namespaces/a/pods')
  check(pods as Resource, { namespace: 'a', name: 'b' }, '/api/v1/namespaces/a/pods/b/log', 'log')
  check(nodes as Resource, { namespace: 'ignored', name: 'n' }, '/api/v1/nodes/n')
  check(
    deployments as Resource,
    { namespace: 'a', name: 'b' },
    '/apis/apps/v1/namespaces/a/deployments/b',
  )
  check(nodes as Resource, { name: 'a/b?c' }, '/api/v1/nodes/a%2Fb%3Fc')
})

describe('ResourceClient', () => {
  test('creates, reads, updates and deletes, and says what kind it is of', async () => {
    await start()
    const made = await client.create({ metadata: { namespace, name: 'a' }, data: { x: '1' } })
    expect(made).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { x: '1' } })
    const next = await client.update({ ...made, data: { x: '2' } })
    expect(await client.get(key('a'))).toEqual(next)
    await client.delete(key('a'))
    expect(await thrown(client.get(key('a')))).toMatchObject({ code: 404, reason: 'NotFound' })
  })

  test("throws the server's Status, with its reason, code, message and causes", async () => {
    await start('a')
    const taken = await thrown(client.create(own('a')))
    expect([taken.code, taken.reason, taken.message]).toEqual([
      409,
      'AlreadyExists',
      'configmaps "a" already exists',
    ])
    const stale = { ...(await client.get(key('a'))), data: { x: '1' } }
    await client.update(stale)
    expect((await thrown(client.update({ ...stale, data: { x: '2' } }))).reason).toBe('Conflict')
    const invalid = await thrown(client.create(own('Not_A_Name')))
    expect(invalid.status.details?.causes?.[0]?.field).toBe('metadata.name')
  })

  test('lists by labels, by fields, in pages, and gives items their kind', async () => {
    await start('a', 'b', 'c')
    const names = (items: readonly ConfigMap[]) => items.map(({ metadata }) => metadata.name)
    const all = await client.list({ namespace })
    expect(names(all.items)).toEqual(['a', 'b', 'c'])
    expect(all.items[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' })
    expect(names((await client.list({ namespace, labelSelector: 'name in (a,c)' })).items)).toEqual(
      ['a', 'c'],
    )
    expect(
      names((await client.list({ namespace, fieldSelector: 'metadata.name=b' })).items),
    ).toEqual(['b'])
    const first = await client.list({ namespace, limit: 2 })
    expect(first.metadata.remainingItemCount).toBe(1)
    const rest = await client.list({ namespace, limit: 2, continue: first.metadata.continue! })
    expect([...names(first.items), ...names(rest.items)]).toEqual(['a', 'b', 'c'])
    expect(names((await client.list()).items)).toEqual(expect.arrayContaining(['a', 'b', 'c']))
  })

  test('patches in each way, and applies for a manager', async () => {
    await start('a')
    await client.patch(key('a'), { type: 'merge', body: { data: { x: '1', y: '2' } } })
    const json = [{ op: 'remove', path: '/data/y' }]
    expect((await client.patch(key('a'), { type: 'json', body: json })).data).toEqual({ x: '1' })
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: key('a'), data: { x: '9' } }
    const apply = { type: 'apply' as const, body }
    const refused = await thrown(client.patch(key('a'), apply, { fieldManager: 'me' }))
    expect(refused.reason).toBe('Conflict')
    const forced = await client.patch(key('a'), { ...apply, force: true }, { fieldManager: 'me' })
    expect(forced.data).toEqual({ x: '9' })
    const owners = forced.metadata.managedFields?.map(({ manager }) => manager)
    expect(owners).toContain('me')

    const web = buildDeployment('web', {}, { namespace })
    await cluster.client.resource(deployments).create(web)
    const containers = [{ name: 'more', image: 'more' }]
    const patched = await cluster.client.resource(deployments).patch(key('web'), {
      type: 'strategic',
      body: { spec: { template: { spec: { containers } } } },
    })
    expect(patched.spec.template.spec.containers.map(({ name }) => name).sort()).toEqual([
      'main',
      'more',
    ])
  })

  test('reaches subresources', async () => {
    await start()
    const client = cluster.client.resource(deployments)
    await client.create(buildDeployment('web', {}, { namespace }))
    const body = { spec: { replicas: 4 } }
    await client.patch(key('web'), { type: 'merge', body }, { subresource: 'scale' })
    expect(await client.get(key('web'), { subresource: 'scale' })).toMatchObject({
      kind: 'Scale',
      spec: { replicas: 4 },
    })
    const accounts = cluster.client.resource(serviceaccounts)
    await accounts.create({ metadata: { namespace, name: 'robot' } })
    const request = { metadata: key('robot'), spec: { expirationSeconds: 3600 } }
    const token = await accounts.create(request, { subresource: 'token' })
    expect((token as { status?: { token?: string } }).status?.token?.split('.')).toHaveLength(3)
  })

  test('a dry run leaves no trace; preconditions and collections are honoured', async () => {
    await start('a', 'b', 'c')
    await client.create(own('dry'), { dryRun: true })
    await client.delete(key('a'), { dryRun: true })
    const wrong = { preconditions: { uid: 'another' } }
    expect((await thrown(client.delete(key('a'), { body: wrong }))).reason).toBe('Conflict')
    await client.deleteCollection({ namespace, labelSelector: 'name!=b' })
    const { items } = await client.list({ namespace })
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['b'])
  })

  test('watches until it is told to stop', async () => {
    await start('a')
    const { metadata } = await client.list({ namespace })
    const stop = new AbortController()
    const seen: string[] = []
    const watching = (async () => {
      const { resourceVersion } = metadata
      const options = { namespace, resourceVersion: resourceVersion!, signal: stop.signal }
      for await (const { type, object } of client.watch(options)) {
        seen.push(`${type} ${object.metadata.name}`)
        if (seen.length === 3) stop.abort(new Error('enough'))
      }
    })()
    await client.create(own('b'))
    await client.patch(key('a'), { type: 'merge', body: { data: { x: '1' } } })
    await client.delete(key('b'))
    await expect(watching).rejects.toThrow('enough')
    expect(seen).toEqual(['ADDED b', 'MODIFIED a', 'DELETED b'])
  })
})

describe('odd answers', () => {
  /** A client whose server answers so, in chunks of so many bytes. */
  function answering(code: number, text: string, chunkBytes = 7): ResourceClient<ConfigMap> {
    const bytes = Buffer.from(text)
    async function* body() {
      for (let at = 0; at < bytes.length; at += chunkBytes)
        yield bytes.subarray(at, at + chunkBytes)
    }
    const request = async (_: ApiRequest) => ({ code, headers: {}, body: body() })
    return createClient({ request, close: () => {} }).resource(configmaps)
  }

  const collect = async (client: ResourceClient<ConfigMap>) => {
    const names: string[] = []
    for await (const { object } of client.watch()) names.push(object.metadata.name)
    return names
  }

  test('that are no Status are told with what they say', async () => {
    const gateway = answering(502, '<html>Bad Gateway</html>')
    expect(await thrown(gateway.get({ name: 'a' }))).toMatchObject({
      code: 502,
      reason: 'InternalError',
      message: 'the server answered 502 without a Status: <html>Bad Gateway</html>',
    })
    expect((await thrown(answering(404, '{"a":1}').get({ name: 'a' }))).code).toBe(404)
  })

  const event = (name: string) => JSON.stringify({ type: 'ADDED', object: { metadata: { name } } })

  test('watch lines may be cut anywhere, within a character too', async () => {
    const text = `${event('häuser')}\n${event('日本')}\n\n${event('z')}\n`
    for (let size = 1; size < 12; size++)
      expect(await collect(answering(200, text, size))).toEqual(['häuser', '日本', 'z'])
  })

  test('a watch that breaks off within an event does not show it', async () => {
    const text = `${event('a')}\n${event('b').slice(0, -3)}`
    expect(await collect(answering(200, text))).toEqual(['a'])
  })

  test('an ERROR event is thrown', async () => {
    const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' }
    const text = `${event('a')}\n${JSON.stringify({ type: 'ERROR', object: status })}\n`
    expect(await thrown(collect(answering(200, text)))).toMatchObject({
      code: 410,
      reason: 'Expired',
    })
  })

  test('null for an empty list is an empty list', async () => {
    const list = await answering(200, '{"metadata":{"resourceVersion":"1"},"items":null}').list()
    expect(list.items).toEqual([])
  })
})
