// The index behind the cluster zone, folded from Services, EndpointSlices, Namespaces and, where
// Pod names are verified, Pods. Zone is written by the informers' events; answer.ts reads ZoneIndex.

import type { Namespace, Pod, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import { keyOf } from '../client/informer.ts'
import type { ZoneEndpoint, ZoneService, ZoneSlice } from './zone-objects.ts'
import { zoneService, zoneSlice } from './zone-objects.ts'

/** An endpoint found by its address, with the Service it stands behind. */
export interface FoundEndpoint {
  readonly service: string
  readonly endpoint: ZoneEndpoint
}

/** What answer() reads. Keys are "namespace/name". */
export interface ZoneIndex {
  hasNamespace(name: string): boolean
  service(key: string): ZoneService | undefined
  slices(serviceKey: string): readonly ZoneSlice[]
  servicesByClusterIP(address: string): readonly ZoneService[]
  endpointsByAddress(address: string): readonly FoundEndpoint[]
  hasPod(namespace: string, podIP: string): boolean
  /** Unix seconds of the last change that a name shows: the SOA's serial. */
  readonly serial: number
}

export class Zone implements ZoneIndex {
  readonly #namespaces = new Set<string>()
  readonly #services = new Map<string, ZoneService>()
  readonly #slices = new Map<string, ZoneSlice>()
  readonly #slicesByService = new Map<string, readonly ZoneSlice[]>()
  readonly #servicesByAddress = new KeysByValue()
  readonly #slicesByAddress = new KeysByValue()
  /** Pod key -> "namespace/podIP", and how many Pods claim each. */
  readonly #podAddresses = new Map<string, string>()
  readonly #podsByAddress = new KeysByValue()
  #serial: number

  constructor(nowMs: number) {
    this.#serial = Math.floor(nowMs / 1000)
  }

  get serial(): number {
    return this.#serial
  }

  hasNamespace(name: string): boolean {
    return this.#namespaces.has(name)
  }

  service(key: string): ZoneService | undefined {
    return this.#services.get(key)
  }

  slices(serviceKey: string): readonly ZoneSlice[] {
    return this.#slicesByService.get(serviceKey) ?? []
  }

  servicesByClusterIP(address: string): readonly ZoneService[] {
    return this.#servicesByAddress.get(address).flatMap((key) => this.#services.get(key) ?? [])
  }

  endpointsByAddress(address: string): readonly FoundEndpoint[] {
    return this.#slicesByAddress.get(address).flatMap((key) => {
      const slice = this.#slices.get(key)
      const endpoints = slice?.endpoints.filter((endpoint) => endpoint.address === address) ?? []
      return endpoints.map((endpoint) => ({ service: slice!.service, endpoint }))
    })
  }

  hasPod(namespace: string, podIP: string): boolean {
    return this.#podsByAddress.get(`${namespace}/${podIP}`).length > 0
  }

  /** Known keys, to find by a fresh list what is gone. */
  keys(kind: 'namespace' | 'service' | 'slice' | 'pod'): readonly string[] {
    switch (kind) {
      case 'namespace':
        return [...this.#namespaces]
      case 'service':
        return [...this.#services.keys()]
      case 'slice':
        return [...this.#slices.keys()]
      case 'pod':
        return [...this.#podAddresses.keys()]
    }
  }

  setNamespace(namespace: Namespace): void {
    this.#namespaces.add(namespace.metadata.name ?? '')
  }

  deleteNamespace(name: string): void {
    this.#namespaces.delete(name)
  }

  setService(service: Service, nowMs: number): void {
    this.#replaceService(keyOf(service), zoneService(service), nowMs)
  }

  deleteService(key: string, nowMs: number): void {
    this.#replaceService(key, undefined, nowMs)
  }

  setSlice(slice: EndpointSlice, nowMs: number): void {
    this.#replaceSlice(keyOf(slice), zoneSlice(slice), nowMs)
  }

  deleteSlice(key: string, nowMs: number): void {
    this.#replaceSlice(key, undefined, nowMs)
  }

  /** Pods that ended or are going are as if they were not there. */
  setPod(pod: Pod, nowMs: number): void {
    const { podIP, phase = 'Running' } = pod.status ?? {}
    const gone = pod.metadata.deletionTimestamp !== undefined
    const ended = phase === 'Succeeded' || phase === 'Failed' || phase === 'Unknown'
    const value = podIP && !gone && !ended ? `${pod.metadata.namespace}/${podIP}` : undefined
    this.#replacePod(keyOf(pod), value, nowMs)
  }

  deletePod(key: string, nowMs: number): void {
    this.#replacePod(key, undefined, nowMs)
  }

  /** The whole index as sorted plain data, to compare two zones by. */
  snapshot(): Readonly<Record<string, unknown>> {
    const sorted = <T>(map: ReadonlyMap<string, T>) =>
      [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, value])
    const byService = new Map(
      [...this.#slicesByService].map(([key, slices]) => [
        key,
        slices.map((slice) => JSON.stringify(slice)).sort(),
      ]),
    )
    return {
      namespaces: [...this.#namespaces].sort(),
      services: sorted(this.#services),
      slices: sorted(this.#slices),
      slicesByService: sorted(byService),
      servicesByAddress: this.#servicesByAddress.snapshot(),
      slicesByAddress: this.#slicesByAddress.snapshot(),
      podsByAddress: this.#podsByAddress.snapshot(),
    }
  }

  #replaceService(key: string, next: ZoneService | undefined, nowMs: number): void {
    const old = this.#services.get(key)
    if (same(old, next)) return
    for (const address of old?.addresses ?? []) this.#servicesByAddress.delete(address, key)
    if (next) this.#services.set(key, next)
    else this.#services.delete(key)
    for (const address of next?.addresses ?? []) this.#servicesByAddress.add(address, key)
    this.#changed(nowMs)
  }

  #replaceSlice(key: string, next: ZoneSlice | undefined, nowMs: number): void {
    const old = this.#slices.get(key)
    if (same(old, next)) return
    if (old) this.#unlinkSlice(key, old)
    if (next) this.#linkSlice(key, next)
    else this.#slices.delete(key)
    this.#changed(nowMs)
  }

  #linkSlice(key: string, slice: ZoneSlice): void {
    this.#slices.set(key, slice)
    this.#slicesByService.set(slice.service, [...this.slices(slice.service), slice])
    for (const { address } of slice.endpoints) this.#slicesByAddress.add(address, key)
  }

  #unlinkSlice(key: string, slice: ZoneSlice): void {
    const rest = this.slices(slice.service).filter((other) => other !== slice)
    if (rest.length > 0) this.#slicesByService.set(slice.service, rest)
    else this.#slicesByService.delete(slice.service)
    for (const { address } of slice.endpoints) this.#slicesByAddress.delete(address, key)
  }

  #replacePod(key: string, next: string | undefined, nowMs: number): void {
    const old = this.#podAddresses.get(key)
    if (old === next) return
    if (old !== undefined) this.#podsByAddress.delete(old, key)
    if (next !== undefined) {
      this.#podAddresses.set(key, next)
      this.#podsByAddress.add(next, key)
    } else {
      this.#podAddresses.delete(key)
    }
    this.#changed(nowMs)
  }

  #changed(nowMs: number): void {
    this.#serial = Math.floor(nowMs / 1000)
  }
}

function same(a: unknown, b: unknown): boolean {
  return a === b || (a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b))
}

/** Value -> the keys that have it. Nearly always one, which then costs no list. */
class KeysByValue {
  readonly #keys = new Map<string, string | readonly string[]>()

  get(value: string): readonly string[] {
    const keys = this.#keys.get(value)
    return keys === undefined ? [] : typeof keys === 'string' ? [keys] : keys
  }

  add(value: string, key: string): void {
    const keys = this.get(value)
    if (keys.includes(key)) return
    this.#keys.set(value, keys.length === 0 ? key : [...keys, key])
  }

  delete(value: string, key: string): void {
    const rest = this.get(value).filter((other) => other !== key)
    if (rest.length === 0) this.#keys.delete(value)
    else this.#keys.set(value, rest.length === 1 ? rest[0]! : rest)
  }

  snapshot(): readonly (readonly [string, readonly string[]])[] {
    const values = [...this.#keys.keys()].sort()
    return values.map((value) => [value, [...this.get(value)].sort()])
  }
}
