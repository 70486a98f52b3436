// The table of proxy verdicts (frontend, policy, endpoints, client -> what happens), found by
// walking packets through the rules.
import { expect, test } from 'vitest'
import type { Service } from '../api/types/core.gen.ts'
import { walk } from '../linux/nftables/walk.ts'
import type { DataplaneConfig } from './chains.ts'
import { buildRules } from './rules.ts'
import {
  clusterIP,
  config,
  loadBalancerIP,
  nodeIP,
  plannerService,
  service,
  slice,
} from './test-objects.ts'

const clients = {
  pod: { from: 'outside', saddr: '10.244.0.100' },
  host: { from: 'node', saddr: nodeIP },
  outsider: { from: 'outside', saddr: '203.0.113.9' },
} as const
type Client = keyof typeof clients

const localAddresses = new Set([nodeIP, '127.0.0.1', '192.168.60.2'])

interface Case {
  readonly service?: Service
  readonly endpoints: readonly string[]
  readonly config?: Partial<DataplaneConfig>
  /** "ADDRESS:PORT/PROTOCOL"; the protocol may be left out. */
  readonly dial: string
}

/**
 * "1 2": the endpoints that may be chosen (last number of their address), with "+masq" when the
 * source is replaced; else drop, reject, or "untouched".
 */
function outcome(
  { service: object = web, endpoints, config: more = {}, dial }: Case,
  { from, saddr }: { from: 'node' | 'outside'; saddr: string },
): string {
  const slices = [
    slice(
      ['http:8080', 'dns:5353/UDP'],
      endpoints.map((text) => `10.244.0.${text}`),
    ),
  ]
  const services = new Map([['default/web', plannerService(object, slices)]])
  const node = { config: { ...config, ...more }, topology: { name: 'n1' } }
  const table = buildRules(services, node)
  const [, daddr, port, protocol = 'tcp'] = /^([\d.]+):(\d+)(?:\/(\w+))?$/.exec(dial)!
  const packet = { saddr, daddr: daddr!, dport: Number(port), protocol, sport: 40_000 }
  const outcomes = new Set<string>()
  for (let draw = 0; draw < 6; draw++) {
    const result = walk(table, packet, { from, localAddresses, draw: (count) => draw % count })
    if (result.verdict !== 'accept') outcomes.add(result.verdict)
    else if (result.packet.daddr === daddr) outcomes.add('untouched')
    else outcomes.add(`${result.packet.daddr.slice(9)}${result.isMasqueraded ? '+masq' : ''}`)
  }
  return [...outcomes].sort().join(' ')
}

const web = service('web', ['http:80@30080', 'dns:53@30053/UDP'])
const local = { externalTrafficPolicy: 'Local' } as const
const balanced = (spec: object = {}) =>
  service('web', ['http:80@30080'], {
    type: 'LoadBalancer',
    ...spec,
    object: { status: { loadBalancer: { ingress: [{ ip: loadBalancerIP }] } } },
  })

function check(
  name: string,
  given: Case,
  expected: string | Readonly<Record<Client, string>>,
): void {
  for (const client of Object.keys(clients) as Client[]) {
    const wanted = typeof expected === 'string' ? expected : expected[client]
    test(`${name}, from ${client}: ${wanted}`, () => {
      expect(outcome(given, clients[client])).toBe(wanted)
    })
  }
}

const vip = `${clusterIP}:80`
const nodePort = `${nodeIP}:30080`
const balancer = `${loadBalancerIP}:80`

check(
  'ClusterIP',
  { endpoints: ['1', '2 local'], dial: vip },
  {
    pod: '1 2',
    host: '1+masq 2+masq',
    outsider: '1+masq 2+masq',
  },
)
check(
  'ClusterIP by UDP',
  { endpoints: ['1'], dial: `${clusterIP}:53/udp` },
  {
    pod: '1',
    host: '1+masq',
    outsider: '1+masq',
  },
)
check(
  'ClusterIP with masqueradeAll',
  { endpoints: ['1'], dial: vip, config: { masqueradeAll: true } },
  '1+masq',
)
check(
  'ClusterIP when Pods cannot be told apart',
  { endpoints: ['1'], dial: vip, config: { localDetector: undefined } },
  '1',
)
const internal = service('web', ['http:80@30080'], { internalTrafficPolicy: 'Local' })
check(
  'ClusterIP, internal Local',
  { service: internal, endpoints: ['1', '2 local'], dial: vip },
  {
    pod: '2',
    host: '2+masq',
    outsider: '2+masq',
  },
)
check(
  'ClusterIP, internal Local, none here',
  { service: internal, endpoints: ['1'], dial: vip },
  'drop',
)
check(
  'ClusterIP, internal Local, none at all',
  { service: internal, endpoints: [], dial: vip },
  'reject',
)
check(
  'NodePort beside internal Local',
  { service: internal, endpoints: ['1'], dial: nodePort },
  '1+masq',
)
check('ClusterIP without endpoints', { endpoints: ['1 unready', '2 gone'], dial: vip }, 'reject')
check(
  'ClusterIP with draining endpoints only',
  { endpoints: ['1 draining'], dial: vip },
  {
    pod: '1',
    host: '1+masq',
    outsider: '1+masq',
  },
)
check('an undefined port of a ClusterIP', { endpoints: ['1'], dial: `${clusterIP}:81` }, 'reject')
check('an unallocated address', { endpoints: ['1'], dial: '10.96.0.99:80' }, 'drop')
check('an address that is none of ours', { endpoints: ['1'], dial: '192.0.2.1:80' }, 'untouched')

check('NodePort', { endpoints: ['1', '2 local'], dial: nodePort }, '1+masq 2+masq')
check('NodePort without endpoints', { endpoints: [], dial: nodePort }, 'reject')
check(
  'NodePort at another address of the node',
  { endpoints: ['1'], dial: '192.168.60.2:30080' },
  'untouched',
)
const all = { nodePortAddresses: 'all' } as const
check(
  'NodePort at any address',
  { endpoints: ['1'], dial: '192.168.60.2:30080', config: all },
  '1+masq',
)
check(
  'NodePort at loopback',
  { endpoints: ['1'], dial: '127.0.0.1:30080', config: all },
  'untouched',
)
check(
  'the ClusterIP port at a node address',
  { endpoints: ['1'], dial: `${nodeIP}:80` },
  'untouched',
)

const localPorts = service('web', ['http:80@30080'], local)
for (const [name, object, dial] of [
  ['NodePort', localPorts, nodePort],
  ['load balancer', balanced(local), balancer],
  [
    'externalIP',
    service('web', ['http:80'], { ...local, externalIPs: [loadBalancerIP] }),
    balancer,
  ],
] as const) {
  const given = (...endpoints: string[]) => ({ service: object, endpoints, dial })
  check(`${name}, external Local`, given('1', '2 local'), {
    pod: '1 2',
    host: '1+masq 2+masq',
    outsider: '2',
  })
  check(`${name}, external Local, none here`, given('1'), {
    pod: '1',
    host: '1+masq',
    outsider: 'drop',
  })
  check(`${name}, external Local, none at all`, given(), 'reject')
  check(`${name}, external Local, the local one draining`, given('1', '2 local draining'), {
    pod: '1',
    host: '1+masq',
    outsider: '2',
  })
  check(
    `${name}, external Local, Pods not told apart`,
    { ...given('1'), config: { localDetector: undefined } },
    {
      pod: 'drop',
      host: '1+masq',
      outsider: 'drop',
    },
  )
}
check(
  'ClusterIP beside external Local',
  { service: localPorts, endpoints: ['1'], dial: vip },
  {
    pod: '1',
    host: '1+masq',
    outsider: '1+masq',
  },
)

check('load balancer', { service: balanced(), endpoints: ['1'], dial: balancer }, '1+masq')
const guarded = (...ranges: string[]) => ({
  service: balanced({ loadBalancerSourceRanges: ranges }),
  endpoints: ['1'],
})
check(
  'source ranges',
  { ...guarded('203.0.113.0/24'), dial: balancer },
  {
    pod: 'drop',
    host: 'drop',
    outsider: '1+masq',
  },
)
check(
  'source ranges do not guard NodePorts',
  { ...guarded('203.0.113.0/24'), dial: nodePort },
  '1+masq',
)
check(
  'source ranges do not guard ClusterIPs',
  { ...guarded('203.0.113.0/24'), dial: vip },
  {
    pod: '1',
    host: '1+masq',
    outsider: '1+masq',
  },
)

test('source ranges with the node in them let it dial the address from that address', () => {
  const given = { ...guarded('192.168.50.0/24'), dial: balancer }
  expect(outcome(given, { from: 'node', saddr: loadBalancerIP })).toBe('1+masq')
  const others = { ...guarded('203.0.113.0/24'), dial: balancer }
  expect(outcome(others, { from: 'node', saddr: loadBalancerIP })).toBe('drop')
})

for (const [name, object, dial] of [
  ['ClusterIP', web, vip],
  ['NodePort', web, nodePort],
  ['load balancer, external Local', balanced(local), balancer],
] as const)
  test(`hairpin through ${name} is masqueraded`, () => {
    const given = { service: object, endpoints: ['7 local'], dial }
    expect(outcome(given, { from: 'outside', saddr: '10.244.0.7' })).toBe('7+masq')
  })

test('an established connection is left alone', () => {
  const table = buildRules(new Map(), { config, topology: { name: 'n1' } })
  const packet = {
    saddr: '10.244.0.1',
    daddr: clusterIP,
    dport: 80,
    protocol: 'tcp',
    sport: 40_000,
    state: 'established',
  } as const
  expect(walk(table, packet, { from: 'outside', localAddresses }).path).toEqual([])
})

test('an endpoint on the node itself is not masqueraded when the node dials it', () => {
  const slices = [slice(['http:6443'], [{ addresses: [nodeIP] }])]
  const api = plannerService(service('web', ['http:80']), slices)
  const node = { config: { ...config, localDetector: undefined }, topology: { name: 'n1' } }
  const table = buildRules(new Map([['default/web', api]]), node)
  const packet = { saddr: nodeIP, daddr: clusterIP, dport: 80, protocol: 'tcp', sport: 40_000 }
  const result = walk(table, packet, { from: 'node', localAddresses })
  expect([result.packet.daddr, result.to, result.isMasqueraded]).toEqual([nodeIP, 'node', false])
})
