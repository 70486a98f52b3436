// C, X, T and P: policies, rules, local traffic, ports of Pods.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Node } from '../../api/types/core.gen.ts'
import type { NetworkPolicy, NetworkPolicyEgressRule } from '../../api/types/networking.gen.ts'
import { driftOf } from '../rules.ts'
import type { NodeRules } from '../snapshot.ts'
import {
  causesOf,
  healthy,
  messagesOf,
  node,
  nowMs,
  pod,
  rulesFor,
  service,
  slice,
} from '../test-objects.ts'
import { loopbackOnly, nobodyListens } from './backends.ts'
import { policyBlocksDns } from './policy.ts'
import { proxyWithoutRules, rulesDrifted } from './proxy.ts'
import { externalLocal, internalLocal } from './traffic.ts'

describe('C01', () => {
  const policy = (egress: readonly NetworkPolicyEgressRule[], spec = {}): NetworkPolicy => ({
    metadata: { namespace: 'shop', name: 'p' } as NetworkPolicy['metadata'],
    spec: { podSelector: {}, policyTypes: ['Egress'], egress, ...spec },
  })
  const check = (...networkPolicies: NetworkPolicy[]) =>
    messagesOf(policyBlocksDns, { networkPolicies, clients: [pod('web')] })
  const blocked = ['p keeps 1 Pod from asking the DNS: no rule allows UDP 53 to its Pods']
  const system = { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } }
  const dnsLabels = { matchLabels: { 'k8s-app': 'kube-dns' } }

  test.each<[string, NetworkPolicy]>([
    ['denies all', policy([])],
    ['allows TCP alone', policy([{ ports: [{ port: 53, protocol: 'TCP' }] }])],
    ['allows another port', policy([{ ports: [{ port: 5353, protocol: 'UDP' }] }])],
    ['allows its own namespace', policy([{ to: [{ podSelector: {} }] }])],
    [
      'allows other Pods there',
      policy([{ to: [{ namespaceSelector: system, podSelector: { matchLabels: { app: 'x' } } }] }]),
    ],
    [
      'allows the ClusterIP, which is replaced by then',
      policy([{ to: [{ ipBlock: { cidr: '10.96.0.10/32' } }] }]),
    ],
    [
      'excepts the Pods',
      policy([{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.244.0.0/16'] } }] }]),
    ],
  ])('a policy that %s', (_, one) => expect(check(one)).toEqual(blocked))

  test.each<[string, NetworkPolicy]>([
    ['allows everything', policy([{}])],
    ['allows UDP 53 anywhere', policy([{ ports: [{ port: 53, protocol: 'UDP' }] }])],
    ['allows a range', policy([{ ports: [{ port: 1, endPort: 1024, protocol: 'UDP' }] }])],
    [
      'allows the DNS Pods',
      policy([{ to: [{ namespaceSelector: system, podSelector: dnsLabels }] }]),
    ],
    ['allows the Pods’ addresses', policy([{ to: [{ ipBlock: { cidr: '10.244.0.0/16' } }] }])],
    ['restricts ingress only', policy([], { policyTypes: ['Ingress'] })],
    ['selects others', policy([], { podSelector: { matchLabels: { app: 'x' } } })],
  ])('is silent about a policy that %s', (_, one) => expect(check(one)).toEqual([]))

  test('policies add up', () =>
    expect(check(policy([]), policy([{ ports: [{ port: 53, protocol: 'UDP' }] }]))).toEqual([]))
  test('a Pod in the node’s network is outside of policies', () =>
    expect(
      messagesOf(policyBlocksDns, {
        networkPolicies: [policy([])],
        clients: [
          pod('web', {
            spec: { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet', containers: [] },
          }),
        ],
      }),
    ).toEqual([]))
})

describe('X03', () => {
  const rules = (change: Partial<NodeRules['tables'][number]>): readonly NodeRules[] => {
    const whole = healthy().nodeRules[0]!
    return [{ ...whole, tables: [{ ...whole.tables[0]!, ...change }] }]
  }
  const unhooked = () => {
    const table = healthy().nodeRules[0]!.tables[0]!.table!
    return { ...table, chains: new Map([...table.chains].filter(([, { base }]) => !base)) }
  }
  test.each<[string, readonly NodeRules[], string]>([
    ['no table', rules({ table: undefined, frontends: 0 }), 'there is no table "signpost"'],
    [
      'no hook',
      rules({ table: unhooked() }),
      'no chain of table "signpost" is hooked before routing',
    ],
    ['no frontend', rules({ frontends: 0 }), 'table "signpost" has no frontend at all'],
  ])('%s', (_, nodeRules, what) => {
    expect(messagesOf(proxyWithoutRules, { nodeRules })).toEqual([
      `n1 reports healthy, but its rules are not loaded: ${what}`,
    ])
    expect(causesOf({ nodeRules })).toEqual(['X03'])
  })
  test('is silent about a loaded table, and about proxies of another mode', () => {
    expect(messagesOf(proxyWithoutRules, {})).toEqual([])
    const nodeRules = [{ node: 'n1', mode: 'userspace', healthy: true, tables: [] }]
    expect(messagesOf(proxyWithoutRules, { nodeRules })).toEqual([])
  })
})

describe('X04', () => {
  const { services, endpointSlices, pods } = healthy()
  test('an endpoint that is gone', () => {
    const later = [slice('web', pods.slice(0, 1))]
    const [message] = messagesOf(rulesDrifted, { endpointSlices: later })
    expect(message).toBe(
      'node n1: 10.96.0.20 tcp 80: map svc says goto c-2, sends to 10.244.0.5:8080, 10.244.0.6:8080; it should say goto c-1',
    )
  })
  test('an endpoint that was replaced', () => {
    const later = [slice('web', [pods[0]!, pod('new', { ip: '10.244.0.9' })])]
    expect(messagesOf(rulesDrifted, { endpointSlices: later })).toEqual([
      'node n1: 10.96.0.20 tcp 80: sends to 10.244.0.6:8080, no endpoint any more; never sends to 10.244.0.9:8080',
    ])
  })
  test('a Service that is not there', () =>
    expect(messagesOf(rulesDrifted, { nodeRules: [rulesFor('n1', [], [])] })).toEqual([
      'node n1: 10.96.0.20 tcp 80: map svc has no entry, it should say goto c-2',
    ]))
  test('a change of a moment ago is on its way', () => {
    const moving = slice('web', pods.slice(0, 1), { created: new Date(nowMs - 1000).toISOString() })
    expect(messagesOf(rulesDrifted, { endpointSlices: [moving] })[0]).toMatch(/\(settling: /)
  })
  test('the order of endpoints is the proxy’s business', () => {
    const turned = [slice('web', pods.toReversed())]
    expect(messagesOf(rulesDrifted, { endpointSlices: turned })).toEqual([])
  })

  /** Any Services: what the proxy plans is what is expected; without one element it is not. */
  const shape = fc.record({
    ready: fc.array(fc.boolean(), { maxLength: 5 }),
    local: fc.boolean(),
    nodePort: fc.boolean(),
    elsewhere: fc.boolean(),
  })
  const built = ({
    ready,
    local,
    nodePort,
    elsewhere,
  }: typeof shape extends fc.Arbitrary<infer T> ? T : never) => {
    const one = service('web', {
      type: nodePort ? 'NodePort' : 'ClusterIP',
      ports: [
        { port: 80, targetPort: 8080, protocol: 'TCP', ...(nodePort ? { nodePort: 30080 } : {}) },
      ],
      internalTrafficPolicy: local ? 'Local' : 'Cluster',
      externalTrafficPolicy: local && nodePort ? 'Local' : 'Cluster',
    })
    const all = ready.map((isReady, index) =>
      pod(`p${index}`, {
        ip: `10.244.0.${index + 10}`,
        ready: isReady,
        node: elsewhere && index % 2 ? 'n2' : 'n1',
      }),
    )
    return { one, slices: [slice('web', all)] }
  }
  test('driftOf() is empty for the proxy’s own plan, whatever the Service', () => {
    fc.assert(
      fc.property(shape, (chosen) => {
        const { one, slices } = built(chosen)
        const [live] = rulesFor('n1', [one], slices).tables
        expect(driftOf(one, slices, live!)).toEqual([])
      }),
    )
  })
  test('driftOf() finds any one dispatching element that is missing', () => {
    fc.assert(
      fc.property(shape, fc.nat(), (chosen, pick) => {
        const { one, slices } = built(chosen)
        const live = rulesFor('n1', [one], slices).tables[0]!
        const sets = ['svc', 'nport', 'deny', 'npdeny', 'ep', 'lep', 'npep', 'nplep']
        const keys = sets.flatMap((set) =>
          [...live.table!.elements.get(set)!.keys()].map((key) => ({ set, key })),
        )
        const gone = keys[pick % keys.length]!
        const elements = new Map(live.table!.elements)
        elements.set(
          gone.set,
          new Map([...elements.get(gone.set)!].filter(([key]) => key !== gone.key)),
        )
        const table = { ...live.table!, elements }
        expect(driftOf(one, slices, { ...live, table })).not.toEqual([])
      }),
    )
  })
  test('explains nothing when nothing is wrong', () =>
    expect(causesOf({ services, endpointSlices })).toEqual([]))
})

describe('T01 and T03', () => {
  const pods = [pod('web')]
  const check = (nodes: readonly Node[], spec: object, check = externalLocal) =>
    messagesOf(check, {
      nodes,
      pods,
      services: [service('web', spec)],
      endpointSlices: [slice('web', pods)],
    })
  const nodePort = { type: 'NodePort', externalTrafficPolicy: 'Local' }
  test('nodes without an endpoint drop', () =>
    expect(check([node('n1'), node('n2')], nodePort)).toEqual([
      'externalTrafficPolicy is Local, and only n1 has one; n2 drops the traffic',
    ]))
  test('no node has one', () =>
    expect(check([node('n2')], nodePort)).toEqual([
      'externalTrafficPolicy is Local, and no node has one of its endpoints',
    ]))
  test('is silent where every ready node has one, and for policy Cluster', () => {
    expect(check([node('n1'), node('n2', false)], nodePort)).toEqual([])
    expect(check([node('n1'), node('n2')], { type: 'NodePort' })).toEqual([])
  })
  test('with a load balancer that asks for health it is no problem', () => {
    const spec = { ...nodePort, type: 'LoadBalancer', healthCheckNodePort: 30999 }
    const snapshot = {
      ...{
        nodes: [node('n1'), node('n2')],
        pods,
        nodeRules: [],
        podPorts: [],
        asked: { namespace: 'shop' },
      },
      ...{ services: [service('web', spec as never)], endpointSlices: [slice('web', pods)] },
    }
    expect(causesOf(snapshot)).toEqual(['T01'])
    expect(messagesOf(externalLocal, snapshot)).toHaveLength(1)
  })
  test('a client on a node without one', () => {
    const client = pod('client', { node: 'n2' })
    const facts = {
      asked: {
        namespace: 'shop',
        service: { namespace: 'shop', name: 'web' },
        client: { namespace: 'shop', name: 'client' },
      },
      clients: [client],
      ...{ nodes: [node('n1'), node('n2')], pods, endpointSlices: [slice('web', pods)] },
      services: [service('web', { internalTrafficPolicy: 'Local' })],
    }
    expect(messagesOf(internalLocal, facts)).toEqual([
      'internalTrafficPolicy is Local, and only n1 has one; n2 drops the traffic',
    ])
    expect(messagesOf(internalLocal, { ...facts, clients: [pod('client')] })).toEqual([])
  })
})

describe('P07 and P08', () => {
  const port = (
    byAddress: 'open' | 'refused' | 'unknown',
    byLoopback: 'open' | 'refused' | 'unknown',
  ) => ({
    podPorts: [
      { pod: 'web', namespace: 'shop', ip: '10.244.0.5', port: 8080, byAddress, byLoopback },
    ],
  })
  test.each([
    ['refused', 'open', ['P07']],
    ['refused', 'refused', ['P08']],
    ['refused', 'unknown', []],
    ['open', 'unknown', []],
    ['unknown', 'unknown', []],
  ] as const)('%s by address, %s within', (byAddress, byLoopback, ids) => {
    const facts = port(byAddress, byLoopback)
    const found = [
      ...messagesOf(loopbackOnly, facts).map(() => 'P07'),
      ...messagesOf(nobodyListens, facts).map(() => 'P08'),
    ]
    expect(found).toEqual(ids)
  })
})
