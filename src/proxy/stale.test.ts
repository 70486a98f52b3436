import { describe, expect, test } from 'vitest'
import type { ConntrackEntry } from '../linux/conntrack.ts'
import { Planner, type PlannerService } from './rules.ts'
import {
  endedUdpFrontends,
  staleAffinity,
  staleFlows,
  touchesAffinity,
  touchesUdp,
  udpFrontends,
} from './stale.ts'
import { clusterIP, node, nodeIP, plannerService, service, slice } from './test-objects.ts'

const key = 'default/web'

function dns(...endpoints: string[]): PlannerService {
  const object = service('web', ['dns:53@30053/UDP'])
  return plannerService(object, [slice(['dns:5353/UDP'], endpoints)])
}

/** "10.96.0.10:53 10.244.0.1:5353": what was dialled, and who answers. */
function flow(text: string): ConntrackEntry {
  const [[destinationIP, destinationPort], [sourceIP, sourcePort]] = text
    .split(' ')
    .map((address) => address.split(':')) as [[string, string], [string, string]]
  const client = { ip: '10.244.0.9', port: 4000 }
  return {
    family: 'IPv4',
    protocol: 17,
    id: 1,
    original: {
      sourceIP: client.ip,
      sourcePort: client.port,
      destinationIP,
      destinationPort: Number(destinationPort),
    },
    reply: {
      sourceIP,
      sourcePort: Number(sourcePort),
      destinationIP: client.ip,
      destinationPort: client.port,
    },
  }
}

describe('staleFlows()', () => {
  const check = (name: string, endpoints: readonly string[], text: string, expected: boolean) =>
    test(name, () => {
      const planner = new Planner(node)
      planner.update(new Map([[key, dns(...endpoints)]]))
      const served = udpFrontends(planner.ports())
      expect(staleFlows([flow(text)], served, new Set([nodeIP])).length).toBe(expected ? 1 : 0)
    })
  const vip = `${clusterIP}:53`
  check('a flow to an endpoint stays', ['10.244.0.1'], `${vip} 10.244.0.1:5353`, false)
  check('an endpoint that is gone loses its flows', ['10.244.0.2'], `${vip} 10.244.0.1:5353`, true)
  check('the port counts too', ['10.244.0.1'], `${vip} 10.244.0.1:53`, true)
  check('a Service without endpoints loses all', [], `${vip} 10.244.0.1:5353`, true)
  check(
    'a draining endpoint keeps its flows',
    ['10.244.0.1 draining', '10.244.0.2'],
    `${vip} 10.244.0.1:5353`,
    false,
  )
  check('one that stopped serving does not', ['10.244.0.1 gone'], `${vip} 10.244.0.1:5353`, true)
  check('a flow from before there were rules goes', ['10.244.0.1'], `${vip} ${vip}`, true)
  check(
    'NodePorts count at the addresses of this node',
    [],
    `${nodeIP}:30053 10.244.0.1:5353`,
    true,
  )
  check('and nowhere else', [], '203.0.113.1:30053 203.0.113.1:30053', false)
  check('other ports of the ClusterIP are not ours', [], `${clusterIP}:54 10.244.0.1:5353`, false)
})

function change(before: PlannerService | undefined, after: PlannerService | undefined) {
  const planner = new Planner(node)
  if (before) planner.update(new Map([[key, before]]))
  return planner.update(new Map([[key, after]])).changed[0]!
}

test('touchesUdp() and endedUdpFrontends() name what may be stale', () => {
  const [one, two] = [dns('10.244.0.1'), dns('10.244.0.1', '10.244.0.2')]
  expect(touchesUdp(change(two, one))).toBe(true)
  expect(touchesUdp(change(one, two))).toBe(true)
  expect(touchesUdp(change(one, one))).toBe(false)
  expect(endedUdpFrontends(change(one, two))).toEqual([])
  expect(endedUdpFrontends(change(one, undefined))).toEqual([
    `${clusterIP} . udp . 53`,
    'udp . 30053',
  ])
})

test('affinity records of endpoints that left are stale, at every frontend', () => {
  const affine = (...endpoints: string[]) =>
    plannerService(service('web', ['80@30080'], { sessionAffinity: 'ClientIP' }), [
      slice(['8080'], endpoints),
    ])
  const both = affine('10.244.0.1', '10.244.0.2')
  expect(touchesAffinity(change(both, affine('10.244.0.1')))).toBe(true)
  expect(touchesAffinity(change(affine('10.244.0.1'), both))).toBe(false)
  expect(touchesAffinity(change(both, undefined))).toBe(true)
  const planner = new Planner(node)
  planner.update(new Map([[key, affine('10.244.0.1')]]))
  const record = (frontend: string, endpoint: string) => ({
    key: `10.244.0.9 . ${frontend}`,
    value: `${endpoint} . 8080`,
    packets: undefined,
  })
  const records = [
    record(`${clusterIP} . tcp . 80`, '10.244.0.1'),
    record(`${clusterIP} . tcp . 80`, '10.244.0.2'),
    record(`${nodeIP} . tcp . 30080`, '10.244.0.1'),
    record(`${nodeIP} . tcp . 30080`, '10.244.0.2'),
    record('10.96.0.99 . tcp . 80', '10.244.0.1'),
  ]
  expect(staleAffinity(records, planner.ports(), [nodeIP])).toEqual(
    [records[1], records[3], records[4]].map((one) => one!.key),
  )
})
