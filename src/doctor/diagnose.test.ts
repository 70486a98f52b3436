// The whole list of checks over whole snapshots: silence on health, one broken link named first,
// consequences under their cause, and what was not seen.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Pod, Service } from '../api/types/core.gen.ts'
import { checks } from './checks.ts'
import { diagnose } from './diagnose.ts'
import { confirmed } from './doctor.ts'
import { exitCodeOf } from './report.ts'
import type { Fact, Snapshot } from './snapshot.ts'
import {
  dnsPod,
  healthy,
  messagesOf,
  nowMs,
  pod,
  rulesFor,
  service,
  slice,
} from './test-objects.ts'
import { formatReport, plain } from './text.ts'

const ids = (snapshot: Snapshot): string[] => diagnose(snapshot).findings.map(({ id }) => id)
const miss = (fact: Fact) => [{ fact, reason: 'rbac' as const, detail: `you may not see ${fact}` }]

test('the healthy shop: every link that was asked for is proven, exit code 0', () => {
  const report = diagnose(healthy())
  expect(report.findings).toEqual([])
  expect(report.links.map(({ link, state }) => `${link} ${state}`)).toEqual([
    'registration proven',
    'backends proven',
    'endpoints proven',
    'name proven',
    'dns proven',
    'policy not-asked',
    'proxy proven',
    'traffic not-asked',
  ])
  expect(exitCodeOf(report)).toBe(0)
})

test('every check has an id of its own, and explains only checks that there are', () => {
  const all = new Set(checks.map(({ id }) => id))
  expect(all.size).toBe(checks.length)
  expect(checks.flatMap(({ explains }) => explains).filter((id) => !all.has(id))).toEqual([])
})

describe('what was not seen', () => {
  test('makes its link unknown, never proven', () => {
    const report = diagnose({ ...healthy(), nodeRules: [], unseen: miss('node-rules') })
    expect(report.links.find(({ link }) => link === 'proxy')).toMatchObject({ state: 'unknown' })
    expect(report.skipped.map(({ id }) => id)).toEqual(['X03', 'X04'])
    expect(exitCodeOf(report)).toBe(0)
  })
  test('is "could not look" when Services or Pods are forbidden', () =>
    expect(exitCodeOf(diagnose({ ...healthy(), unseen: miss('pods') }))).toBe(2))
})

describe('the last line agrees with the exit code', () => {
  const total = checks.length
  test.each<[readonly Fact[], number, RegExp]>([
    [[], 0, new RegExp(`^healthy: ${total} checks, no problem found$`)],
    [['nodes'], 0, /^healthy: .*, \d+ could not be decided$/],
    [
      ['pods'],
      2,
      new RegExp(`^could not look: pods not seen; \\d+ of ${total} checks not decided$`),
    ],
    [['pods', 'services'], 2, /^could not look: services, pods not seen; /],
    [['endpointslices', 'nodes'], 2, /^could not look: endpointslices not seen; /],
  ])('without %j it is %i', (facts, code, line) => {
    const report = diagnose({ ...healthy(), unseen: facts.flatMap(miss) })
    expect(exitCodeOf(report)).toBe(code)
    expect(formatReport(report, { style: plain, all: false }).at(-1)).toMatch(line)
  })
  test('a problem that was seen comes first', () => {
    const services = [service('web', { selector: { app: 'x' } })]
    const report = diagnose({ ...healthy(), services, unseen: miss('endpointslices') })
    expect(exitCodeOf(report)).toBe(1)
    expect(formatReport(report, { style: plain, all: false }).at(-1)).toMatch(/^broken: /)
  })
})

test('a cause is told once, with its consequences under it', () => {
  const pods = [dnsPod('coredns-a', { ready: false })]
  const { dns } = healthy()
  const report = diagnose({
    ...healthy(),
    asked: { namespace: 'kube-system' },
    services: [dns.service!],
    endpointSlices: [slice('kube-dns', pods, { namespace: 'kube-system' })],
    pods,
    dns: {
      ...dns,
      pods,
      answers: [],
      ready: new Map([['coredns-a', { code: 503, body: 'kubernetes' }]]),
    },
    nodeRules: [],
    podPorts: [],
  })
  expect(report.findings.map(({ id, explains }) => [id, explains.map((one) => one.id)])).toEqual([
    ['D05', ['E02', 'D02']],
  ])
  expect(exitCodeOf(report)).toBe(1)
})

test('confirmed() keeps what both looks found, and calls the rest settling', () => {
  const broken = diagnose({ ...healthy(), services: [service('web', { selector: { app: 'x' } })] })
  const well = diagnose(healthy())
  expect(confirmed(broken, well).findings).toEqual([])
  expect(confirmed(broken, broken).findings.map(({ id }) => id)).toEqual(['E01'])
  const fresh = confirmed(diagnose({ ...healthy(), endpointSlices: [] }), broken)
  expect([fresh.findings.length, fresh.settling.map(({ id }) => id)]).toEqual([0, ['E01']])
})

test('the text says cause, evidence, fix and verdict', () => {
  const report = diagnose({
    ...healthy(),
    services: [service('web', { selector: { app: 'wep' } })],
    nodeRules: [],
  })
  const text = formatReport(report, { style: plain, all: false })
  expect(text).toContain(' ✗ endpoints     E01 The selector matches no Pod')
  expect(text.join('\n')).toContain('$ kubectl -n shop get pods -l app=wep')
  expect(text.at(-1)).toBe('broken: 1 cause, first E01; signpost doctor --explain E01 tells more')
})

/** A shop of three tiers, each with its Pods, slices and rules. */
interface Tier {
  readonly name: string
  readonly pods: readonly Pod[]
  readonly service: Service
}

const tiers = fc
  .array(fc.record({ replicas: fc.integer({ min: 1, max: 4 }), named: fc.boolean() }), {
    minLength: 3,
    maxLength: 3,
  })
  .map((all) =>
    all.map(({ replicas, named }, tier): Tier => {
      const name = ['front', 'cart', 'db'][tier]!
      const pods = Array.from({ length: replicas }, (_, index) =>
        pod(`${name}-${index}`, { labels: { app: name }, ip: `10.244.${tier}.${index + 10}` }),
      )
      const clusterIP = `10.96.0.${tier + 20}`
      const targetPort = named ? 'http' : 8080
      const ports = [{ port: 80, targetPort, protocol: 'TCP' as const }]
      return { name, pods, service: service(name, { clusterIP, clusterIPs: [clusterIP], ports }) }
    }),
  )

function shop(all: readonly Tier[]): Snapshot {
  const services = all.map((tier) => tier.service)
  const endpointSlices = all.map(({ name, pods }) => slice(name, pods))
  return {
    ...healthy(),
    asked: { namespace: 'shop' },
    services,
    endpointSlices,
    pods: all.flatMap(({ pods }) => pods),
    podPorts: [],
    nodeRules: [rulesFor('n1', services, endpointSlices)],
  }
}

type Mutation = (all: readonly Tier[], at: number) => Snapshot

const replace = <T>(list: readonly T[], at: number, value: T): T[] =>
  list.map((one, index) => (index === at ? value : one))

/** Breaks one link of one tier, as it would be once everything else has caught up. */
const mutations: Readonly<Record<string, Mutation>> = {
  E01: (all, at) => {
    const tier = all[at]!
    const changed = {
      ...tier.service,
      spec: { ...tier.service.spec, selector: { app: `${tier.name}x` } },
    }
    const next = replace(all, at, { ...tier, service: changed as Service })
    const endpointSlices = next.map(({ name, pods }, index) =>
      slice(name, index === at ? [] : pods),
    )
    const services = next.map((one) => one.service)
    return { ...shop(next), endpointSlices, nodeRules: [rulesFor('n1', services, endpointSlices)] }
  },
  E02: (all, at) => {
    const tier = all[at]!
    const pods = tier.pods.map((one) =>
      pod(one.metadata.name, { labels: { app: tier.name }, ip: one.status!.podIP!, ready: false }),
    )
    return shop(replace(all, at, { ...tier, pods }))
  },
  E03: (all, at) => {
    const tier = all[at]!
    const ports = [{ port: 80, targetPort: 'nope', protocol: 'TCP' as const }]
    const changed = { ...tier.service, spec: { ...tier.service.spec, ports } }
    return shop(replace(all, at, { ...tier, service: changed as Service }))
  },
  X04: (all, at) => {
    const { services, endpointSlices } = shop(all)
    const stale = replace(
      endpointSlices,
      at,
      slice(all[at]!.name, [pod('old', { ip: '10.244.9.9' })]),
    )
    return { ...shop(all), nodeRules: [rulesFor('n1', services, stale)] }
  },
  X03: (all) => {
    const [rules] = shop(all).nodeRules
    return {
      ...shop(all),
      nodeRules: [
        { ...rules!, tables: [{ ...rules!.tables[0]!, table: undefined, frontends: 0 }] },
      ],
    }
  },
  D02: (all) => ({ ...shop(all), dns: { ...healthy().dns, pods: [], answers: [] } }),
  P07: (all, at) => {
    const one = all[at]!.pods[0]!
    const seen = { pod: one.metadata.name, namespace: 'shop', ip: one.status!.podIP!, port: 8080 }
    return { ...shop(all), podPorts: [{ ...seen, byAddress: 'refused', byLoopback: 'open' }] }
  },
}

describe('spec 5, mutation of a healthy three-tier app', () => {
  test('0 findings in 1,000 healthy ones', () => {
    fc.assert(
      fc.property(tiers, (all) => {
        expect(ids(shop(all))).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })
  test('the first verdict names the broken link, every time in 1,000', () => {
    fc.assert(
      fc.property(tiers, fc.constantFrom(...Object.keys(mutations)), fc.nat(2), (all, id, at) => {
        expect(ids(mutations[id]!(all, at))[0]).toBe(id)
      }),
      { numRuns: 1000 },
    )
  })
})

test('spec 1: 5,000 Services with 50,000 endpoints are examined in under 5 s of CPU', () => {
  const pods: Pod[] = []
  const services: Service[] = []
  const endpointSlices = []
  for (let index = 0; index < 5000; index++) {
    const name = `s${index}`
    const clusterIP = `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`
    const own = Array.from({ length: 10 }, (_, at) =>
      pod(`${name}-${at}`, {
        labels: { app: name },
        ip: `10.${100 + at}.${(index >> 8) & 255}.${index & 255}`,
      }),
    )
    pods.push(...own)
    services.push(service(name, { clusterIP, clusterIPs: [clusterIP] }))
    endpointSlices.push(slice(name, own))
  }
  const nodeRules = [rulesFor('n1', services, endpointSlices)]
  const snapshot: Snapshot = {
    ...healthy(),
    asked: { namespace: 'shop' },
    services,
    endpointSlices,
    pods,
    nodeRules,
    podPorts: [],
    nowMs,
  }
  const { user, system } = process.cpuUsage()
  expect(ids(snapshot)).toEqual([])
  const used = process.cpuUsage({ user, system })
  expect((used.user + used.system) / 1e6).toBeLessThan(5)
})

test('messages are about objects of the snapshot alone', () =>
  expect(checks.flatMap((check) => messagesOf(check, {}))).toEqual([]))
