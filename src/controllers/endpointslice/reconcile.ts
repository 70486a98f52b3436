// The EndpointSlices a Service should have, against those it has: one independent set of slices
// for each address family, grouped by the ports the Pods serve.

import { services } from '../../api/resources.gen.ts'
import type { Node, Pod, Service } from '../../api/types/core.gen.ts'
import type { Endpoint, EndpointPort, EndpointSlice } from '../../api/types/discovery.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { familyOf } from '../../lib/ip.ts'
import { controllerRef } from '../ownership.ts'
import { isCandidate, isHeadless, matchesPairs } from '../service-pods.ts'
import { type AddressType, endpointKey, endpointOf, endpointPorts, portsKey } from './endpoint.ts'
import { type Hinting, hintByDistribution, removeHints, trafficDistribution } from './hints.ts'
import { packGroup, reuseDeleted, type SliceChanges } from './pack.ts'
import { hintByTopology, wantsAutoHints, type ZoneRatios } from './topology.ts'

export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
export const managerName = 'endpointslice-controller.k8s.io'
const serviceNameLabel = 'kubernetes.io/service-name'
const headlessLabel = 'service.kubernetes.io/headless'
const reservedLabels = new Set([serviceNameLabel, managedByLabel, headlessLabel])

export interface Observed {
  readonly service: Service
  /** Matching the selector; finished ones and those without address may be among them. */
  readonly pods: readonly Pod[]
  readonly findNode: (name: string) => Node | undefined
  /** Managed by this controller and not being deleted, whoever owns them. */
  readonly slices: readonly EndpointSlice[]
  readonly ratios: ZoneRatios | undefined
  /** Whether the previous run gave hints by topology. */
  readonly hinted: boolean
}

export interface HintEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: 'TopologyAwareHintsEnabled' | 'TopologyAwareHintsDisabled'
  readonly message: string
}

export interface Desired {
  readonly changes: SliceChanges
  readonly events: readonly HintEvent[]
  /** Names of Pods left out because their Node is unknown. */
  readonly nodeless: readonly string[]
  readonly hinted: boolean
}

export function reconcileSlices(observed: Observed, options: { maxEndpoints: number }): Desired {
  const types = addressTypes(observed.service)
  const wanted = types.map((type) => reconcileType(observed, type, options.maxEndpoints))
  const obsolete = observed.slices.filter(
    (slice) => !(types as readonly string[]).includes(slice.addressType),
  )
  const deleting = observed.service.metadata.deletionTimestamp !== undefined
  return {
    changes: {
      // A Service on its way out gets no new slices, or garbage collection would chase them.
      create: deleting ? [] : wanted.flatMap(({ changes }) => changes.create),
      update: wanted.flatMap(({ changes }) => changes.update),
      delete: [...wanted.flatMap(({ changes }) => changes.delete), ...obsolete],
    },
    events: wanted.flatMap(({ events }) => events),
    nodeless: [...new Set(wanted.flatMap(({ nodeless }) => nodeless))],
    hinted: wanted.some(({ hinted }) => hinted),
  }
}

/** The families of a Service; those of a headless one from before families existed are both. */
export function addressTypes(service: Service): readonly AddressType[] {
  const families = service.spec.ipFamilies ?? []
  if (families.length > 0) return [...new Set(families)]
  if (isHeadless(service)) return ['IPv4', 'IPv6']
  return [familyOf(service.spec.clusterIP ?? '') ?? 'IPv4']
}

interface Group {
  readonly ports: readonly EndpointPort[]
  readonly desired: Map<string, Endpoint>
  readonly existing: EndpointSlice[]
}

function reconcileType(
  observed: Observed,
  addressType: AddressType,
  maxEndpoints: number,
): Desired {
  const { service } = observed
  const existing = observed.slices.filter((slice) => slice.addressType === addressType)
  const owned = existing.filter((slice) => ownedBy(slice, service))
  const { groups, nodeless } = groupByPorts(observed, addressType)
  const unwanted: EndpointSlice[] = existing.filter((slice) => !ownedBy(slice, service))
  for (const slice of owned) {
    const group = groups.get(portsKey(slice.ports))
    if (group) group.existing.push(slice)
    else unwanted.push(slice)
  }
  const packed = [...groups.values()].map((group) =>
    packGroup({
      existing: group.existing,
      desired: group.desired,
      maxEndpoints,
      fresh: newSlice(service, addressType, group.ports),
      relabel: (slice) => relabelled(slice, service),
    }),
  )
  const changes = withPlaceholder(existing, newSlice(service, addressType, []), {
    create: packed.flatMap(({ create }) => create),
    update: packed.flatMap(({ update }) => update),
    delete: [...packed.flatMap((group) => group.delete), ...unwanted],
  })
  const hints = applyHints(observed, addressType, {
    create: changes.create,
    update: changes.update,
    unchanged: unchangedOf(existing, changes),
  })
  const reused = reuseDeleted(
    { create: hints.slices.create, update: hints.slices.update, delete: changes.delete },
    (deleted) => ownedBy(deleted, service),
  )
  return { changes: reused, events: hints.events, hinted: hints.hinted, nodeless }
}

function groupByPorts(observed: Observed, addressType: AddressType) {
  const { service } = observed
  const groups = new Map<string, Group>()
  const nodeless: string[] = []
  for (const pod of observed.pods.filter(isCandidate)) {
    const ports = endpointPorts(service, pod)
    const key = portsKey(ports)
    const group = groups.get(key) ?? { ports, desired: new Map(), existing: [] }
    groups.set(key, group)
    const node = observed.findNode(pod.spec.nodeName ?? '')
    if (!node && service.spec.publishNotReadyAddresses !== true) {
      nodeless.push(pod.metadata.name)
      continue
    }
    const endpoint = endpointOf(pod, service, { node, addressType })
    if (endpoint) group.desired.set(endpointKey(endpoint), endpoint)
  }
  return { groups, nodeless }
}

/** A Service without endpoints keeps one empty slice, so that consumers see it was handled. */
function withPlaceholder(
  existing: readonly EndpointSlice[],
  placeholder: EndpointSlice,
  changes: SliceChanges,
): SliceChanges {
  if (changes.create.length > 0 || changes.delete.length < existing.length) return changes
  const [only] = changes.delete
  const isPlaceholder =
    only !== undefined &&
    changes.delete.length === 1 &&
    semanticEqual(only.metadata.ownerReferences, placeholder.metadata.ownerReferences) &&
    semanticEqual(only.metadata.labels, placeholder.metadata.labels) &&
    semanticEqual(only.endpoints, []) &&
    semanticEqual(only.ports, [])
  return isPlaceholder
    ? { ...changes, delete: [] }
    : { ...changes, create: [...changes.create, placeholder] }
}

function unchangedOf(existing: readonly EndpointSlice[], changes: SliceChanges) {
  const touched = new Set(
    [...changes.update, ...changes.delete].map(({ metadata }) => metadata.name),
  )
  return existing.filter(({ metadata }) => !touched.has(metadata.name))
}

function applyHints(observed: Observed, addressType: AddressType, slices: Hinting) {
  const event = (
    reason: HintEvent['reason'],
    text: string,
    type: HintEvent['type'] = 'Warning',
  ): HintEvent => ({ type, reason, message: `${text}, addressType: ${addressType}` })
  if (wantsAutoHints(observed.service)) {
    const result = hintByTopology(slices, observed.ratios)
    if ('disabled' in result) {
      const events = [event('TopologyAwareHintsDisabled', result.disabled)]
      return { slices: removeHints(slices), events, hinted: false }
    }
    const enabled = event(
      'TopologyAwareHintsEnabled',
      'Topology Aware Hints has been enabled',
      'Normal',
    )
    return { slices: result, events: observed.hinted ? [] : [enabled], hinted: true }
  }
  const events = observed.hinted
    ? [event('TopologyAwareHintsDisabled', 'Topology Aware Hints has been disabled')]
    : []
  const distribution = trafficDistribution(observed.service.spec.trafficDistribution)
  const hinted = distribution ? hintByDistribution(slices, distribution) : removeHints(slices)
  return { slices: hinted, events, hinted: false }
}

const ownedBy = (slice: EndpointSlice, service: Service): boolean =>
  slice.metadata.ownerReferences?.some(
    (owner) =>
      owner.uid === service.metadata.uid && owner.kind === 'Service' && owner.apiVersion === 'v1',
  ) ?? false

function newSlice(
  service: Service,
  addressType: AddressType,
  ports: readonly EndpointPort[],
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: '',
      generateName: slicePrefix(service.metadata.name),
      namespace: service.metadata.namespace,
      labels: sliceLabels(service),
      ownerReferences: [controllerRef(services, service)],
    },
    addressType,
    endpoints: [],
    ports,
  }
}

/** "<service>-", as long as a name of that prefix can be a DNS subdomain. */
export const slicePrefix = (name: string): string => (name.length < 253 ? `${name}-` : name)

/** The Service's labels, but for the three that only this controller sets. */
function sliceLabels(service: Service): Readonly<Record<string, string>> {
  return {
    ...unreserved(service.metadata.labels),
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
    [serviceNameLabel]: service.metadata.name,
    [managedByLabel]: managerName,
  }
}

// Only labels of the user make a slice change; the reserved ones alone never do.
function relabelled(slice: EndpointSlice, service: Service): EndpointSlice | undefined {
  if (semanticEqual(unreserved(slice.metadata.labels), unreserved(service.metadata.labels))) {
    return undefined
  }
  return { ...slice, metadata: { ...slice.metadata, labels: sliceLabels(service) } }
}

const unreserved = (labels: Readonly<Record<string, string>> | undefined) =>
  Object.fromEntries(Object.entries(labels ?? {}).filter(([key]) => !reservedLabels.has(key)))

/** The Pods a Service selects, in the order they are listed. */
export const selectPods = (service: Service, pods: readonly Pod[]): readonly Pod[] =>
  pods.filter((pod) => matchesPairs(service.spec.selector ?? {}, pod.metadata.labels))
