// Services and EndpointSlices in short, for this room's tests.
import type { Service, ServiceSpec } from '../api/types/core.gen.ts'
import type { Endpoint, EndpointSlice } from '../api/types/discovery.gen.ts'
import type { DataplaneConfig } from './chains.ts'
import type { PlannerNode, PlannerService } from './rules.ts'
import { servicePorts } from './serviceports.ts'

export const clusterIP = '10.96.0.10'
export const nodeIP = '192.168.50.2'
export const loadBalancerIP = '198.51.100.20'

/** Fields of the spec, and of the object around it. */
type ServiceOptions = Partial<ServiceSpec> & {
  readonly object?: Partial<Omit<Service, 'spec'>>
}

/** "web:80@30080/UDP": name, port, NodePort, protocol; all but the port may be left out. */
export function service(
  name: string,
  ports: readonly string[],
  options: ServiceOptions = {},
): Service {
  const { object, ...spec } = options
  return {
    metadata: { namespace: 'default', name, uid: name, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      type: ports.some((port) => port.includes('@')) ? 'NodePort' : 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ports: ports.map((text) => {
        const { name: portName, port, nodePort, protocol } = parsePort(text)
        return { name: portName, port, protocol, ...(nodePort ? { nodePort } : {}) }
      }),
      ...spec,
    },
    ...object,
  } as Service
}

function parsePort(text: string) {
  const found = /^(?:(\w+):)?(\d+)(?:@(\d+))?(?:\/(\w+))?$/.exec(text)
  if (!found) throw new Error(`no port: "${text}"`)
  const [, name = '', port, nodePort, protocol = 'TCP'] = found
  return {
    name,
    port: Number(port),
    nodePort: Number(nodePort ?? 0),
    protocol: protocol as 'TCP' | 'UDP' | 'SCTP',
  }
}

/**
 * An endpoint: an address and marks. "local" is on node n1, else it is on n2; "unready",
 * "draining" (terminating, still serving), "gone" (terminating, not serving); "zone:a", "node:n1".
 */
export function endpoint(text: string): Endpoint {
  const [address, ...marks] = text.split(' ')
  const has = (mark: string): boolean => marks.includes(mark)
  const hints = (kind: string) =>
    marks.filter((mark) => mark.startsWith(kind)).map((mark) => ({ name: mark.slice(kind.length) }))
  const [forZones, forNodes] = [hints('zone:'), hints('node:')]
  return {
    addresses: [address!],
    nodeName: has('local') ? 'n1' : 'n2',
    conditions: {
      ready: !has('unready') && !has('draining') && !has('gone'),
      serving: !has('unready') && !has('gone'),
      terminating: has('draining') || has('gone'),
    },
    ...(forZones.length + forNodes.length === 0
      ? {}
      : {
          hints: {
            ...(forZones.length ? { forZones } : {}),
            ...(forNodes.length ? { forNodes } : {}),
          },
        }),
  }
}

export function slice(
  ports: readonly string[],
  endpoints: readonly (string | Endpoint)[],
  more: Partial<EndpointSlice> = {},
): EndpointSlice {
  return {
    metadata: {
      namespace: 'default',
      name: 'slice',
      labels: { 'kubernetes.io/service-name': 'web' },
    },
    addressType: 'IPv4',
    ports: ports.map((text) => {
      const { name, port, protocol } = parsePort(text)
      return { name, port, protocol }
    }),
    endpoints: endpoints.map((one) => (typeof one === 'string' ? endpoint(one) : one)),
    ...more,
  }
}

export function plannerService(object: Service, slices: readonly EndpointSlice[]): PlannerService {
  const ports = servicePorts(object, slices, { family: 'IPv4', nodeName: 'n1' })
  const { creationTimestamp = '', uid = '' } = object.metadata
  return { ports, creationTimestamp, uid }
}

export const config: DataplaneConfig = {
  family: 'ip',
  tableName: 'signpost',
  masqueradeMark: 0x4000,
  masqueradeAll: false,
  localDetector: { field: 'ip saddr', value: '10.244.0.0/24' },
  nodePortAddresses: [nodeIP],
  localAddresses: [nodeIP],
  serviceCIDRs: ['10.96.0.0/16'],
  nodeIP,
}

export const node: PlannerNode = { config, topology: { name: 'n1', topologyZone: 'a' } }
