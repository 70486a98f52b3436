// Watches what the proxy serves: which Services changed, and what each of them is now.

import { endpointslices, nodes, servicecidrs, services } from '../api/resources.gen.ts'
import type { Node, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import type { ServiceCIDR } from '../api/types/networking.gen.ts'
import type { Informer, InformerFactory } from '../client/informer.ts'
import type { IPFamily } from '../lib/ip.ts'
import type { ServiceHealth } from './healthcheck.ts'
import type { PlannerService } from './rules.ts'
import {
  endpointSliceSelector,
  ownerOfSlice,
  type ServicePortOptions,
  servicePorts,
  serviceSelector,
} from './serviceports.ts'

export interface TrackerEvents {
  /** A Service or one of its slices changed. `triggerMs`: when the Pod's change behind it began. */
  onService(key: string, change: 'service' | 'endpoints', triggerMs: number | undefined): void
  /** The Node object or a ServiceCIDR changed. */
  onNode(): void
}

const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

export class Tracker {
  readonly #nodeName: string
  readonly #services: Informer<Service>
  readonly #slices: Informer<EndpointSlice>
  readonly #nodes: Informer<Node>
  readonly #cidrs: Informer<ServiceCIDR>

  constructor(informers: InformerFactory, nodeName: string) {
    this.#nodeName = nodeName
    this.#services = informers.informer(services, { labelSelector: serviceSelector })
    this.#slices = informers.informer(endpointslices, {
      labelSelector: endpointSliceSelector,
      indexes: { service: (slice) => [ownerOfSlice(slice) ?? ''] },
    })
    this.#nodes = informers.informer(nodes, { fieldSelector: `metadata.name=${nodeName}` })
    this.#cidrs = informers.informer(servicecidrs)
  }

  /** Everything known is told first, synchronously; returns how to stop. */
  subscribe(events: TrackerEvents): () => void {
    const stops = [
      this.#services.subscribe(({ object }) =>
        events.onService(keyOf(object), 'service', undefined),
      ),
      this.#slices.subscribe(({ type, object, old }) => {
        const before = old && ownerOfSlice(old)
        const key = ownerOfSlice(object)
        if (before !== undefined && before !== key) events.onService(before, 'endpoints', undefined)
        const trigger = type === 'deleted' ? undefined : triggerTime(object)
        if (key !== undefined) events.onService(key, 'endpoints', trigger)
      }),
      this.#nodes.subscribe(() => events.onNode()),
      this.#cidrs.subscribe(() => events.onNode()),
    ]
    return () => stops.forEach((stop) => stop())
  }

  /** Services, slices and the Node were all delivered once. */
  async whenSynced(): Promise<void> {
    await Promise.all([
      this.#services.whenSynced(),
      this.#slices.whenSynced(),
      this.#nodes.whenSynced(),
    ])
  }

  whenServiceCIDRsSynced(): Promise<void> {
    return this.#cidrs.whenSynced()
  }

  get node(): Node | undefined {
    return this.#nodes.get(this.#nodeName)
  }

  get serviceCIDRs(): string[] {
    return this.#cidrs.list().flatMap(({ spec }) => [...(spec?.cidrs ?? [])])
  }

  service(key: string): Service | undefined {
    return this.#services.get(key)
  }

  keys(): string[] {
    return this.#services.list().map(keyOf)
  }

  /** Undefined when there is nothing to serve in this family. */
  plannerService(
    key: string,
    family: IPFamily,
    options: Omit<ServicePortOptions, 'family' | 'nodeName'>,
  ): PlannerService | undefined {
    const service = this.#services.get(key)
    if (!service) return undefined
    const slices = this.#slices.byIndex('service', key)
    const ports = servicePorts(service, slices, { ...options, family, nodeName: this.#nodeName })
    if (ports.length === 0) return undefined
    const { creationTimestamp = '', uid = '' } = service.metadata
    return { ports, creationTimestamp, uid }
  }

  /** healthCheckNodePort -> what it answers. Counts ready endpoints of this node, by address. */
  serviceHealth(): Map<number, ServiceHealth> {
    const health = new Map<number, ServiceHealth>()
    for (const service of this.#services.list()) {
      const { type, externalTrafficPolicy, healthCheckNodePort = 0 } = service.spec
      if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local') continue
      if (healthCheckNodePort === 0) continue
      const addresses = new Set<string>()
      for (const slice of this.#slices.byIndex('service', keyOf(service))) {
        for (const { addresses: own, nodeName, conditions } of slice.endpoints ?? []) {
          if (nodeName === this.#nodeName && (conditions?.ready ?? true) && own[0])
            addresses.add(own[0])
        }
      }
      const { namespace = '', name } = service.metadata
      health.set(healthCheckNodePort, { namespace, name, localEndpoints: addresses.size })
    }
    return health
  }
}

function keyOf({ metadata }: Service): string {
  return `${metadata.namespace}/${metadata.name}`
}

function triggerTime(slice: EndpointSlice): number | undefined {
  const text = slice.metadata.annotations?.[triggerAnnotation]
  const time = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}
