// What is fetched for which question, over an API in memory that writes down its requests.
import { describe, expect, test } from 'vitest'
import type { ApiRequest, Transport } from '../client/client.ts'
import { createClient } from '../client/resource-client.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { examine } from './doctor.ts'
import { parseTarget } from './question.ts'
import { exitCodeOf } from './report.ts'
import { dnsPod, dnsService, namespace, nowMs, pod, service, slice } from './test-objects.ts'

const pods = [pod('web')]
const shelves: Readonly<Record<string, readonly object[]>> = {
  services: [service('web'), dnsService()],
  endpointslices: [slice('web', pods)],
  pods: [...pods, dnsPod('coredns-a'), pod('client', { namespace: 'app' })],
  namespaces: [namespace('kube-system'), namespace('shop')],
  networkpolicies: [],
  nodes: [],
}

interface Stored {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
}

/** GET of collections and objects, with equality selectors; all else is 404. `deny` answers 403. */
function fakeApi(deny: RegExp = /^$/): { transport: Transport; seen: string[] } {
  const seen: string[] = []
  const reply = (code: number, body: unknown) => {
    const bytes = Buffer.from(JSON.stringify(body))
    return Promise.resolve({
      code,
      headers: {},
      body: (async function* () {
        await Promise.resolve()
        yield bytes
      })(),
    })
  }
  const status = (code: number, reason: string) =>
    reply(code, { kind: 'Status', status: 'Failure', code, reason, message: reason })
  const request = ({ method, path }: ApiRequest) => {
    seen.push(`${method} ${decodeURIComponent(path)}`)
    const url = new URL(path, 'http://api')
    if (deny.test(path)) return status(403, 'Forbidden')
    const match =
      /^\/apis?\/(?:[^/]+\/)?v1\/(?:namespaces\/([^/]+)\/)?([a-z]+)(?:\/([^/]+))?$/.exec(
        url.pathname,
      )
    const found = match && shelves[match[2]!]
    if (!found || method !== 'GET') return status(404, 'NotFound')
    const [, space, , name] = match
    const inSpace = (found as readonly Stored[]).filter(
      ({ metadata }) => space === undefined || metadata.namespace === space,
    )
    if (name !== undefined) {
      const one = inSpace.find(({ metadata }) => metadata.name === name)
      return one ? reply(200, one) : status(404, 'NotFound')
    }
    return reply(200, {
      metadata: {},
      items: inSpace.filter((one) => isSelected(one, url.searchParams)),
    })
  }
  return { transport: { request, close: () => {} }, seen }
}

function isSelected({ metadata }: Stored, query: URLSearchParams): boolean {
  const terms = (query.get('labelSelector') ?? '').split(',').filter(Boolean)
  const field = query.get('fieldSelector')?.split('=')[1]
  return (
    terms.every((term) => metadata.labels?.[term.split('=')[0]!] === term.split('=')[1]) &&
    (field === undefined || metadata.name === field)
  )
}

async function ask(text: string | undefined, from?: string, deny?: RegExp) {
  const { transport, seen } = fakeApi(deny)
  const clock = new FakeClock(nowMs)
  const target = text === undefined ? undefined : parseTarget(text)
  const asking = examine(
    { namespace: 'shop', all: false, target, from },
    { client: createClient(transport), clock },
  )
  for (let turn = 0; turn < 50; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(100)
  }
  return { report: await asking, seen }
}

describe('examine()', () => {
  test('fetches for one Service its own objects and those of the DNS, and lists no namespace', async () => {
    const { report, seen } = await ask('web')
    expect(report.findings).toEqual([])
    const lists = seen.filter((line) => /\/(pods|services|endpointslices)(\?|$)/.test(line))
    expect(lists.filter((line) => !line.includes('Selector='))).toEqual([])
    expect(seen.length).toBeLessThan(25)
  })
  test('lists the namespace for a scan, and no other', async () => {
    const { report, seen } = await ask(undefined)
    expect(report.services).toBe(1)
    expect(seen.filter((line) => /^GET \/api\/v1\/(pods|services)/.test(line))).toEqual([])
  })
  test('tells a Service, a Pod, a cluster name and an outside name apart', async () => {
    const asked = async (text: string) => (await ask(text)).report.asked
    expect(await asked('web')).toMatchObject({ service: { namespace: 'shop', name: 'web' } })
    expect(await asked('pod/web')).toMatchObject({ pod: { namespace: 'shop', name: 'web' } })
    expect(await asked('kube-dns.kube-system')).toMatchObject({
      service: { namespace: 'kube-system', name: 'kube-dns' },
    })
    expect(await asked('gone.shop')).toMatchObject({ service: { namespace: 'shop', name: 'gone' } })
    expect(await asked('github.com')).toMatchObject({ external: true, name: 'github.com' })
  })
  test('says what an ordinary user may not see and which rule would help', async () => {
    const { report } = await ask('web', undefined, /\/nodes/)
    expect(report.unseen.map(({ reason, detail }) => `${reason}: ${detail}`)).toContain(
      'rbac: you may not list nodes, so no live rules were read',
    )
    expect(exitCodeOf(report)).toBe(0)
  })
  test('could not look without the right to see Pods', async () => {
    const { report } = await ask('web', undefined, /\/shop\/pods/)
    expect(
      report.unseen.some(({ detail }) =>
        detail.includes('kubectl create role signpost-doctor -n shop'),
      ),
    ).toBe(true)
    expect(exitCodeOf(report)).toBe(2)
  })
})
