// Which form of OpenAPI a client gets, as kube-openapi's handlers choose it.
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { allResources } from '../api/resources.gen.ts'
import type { Answer, ApiCall, Headers } from './call.ts'
import { createDocuments } from './documents.ts'

const config = { gitVersion: 'v1.36.2', serverAddress: () => '127.0.0.1:6443' }
const documents = createDocuments(allResources, config)

function get(path: string, headers: Headers): Answer {
  const call: ApiCall = {
    method: 'GET',
    path,
    query: new URLSearchParams(),
    search: '',
    headers,
    remoteAddress: '127.0.0.1',
    body: () => Promise.resolve(Buffer.alloc(0)),
    onClose: () => {},
    stream: async function* () {},
  }
  return documents.answer(call)!
}

const older = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'
const v2 = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
const v3 = 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf'

test.each<readonly [string, string | undefined, number, string | undefined]>([
  ['/openapi/v2', undefined, 200, 'application/json'],
  ['/openapi/v2', '*/*', 200, 'application/json'],
  ['/openapi/v2', 'application/json', 200, 'application/json'],
  ['/openapi/v2', older, 200, v2],
  ['/openapi/v2', v2, 200, v2],
  ['/openapi/v2', `application/json;q=0.5, ${v2}`, 200, v2],
  ['/openapi/v2', `${v2};q=0, application/json`, 200, 'application/json'],
  ['/openapi/v2', `text/html, ${older}`, 200, v2],
  ['/openapi/v2', 'application/yaml', 406, undefined],
  ['/openapi/v2', v3, 406, undefined],
  ['/openapi/v3/apis/apps/v1', undefined, 200, 'application/json'],
  ['/openapi/v3/apis/apps/v1', v3, 200, v3],
  ['/openapi/v3/apis/apps/v1', v3.replace('v3.', 'v3@'), 200, v3],
  ['/openapi/v3/apis/apps/v1', 'text/html', 406, undefined],
])('%s, Accept: %s', (path, accept, code, type) => {
  const answer = get(path, accept === undefined ? {} : { accept })
  expect([answer.code, answer.headers['content-type']]).toEqual([code, type])
})

test('/openapi/v2 is packed for those who take it so', () => {
  const plain = get('/openapi/v2', {})
  const packed = get('/openapi/v2', { 'accept-encoding': 'gzip, deflate' })
  expect(plain.headers['content-encoding']).toBeUndefined()
  expect(packed.headers['content-encoding']).toBe('gzip')
  expect(packed.body![0]!.length).toBeLessThan(plain.body![0]!.length / 10)
  expect(gunzipSync(packed.body![0]!).equals(plain.body![0]!)).toBe(true)
})

test('/openapi/v2 is not sent again to who has it, in either form', () => {
  const { etag } = get('/openapi/v2', {}).headers
  expect(etag).toMatch(/^"[0-9A-F]{128}"$/)
  for (const accept of ['application/json', v2]) {
    const answer = get('/openapi/v2', { accept, 'if-none-match': etag })
    expect([answer.code, answer.body]).toEqual([304, undefined])
  }
})
