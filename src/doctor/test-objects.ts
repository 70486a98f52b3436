// Clusters in short, for this room's tests: objects, and a snapshot of a healthy one to break.
import type { Namespace, Node, Pod, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import { buildRules, type PlannerNode } from '../proxy/rules.ts'
import { servicePorts } from '../proxy/serviceports.ts'
import type { Check } from './check.ts'
import { diagnose } from './diagnose.ts'
import { emptySnapshot, type NodeRules, type Snapshot } from './snapshot.ts'
import { createView } from './view.ts'

export const nowMs = Date.parse('2026-01-01T01:00:00Z')
const longAgo = '2026-01-01T00:00:00Z'

export const secondsAgo = (seconds: number): string =>
  new Date(nowMs - seconds * 1000).toISOString()

type Part<T> = { readonly [K in keyof T]?: T[K] | undefined }

export interface ObjectOptions {
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly created?: string
}

const metadata = (
  name: string,
  { namespace = 'shop', labels, created = longAgo }: ObjectOptions,
) => ({
  name,
  namespace,
  uid: `${namespace}-${name}`,
  creationTimestamp: created,
  ...(labels ? { labels } : {}),
})

/** A Service for app=NAME, port 80 to 8080. */
export function service(
  name: string,
  spec: Part<Service['spec']> = {},
  options: ObjectOptions = {},
): Service {
  const { clusterIP = '10.96.0.20' } = spec
  return {
    metadata: metadata(name, options),
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      selector: { app: name },
      ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
      ...spec,
    },
  } as Service
}

export interface PodOptions extends ObjectOptions {
  readonly ip?: string
  readonly node?: string
  readonly ready?: boolean
  readonly spec?: Part<Pod['spec']>
  readonly status?: Part<NonNullable<Pod['status']>>
}

/** A ready Pod with label app=NAME on node n1. */
export function pod(name: string, options: PodOptions = {}): Pod {
  const { ip = '10.244.0.5', node = 'n1', ready = true, spec, status } = options
  return {
    metadata: metadata(name, { labels: { app: name }, ...options }),
    spec: {
      nodeName: node,
      containers: [{ name: 'app', image: 'app', ports: [{ name: 'http', containerPort: 8080 }] }],
      ...spec,
    },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [
        { name: 'app', image: 'app', imageID: '', ready, restartCount: 0, state: { running: {} } },
      ],
      ...status,
    },
  } as Pod
}

export interface SliceOptions extends ObjectOptions {
  readonly port?: { readonly name?: string; readonly port?: number }
  readonly name?: string
}

export function slice(
  of: string,
  pods: readonly Pod[],
  { port = { name: '', port: 8080 }, name = `${of}-1`, ...options }: SliceOptions = {},
): EndpointSlice {
  return {
    metadata: metadata(name, { labels: { 'kubernetes.io/service-name': of }, ...options }),
    addressType: 'IPv4',
    ports: [{ protocol: 'TCP', ...port }],
    endpoints: pods.map(({ metadata: { name }, status, spec }) => ({
      addresses: [status!.podIP!],
      conditions: { ready: status!.conditions![0]!.status === 'True' },
      targetRef: { kind: 'Pod', name },
      nodeName: spec.nodeName,
    })),
  } as EndpointSlice
}

export const namespace = (name: string): Namespace =>
  ({ metadata: { name, labels: { 'kubernetes.io/metadata.name': name } } }) as unknown as Namespace

export const node = (name: string, ready = true): Node =>
  ({
    metadata: { name },
    status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }) as unknown as Node

export const dnsPod = (name: string, options: PodOptions = {}): Pod =>
  pod(name, {
    namespace: 'kube-system',
    labels: { 'k8s-app': 'kube-dns' },
    ip: '10.244.0.2',
    spec: { dnsPolicy: 'Default', serviceAccountName: 'coredns', nodeName: 'n1', containers: [] },
    ...options,
  })

export const dnsService = (clusterIP = '10.96.0.10'): Service =>
  service(
    'kube-dns',
    { clusterIP, clusterIPs: [clusterIP], selector: { 'k8s-app': 'kube-dns' } },
    { namespace: 'kube-system' },
  )

/** The shop: one Service with two ready Pods, its DNS and its node, all well. */
export function healthy(): Snapshot {
  const pods = [
    pod('web', { ip: '10.244.0.5' }),
    pod('web-2', { ip: '10.244.0.6', labels: { app: 'web' } }),
  ]
  const web = service('web')
  const slices = [slice('web', pods)]
  const dnsPods = [dnsPod('coredns-a'), dnsPod('coredns-b', { ip: '10.244.0.3' })]
  return {
    ...emptySnapshot,
    nowMs,
    clusterDomain: 'cluster.local',
    asked: { namespace: 'shop', service: { namespace: 'shop', name: 'web' }, name: 'web' },
    services: [web],
    endpointSlices: slices,
    pods,
    namespaces: [namespace('kube-system')],
    nodes: [node('n1')],
    dns: {
      ...emptySnapshot.dns,
      service: dnsService(),
      pods: dnsPods,
      access: [],
      answers: dnsPods.map(({ metadata: { name } }) => ({
        pod: name,
        name: 'web.shop.svc.cluster.local.',
        type: 'A',
        rcode: 'NOERROR',
        addresses: ['10.96.0.20'],
        ms: 1,
      })),
    },
    kubelets: new Map([['n1', { clusterDNS: ['10.96.0.10'], clusterDomain: 'cluster.local' }]]),
    nodeRules: [rulesFor('n1', [web], slices)],
    podPorts: pods.map((one) => ({
      pod: one.metadata.name,
      namespace: 'shop',
      ip: one.status!.podIP!,
      port: 8080,
      byAddress: 'open',
      byLoopback: 'unknown',
    })),
  }
}

const plannerNode = (name: string): PlannerNode => ({
  config: {
    family: 'ip',
    tableName: 'signpost',
    masqueradeMark: 0x4000,
    masqueradeAll: false,
    localDetector: { field: 'ip saddr', value: '10.244.0.0/24' },
    nodePortAddresses: ['192.168.50.2'],
    localAddresses: ['192.168.50.2'],
    serviceCIDRs: ['10.96.0.0/16'],
    nodeIP: '192.168.50.2',
  },
  topology: { name },
})

/** The table that the proxy itself makes of these objects. */
export function rulesFor(
  name: string,
  services: readonly Service[],
  slices: readonly EndpointSlice[],
): NodeRules {
  const planner = plannerNode(name)
  const planned = services.map((one) => {
    const { namespace: space, name: own, creationTimestamp = '', uid = '' } = one.metadata
    const mine = slices.filter(
      ({ metadata }) =>
        metadata.namespace === space && metadata.labels?.['kubernetes.io/service-name'] === own,
    )
    const ports = servicePorts(one, mine, { family: 'IPv4', nodeName: name })
    return [`${space}/${own}`, { ports, creationTimestamp, uid }] as const
  })
  const table = buildRules(new Map(planned), planner)
  const size = (set: string): number => table.elements.get(set)?.size ?? 0
  return {
    node: name,
    mode: 'nftables',
    healthy: true,
    tables: [
      {
        family: 'IPv4',
        name: 'signpost',
        table,
        frontends: size('svc') + size('deny'),
        node: planner,
      },
    ],
  }
}

/** Messages of one check on the healthy shop with something changed. */
export const messagesOf = (check: Check, change: Part<Snapshot>): string[] =>
  check
    .run(createView({ ...healthy(), ...change } as Snapshot))
    .map(({ message, settling }) => (settling ? `${message} (settling: ${settling})` : message))

/** Ids of the causes that the whole list of checks finds, in order. */
export const causesOf = (change: Part<Snapshot>): string[] =>
  diagnose({ ...healthy(), ...change } as Snapshot).findings.map(({ id }) => id)
