// The three explanations, from facts to steps.
import { describe, expect, test } from 'vitest'
import { explainConnection } from './explain-connect.ts'
import { explainRegistration } from './explain-register.ts'
import { explainLookup, type LookupFacts } from './explain-resolve.ts'
import { changedPaths } from './json-paths.ts'
import { answerPredictor } from './predict-answer.ts'
import { candidateNames, type Libc, predictResolver } from './resolver.ts'
import type { DnsAnswer, Snapshot } from './snapshot.ts'
import { changedSteps, type Explanation, formatExplanation } from './steps.ts'
import { healthy, namespace, pod, rulesFor, service, slice } from './test-objects.ts'
import { plain } from './text.ts'
import { createView } from './view.ts'

const lines = ({ steps }: Explanation): string[] =>
  steps.map(({ title, state, lines }) => `${state} ${title}: ${lines.join(' | ')}`)

describe('explainRegistration()', () => {
  const caller = {
    username: 'ann',
    groups: ['dev'],
    allowed: true,
    reason: 'RBAC: allowed by RoleBinding "dev/shop"',
  }
  const explain = (change: Partial<Snapshot> = {}, pods = healthy().pods) =>
    explainRegistration({ snapshot: { ...healthy(), ...change }, caller, pods })

  test('six steps, each Pod in or out and why', () => {
    const pods = [
      ...healthy().pods,
      pod('slow', { labels: { app: 'web' }, ready: false }),
      pod('web-v2'),
    ]
    const steps = lines(explain({}, pods))
    expect(steps.map((line) => line.split(':')[0])).toEqual([
      'done posted',
      'done authenticated, authorized, admitted',
      'done ClusterIP',
      'done EndpointSlices',
      'done network programmed',
      'done name answered',
    ])
    expect(steps[1]).toContain(
      'you may create services in shop: RBAC: allowed by RoleBinding "dev/shop"',
    )
    expect(steps[3]).toContain('in  web 10.244.0.5: ready')
    expect(steps[3]).toContain('out slow 10.244.0.5: container app is not ready')
    expect(steps[3]).toContain('out web-v2: app: web (Service), app: web-v2 (Pod)')
    expect(steps[4]).toContain('ep: 10.96.0.20 . tcp . 80 . 0x00000001 : 10.244.0.6 . 8080')
  })
  test('what admission changed is the difference from what was applied', () => {
    const sent = { spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] } }
    const web = service('web')
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(sent) }
    const services = [{ ...web, metadata: { ...web.metadata, annotations } }]
    expect(lines(explain({ services }))[1]).toContain(
      'spec.clusterIP: "10.96.0.20" |   spec.clusterIPs: ["10.96.0.20"] |   spec.ipFamilies: ["IPv4"] |   spec.ports[0].protocol: "TCP"',
    )
  })
  test('waits for a Service that is not there', () =>
    expect(lines(explain({ services: [] }))).toEqual([
      'waiting posted: there is no Service "web" in shop yet',
    ]))
  test('rules that the API is ahead of are waited for at first', () => {
    const later = [slice('web', healthy().pods.slice(0, 1))]
    expect(lines(explain({ endpointSlices: later }))[4]).toMatch(
      /^failed network programmed: node n1: 10\.96/,
    )
    const now = [slice('web', healthy().pods.slice(0, 1), { created: '2026-01-01T00:59:59Z' })]
    expect(lines(explain({ endpointSlices: now }))[4]).toMatch(/^waiting network programmed/)
  })
  test('a headless Service has nothing to program', () =>
    expect(lines(explain({ services: [service('web', { clusterIP: 'None' })] }))[4]).toBe(
      'done network programmed'.replace(
        ' programmed',
        ': nothing to program: there is no ClusterIP',
      ),
    ))
})

describe('explainLookup()', () => {
  const { services, endpointSlices } = healthy()
  const predict = answerPredictor(
    { services, endpointSlices, namespaces: [namespace('shop'), namespace('app')] },
    'cluster.local',
  )
  const client = pod('client', { namespace: 'app', spec: { containers: [] } })
  const resolver = predictResolver(client, {
    clusterDNS: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
  })
  const explain = (name: string, libc: Libc, answers: readonly DnsAnswer[] = []) => {
    const candidates = candidateNames(name, resolver, libc)
    const facts: LookupFacts = {
      ...{ pod: client, name, libc, resolver, candidates, predict, answers },
      ...{ isConfigured: true, clusterDNS: ['10.96.0.10'], missed: ['nobody was asked'] },
    }
    return lines(explainLookup(facts)).slice(2)
  }
  const said = (name: string, rcode: string, addresses: readonly string[] = []): DnsAnswer => ({
    ...{ pod: 'coredns-a', name, type: 'A', rcode, addresses, ms: 1 },
  })
  test('goes through the search list until a name is found', () =>
    expect(explain('web.shop', 'glibc')).toEqual([
      'unknown web.shop.app.svc.cluster.local.: the API says: NXDOMAIN | nobody was asked',
      'unknown web.shop.svc.cluster.local.: the API says: NOERROR 10.96.0.20 | nobody was asked',
    ]))
  test('an answer that the API does not bear out is a fault', () =>
    expect(
      explain('web.shop.svc.cluster.local.', 'glibc', [
        said('web.shop.svc.cluster.local.', 'NXDOMAIN'),
      ]),
    ).toEqual([
      'failed web.shop.svc.cluster.local.: the API says: NOERROR 10.96.0.20 | coredns-a: NXDOMAIN',
    ]))
  test('musl ends at an answer that is neither yes nor NXDOMAIN', () => {
    const first = said('x.app.svc.cluster.local.', 'SERVFAIL')
    expect(explain('x', 'musl', [first])).toHaveLength(1)
    expect(explain('x', 'glibc', [first])).toHaveLength(4)
  })
})

describe('explainConnection()', () => {
  const client = pod('client', { ip: '10.244.0.50' })
  const explain = (
    spec: Parameters<typeof service>[1],
    port: number | undefined,
    pods = healthy().pods,
  ) => {
    const one = service('web', spec)
    const endpointSlices = [slice('web', pods)]
    const view = createView({ ...healthy(), services: [one], endpointSlices, pods })
      .serviceViews[0]!
    const table = rulesFor('n1', [one], endpointSlices).tables[0]
    return lines(explainConnection({ pod: client, view, port, table, missed: [] }))
  }
  test('every endpoint that the dice may choose', () => {
    const steps = explain({}, 80)
    expect(steps[1]).toBe(
      'done through the rules: nat-prerouting: ip daddr . meta l4proto . th dport vmap @svc  → goto c-2 | c-2: goto pick-2  → goto pick-2 | pick-2: dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @ep  → dnat to 10.244.0.5 . 8080',
    )
    expect(steps[2]).toBe('done to one of: 10.244.0.5:8080 | 10.244.0.6:8080')
  })
  test('refused when nobody serves, dropped when nobody does here', () => {
    expect(explain({}, 80, [])[2]).toBe('failed end: refused at once: nobody serves it')
    const elsewhere = [pod('far', { node: 'n2' })]
    expect(explain({ internalTrafficPolicy: 'Local' }, 80, elsewhere)[2]).toBe(
      'failed end: dropped without a word: the client waits until it gives up',
    )
  })
  test('a port that is not served, and Services without rules', () => {
    expect(explain({}, 81)).toEqual([
      'failed what is dialled: ClusterIP 10.96.0.20, 2 usable endpoints | port 81 is not served; it serves 80/TCP (→ 8080)',
    ])
    expect(explain({ clusterIP: 'None' }, 80)).toHaveLength(1)
  })
})

test('changedPaths() gives the leaves that were added or are otherwise', () =>
  expect(changedPaths({ a: 1, b: [{ c: 1 }] }, { a: 2, b: [{ c: 1, d: 3 }], e: {} }, 's')).toEqual([
    { path: 's.a', value: 2 },
    { path: 's.b[0].d', value: 3 },
    { path: 's.e', value: {} },
  ]))

test('changedSteps() passes over times', () => {
  const step = { title: 'a', state: 'done', lines: ['x'] } as const
  expect(changedSteps([{ ...step, time: '1 ms' }], [{ ...step, time: '2 ms' }])).toEqual([])
  expect(changedSteps([step], [step, step])).toEqual([1])
})

test('formatExplanation() numbers the steps and repeats the command', () => {
  const steps = [{ title: 'a', state: 'waiting', lines: ['x'], command: 'kubectl get a' }] as const
  const explanation: Explanation = {
    apiVersion: 'signpost.dev/v1alpha1',
    kind: 'LookupReport',
    subject: 's',
    steps,
  }
  expect(formatExplanation(explanation, plain)).toEqual([
    's',
    '… 1 a',
    '     x',
    '     $ kubectl get a',
  ])
})
