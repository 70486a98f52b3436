import { expect, test } from 'vitest'
import type { Affinity, Node, Pod, PodSpec } from '../api/types/core.gen.ts'
import type { ObjectMeta } from '../api/types/meta.gen.ts'
import { seededRandom } from '../lib/random.ts'
import { fit, unfitMessage } from './fit.ts'
import { type ClusterView, NodeTable } from './nodes.ts'
import { preempt } from './preempt.ts'
import { choose, score } from './score.ts'

const node = (
  name: string,
  more: {
    spec?: Node['spec']
    labels?: Record<string, string>
    allocatable?: Record<string, string>
    images?: NonNullable<Node['status']>['images']
  } = {},
): Node => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name, ...more.labels } },
  spec: more.spec ?? {},
  status: {
    allocatable: { cpu: '4', memory: '8Gi', pods: '110', ...more.allocatable },
    ...(more.images ? { images: more.images } : {}),
  },
})

const pod = (
  name: string,
  spec: Partial<PodSpec> = {},
  metadata: Partial<ObjectMeta> = {},
): Pod => ({
  metadata: { namespace: 'default', labels: { app: 'web' }, ...metadata, name, uid: `uid-${name}` },
  spec: { containers: [{ name: 'c' }], ...spec },
})

const asking = (cpu: string, memory?: string): Pick<PodSpec, 'containers'> => ({
  containers: [{ name: 'c', resources: { requests: { cpu, ...(memory ? { memory } : {}) } } }],
})

function view(
  nodes: readonly Node[],
  placed: Readonly<Record<string, readonly Pod[]>> = {},
): ClusterView {
  const table = new NodeTable()
  for (const each of nodes) table.putNode(each)
  for (const [nodeName, pods] of Object.entries(placed)) {
    for (const each of pods) table.putPod({ ...each, spec: { ...each.spec, nodeName } })
  }
  return {
    nodes: table.list(),
    hasAntiAffinity: table.hasAntiAffinity,
    labelsOfNamespace: (name) => ({ 'kubernetes.io/metadata.name': name }),
    groupsOf: () => [],
    nominatedTo: () => [],
  }
}

/** Names of the Nodes the Pod fits on, and the reasons of the others. */
function check(
  wanted: Pod,
  on: ClusterView,
  expected: Readonly<Record<string, true | string>>,
): void {
  const { feasible, refused } = fit(wanted, on)
  expect({
    ...Object.fromEntries(feasible.map((info) => [info.node.metadata.name, true])),
    ...Object.fromEntries([...refused].map(([name, { reasons }]) => [name, reasons.join(', ')])),
  }).toEqual(expected)
}

const untolerated = 'node(s) had untolerated taint(s)'
const mismatch = "node(s) didn't match Pod's node affinity/selector"

test('C54 SC2 taints keep Pods away that do not tolerate them; PreferNoSchedule does not', () => {
  const tainted = (effect: 'NoSchedule' | 'NoExecute' | 'PreferNoSchedule') =>
    node('n', { spec: { taints: [{ key: 'k', value: 'v', effect }] } })
  check(pod('p'), view([tainted('NoSchedule')]), { n: untolerated })
  check(pod('p'), view([tainted('NoExecute')]), { n: untolerated })
  check(pod('p'), view([tainted('PreferNoSchedule')]), { n: true })
  check(pod('p', { tolerations: [{ key: 'k', value: 'v' }] }), view([tainted('NoSchedule')]), {
    n: true,
  })
  check(pod('p', { tolerations: [{ key: 'k', value: 'x' }] }), view([tainted('NoSchedule')]), {
    n: untolerated,
  })
  check(pod('p', { tolerations: [{ operator: 'Exists' }] }), view([tainted('NoExecute')]), {
    n: true,
  })
  check(
    pod('p', { tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }] }),
    view([tainted('NoSchedule')]),
    { n: untolerated },
  )
})

test('SC2 a cordoned Node takes only Pods that tolerate its taint', () => {
  const cordoned = view([node('n', { spec: { unschedulable: true } })])
  check(pod('p'), cordoned, { n: 'node(s) were unschedulable' })
  check(
    pod('p', { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] }),
    cordoned,
    { n: true },
  )
})

test('C54 SC2 nodeSelector and required affinity, over labels and the name', () => {
  const two = view([node('n1', { labels: { disk: 'ssd', gen: '7' } }), node('n2')])
  const affine = (
    term: NonNullable<
      NonNullable<Affinity['nodeAffinity']>['requiredDuringSchedulingIgnoredDuringExecution']
    >['nodeSelectorTerms'][number],
  ) =>
    pod('p', {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] },
        },
      },
    })
  check(pod('p', { nodeSelector: { disk: 'ssd' } }), two, { n1: true, n2: mismatch })
  check(affine({ matchExpressions: [{ key: 'disk', operator: 'NotIn', values: ['ssd'] }] }), two, {
    n1: mismatch,
    n2: true,
  })
  check(affine({ matchExpressions: [{ key: 'gen', operator: 'Gt', values: ['6'] }] }), two, {
    n1: true,
    n2: mismatch,
  })
  check(affine({ matchExpressions: [{ key: 'gen', operator: 'Lt', values: ['7'] }] }), two, {
    n1: mismatch,
    n2: mismatch,
  })
  check(affine({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n2'] }] }), two, {
    n1: "node(s) didn't satisfy plugin(s) [NodeAffinity]",
    n2: true,
  })
  check(affine({}), two, { n1: mismatch, n2: mismatch })
})

test('C54 SC2 host ports conflict by protocol and address', () => {
  const taken = "node(s) didn't have free ports for the requested pod ports"
  const on = (hostPort: number, hostIP?: string, protocol: 'TCP' | 'UDP' = 'TCP') => ({
    containers: [
      {
        name: 'c',
        ports: [{ containerPort: 80, hostPort, protocol, ...(hostIP ? { hostIP } : {}) }],
      },
    ],
  })
  const busy = view([node('n')], { n: [pod('x', on(80, '192.168.50.2'))] })
  check(pod('p', on(80)), busy, { n: taken })
  check(pod('p', on(80, '192.168.50.2')), busy, { n: taken })
  check(pod('p', on(80, '192.168.50.3')), busy, { n: true })
  check(pod('p', on(80, undefined, 'UDP')), busy, { n: true })
  check(pod('p', on(81)), busy, { n: true })
})

test('C53 SC2 requests are summed, init containers count at their peak, sidecars throughout', () => {
  const full = view([node('n')], { n: [pod('x', asking('3', '6Gi'))] })
  check(pod('p', asking('1', '2Gi')), full, { n: true })
  check(pod('p', asking('1100m', '3Gi')), full, { n: 'Insufficient cpu, Insufficient memory' })
  const init = (restartPolicy?: string) => ({
    name: 'i',
    resources: { requests: { cpu: '1' } },
    ...(restartPolicy ? { restartPolicy } : {}),
  })
  check(pod('p', { ...asking('1'), initContainers: [init()] }), full, { n: true })
  check(pod('p', { ...asking('1'), initContainers: [init('Always')] }), full, {
    n: 'Insufficient cpu',
  })
  check(pod('p', { ...asking('1'), overhead: { cpu: '1m' } }), full, { n: 'Insufficient cpu' })
  check(
    pod('p', asking('1')),
    view([node('n', { allocatable: { pods: '1' } })], { n: [pod('x')] }),
    { n: 'Too many pods' },
  )
  check(
    pod('p', { containers: [{ name: 'c', resources: { requests: { 'example.com/gpu': '1' } } }] }),
    full,
    { n: 'Insufficient example.com/gpu' },
  )
})

const near = (topologyKey: string, app: string) => [
  { topologyKey, labelSelector: { matchLabels: { app } } },
]
const zones = [
  node('n1', { labels: { zone: 'a' } }),
  node('n2', { labels: { zone: 'a' } }),
  node('n3', { labels: { zone: 'b' } }),
]

test('SC2 required affinity joins Pods that are there; the first of a group may go anywhere', () => {
  const follows = pod('p', {
    affinity: {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: near('zone', 'db') },
    },
  })
  const rules = "node(s) didn't match pod affinity rules"
  check(follows, view(zones, { n1: [pod('x', {}, { labels: { app: 'db' } })] }), {
    n1: true,
    n2: true,
    n3: rules,
  })
  check(follows, view(zones), { n1: rules, n2: rules, n3: rules })
  const first = pod('p', {
    affinity: {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: near('zone', 'web') },
    },
  })
  check(first, view(zones), { n1: true, n2: true, n3: true })
})

test('C54 SC2 required anti-affinity holds in both directions, within its namespace', () => {
  const alone = {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: near('kubernetes.io/hostname', 'web'),
      },
    },
  }
  check(pod('p', alone), view(zones, { n1: [pod('x')] }), {
    n1: "node(s) didn't match pod anti-affinity rules",
    n2: true,
    n3: true,
  })
  check(pod('p'), view(zones, { n1: [pod('x', alone)] }), {
    n1: "node(s) didn't satisfy existing pods anti-affinity rules",
    n2: true,
    n3: true,
  })
  check(pod('p', alone), view(zones, { n1: [pod('x', {}, { namespace: 'other' })] }), {
    n1: true,
    n2: true,
    n3: true,
  })
})

test('SC2 topology spread refuses what would be too uneven', () => {
  const even = pod('p', {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { app: 'web' } },
      },
    ],
  })
  const uneven = "node(s) didn't match pod topology spread constraints"
  check(even, view(zones, { n1: [pod('x')] }), { n1: uneven, n2: uneven, n3: true })
  check(even, view([...zones, node('n4')], { n1: [pod('x')], n3: [pod('y')] }), {
    n1: true,
    n2: true,
    n3: true,
    n4: `${uneven} (missing required label)`,
  })
})

test('SC5 the message counts Nodes by reason', () => {
  const on = view([
    node('n1', { spec: { unschedulable: true } }),
    node('n2', { allocatable: { cpu: '1' } }),
    node('n3', { allocatable: { cpu: '1' } }),
  ])
  const wanted = pod('p', asking('2'))
  const { refused } = fit(wanted, on)
  const outcome = preempt(wanted, on, refused)
  expect(unfitMessage(3, refused, outcome.type === 'none' ? outcome.message : '')).toBe(
    '0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.',
  )
  expect(unfitMessage(0, new Map(), '')).toBe('no nodes available to schedule pods')
})

test('SC5 preemption takes the fewest and least important Pods that make room', () => {
  const of = (name: string, priority: number, cpu: string) =>
    pod(name, { ...asking(cpu), priority })
  const on = view([node('n1'), node('n2')], {
    n1: [of('a', 10, '2'), of('b', 5, '1'), of('c', 1, '1')],
    n2: [of('d', 50, '4')],
  })
  const preemptFor = (wanted: Pod) => {
    const outcome = preempt(wanted, on, fit(wanted, on).refused)
    return outcome.type === 'found'
      ? [outcome.node, ...outcome.victims.map(({ metadata }) => metadata.name)]
      : outcome.message
  }
  expect(preemptFor(of('p', 100, '1'))).toEqual(['n1', 'c'])
  expect(preemptFor(of('p', 100, '2'))).toEqual(['n1', 'b', 'c'])
  expect(preemptFor(of('p', 0, '1'))).toBe(
    '0/2 nodes are available: 2 No preemption victims found for incoming pod.',
  )
  expect(preemptFor(pod('p', { ...asking('1'), priority: 100, preemptionPolicy: 'Never' }))).toBe(
    'not eligible due to preemptionPolicy=Never.',
  )
})

const promised = (nodeName: string, priority: number, cpu: string): Pod => ({
  ...pod('promised', { ...asking(cpu), priority }),
  status: { nominatedNodeName: nodeName },
})

test('SC5 room that was promised goes to no Pod that is less important', () => {
  const waiting = promised('n1', 100, '3')
  const on: ClusterView = {
    ...view([node('n1'), node('n2')], { n2: [pod('x', asking('4'))] }),
    nominatedTo: (name) => (name === 'n1' ? [waiting] : []),
  }
  const of = (name: string, priority: number, cpu: string) =>
    pod(name, { ...asking(cpu), priority })
  const short = 'Insufficient cpu'
  check(of('p', 100, '2'), on, { n1: short, n2: short })
  check(of('p', 50, '1'), on, { n1: true, n2: short })
  check(of('p', 101, '2'), on, { n1: true, n2: short })
  // Its own promise is no hindrance.
  check(waiting, on, { n1: true })
})

test('SC5 a Pod goes where it was promised room, if it fits there', () => {
  const three = [node('n1'), node('n2'), node('n3')]
  check(promised('n2', 0, '1'), view(three), { n2: true })
  const full = view(three, { n2: [pod('x', asking('4'))] })
  check(promised('n2', 0, '1'), full, { n1: true, n2: 'Insufficient cpu', n3: true })
  check(promised('gone', 0, '1'), view(three), { n1: true, n2: true, n3: true })
})

test('SC5 while Pods end for it on the Node it was promised, no others are asked to go', () => {
  const wanted = promised('n1', 100, '1')
  const victim = (metadata: Partial<ObjectMeta>, reason: string): Pod => ({
    ...pod('v', asking('4'), metadata),
    status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason }] },
  })
  const preemptFor = (other: Pod) => {
    const on = view([node('n1')], { n1: [other] })
    return preempt(wanted, on, fit(wanted, on).refused).type
  }
  const ending = { deletionTimestamp: '2026-01-01T00:00:00Z' }
  expect(preemptFor(victim(ending, 'PreemptionByScheduler'))).toBe('waiting')
  expect(preemptFor(victim(ending, 'EvictionByEvictionAPI'))).toBe('found')
  expect(preemptFor(victim({}, 'PreemptionByScheduler'))).toBe('found')
})

function best(wanted: Pod, on: ClusterView): readonly string[] {
  const { feasible } = fit(wanted, on)
  const scores = score(wanted, feasible, on)
  return feasible
    .filter((_, at) => scores[at] === Math.max(...scores))
    .map((info) => info.node.metadata.name)
}

test('SC3 emptier Nodes, preferred ones, and those without disliked taints win', () => {
  const two = [node('n1'), node('n2')]
  expect(best(pod('p'), view(two, { n1: [pod('x', asking('2', '4Gi'))] }))).toEqual(['n2'])
  expect(
    best(
      pod('p'),
      view([
        node('n1', { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } }),
        node('n2'),
      ]),
    ),
  ).toEqual(['n2'])
  const prefers: Affinity = {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 10,
          preference: {
            matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }],
          },
        },
      ],
    },
  }
  expect(best(pod('p', { affinity: prefers }), view(two))).toEqual(['n1'])
  const apart: Affinity = {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 100, podAffinityTerm: near('kubernetes.io/hostname', 'web')[0]! },
      ],
    },
  }
  expect(best(pod('p', { affinity: apart }), view(two, { n1: [pod('x')] }))).toEqual(['n2'])
  const image = { names: ['registry.example/app:1'], sizeBytes: 800 * 1024 * 1024 }
  expect(
    best(
      pod('p', { containers: [{ name: 'c', image: 'registry.example/app:1' }] }),
      view([node('n1'), node('n2', { images: [image] })]),
    ),
  ).toEqual(['n2'])
})

test('SC3 Pods of one Service are spread by default', () => {
  const on = view([node('n1'), node('n2'), node('n3')], { n1: [pod('x')], n2: [pod('y')] })
  const grouped = {
    ...on,
    groupsOf: () => [(other: Pod) => other.metadata.labels?.['app'] === 'web'],
  }
  expect(best(pod('p'), grouped)).toEqual(['n3'])
})

test('SC3 ties are broken by chance', () => {
  const on = view([node('n1'), node('n2'), node('n3')])
  const random = seededRandom(7)
  const chosen = new Set(
    Array.from(
      { length: 60 },
      () => choose(pod('p'), on.nodes, { view: on, random })?.node.metadata.name,
    ),
  )
  expect([...chosen].sort()).toEqual(['n1', 'n2', 'n3'])
})

test('SC4 an assumed Pod takes its room at once, and gives it back when it is forgotten', () => {
  const table = new NodeTable()
  table.putNode(node('n'))
  table.assume(pod('a', asking('3')), 'n')
  const now = (): ClusterView => ({
    nodes: table.list(),
    hasAntiAffinity: false,
    labelsOfNamespace: () => undefined,
    groupsOf: () => [],
    nominatedTo: () => [],
  })
  check(pod('p', asking('2')), now(), { n: 'Insufficient cpu' })
  table.forget('default/a')
  check(pod('p', asking('2')), now(), { n: true })
  table.assume(pod('a', asking('3')), 'n')
  table.putPod(pod('a', { ...asking('3'), nodeName: 'n' }))
  table.forget('default/a')
  check(pod('p', asking('2')), now(), { n: 'Insufficient cpu' })
})
