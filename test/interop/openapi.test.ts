// What kubectl reads from /openapi/v2: kinds that the server does not have, and older explanations.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Apiserver } from '../../src/apiserver/apiserver.ts'
import { startApiserver } from '../../src/apiserver/apiserver.ts'
import { loadPki } from '../../src/cluster/pki.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { tools } from '../support/tools.ts'

const directory = mkdtempSync(join(tmpdir(), 'signpost-openapi-'))
let store: Store
let api: Apiserver

beforeAll(async () => {
  const pki = await loadPki(
    {
      directory: join(directory, 'pki'),
      nodeName: 'n1',
      nodeAddresses: ['192.168.50.2'],
      apiserverNames: ['127.0.0.1'],
    },
    Date.now(),
  )
  writeFileSync(join(directory, 'ca.crt'), pki.ca.cert)
  store = openMemoryStore()
  api = await startApiserver(
    {
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
    },
    { store, clock: systemClock, random: systemRandom, log: silentLogger },
  )
}, 60_000)

afterAll(async () => {
  await api.stop()
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

/** What kubectl prints, on success or on failure. */
async function kubectl(...args: readonly string[]): Promise<string> {
  const flags = [
    `--server=https://127.0.0.1:${api.port}`,
    `--certificate-authority=${join(directory, 'ca.crt')}`,
    '--token=secret',
    `--cache-dir=${join(directory, 'cache')}`,
  ]
  const run = promisify(execFile)(tools().kubectl, [...flags, ...args], { env: {} })
  const { stdout, stderr } = await run.catch((error: { stdout: string; stderr: string }) => error)
  return stdout + stderr
}

function manifest(name: string, content: object): string {
  const file = join(directory, name)
  writeFileSync(file, JSON.stringify(content))
  return file
}

test.each(['apply', 'create'])('%s of a kind that is not there says so', async (verb) => {
  const thing = { apiVersion: 'gone.example/v1', kind: 'Thing', metadata: { name: 'a' } }
  expect(await kubectl(verb, '-f', manifest('thing.json', thing))).toContain(
    'no matches for kind "Thing" in version "gone.example/v1"',
  )
})

test('apply --validate=strict names the unknown field', async () => {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'a', namespace: 'default' },
    spec: { ports: [{ port: 80 }], selectr: { app: 'a' } },
  }
  const file = manifest('service.json', service)
  expect(await kubectl('apply', '--validate=strict', '-f', file)).toContain(
    'strict decoding error: unknown field "spec.selectr"',
  )
})

test('explain reads the Swagger document', async () => {
  const explained = await kubectl('explain', '--output=plaintext-openapiv2', 'services.spec.ports')
  expect(explained).toContain('RESOURCE: ports <[]Object>')
  expect(explained).toContain('port\t<integer> -required-')
})
