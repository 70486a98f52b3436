import { expect, test } from 'vitest'
import type { Draft } from '../machinery/draft.ts'
import type { Pod } from '../types/core.gen.ts'
import { defaultPod } from './pod-defaults.ts'
import { qosClassOf } from './pod-qos.ts'

function defaulted(spec: object): Draft<Pod>['spec'] {
  const pod = { metadata: { name: 'p' }, spec } as unknown as Draft<Pod>
  defaultPod(pod)
  const once = structuredClone(pod)
  defaultPod(pod)
  expect(pod, 'defaults are idempotent').toEqual(once)
  return pod.spec
}

test('imagePullPolicy is Always for what moves: no tag, or :latest', () => {
  const check = (image: string, expected: string) =>
    expect(
      defaulted({ containers: [{ name: 'c', image }] }).containers[0]?.imagePullPolicy,
      image,
    ).toBe(expected)
  check('nginx', 'Always')
  check('nginx:latest', 'Always')
  check('nginx:1.27', 'IfNotPresent')
  check('registry:5000/team/app', 'Always')
  check('registry:5000/team/app:v1', 'IfNotPresent')
  check(`quay.io/x/y@sha256:${'a'.repeat(64)}`, 'IfNotPresent')
  check(`quay.io/x/y:latest@sha256:${'a'.repeat(64)}`, 'Always')
  check('Not An Image', 'IfNotPresent')
})

test('requests follow limits, and the class of service follows both', () => {
  const qos = (resources: object) => {
    const spec = defaulted({ containers: [{ name: 'c', image: 'x', resources }] })
    return qosClassOf(spec as Pod['spec'])
  }
  expect(qos({})).toBe('BestEffort')
  expect(qos({ limits: { cpu: '1', memory: '1Gi' } })).toBe('Guaranteed')
  expect(qos({ limits: { cpu: '1' } })).toBe('Burstable')
  expect(qos({ requests: { cpu: '500m' }, limits: { cpu: '1', memory: '1Gi' } })).toBe('Burstable')
  expect(qos({ requests: { cpu: '0' } })).toBe('BestEffort')
})

test('ports of a Pod on the host network are host ports', () => {
  const spec = defaulted({
    hostNetwork: true,
    containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 53 }] }],
  })
  expect(spec.containers[0]?.ports).toEqual([{ containerPort: 53, hostPort: 53, protocol: 'TCP' }])
})
