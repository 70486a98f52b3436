// For tests: objects with the fields that matter said and the others as Kubernetes defaults them.
import type { Node, Pod, PodSpec, PodStatus, Service, ServiceSpec } from '../api/types/core.gen.ts'
import type { ObjectMeta } from '../api/types/meta.gen.ts'

export const startTime = '2026-01-01T00:00:00Z'

export interface PodFacts {
  readonly ready?: boolean
  readonly since?: string
  readonly ips?: readonly string[]
  readonly phase?: NonNullable<PodStatus['phase']>
  readonly metadata?: Partial<ObjectMeta>
  readonly spec?: Partial<PodSpec>
}

export function buildPod(name: string, facts: PodFacts = {}): Pod {
  const ips = facts.ips ?? ['10.244.0.1']
  const transition = { lastTransitionTime: facts.since ?? startTime }
  return {
    metadata: {
      namespace: 'default',
      labels: { app: 'web' },
      uid: `uid-${name}`,
      ...facts.metadata,
      name,
    },
    spec: { containers: [{ name: 'c' }], nodeName: 'n1', ...facts.spec },
    status: {
      phase: facts.phase ?? 'Running',
      conditions: [
        { type: 'Ready', status: facts.ready === false ? 'False' : 'True', ...transition },
      ],
      ...(ips.length > 0 ? { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } : {}),
    },
  }
}

export const buildService = (
  name: string,
  spec: Partial<ServiceSpec> = {},
  metadata: Partial<ObjectMeta> = {},
): Service => ({
  metadata: { namespace: 'default', ...metadata, name },
  spec: {
    type: 'ClusterIP',
    clusterIP: '10.96.0.1',
    ipFamilies: ['IPv4'],
    selector: { app: 'web' },
    ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
    ...spec,
  },
})

export const buildNode = (
  name: string,
  facts: { zone?: string; cpu?: string; ready?: boolean } = {},
): Node => ({
  metadata: {
    name,
    labels: facts.zone === undefined ? {} : { 'topology.kubernetes.io/zone': facts.zone },
  },
  spec: {},
  status: {
    allocatable: { cpu: facts.cpu ?? '4', memory: '8Gi', pods: '110' },
    conditions: [{ type: 'Ready', status: facts.ready === false ? 'False' : 'True' }],
  },
})
