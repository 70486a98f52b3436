// Recorded Kubernetes 1.36: definitions, their objects, and policies in CEL, played against this API
// server in memory (golden/cases).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Apiserver } from '../../src/apiserver/apiserver.ts'
import { startApiserver } from '../../src/apiserver/apiserver.ts'
import { loadPki } from '../../src/cluster/pki.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { type Bindings, differences, matchText, substitute } from '../support/golden-match.ts'

interface Request {
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly retry?: boolean
}

interface Step {
  readonly name: string
  readonly request?: Request
  readonly pollMs?: number
  readonly open?: string
  readonly expect?: {
    readonly code: number
    readonly headers?: Readonly<Record<string, unknown>>
    readonly body?: unknown
    readonly text?: string
  }
}

interface Script {
  readonly setup: readonly Request[]
  readonly steps: readonly Step[]
}

const directory = mkdtempSync(join(tmpdir(), 'signpost-crd-'))
const store = openMemoryStore()
let api: Apiserver

beforeAll(async () => {
  const pki = await loadPki(
    {
      directory: join(directory, 'pki'),
      nodeName: 'n1',
      nodeAddresses: ['192.168.50.2'],
      apiserverNames: ['localhost', '127.0.0.1'],
    },
    Date.now(),
  )
  const config = {
    bindAddress: '127.0.0.1',
    securePort: 0,
    tlsCert: pki.apiserver.cert,
    tlsPrivateKey: pki.apiserver.key,
    clientCA: pki.ca.cert,
    serviceAccountSigningKey: pki.serviceAccountKey,
    serviceAccountIssuer: 'https://kubernetes.default.svc.cluster.local',
    serviceClusterIPRange: ['10.96.0.0/16'],
    advertiseAddress: '192.168.50.2',
  }
  const deps = { store, clock: systemClock, random: systemRandom, log: silentLogger }
  api = await startApiserver(config, deps)
})

afterAll(async () => {
  await api.stop()
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

interface Answer {
  readonly code: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

async function call(request: Request, bindings: Bindings): Promise<Answer> {
  const { method, path, query, headers, body } = substitute(request, bindings) as Request
  const search = query ? `?${new URLSearchParams(query)}` : ''
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const own = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
  const answer = await api.transportFor({ name: 'admin', groups: ['system:masters'] }).request({
    method,
    path: path + search,
    headers: { 'user-agent': 'replay', ...type, ...Object.fromEntries(own) },
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of answer.body) chunks.push(chunk)
  return { ...answer, text: Buffer.concat(chunks).toString() }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Lists that are sets, in the order of those they are compared with. */
function aligned(wanted: unknown, actual: unknown, bindings: Bindings): unknown {
  if (Array.isArray(wanted) && Array.isArray(actual)) {
    return actual.map((item, index) => aligned(wanted[index], item, bindings))
  }
  if (!isRecord(wanted) || !isRecord(actual)) return actual
  const entries = Object.entries(actual).map(([key, value]) => {
    const target = wanted[key]
    const set = key === 'causes' || key === 'managedFields'
    if (set && Array.isArray(target) && Array.isArray(value)) {
      return [key, ordered(target, value, bindings)]
    }
    if (key === 'message' && sameErrors(substitute(target, bindings), value)) {
      return [key, substitute(target, bindings)]
    }
    return [key, aligned(target, value, bindings)]
  })
  return Object.fromEntries(entries)
}

function ordered(wanted: readonly unknown[], actual: readonly unknown[], bindings: Bindings) {
  const left = [...actual]
  const found = wanted.flatMap((one) => {
    const at = left.findIndex(
      (item) => differences(one, item, { bindings: { ...bindings }, path: '' }).length === 0,
    )
    return at < 0 ? [] : left.splice(at, 1)
  })
  return [...found, ...left]
}

/** The errors of one message may come in any order. */
function sameErrors(wanted: unknown, actual: unknown): boolean {
  const parts = (text: unknown) => {
    const match = /^(.*? is invalid: )\[([\s\S]*)\]$/.exec(String(text))
    return match && [match[1], ...(match[2] ?? '').split(', ').sort()].join('|')
  }
  const one = parts(wanted)
  return one !== null && one === parts(actual)
}

/** Descriptions of columns are not compared. */
function check({ expect: wanted }: Step, answer: Answer, bindings: Bindings): readonly string[] {
  if (!wanted) return []
  if (answer.code !== wanted.code) return [`code ${answer.code}: ${answer.text.slice(0, 300)}`]
  if (wanted.text !== undefined) {
    return matchText(wanted.text, answer.text, bindings) ? [] : [`text: ${answer.text}`]
  }
  if (wanted.body === undefined) return []
  const body = aligned(wanted.body, JSON.parse(answer.text), bindings)
  return differences(wanted.body, body, { bindings, path: '' })
}

const waitMs = 20

async function play(step: Step, bindings: Bindings): Promise<readonly string[]> {
  const { request } = step
  // A watch is a matter of the watch's own tests.
  if (!request || step.open) return []
  const until = Date.now() + (step.pollMs ?? 0)
  for (;;) {
    const trial = { ...bindings }
    const problems = check(step, await call(request, trial), trial)
    if (problems.length === 0 || Date.now() >= until) {
      Object.assign(bindings, trial)
      return problems
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}

async function prepare(request: Request, bindings: Bindings): Promise<void> {
  for (let attempt = 0; attempt < 250; attempt++) {
    const { code } = await call(request, bindings)
    if (code < 300 || code === 409 || !request.retry) return
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}

const scripts = ['crd-create', 'crd-structural', 'crd-schema', 'crd-cel', 'crd-subresources', 'vap']

test.each(scripts)('%s is answered as Kubernetes answers it', async (name) => {
  const file = new URL(`../golden/cases/${name}.json`, import.meta.url)
  // The recorder's own program had another name than ours, which owns what the server writes.
  const text = readFileSync(file, 'utf8').replaceAll('golden-apiserver', 'kube-apiserver')
  const script = JSON.parse(text) as Script
  const bindings: Bindings = { ns: `t-${name}` }
  for (const request of script.setup) await prepare(request, bindings)
  const failures: string[] = []
  for (const step of script.steps) {
    const problems = await play(step, bindings)
    failures.push(...problems.map((problem) => `${step.name}: ${problem}`))
  }
  expect(failures).toEqual([])
})
