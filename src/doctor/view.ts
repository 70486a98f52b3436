// A snapshot arranged for the checks: each Service with its slices and Pods, found by index, so
// that a scan of thousands of Services stays linear.

import { timeMs } from '../api/machinery/time.ts'
import type { Pod, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import { serviceNameLabel, usableAddresses } from './endpoints.ts'
import type { Snapshot } from './snapshot.ts'

export interface View extends Snapshot {
  readonly serviceViews: readonly ServiceView[]
  /** The Service that was asked for, when there is one. */
  readonly askedService: ServiceView | undefined
  podsOf(namespace: string): readonly Pod[]
}

export interface ServiceView {
  readonly service: Service
  /** "shop/web" */
  readonly key: string
  readonly slices: readonly EndpointSlice[]
  readonly selector: Readonly<Record<string, string>> | undefined
  /** Pods that the selector matches and that have not ended. */
  readonly matching: readonly Pod[]
  readonly usable: ReadonlySet<string>
  /** Why what is seen may still change by itself. */
  readonly settling: string | undefined
}

const settleMs = 10_000

export function createView(snapshot: Snapshot): View {
  const pods = new PodIndex(snapshot.pods)
  const slices = groupSlices(snapshot.endpointSlices)
  const serviceViews = snapshot.services.map((service) =>
    viewOf(service, { snapshot, pods, slices }),
  )
  const { service } = snapshot.asked
  const asked = service && `${service.namespace}/${service.name}`
  return {
    ...snapshot,
    serviceViews,
    askedService: serviceViews.find(({ key }) => key === asked),
    podsOf: (namespace) => pods.inNamespace(namespace),
  }
}

interface Parts {
  readonly snapshot: Snapshot
  readonly pods: PodIndex
  readonly slices: ReadonlyMap<string, readonly EndpointSlice[]>
}

function viewOf(service: Service, { snapshot, pods, slices }: Parts): ServiceView {
  const { namespace = '', name } = service.metadata
  const key = `${namespace}/${name}`
  const { selector } = service.spec
  const hasSelector = selector !== undefined && Object.keys(selector).length > 0
  const matching = hasSelector ? pods.matching(namespace, selector) : []
  const own = slices.get(key) ?? []
  return {
    service,
    key,
    slices: own,
    selector: hasSelector ? selector : undefined,
    matching,
    usable: usableAddresses(own),
    settling: settlingOf(service, matching, snapshot.nowMs),
  }
}

/** Spec 4: a Service younger than 10 s, or whose Pods are that young, may not have settled. */
function settlingOf(service: Service, pods: readonly Pod[], nowMs: number): string | undefined {
  const age = (object: Service | Pod) =>
    nowMs - (timeMs(object.metadata.creationTimestamp) ?? Number.NEGATIVE_INFINITY)
  if (age(service) < settleMs) return `the Service was made ${seconds(age(service))} ago`
  const youngest = Math.min(...pods.map(age))
  if (youngest < settleMs) return `its youngest Pod was made ${seconds(youngest)} ago`
  return undefined
}

const quietMs = 3000

/** The API may be ahead of the node by a moment. */
export function quietSince({ service, slices }: ServiceView, nowMs: number): string | undefined {
  const times = [service, ...slices].flatMap(({ metadata }) => [
    timeMs(metadata.creationTimestamp) ?? 0,
    ...(metadata.managedFields ?? []).map(({ time }) => timeMs(time) ?? 0),
  ])
  const ageMs = nowMs - Math.max(...times)
  return ageMs < quietMs ? 'the Service or its slices changed a moment ago' : undefined
}

const seconds = (ms: number): string => `${Math.max(0, Math.round(ms / 1000))} s`

function groupSlices(all: readonly EndpointSlice[]): Map<string, EndpointSlice[]> {
  const groups = new Map<string, EndpointSlice[]>()
  for (const slice of all) {
    const service = slice.metadata.labels?.[serviceNameLabel]
    if (service === undefined) continue
    const key = `${slice.metadata.namespace}/${service}`
    const group = groups.get(key)
    if (group) group.push(slice)
    else groups.set(key, [slice])
  }
  return groups
}

class PodIndex {
  readonly #byNamespace = new Map<string, Pod[]>()
  /** "namespace key=value" */
  readonly #byLabel = new Map<string, Pod[]>()

  constructor(pods: readonly Pod[]) {
    for (const pod of pods) {
      const { namespace = '', labels = {} } = pod.metadata
      push(this.#byNamespace, namespace, pod)
      for (const [key, value] of Object.entries(labels))
        push(this.#byLabel, `${namespace} ${key}=${value}`, pod)
    }
  }

  inNamespace(namespace: string): readonly Pod[] {
    return this.#byNamespace.get(namespace) ?? []
  }

  matching(namespace: string, selector: Readonly<Record<string, string>>): readonly Pod[] {
    const terms = Object.entries(selector)
    const lists = terms.map(
      ([key, value]) => this.#byLabel.get(`${namespace} ${key}=${value}`) ?? [],
    )
    const shortest = lists.reduce((best, list) => (list.length < best.length ? list : best))
    return shortest.filter(
      (pod) =>
        pod.status?.phase !== 'Succeeded' &&
        pod.status?.phase !== 'Failed' &&
        terms.every(([key, value]) => pod.metadata.labels?.[key] === value),
    )
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}
