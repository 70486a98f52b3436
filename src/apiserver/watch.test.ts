// Watches and clients that read slowly, through the transport without a socket.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeClock } from '../lib/fake-clock.ts'
import type { Apiserver } from './apiserver.ts'
import { startForTest } from './test-server.ts'
import type { LocalTransport } from './transport.ts'

const path = '/api/v1/namespaces/default/configmaps'
/** Of one object; a few dozen of them are more than a client may leave unread. */
const payload = 'x'.repeat(100_000)

let clock: FakeClock
let api: Apiserver
let transport: LocalTransport

beforeEach(async () => {
  clock = new FakeClock()
  api = await startForTest({ clock })
  transport = api.transportFor({ name: 'admin', groups: ['system:masters'] })
})

afterEach(() => api.stop())

async function create(name: string): Promise<void> {
  const object = { metadata: { name }, data: { payload } }
  const headers = { 'content-type': 'application/json' }
  const body = Buffer.from(JSON.stringify(object))
  const { code } = await transport.request({ method: 'POST', path, headers, body })
  expect(code).toBe(201)
}

async function createAll(prefix: string, count: number): Promise<readonly string[]> {
  const names = Array.from({ length: count }, (_, index) => `${prefix}${index}`)
  for (const name of names) await create(name)
  return names
}

async function startWatch(query: string): Promise<AsyncIterator<Uint8Array>> {
  const { code, body } = await transport.request({ method: 'GET', path: `${path}?watch=1${query}` })
  expect(code).toBe(200)
  return body[Symbol.asyncIterator]()
}

/** The names in the next `count` events, however they are cut into chunks. */
async function readNames(body: AsyncIterator<Uint8Array>, count: number): Promise<string[]> {
  const names: string[] = []
  let rest = ''
  while (names.length < count) {
    const { value, done } = await body.next()
    if (done) throw new Error(`the watch ended after ${names.length} events`)
    const lines = (rest + Buffer.from(value).toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { object } = JSON.parse(line) as { object: { metadata: { name: string } } }
      names.push(object.metadata.name)
    }
  }
  return names
}

const revisionNow = async (): Promise<string> => {
  const { body } = await transport.request({ method: 'GET', path: `${path}?limit=1` })
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return JSON.parse(Buffer.concat(chunks).toString()).metadata.resourceVersion
}

test('a watch sends its initial state however much it is', async () => {
  const names = await createAll('m', 60)
  const body = await startWatch('')
  expect((await readNames(body, names.length)).sort()).toEqual([...names].sort())
})

test('a watch resumes however much it has missed', async () => {
  const before = await revisionNow()
  const names = await createAll('m', 60)
  const body = await startWatch(`&resourceVersion=${before}`)
  expect(await readNames(body, names.length)).toEqual(names)
})

test('a watch whose client reads nothing for a while loses nothing, in order', async () => {
  const body = await startWatch(`&resourceVersion=${await revisionNow()}`)
  const first = body.next()
  const names = await createAll('m', 60)
  const { value } = await first
  const [head = ''] = Buffer.from(value).toString().split('\n')
  expect(JSON.parse(head).object.metadata.name).toBe(names[0])
  expect(await readNames(body, names.length - 1)).toEqual(names.slice(1))
  await create('later')
  expect(await readNames(body, 1)).toEqual(['later'])
})

test('a watch whose client takes nothing is cut off after a while', async () => {
  const body = await startWatch(`&resourceVersion=${await revisionNow()}`)
  const first = body.next()
  await createAll('m', 15)
  await first
  await clock.advance(60_000)
  await expect(readNames(body, 14)).rejects.toThrow('the server ended the stream')
})

test('a watch whose client takes a little at a time is not cut off', async () => {
  const body = await startWatch(`&resourceVersion=${await revisionNow()}`)
  const first = body.next()
  const names = (await createAll('m', 15)).slice(1)
  await first
  const read: string[] = []
  for (let turn = 0; turn < 3; turn++) {
    read.push(...(await readNames(body, 2)))
    await clock.advance(29_000)
  }
  read.push(...(await readNames(body, names.length - read.length)))
  expect(read).toEqual(names)
})
