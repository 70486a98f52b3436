import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ServiceSpec } from '../api/types/core.gen.ts'
import { FakeNftables } from '../linux/nftables/fake-kernel.ts'
import type { Table } from '../linux/nftables/objects.ts'
import { formatChain, formatElement } from '../linux/nftables/text.ts'
import { walk } from '../linux/nftables/walk.ts'
import { buildRules, type PlannerNode, type PlannerService } from './rules.ts'
import { slotSets } from './sets.ts'
import { TableWriter } from './table-writer.ts'
import {
  clusterIP,
  config,
  loadBalancerIP,
  node,
  nodeIP,
  plannerService,
  service,
  slice,
} from './test-objects.ts'

const key = 'default/web'

function tableOf(object: PlannerService, on: PlannerNode = node): Table {
  return buildRules(new Map([[key, object]]), on)
}

/** "set: key : value", sorted, without what every table has. */
function elementsOf(table: Table): string[] {
  const lines: string[] = []
  for (const [set, elements] of table.elements) {
    if (set === 'schema' || set === 'nodeport-ips') continue
    for (const [id, value] of elements) lines.push(`${set}: ${formatElement(id, value)}`)
  }
  return lines.sort()
}

test('buildRules() of a LoadBalancer with policy Local, one endpoint here and one elsewhere', () => {
  const spec: Partial<ServiceSpec> = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }
  const status = { loadBalancer: { ingress: [{ ip: loadBalancerIP }] } }
  const object = service('web', ['80@30080'], { ...spec, object: { status } })
  const both = [slice(['8080'], ['10.244.1.1', '10.244.0.2 local'])]
  expect(elementsOf(tableOf(plannerService(object, both)))).toEqual([
    'cluster-ips: 10.96.0.10',
    'ep: 10.96.0.10 . tcp . 80 . 0x00000000 : 10.244.1.1 . 8080',
    'ep: 10.96.0.10 . tcp . 80 . 0x00000001 : 10.244.0.2 . 8080',
    'ep: 198.51.100.20 . tcp . 80 . 0x00000000 : 10.244.1.1 . 8080',
    'ep: 198.51.100.20 . tcp . 80 . 0x00000001 : 10.244.0.2 . 8080',
    'hairpin: 10.244.0.2 . 10.244.0.2',
    'lep: 198.51.100.20 . tcp . 80 . 0x00000000 : 10.244.0.2 . 8080',
    'npep: tcp . 30080 . 0x00000000 : 10.244.1.1 . 8080',
    'npep: tcp . 30080 . 0x00000001 : 10.244.0.2 . 8080',
    'nplep: tcp . 30080 . 0x00000000 : 10.244.0.2 . 8080',
    'nport: tcp . 30080 : goto npl-1',
    'npshort: tcp . 30080 : goto nppick-2',
    'short: 198.51.100.20 . tcp . 80 : goto pick-2',
    'svc: 10.96.0.10 . tcp . 80 : goto c-2',
    'svc: 198.51.100.20 . tcp . 80 : goto l-1',
  ])
  const remoteOnly = [slice(['8080'], ['10.244.1.1', '10.244.0.2 local unready'])]
  const without = elementsOf(tableOf(plannerService(object, remoteOnly)))
  expect(
    without.filter((line) => /^(deny|npdeny|svc|nport|lep|nplep|hairpin):/.test(line)),
  ).toEqual([
    'deny: 198.51.100.20 . tcp . 80 : drop',
    'npdeny: tcp . 30080 : drop',
    'nport: tcp . 30080 : goto npl-0',
    'svc: 10.96.0.10 . tcp . 80 : goto c-1',
    'svc: 198.51.100.20 . tcp . 80 : goto l-0',
  ])
})

describe('chains', () => {
  const chains = (object: PlannerService, on = node) => {
    const table = tableOf(object, on)
    return (name: string) => formatChain(table.chains.get(name)!, table.family).replaceAll('\t', '')
  }
  const three = [slice(['8080'], ['10.244.1.1', '10.244.1.2', '10.244.1.3'])]
  test('a ClusterIP with three slots', () => {
    const chain = chains(plannerService(service('web', ['80']), three))
    expect(chain('c-3')).toBe(
      'chain c-3 {\nip saddr != 10.244.0.0/24 meta mark set meta mark | 0x00004000\ngoto pick-3\n}',
    )
    expect(chain('pick-3')).toBe(
      [
        'chain pick-3 {',
        'dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @ep',
        'dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 1 map @ep',
        '}',
      ].join('\n'),
    )
  })
  test('with affinity the record is tried first, and written when the packet leaves', () => {
    const affine = service('web', ['80@30080'], { sessionAffinity: 'ClientIP' })
    const chain = chains(plannerService(affine, three))
    expect(chain('npxa-3')).toContain('meta mark set meta mark | 0x00004000\ngoto nppicka-3')
    expect(chain('nppicka-3')).toContain(
      'dnat ip to ip saddr . ip daddr . meta l4proto . th dport map @aff\ngoto nppick-3',
    )
    expect(chain('rec-10800')).toContain('timeout 3h : ip daddr . th dport }')
  })
  test('the hooks', () => {
    const chain = chains(plannerService(service('web', ['80']), three))
    expect(chain('nat-postrouting')).toBe(
      [
        'chain nat-postrouting {',
        'type nat hook postrouting priority srcnat; policy accept;',
        'ct original ip daddr . meta l4proto . ct original proto-dst vmap @affrec',
        'meta mark & 0x00004000 == 0x00004000 meta mark set meta mark ^ 0x00004000 masquerade fully-random',
        'ip saddr . ip daddr @hairpin masquerade fully-random',
        '}',
      ].join('\n'),
    )
    expect(chain('filter-forward')).toBe(
      [
        'chain filter-forward {',
        'type filter hook forward priority filter; policy accept;',
        'ct state new ip daddr . meta l4proto . th dport vmap @deny',
        'ct state new ip daddr @cluster-ips goto reject',
        'ct state new ip daddr 10.96.0.0/16 drop',
        '}',
      ].join('\n'),
    )
  })
})

test('of two Services that claim one address and port the older has it, until it goes', () => {
  const claim = (name: string, created: string, ip: string) => {
    const object = service(name, ['80'], {
      clusterIP: ip,
      clusterIPs: [ip],
      externalIPs: [loadBalancerIP],
    })
    const metadata = { ...object.metadata, creationTimestamp: created }
    const endpoints = [slice(['8080'], [`10.244.0.${name.length}`])]
    return plannerService({ ...object, metadata }, endpoints)
  }
  const young = claim('young', '2026-01-02T00:00:00Z', '10.96.0.11')
  const old = claim('elder-one', '2026-01-01T00:00:00Z', '10.96.0.12')
  const kernel = new FakeNftables({ family: 'ip', name: 'signpost' })
  const writer = new TableWriter(kernel, node)
  const served = () => {
    const packet = {
      saddr: '203.0.113.9',
      daddr: loadBalancerIP,
      protocol: 'tcp',
      sport: 1,
      dport: 80,
    }
    const options = { from: 'outside', localAddresses: new Set<string>() } as const
    return walk(kernel.table!, packet, options).packet.daddr
  }
  writer.start(new Map([['default/young', young]]))
  expect(served()).toBe('10.244.0.5')
  writer.update(new Map([['default/elder-one', old]]), 0)
  expect(served()).toBe('10.244.0.9')
  writer.update(new Map([['default/elder-one', undefined]]), 0)
  expect(served()).toBe('10.244.0.5')
  writer.update(new Map([['default/young', undefined]]), 0)
  expect(served()).toBe(loadBalancerIP)
})

const ips = ['10.96.0.10', '10.96.0.11', '10.96.0.12'] as const

/** Any Service over a few names and addresses, so that they collide. */
const anyService: fc.Arbitrary<PlannerService> = fc
  .record({
    index: fc.nat({ max: 2 }),
    external: fc.subarray([loadBalancerIP, '198.51.100.21']),
    nodePort: fc.constantFrom('', '@30080', '@30081'),
    local: fc.boolean(),
    internalLocal: fc.boolean(),
    affinity: fc.boolean(),
    created: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
    endpoints: fc.uniqueArray(fc.nat({ max: 6 })),
    marks: fc.array(fc.constantFrom('', ' local', ' draining', ' unready'), {
      minLength: 7,
      maxLength: 7,
    }),
  })
  .map((spec) => {
    const ip = ips[spec.index]!
    const object = service('web', [`80${spec.nodePort}`], {
      clusterIP: ip,
      clusterIPs: [ip],
      externalIPs: spec.external,
      ...(spec.local ? { externalTrafficPolicy: 'Local' } : {}),
      ...(spec.internalLocal ? { internalTrafficPolicy: 'Local' } : {}),
      ...(spec.affinity ? { sessionAffinity: 'ClientIP' } : {}),
    })
    const endpoints = spec.endpoints.map((number) => `10.244.0.${number}${spec.marks[number]}`)
    const planned = plannerService(object, [slice(['8080'], endpoints)])
    return { ...planned, creationTimestamp: spec.created }
  })

/** A Service has its ClusterIP to itself, as the API server sees to it; uid tells them apart. */
function named(name: string, planned: PlannerService): PlannerService {
  return { ...planned, uid: name }
}

/** Slots as the multiset of their endpoints: their order is a matter of history. */
function normalized(table: Table): Record<string, string[]> {
  const result: Record<string, string[]> = {}
  for (const [set, elements] of table.elements) {
    const isSlots = slotSets.has(set)
    result[set] = [...elements]
      .map(([id, value]) => `${isSlots ? id.slice(0, id.lastIndexOf(' . ')) : id} : ${value}`)
      .sort()
  }
  return result
}

const changes = fc.array(
  fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(anyService, { nil: undefined })), {
    minLength: 1,
    maxLength: 3,
  }),
  { maxLength: 8 },
)

describe('TableWriter', () => {
  test('after any history the kernel holds what a fresh plan would', () => {
    fc.assert(
      fc.property(
        changes,
        fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
        (history, sweeps) => {
          const kernel = new FakeNftables({ family: 'ip', name: 'signpost' })
          const writer = new TableWriter(kernel, node)
          const services = new Map<string, PlannerService>()
          writer.start(services)
          let nowMs = 0
          for (const [index, batch] of history.entries()) {
            const latest = new Map<string, PlannerService | undefined>()
            for (const [name, planned] of batch) latest.set(name, planned && named(name, planned))
            for (const [name, planned] of latest) {
              if (planned) services.set(name, planned)
              else services.delete(name)
            }
            const before = kernel.transactions.length
            writer.update(latest, nowMs)
            expect(kernel.transactions.length - before).toBeLessThanOrEqual(1)
            expect(kernel.refused).toBe(0)
            nowMs += 600
            if (sweeps[index]) writer.sweep(nowMs)
          }
          writer.sweep(nowMs + 2000)
          writer.planner.dropIdleChains()
          writer.verify({ thorough: true })
          const fresh = buildRules(services, node)
          expect(normalized(kernel.table!)).toEqual(normalized(fresh))
          expect(new Set(kernel.table!.chains.keys())).toEqual(new Set(fresh.chains.keys()))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('the chain of an affinity timeout goes with its last user', () => {
    const kernel = new FakeNftables({ family: 'ip', name: 'signpost' })
    const writer = new TableWriter(kernel, node)
    writer.start(new Map())
    const affine = (timeoutSeconds: number, ip: string) =>
      plannerService(
        service('web', ['80'], {
          sessionAffinity: 'ClientIP',
          sessionAffinityConfig: { clientIP: { timeoutSeconds } },
          clusterIP: ip,
          clusterIPs: [ip],
        }),
        [slice(['8080'], ['10.244.0.2'])],
      )
    const records = () => [...kernel.table!.chains.keys()].filter((name) => name.startsWith('rec-'))
    const steps: [Record<string, PlannerService | undefined>, string[]][] = [
      [{ a: affine(100, '10.96.0.20') }, ['rec-100']],
      [{ b: affine(100, '10.96.0.21') }, ['rec-100']],
      [{ a: affine(101, '10.96.0.20') }, ['rec-100', 'rec-101']],
      [{ a: affine(100, '10.96.0.20'), b: affine(101, '10.96.0.21') }, ['rec-100', 'rec-101']],
      [{ a: undefined }, ['rec-101']],
      [{ b: undefined, c: affine(101, '10.96.0.22') }, ['rec-101']],
      [{ c: undefined }, []],
    ]
    for (const [changes, expected] of steps) {
      writer.update(new Map(Object.entries(changes)), 0)
      expect(records().sort()).toEqual(expected)
    }
    expect(kernel.refused).toBe(0)
  })

  const three = service('web', ['80'])
  const withEndpoints = (...names: string[]) =>
    new Map([
      [
        key,
        plannerService(three, [
          slice(
            ['8080'],
            names.map((name) => `10.244.0.${name}`),
          ),
        ]),
      ],
    ])

  function started(...endpoints: string[]) {
    const kernel = new FakeNftables({ family: 'ip', name: 'signpost' })
    const writer = new TableWriter(kernel, node)
    writer.start(withEndpoints(...endpoints))
    kernel.transactions.length = 0
    const texts = () =>
      kernel.transactions.flat().map((operation) => {
        if (operation.type === 'addElement')
          return `+${operation.set.name} ${formatElement(operation.key, operation.value)}`
        if (operation.type === 'deleteElement') return `-${operation.set.name} ${operation.key}`
        return operation.type
      })
    return { kernel, writer, texts }
  }

  test('the loss of one endpoint of fifty costs four elements, the slot a moment later', () => {
    const fifty = Array.from({ length: 50 }, (_, index) => String(index + 1))
    const { kernel, writer, texts } = started(...fifty)
    writer.update(withEndpoints(...fifty.slice(1)), 0)
    expect(kernel.transactions.length).toBe(1)
    expect(texts().filter((text) => /^[+-]/.test(text))).toEqual([
      '-ep 10.96.0.10 . tcp . 80 . 0x00000000',
      '+ep 10.96.0.10 . tcp . 80 . 0x00000000 : 10.244.0.50 . 8080',
      '-svc 10.96.0.10 . tcp . 80',
      '+svc 10.96.0.10 . tcp . 80 : goto c-49',
    ])
    writer.sweep(999)
    expect(kernel.transactions.length).toBe(1)
    writer.sweep(1000)
    expect(texts().at(-1)).toBe('-ep 10.96.0.10 . tcp . 80 . 0x00000031')
  })

  test('an endpoint that comes back over its tombstone', () => {
    const { kernel, writer } = started('1', '2')
    writer.update(withEndpoints('1'), 0)
    writer.update(withEndpoints('1', '3'), 1)
    writer.sweep(5000)
    expect(kernel.transactions.length).toBe(2)
    expect(kernel.refused).toBe(0)
    expect([...kernel.table!.elements.get('ep')!.values()]).toEqual([
      '10.244.0.1 . 8080',
      '10.244.0.3 . 8080',
    ])
  })

  test('a start over an equal table writes nothing, and keeps the slots where they are', () => {
    const { kernel, writer } = started('1', '2', '3')
    writer.update(withEndpoints('3', '2'), 0)
    writer.sweep(2000)
    kernel.transactions.length = 0
    const next = new TableWriter(kernel, node)
    next.start(withEndpoints('2', '3'))
    const written = kernel.transactions.flat().filter(({ type }) => !type.endsWith('Chain'))
    expect(written).toEqual([])
  })

  test('what others changed is put right', () => {
    const { kernel, writer } = started('1', '2')
    const good = kernel.table
    const svc = good!.sets.get('svc')!
    kernel.apply([
      { type: 'deleteElement', set: svc, key: `${clusterIP} . tcp . 80` },
      { type: 'addElement', set: svc, key: `${nodeIP} . tcp . 80`, value: 'drop' },
    ])
    expect(writer.verify({ thorough: false })).toBe(2)
    expect(kernel.table).toEqual(good)
    expect(writer.verify({ thorough: false })).toBe(0)
    kernel.apply([{ type: 'deleteTable' }])
    expect(writer.verify({ thorough: false })).toBeGreaterThan(0)
    expect(normalized(kernel.table!)).toEqual(normalized(good!))
  })

  test('a change on top of a table that others damaged is repaired and written', () => {
    const { kernel, writer } = started('1', '2')
    const svc = kernel.table!.sets.get('svc')!
    kernel.apply([{ type: 'deleteElement', set: svc, key: `${clusterIP} . tcp . 80` }])
    writer.update(withEndpoints('1'), 0)
    expect(kernel.table!.elements.get('svc')!.get(`${clusterIP} . tcp . 80`)).toBe('goto c-1')
  })

  test('a new fact about the node changes the rules and leaves the elements', () => {
    const { kernel, writer, texts } = started('1', '2')
    writer.reconfigure({ ...node, config: { ...config, masqueradeAll: true } })
    expect(new Set(texts())).toEqual(new Set(['flushChain', 'addRule']))
    expect(kernel.table!.chains.get('c-2')!.rules[0]).toHaveLength(1)
  })
})
