import { expect, test } from 'vitest'
import { isPodReady } from '../../api/core/pod-state.ts'
import { leases, nodes, pods } from '../../api/resources.gen.ts'
import type { Node } from '../../api/types/core.gen.ts'
import { buildNode, buildPod } from '../build.ts'
import { Play } from '../play.ts'
import { nodeLifecycleController } from './nodelifecycle.ts'
import { desiredTaints, evictionAllowed } from './taints.ts'

const rates = { normal: 0.1, reduced: 0.01, largeZone: 50, unhealthyShare: 0.55 }

function start(names: readonly string[] = ['n1', 'n2', 'n3']) {
  const play = new Play()
  const controller = nodeLifecycleController({
    monitorPeriodMs: 5000,
    gracePeriodMs: 50_000,
    startupGracePeriodMs: 60_000,
    rates,
  })
  const beat = (name: string) =>
    play.put(leases, {
      metadata: { namespace: 'kube-node-lease', name },
      spec: { renewTime: new Date(play.nowMs).toISOString() },
    })
  for (const name of names) {
    play.put(nodes, buildNode(name, { zone: 'a' }))
    beat(name)
  }
  const run = () =>
    names
      .flatMap((name) => play.run(controller, name))
      .map(({ type, resource, name }) => `${type} ${resource} ${name}`)
  const taints = (name: string) =>
    (play.get(nodes, name).spec.taints ?? []).map(
      ({ key, effect }) => `${key.replace('node.kubernetes.io/', '')}:${effect}`,
    )
  /** Lets time pass, in which these Nodes beat every 5 seconds. */
  const pass = (seconds: number, beating: readonly string[]) => {
    const written: string[] = []
    for (let passed = 0; passed < seconds; passed += 5) {
      play.nowMs += 5000
      for (const name of beating) beat(name)
      written.push(...run())
    }
    return written
  }
  run()
  return { play, run, taints, pass, beat }
}

test('NL1 Nodes that are heard of cause no write', () => {
  const { pass } = start()
  expect(pass(300, ['n1', 'n2', 'n3'])).toEqual([])
})

test('C50 NL1 a silent Node turns Unknown after its grace, its Pods not ready in the same pass', () => {
  const { play, pass, taints } = start()
  play.put(pods, buildPod('p', { spec: { nodeName: 'n1' } }))
  play.put(pods, buildPod('q', { spec: { nodeName: 'n2' } }))
  expect(pass(50, ['n2', 'n3'])).toEqual([])
  expect(pass(5, ['n2', 'n3'])).toEqual(['patch pods/status p', 'update nodes/status n1'])
  expect(isPodReady(play.get(pods, 'default/p'))).toBe(false)
  expect(isPodReady(play.get(pods, 'default/q'))).toBe(true)
  expect(
    play
      .get(nodes, 'n1')
      .status?.conditions?.map(({ type, status, reason }) => [type, status, reason]),
  ).toEqual([
    ['Ready', 'Unknown', 'NodeStatusUnknown'],
    ['MemoryPressure', 'Unknown', 'NodeStatusNeverUpdated'],
    ['DiskPressure', 'Unknown', 'NodeStatusNeverUpdated'],
    ['PIDPressure', 'Unknown', 'NodeStatusNeverUpdated'],
  ])
  expect(
    play.events.map(({ reason, regarding }) => `${reason} ${regarding.metadata.name}`),
  ).toEqual(['NodeNotReady p', 'NodeNotReady n1'])
  pass(5, ['n2', 'n3'])
  expect(taints('n1')).toEqual(['unreachable:NoSchedule', 'unreachable:NoExecute'])
})

test('NL2 NL4 a Node that is ready again loses its taints and leaves its Pods to its agent', () => {
  const { play, pass, taints, run } = start()
  pass(60, ['n2', 'n3'])
  const node = play.get(nodes, 'n1')
  play.put(pods, buildPod('p', { spec: { nodeName: 'n1' }, ready: false }))
  play.put(nodes, {
    ...node,
    status: { ...node.status, conditions: [{ type: 'Ready', status: 'True' }] },
  })
  expect(run()).toEqual(['patch nodes n1'])
  expect(taints('n1')).toEqual([])
})

test('NL2 when all Nodes are down, nothing is evicted', () => {
  const { pass, taints } = start(['n1', 'n2'])
  pass(120, [])
  expect(taints('n1')).toEqual(['unreachable:NoSchedule'])
  expect(taints('n2')).toEqual(['unreachable:NoSchedule'])
})

const down = (name: string, at?: string): Node => {
  const node = buildNode(name, { zone: 'a', ready: false })
  const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' as const }
  return at === undefined ? node : { ...node, spec: { taints: [{ ...taint, timeAdded: at }] } }
}
const up = (count: number): Node[] =>
  Array.from({ length: count }, (_, i) => buildNode(`u${i}`, { zone: 'a' }))

test('NL2 Nodes of a zone are emptied one after the other', () => {
  const nowMs = Date.parse('2026-01-01T00:00:10Z')
  const allowed = (others: readonly Node[]) =>
    evictionAllowed(down('x'), [down('x'), ...others], { rates, nowMs }).evict
  expect(allowed(up(3))).toBe(true)
  expect(allowed([down('y', '2026-01-01T00:00:05Z'), ...up(3)])).toBe(false)
  expect(allowed([down('y', '2026-01-01T00:00:00Z'), ...up(3)])).toBe(true)
})

test('NL2 a small zone that is mostly down is left alone, a large one goes slowly', () => {
  const nowMs = Date.parse('2026-01-01T00:01:00Z')
  const many = (count: number, at?: string) =>
    Array.from({ length: count }, (_, i) => down(`d${i}`, at))
  const allowed = (others: readonly Node[]) =>
    evictionAllowed(down('x'), [down('x'), ...others], { rates, nowMs }).evict
  expect(allowed([...many(4), ...up(2)])).toBe(false)
  expect(allowed([...many(40), ...up(20)])).toBe(true)
  expect(allowed([...many(40, '2026-01-01T00:00:30Z'), ...up(20)])).toBe(false)
})

test('NL2 taints follow conditions and spec, those of others stay, reasons swap directly', () => {
  const node: Node = {
    ...buildNode('n', { ready: false }),
    spec: {
      unschedulable: true,
      taints: [
        { key: 'mine', effect: 'NoSchedule' },
        { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' },
        { key: 'node.kubernetes.io/disk-pressure', effect: 'NoSchedule' },
      ],
    },
  }
  const taints = desiredTaints(node, { evict: false, clear: false, nowMs: 0 })
  expect(taints?.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
    'mine:NoSchedule',
    'node.kubernetes.io/not-ready:NoSchedule',
    'node.kubernetes.io/unschedulable:NoSchedule',
    'node.kubernetes.io/not-ready:NoExecute',
  ])
})
