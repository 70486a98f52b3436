// The API server as its clients meet it: both protocols on one port, the same API without a socket,
// and what lists and watches promise (api.md 2.5).

import { mkdtempSync, rmSync } from 'node:fs'
import * as http2 from 'node:http2'
import * as https from 'node:https'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tls from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Apiserver } from '../../src/apiserver/apiserver.ts'
import { startApiserver } from '../../src/apiserver/apiserver.ts'
import type { ApiserverConfig } from '../../src/apiserver/config.ts'
import type { Pki } from '../../src/cluster/pki.ts'
import { loadPki } from '../../src/cluster/pki.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'

const directory = mkdtempSync(join(tmpdir(), 'signpost-api-'))
let pki: Pki
let store: Store
let api: Apiserver

function configOf(): ApiserverConfig {
  return {
    bindAddress: '127.0.0.1',
    securePort: 0,
    tlsCert: pki.apiserver.cert,
    tlsPrivateKey: pki.apiserver.key,
    clientCA: pki.ca.cert,
    serviceAccountSigningKey: pki.serviceAccountKey,
    serviceAccountIssuer: 'https://kubernetes.default.svc.cluster.local',
    tokenAuth: [{ token: 'secret', user: 'admin', uid: '', groups: ['system:masters'] }],
    serviceClusterIPRange: ['10.96.0.0/16'],
    advertiseAddress: '192.168.50.2',
  }
}

const start = (on: Store) =>
  startApiserver(configOf(), {
    store: on,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  })

beforeAll(async () => {
  pki = await loadPki(
    {
      directory: join(directory, 'pki'),
      nodeName: 'n1',
      nodeAddresses: ['192.168.50.2'],
      apiserverNames: ['localhost', '127.0.0.1'],
    },
    Date.now(),
  )
  store = openMemoryStore()
  api = await start(store)
})

afterAll(async () => {
  await api.stop()
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Answers are looked into freely: what is not there fails the test that wanted it. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any

interface Answer {
  readonly code: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Json
}

const admin = () => api.transportFor({ name: 'admin', groups: ['system:masters'] })

async function call(method: string, path: string, body?: unknown, headers = {}): Promise<Answer> {
  const answer = await admin().request({
    method,
    path,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of answer.body) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return { ...answer, body: text.startsWith('{') ? JSON.parse(text) : text }
}

let count = 0
async function freshNamespace(): Promise<string> {
  const name = `t${++count}`
  await call('POST', '/api/v1/namespaces', { metadata: { name } })
  return name
}

const configMap = (name: string, labels = {}) => ({ metadata: { name, labels }, data: { a: 'b' } })

/** Reads events of a watch as "ADDED name" until there are enough, or the watch ends. */
async function events(path: string, wanted: number): Promise<string[]> {
  const ended = new AbortController()
  const answer = await admin().request({ method: 'GET', path, signal: ended.signal })
  const lines: string[] = []
  let text = ''
  for await (const chunk of answer.body) {
    text += Buffer.from(chunk).toString()
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const event = JSON.parse(text.slice(0, end))
      text = text.slice(end + 1)
      const shown = event.object.metadata?.name ?? event.object.reason ?? ''
      lines.push(`${event.type} ${shown}`.trim())
    }
    if (lines.length >= wanted) break
  }
  return lines
}

function httpsGet(
  path: string,
  headers: Record<string, string> = {},
  options = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const agent = new https.Agent({ ca: pki.ca.cert, ...options })
    const target = { host: '127.0.0.1', port: api.port, path, headers, agent }
    const request = https.get(target, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => {
        agent.destroy()
        const headers = response.headers as Record<string, string>
        resolve({ code: response.statusCode ?? 0, headers, body: text })
      })
    })
    request.on('error', reject)
  })
}

const bearer = { authorization: 'Bearer secret' }

test('one port speaks HTTP/1.1 and h2', async () => {
  const first = await httpsGet('/api/v1/namespaces/default', bearer)
  expect(first.code).toBe(200)
  const session = http2.connect(`https://127.0.0.1:${api.port}`, { ca: pki.ca.cert })
  const stream = session.request({ ':path': '/api/v1/namespaces/default', ...bearer })
  const body = await new Promise<string>((resolve) => {
    let text = ''
    stream.on('data', (chunk) => {
      text += chunk
    })
    stream.on('end', () => resolve(text))
  })
  session.close()
  expect(JSON.parse(body)).toEqual(JSON.parse(first.body))
})

test('a client certificate is its user, in either protocol', async () => {
  const { cert, key } = pki.admin
  const own = await httpsGet('/api/v1/namespaces/default', {}, { cert, key })
  expect(own.code).toBe(200)
  expect((await httpsGet('/api/v1/namespaces/default')).code).toBe(403)
  expect((await httpsGet('/version', { authorization: 'Bearer wrong' })).code).toBe(401)
  expect((await httpsGet('/version')).code).toBe(200)
})

test('connections of a listener that was handed over are served', async () => {
  const other = net.createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  api.adopt(other)
  const { port } = other.address() as net.AddressInfo
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    ca: pki.ca.cert,
    ALPNProtocols: ['http/1.1'],
  })
  socket.write('GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += chunk
  expect(text).toMatch(/^HTTP\/1\.1 200 OK/)
  other.close()
})

test('every answer has an audit id and the flow control headers', async () => {
  const { headers } = await call('GET', '/api/v1/namespaces', undefined, { 'Audit-Id': 'mine' })
  expect(headers['audit-id']).toBe('mine')
  expect(headers['x-kubernetes-pf-flowschema-uid']).toMatch(/^[0-9a-f-]{36}$/)
  expect(headers['cache-control']).toBe('no-cache, private')
})

test('a list shows every acknowledged write', async () => {
  const namespace = await freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  for (let index = 0; index < 50; index++) {
    await call('POST', path, configMap(`c${index}`))
    const { body } = await call('GET', path)
    const names = body.items.map((item: { metadata: { name: string } }) => item.metadata.name)
    expect(names).toContain(`c${index}`)
  }
})

test('a watch from a revision gives everything since, once, in order', async () => {
  const namespace = await freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  const { body } = await call('POST', path, configMap('a'))
  const from = body.metadata.resourceVersion
  await call('POST', path, configMap('b'))
  const seen = events(`${path}?watch=1&resourceVersion=${from}`, 4)
  await call('PUT', `${path}/a`, { ...configMap('a'), data: { a: 'c' } })
  await call('DELETE', `${path}/b`)
  await call('POST', path, configMap('c'))
  expect(await seen).toEqual(['ADDED b', 'MODIFIED a', 'DELETED b', 'ADDED c'])
})

test('what leaves and enters a selector is DELETED and ADDED', async () => {
  const namespace = await freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  const { body } = await call('POST', path, configMap('a', { app: 'x' }))
  const from = body.metadata.resourceVersion
  const seen = events(`${path}?watch=1&labelSelector=app%3Dx&resourceVersion=${from}`, 2)
  await call('PUT', `${path}/a`, configMap('a', { app: 'y' }))
  await call('PUT', `${path}/a`, configMap('a', { app: 'x' }))
  expect(await seen).toEqual(['DELETED a', 'ADDED a'])
})

test('WatchList: the state, a marked bookmark, then what happens', async () => {
  const namespace = await freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  await call('POST', path, configMap('a'))
  const options =
    'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
  const seen = events(`${path}?${options}`, 3)
  await call('POST', path, configMap('b'))
  const lines = await seen
  expect([...lines].sort()).toEqual(['ADDED a', 'ADDED b', 'BOOKMARK'])
  expect(lines[0]).toBe('ADDED a')
})

test('a watch from before a compaction is told that it is too old', async () => {
  const own = await openLmdbStore({ directory: join(directory, 'compacted'), durability: 'none' })
  const first = await start(own)
  const transport = first.transportFor({ name: 'a', groups: ['system:masters'] })
  for (const name of ['a', 'b', 'c']) {
    const request = {
      method: 'POST',
      path: '/api/v1/namespaces',
      headers: { 'content-type': 'application/json' },
    }
    await transport.request({
      ...request,
      body: Buffer.from(JSON.stringify({ metadata: { name } })),
    })
  }
  await first.stop()
  await own.compact(own.revision())
  const second = await start(own)
  const answer = await second
    .transportFor({ name: 'a', groups: ['system:masters'] })
    .request({ method: 'GET', path: '/api/v1/namespaces?watch=1&resourceVersion=2' })
  let text = ''
  for await (const chunk of answer.body) text += Buffer.from(chunk).toString()
  expect(answer.code).toBe(200)
  expect(JSON.parse(text)).toMatchObject({
    type: 'ERROR',
    object: { code: 410, reason: 'Expired' },
  })
  await second.stop()
  await own.close()
})

test('a watch resumes across a restart of the server', async () => {
  const own = await openLmdbStore({ directory: join(directory, 'resumed'), durability: 'none' })
  const first = await start(own)
  const post = (server: Apiserver, name: string) =>
    server.transportFor({ name: 'a', groups: ['system:masters'] }).request({
      method: 'POST',
      path: '/api/v1/namespaces',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ metadata: { name } })),
    })
  const before = own.revision()
  await post(first, 'one')
  await post(first, 'two')
  await first.stop()
  const second = await start(own)
  const answer = await second.transportFor({ name: 'a', groups: ['system:masters'] }).request({
    method: 'GET',
    path: `/api/v1/namespaces?watch=1&timeoutSeconds=1&resourceVersion=${before}`,
  })
  let text = ''
  for await (const chunk of answer.body) text += Buffer.from(chunk).toString()
  const names = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).object.metadata.name)
  expect(names).toEqual(['one', 'two'])
  await second.stop()
  await own.close()
})

test('pages of a list show one snapshot, whatever is written meanwhile', async () => {
  const namespace = await freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  for (const name of ['a', 'b', 'c', 'd', 'e']) await call('POST', path, configMap(name))
  const names: string[] = []
  let token = ''
  const remaining: (number | undefined)[] = []
  do {
    const { body } = await call('GET', `${path}?limit=2&continue=${encodeURIComponent(token)}`)
    names.push(...body.items.map((item: { metadata: { name: string } }) => item.metadata.name))
    remaining.push(body.metadata.remainingItemCount)
    token = body.metadata.continue ?? ''
    await call('DELETE', `${path}/d`)
    await call('POST', path, configMap(`a${names.length}`))
  } while (token !== '')
  expect(names).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(remaining).toEqual([3, 1, undefined])
})

test('of many creates of one ClusterIP exactly one succeeds', async () => {
  const namespace = await freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/services`
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      call('POST', path, {
        metadata: { name: `s${index}` },
        spec: { clusterIP: '10.96.0.77', ports: [{ port: 80 }] },
      }),
    ),
  )
  expect(answers.filter(({ code }) => code === 201)).toHaveLength(1)
  expect(answers.filter(({ code }) => code === 422)).toHaveLength(39)
  const address = await call('GET', '/apis/networking.k8s.io/v1/ipaddresses/10.96.0.77')
  expect(address.body.spec.parentRef).toMatchObject({ resource: 'services', namespace })
})

test('a Service, its address and its Endpoints go in one commit', async () => {
  const namespace = await freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/services`
  const made = await call('POST', path, {
    metadata: { name: 's' },
    spec: { ports: [{ port: 80 }] },
  })
  const address = made.body.spec.clusterIP
  await call('DELETE', `${path}/s`)
  expect((await call('GET', `/apis/networking.k8s.io/v1/ipaddresses/${address}`)).code).toBe(404)
})

test('concurrent patches of one object are all applied', async () => {
  const namespace = await freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  await call('POST', path, configMap('a'))
  await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      call(
        'PATCH',
        `${path}/a`,
        { data: { [`k${index}`]: 'x' } },
        { 'content-type': 'application/merge-patch+json' },
      ),
    ),
  )
  const { body } = await call('GET', `${path}/a`)
  expect(Object.keys(body.data)).toHaveLength(31)
})

test('a write that changes nothing makes no revision', async () => {
  const namespace = await freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  const { body } = await call('POST', path, configMap('a'))
  const again = await call('PUT', `${path}/a`, configMap('a'))
  expect(again.body.metadata.resourceVersion).toBe(body.metadata.resourceVersion)
})

test('a malformed request head is refused', async () => {
  const socket = tls.connect({ port: api.port, host: '127.0.0.1', ca: pki.ca.cert })
  socket.write('GET / HTTP/1.1\r\nBad Header\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += chunk
  expect(text).toMatch(/^HTTP\/1\.1 400/)
})

async function readUntilEnd(body: AsyncIterable<Buffer>, onFirst: () => void): Promise<string> {
  let text = ''
  for await (const chunk of body) {
    if (text === '') onFirst()
    text += chunk
  }
  return text
}

test('stop() ends watches, lets answers finish, and is quick about it', async () => {
  const own = openMemoryStore()
  const server = await start(own)
  const agent = new https.Agent({ ca: pki.ca.cert, keepAlive: true })
  const path = '/api/v1/namespaces?watch=1'
  const ended = new Promise<string>((resolve, reject) => {
    const target = { host: '127.0.0.1', port: server.port, path, headers: bearer, agent }
    const onResponse = (response: AsyncIterable<Buffer>) => {
      readUntilEnd(response, () => void server.stop()).then(resolve, reject)
    }
    https.get(target, onResponse).on('error', reject)
  })
  const startMs = performance.now()
  expect(await ended).toContain('"type":"ADDED"')
  await server.stop()
  expect(performance.now() - startMs).toBeLessThan(1000)
  await own.close()
  agent.destroy()
})
