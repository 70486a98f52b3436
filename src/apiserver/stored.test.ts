// How large an object may be, through the transport without a socket.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeClock } from '../lib/fake-clock.ts'
import type { Apiserver } from './apiserver.ts'
import { startForTest } from './test-server.ts'

let api: Apiserver

beforeEach(async () => {
  api = await startForTest({ clock: new FakeClock() })
})

afterEach(() => api.stop())

async function send(method: string, path: string, body: unknown, type = 'application/json') {
  const transport = api.transportFor({ name: 'admin', groups: ['system:masters'] })
  const answer = await transport.request({
    method,
    path: `/api/v1/namespaces/default/${path}`,
    headers: { 'content-type': type },
    body: Buffer.from(JSON.stringify(body)),
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of answer.body) chunks.push(chunk)
  const { message } = JSON.parse(Buffer.concat(chunks).toString())
  return { code: answer.code, message }
}

/** A Service with finalizers, of which there may be any number. */
function service(finalizerCount: number): object {
  const finalizers = Array.from(
    { length: finalizerCount },
    (_, index) => `example.com/${String(index).padStart(60, '0')}`,
  )
  return { metadata: { name: 'web', finalizers }, spec: { ports: [{ port: 80 }] } }
}

const tooLarge = { code: 500, message: 'etcdserver: request is too large' }

test('an object larger than a request to etcd is refused, however it is written', async () => {
  const large = service(25_000)
  expect(await send('POST', 'services', large)).toEqual(tooLarge)
  expect((await send('POST', 'services', service(1))).code).toBe(201)
  expect(await send('PUT', 'services/web', large)).toEqual(tooLarge)
  const merge = 'application/merge-patch+json'
  expect(await send('PATCH', 'services/web', large, merge)).toEqual(tooLarge)
  expect((await send('PUT', 'services/web', service(5000))).code).toBe(200)
})

test('it is measured as protobuf, in which no text is escaped', async () => {
  const object = { metadata: { name: 'escaped' }, data: { text: '\u0001'.repeat(400_000) } }
  expect((await send('POST', 'configmaps', object)).code).toBe(201)
})
