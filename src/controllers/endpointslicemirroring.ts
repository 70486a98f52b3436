// Mirrors Endpoints that people write by hand, for Services without a selector, into
// EndpointSlices, one for each (ports, family) of their subsets.
import { endpoints, endpointslices, services } from '../api/resources.gen.ts'
import type { EndpointAddress, Endpoints, Service } from '../api/types/core.gen.ts'
import type { Endpoint, EndpointPort, EndpointSlice } from '../api/types/discovery.gen.ts'
import type { Change, Changes, Controller } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { semanticEqual } from '../lib/equal.ts'
import { canonicalIp, familyOf } from '../lib/ip.ts'
import { repackSubsets } from './endpoints/subsets.ts'
import { type AddressType, endpointKey, portsKey, sameEndpoint } from './endpointslice/endpoint.ts'
import { reuseDeleted, type SliceChanges } from './endpointslice/pack.ts'
import { managedByLabel, slicePrefix } from './endpointslice/reconcile.ts'
import { serviceNameLabel, serviceOfSlice, sliceIndexes } from './indexes.ts'
import { controllerRef } from './ownership.ts'
import { triggerTimeAnnotation } from './trigger-time.ts'

const managerName = 'endpointslicemirroring-controller.k8s.io'
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror'
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader'
const notCopied = new Set([
  triggerTimeAnnotation,
  'kubectl.kubernetes.io/last-applied-configuration',
])

export function endpointSliceMirroringController(options: {
  readonly maxEndpointsPerSubset: number
  readonly workers: number
}): Controller {
  return {
    name: 'endpointslicemirroring',
    component: 'endpoint-slice-mirroring-controller',
    workers: options.workers,
    backoff: { baseMs: 1000, maxMs: 100_000 },
    watches: [
      watching({ resource: endpoints }),
      watching({ resource: services }),
      watching({ resource: endpointslices, indexes: sliceIndexes, keys: endpointsOfSlice }),
    ],
    reconcile(key, snapshot) {
      const mirrored = snapshot.of(endpoints).get(key)
      const slices = snapshot
        .of(endpointslices)
        .byIndex('service', key)
        .filter((slice) => isOurs(slice) && slice.metadata.deletionTimestamp === undefined)
      if (!mirrored || !isMirrored(mirrored, snapshot.of(services).get(key))) {
        return { changes: [slices.map(deletion)].filter((batch) => batch.length > 0) }
      }
      return { changes: mirror(mirrored, slices, options.maxEndpointsPerSubset) }
    },
  }
}

const isOurs = (slice: EndpointSlice): boolean =>
  slice.metadata.labels?.[managedByLabel] === managerName

const endpointsOfSlice = (
  slice: EndpointSlice,
  old: EndpointSlice | undefined,
): readonly string[] =>
  isOurs(slice) || (old && isOurs(old))
    ? [serviceOfSlice(slice), old && serviceOfSlice(old)].filter((key) => key !== undefined)
    : []

function isMirrored(mirrored: Endpoints, service: Service | undefined): boolean {
  return (
    service !== undefined &&
    Object.keys(service.spec.selector ?? {}).length === 0 &&
    mirrored.metadata.labels?.[skipLabel] !== 'true' &&
    !(leaderAnnotation in (mirrored.metadata.annotations ?? {}))
  )
}

const deletion = ({ metadata: { namespace, name } }: EndpointSlice): Change => ({
  type: 'delete',
  resource: endpointslices,
  key: { namespace, name },
})

interface Group {
  readonly addressType: AddressType
  readonly ports: readonly EndpointPort[]
  readonly endpoints: Endpoint[]
}

function mirror(mirrored: Endpoints, slices: readonly EndpointSlice[], max: number): Changes {
  const { groups, invalid, skipped } = groupSubsets(mirrored, max)
  const changes = {
    create: [] as EndpointSlice[],
    update: [] as EndpointSlice[],
    delete: [] as EndpointSlice[],
  }
  const left = new Set(slices)
  for (const group of groups) {
    const existing = slices.filter((slice) => groupKey(slice) === groupKey(group))
    const [first] = existing
    const wanted = sliceOf(mirrored, group)
    if (!first) {
      changes.create.push(wanted)
      continue
    }
    left.delete(first)
    if (!isCurrent(first, wanted)) changes.update.push(replaced(first, wanted))
  }
  changes.delete.push(...left)
  const reused = reuseDeleted(
    changes,
    (deleted, created) => deleted.addressType === created.addressType,
  )
  return [...writes(mirrored, reused), ...warnings(mirrored, { invalid, skipped, max })]
}

const groupKey = (of: {
  addressType: string
  ports?: readonly EndpointPort[] | undefined
}): string => `${of.addressType}|${portsKey(of.ports)}`

/** Families without an address have no group. */
function groupSubsets(mirrored: Endpoints, max: number) {
  const groups: Group[] = []
  let invalid = 0
  let skipped = 0
  for (const subset of repackSubsets(mirrored.subsets ?? [])) {
    const ports = (subset.ports ?? []).map((port) => ({
      name: port.name ?? '',
      port: port.port,
      protocol: port.protocol ?? ('TCP' as const),
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    }))
    const all = [
      ...(subset.addresses ?? []).map((address) => ({ address, ready: true })),
      ...(subset.notReadyAddresses ?? []).map((address) => ({ address, ready: false })),
    ]
    const valid = all.filter(({ address }) => familyOf(address.ip) !== undefined)
    invalid += all.length - valid.length
    skipped += Math.max(0, valid.length - max)
    for (const addressType of ['IPv4', 'IPv6'] as const) {
      const found = valid
        .slice(0, max)
        .filter(({ address }) => familyOf(address.ip) === addressType)
        .map(({ address, ready }) => endpointOf(address, ready))
      if (found.length > 0) groups.push({ addressType, ports, endpoints: found })
    }
  }
  return { groups, invalid, skipped }
}

const endpointOf = (address: EndpointAddress, ready: boolean): Endpoint => ({
  addresses: [canonicalIp(address.ip) ?? address.ip],
  conditions: { ready },
  ...(address.hostname ? { hostname: address.hostname } : {}),
  ...(address.targetRef ? { targetRef: address.targetRef } : {}),
  ...(address.nodeName ? { nodeName: address.nodeName } : {}),
})

function sliceOf(mirrored: Endpoints, group: Group): EndpointSlice {
  const { namespace, name, labels, annotations } = mirrored.metadata
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: '',
      generateName: slicePrefix(name),
      namespace,
      labels: { ...labels, [serviceNameLabel]: name, [managedByLabel]: managerName },
      annotations: Object.fromEntries(
        Object.entries(annotations ?? {}).filter(([key]) => !notCopied.has(key)),
      ),
      ownerReferences: [controllerRef(endpoints, mirrored)],
    },
    addressType: group.addressType,
    endpoints: group.endpoints,
    ports: group.ports,
  }
}

function isCurrent(slice: EndpointSlice, wanted: EndpointSlice): boolean {
  const existing = new Map(
    (slice.endpoints ?? []).map((endpoint) => [endpointKey(endpoint), endpoint]),
  )
  return (
    existing.size === slice.endpoints?.length &&
    existing.size === wanted.endpoints?.length &&
    wanted.endpoints.every((endpoint) => {
      const found = existing.get(endpointKey(endpoint))
      return found !== undefined && sameEndpoint(found, endpoint)
    }) &&
    semanticEqual(slice.metadata.labels, wanted.metadata.labels) &&
    semanticEqual(slice.metadata.annotations, wanted.metadata.annotations) &&
    semanticEqual(slice.metadata.ownerReferences, wanted.metadata.ownerReferences)
  )
}

const replaced = (slice: EndpointSlice, wanted: EndpointSlice): EndpointSlice => ({
  ...wanted,
  metadata: {
    ...slice.metadata,
    labels: wanted.metadata.labels,
    annotations: wanted.metadata.annotations,
    ownerReferences: wanted.metadata.ownerReferences,
  },
})

function writes(mirrored: Endpoints, changes: SliceChanges): Changes {
  const create = mirrored.metadata.deletionTimestamp === undefined ? changes.create : []
  return [
    create.map((object) => ({ type: 'create', resource: endpointslices, object }) as const),
    changes.update.map((object) => ({ type: 'update', resource: endpointslices, object }) as const),
    changes.delete.map(deletion),
  ].filter((batch) => batch.length > 0)
}

function warnings(
  mirrored: Endpoints,
  {
    invalid,
    skipped,
    max,
  }: { readonly invalid: number; readonly skipped: number; readonly max: number },
): Changes {
  const warning = (reason: string, message: string): Change => ({
    type: 'event',
    event: { regarding: mirrored, type: 'Warning', reason, message },
  })
  return [
    ...(invalid > 0
      ? [
          warning(
            'InvalidIPAddress',
            `Skipped ${invalid} invalid IP addresses when mirroring to EndpointSlices`,
          ),
        ]
      : []),
    ...(skipped > 0
      ? [
          warning(
            'TooManyAddressesToMirror',
            `A max of ${max} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped + invalid} addresses were skipped`,
          ),
        ]
      : []),
  ]
}
