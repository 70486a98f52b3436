// Services, EndpointSlices, a Node and ServiceCIDRs as informers hand them out, without an API.
import type { KubeObject, Resource } from '../../../src/api/machinery/resource.ts'
import { endpointslices, nodes, servicecidrs, services } from '../../../src/api/resources.gen.ts'
import type { Node, Service, ServiceSpec, Taint } from '../../../src/api/types/core.gen.ts'
import type { Endpoint, EndpointSlice } from '../../../src/api/types/discovery.gen.ts'
import type { ServiceCIDR } from '../../../src/api/types/networking.gen.ts'
import type { Client } from '../../../src/client/client.ts'
import type { Informer, InformerFactory } from '../../../src/client/informer.ts'
import { ObjectCache } from '../../../src/client/informers.ts'

export class FakeApi {
  readonly #caches = new Map<string, ObjectCache<KubeObject>>()
  #revision = 1

  constructor() {
    for (const resource of [services, endpointslices, nodes, servicecidrs]) {
      const cache = new ObjectCache<KubeObject>()
      cache.replace([], '1')
      this.#caches.set(resource.plural, cache)
    }
  }

  /** For deps.client: only the recorder of Events uses it, and it forgives. */
  readonly client = {
    resource: () => ({ create: () => Promise.reject(new Error('no API here')) }),
  } as unknown as Client

  readonly informers: InformerFactory = {
    informer: <T extends KubeObject>(
      resource: Resource<T>,
      options: { indexes?: Readonly<Record<string, (object: T) => readonly string[]>> } = {},
    ): Informer<T> => {
      const cache = this.#caches.get(resource.plural) as unknown as ObjectCache<T>
      const indexes = options.indexes ?? {}
      for (const index of Object.values(indexes)) cache.addIndex(index)
      return {
        resource,
        synced: true,
        whenSynced: () => Promise.resolve(),
        whenSeen: () => Promise.resolve(),
        get: (key) => cache.get(key),
        list: (namespace) => cache.list(namespace),
        byIndex: (name, value) => cache.indexed(indexes[name]!, value),
        subscribe: (onEvent) => cache.subscribe(onEvent),
      }
    },
    start: () => {},
    stop: () => {},
  }

  put<T extends KubeObject>(resource: Resource<T>, object: T): void {
    const resourceVersion = String(++this.#revision)
    const versioned = { ...object, metadata: { ...object.metadata, resourceVersion } }
    this.#caches.get(resource.plural)!.apply('MODIFIED', versioned)
  }

  remove<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): void {
    const resourceVersion = String(++this.#revision)
    const metadata = { namespace, name, resourceVersion } as KubeObject['metadata']
    this.#caches.get(resource.plural)!.apply('DELETED', { metadata })
  }

  putNode(
    name: string,
    facts: {
      readonly addresses: readonly string[]
      readonly podCIDRs: readonly string[]
      readonly taints?: readonly Taint[]
    },
  ): void {
    const addresses = facts.addresses.map((address) => ({ type: 'InternalIP', address }))
    this.put(nodes, {
      metadata: { name, labels: { 'topology.kubernetes.io/zone': 'here' } },
      spec: { podCIDRs: facts.podCIDRs, ...(facts.taints ? { taints: facts.taints } : {}) },
      status: { addresses },
    } as unknown as Node)
  }

  putServiceCIDRs(cidrs: readonly string[]): void {
    this.put(servicecidrs, { metadata: { name: 'kubernetes' }, spec: { cidrs } } as ServiceCIDR)
  }

  /** ports: "80", "53/UDP" or "name:80/TCP". */
  putService(
    name: string,
    clusterIP: string,
    ports: readonly string[],
    spec: Partial<ServiceSpec> = {},
  ): void {
    const parsed = ports.map((text) => {
      const [, portName = '', port, nodePort, protocol = 'TCP'] =
        /^(?:(\w+):)?(\d+)(?:@(\d+))?(?:\/(\w+))?$/.exec(text)!
      return {
        name: portName,
        port: Number(port),
        protocol: protocol as 'TCP',
        ...(nodePort ? { nodePort: Number(nodePort) } : {}),
      }
    })
    const family = clusterIP.includes(':') ? 'IPv6' : 'IPv4'
    this.put(services, {
      metadata: { namespace: 'test', name, uid: name, creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: {
        type: ports.some((port) => port.includes('@')) ? 'NodePort' : 'ClusterIP',
        clusterIP,
        clusterIPs: [clusterIP],
        ipFamilies: [family],
        ports: parsed,
        ...spec,
      },
    } as Service)
  }

  /** ports as in putService, of the endpoints. */
  putSlice(
    service: string,
    ports: readonly string[],
    endpoints: readonly (string | Endpoint)[],
    family: 'IPv4' | 'IPv6' = 'IPv4',
  ): void {
    this.put(endpointslices, {
      metadata: {
        namespace: 'test',
        name: `${service}-1`,
        labels: { 'kubernetes.io/service-name': service },
      },
      addressType: family,
      ports: ports.map((text) => {
        const [, name = '', port, protocol = 'TCP'] = /^(?:(\w+):)?(\d+)(?:\/(\w+))?$/.exec(text)!
        return { name, port: Number(port), protocol: protocol as 'TCP' }
      }),
      endpoints: endpoints.map((endpoint) =>
        typeof endpoint === 'string'
          ? { addresses: [endpoint], nodeName: 'n1', conditions: { ready: true, serving: true } }
          : endpoint,
      ),
    } as EndpointSlice)
  }

  removeService(name: string): void {
    this.remove(services, 'test', name)
    this.remove(endpointslices, 'test', `${name}-1`)
  }
}
