// What becomes of them in a binding is held by the recorded controller scenarios.
import { expect, test } from 'vitest'
import type { Node } from '../../api/types/core.gen.ts'
import { topologyLabelsOf } from './pod-topology-labels.ts'

const node = (labels?: Record<string, string>): Node => ({
  metadata: { name: 'n1', ...(labels ? { labels } : {}) },
  spec: {},
})

test('topologyLabelsOf() gives the zone and the region, and no other label', () => {
  const zone = { 'topology.kubernetes.io/zone': 'a' }
  const region = { 'topology.kubernetes.io/region': 'r' }
  const others = { 'kubernetes.io/hostname': 'n1', 'topology.kubernetes.io/rack': '7' }
  expect(topologyLabelsOf(node({ ...region, ...others, ...zone }))).toEqual({ ...zone, ...region })
  expect(topologyLabelsOf(node(zone))).toEqual(zone)
  expect(topologyLabelsOf(node())).toEqual({})
  expect(topologyLabelsOf(undefined)).toEqual({})
})
