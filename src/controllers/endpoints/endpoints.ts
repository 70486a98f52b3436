// The Endpoints controller: the older, deprecated picture of a Service's Pods, still read by many.
import { isPodReady, isPodTerminating } from '../../api/core/pod-state.ts'
import { endpoints, pods, services } from '../../api/resources.gen.ts'
import type {
  EndpointAddress,
  EndpointPort,
  EndpointSubset,
  Endpoints,
  Pod,
  Service,
  ServicePort,
} from '../../api/types/core.gen.ts'
import type { Change, Changes, Controller, Outcome, Snapshot } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { keyOf } from '../../client/informer.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { familyOf } from '../../lib/ip.ts'
import { podIndexes } from '../indexes.ts'
import { remembering } from '../memory.ts'
import {
  endpointHostname,
  findTargetPort,
  isCandidate,
  isHeadless,
  isManaged,
  matchesPairs,
  servicesOfPod,
} from '../service-pods.ts'
import { type TriggerTimes, triggerTime, withTriggerTime } from '../trigger-time.ts'
import { repackSubsets, truncateSubsets } from './subsets.ts'

const managedByLabel = 'endpoints.kubernetes.io/managed-by'
const managerName = 'endpoint-controller'
const headlessLabel = 'service.kubernetes.io/headless'
const capacityAnnotation = 'endpoints.kubernetes.io/over-capacity'
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader'

export function endpointsController(options: { readonly workers: number }): Controller {
  return remembering<TriggerTimes>({
    name: 'endpoints',
    component: 'endpoint-controller',
    workers: options.workers,
    watches: [
      watching({ resource: services }),
      watching({ resource: pods, indexes: podIndexes, keys: servicesOfPod }),
      // Also finds, at the start, what is left of Services that went in the meantime.
      watching({ resource: endpoints }),
    ],
    reconcile: (key, snapshot, context) => {
      const service = snapshot.of(services).get(key)
      const current = snapshot.of(endpoints).get(key)
      if (!service) return { outcome: { changes: removeLeftover(current) }, memory: undefined }
      if (!isManaged(service)) return { outcome: { changes: [] }, memory: context.memory }
      const selected = selectPods(service, snapshot)
      const trigger = triggerTime(service, selected, context.memory)
      const wanted = desiredEndpoints(service, selected, { current, time: trigger.time })
      const outcome = isCurrent(current, wanted) ? { changes: [] } : write(service, current, wanted)
      return { outcome, memory: trigger.seen }
    },
  })
}

const selectPods = (service: Service, snapshot: Snapshot): readonly Pod[] =>
  snapshot
    .of(pods)
    .list(service.metadata.namespace)
    .filter((pod) => matchesPairs(service.spec.selector ?? {}, pod.metadata.labels))

// Old leader election kept its record in Endpoints that never had a Service.
function removeLeftover(current: Endpoints | undefined): Changes {
  if (!current || leaderAnnotation in (current.metadata.annotations ?? {})) return []
  const { namespace, name } = current.metadata
  return [{ type: 'delete', resource: endpoints, key: { namespace, name } }]
}

function desiredEndpoints(
  service: Service,
  selected: readonly Pod[],
  { current, time }: { readonly current: Endpoints | undefined; readonly time: string | undefined },
): Endpoints {
  const { subsets, truncated } = truncateSubsets(
    repackSubsets(selected.flatMap((pod) => subsetsOf(pod, service))),
  )
  const { [capacityAnnotation]: _, ...others } =
    withTriggerTime(current?.metadata.annotations, time) ?? {}
  const { [headlessLabel]: __, ...labels } = service.metadata.labels ?? {}
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...current?.metadata,
      namespace: service.metadata.namespace,
      name: service.metadata.name,
      labels: {
        ...labels,
        ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
        [managedByLabel]: managerName,
      },
      annotations: truncated ? { ...others, [capacityAnnotation]: 'truncated' } : others,
    },
    subsets,
  }
}

function subsetsOf(pod: Pod, service: Service): readonly EndpointSubset[] {
  const { publishNotReadyAddresses, ports = [] } = service.spec
  if (!isCandidate(pod) || (isPodTerminating(pod) && !publishNotReadyAddresses)) return []
  const address = addressOf(pod, service)
  if (!address) return []
  const place = publishNotReadyAddresses || isPodReady(pod) ? 'addresses' : 'notReadyAddresses'
  if (ports.length === 0) return isHeadless(service) ? [{ [place]: [address] }] : []
  return ports
    .map((port) => portOf(pod, port))
    .filter((port) => port !== undefined)
    .map((port) => ({ [place]: [address], ports: [port] }))
}

function portOf(pod: Pod, wanted: ServicePort): EndpointPort | undefined {
  const port = findTargetPort(pod, wanted)
  if (port === undefined) return undefined
  return {
    ...(wanted.name ? { name: wanted.name } : {}),
    port,
    protocol: wanted.protocol ?? 'TCP',
    ...(wanted.appProtocol === undefined ? {} : { appProtocol: wanted.appProtocol }),
  }
}

/** The Pod's address in the Service's primary family. */
function addressOf(pod: Pod, service: Service): EndpointAddress | undefined {
  const primary = isHeadless(service) ? pod.status?.podIP : service.spec.clusterIP
  const family = service.spec.ipFamilies?.[0] ?? familyOf(primary ?? '') ?? 'IPv4'
  const ip = pod.status?.podIPs?.find((candidate) => familyOf(candidate.ip) === family)?.ip
  if (ip === undefined) return undefined
  const hostname = endpointHostname(pod, service)
  const { namespace, name, uid } = pod.metadata
  return {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    // Empty for a Pod that nobody scheduled: the API refuses it, as it does upstream's.
    nodeName: pod.spec.nodeName ?? '',
    targetRef: { kind: 'Pod', namespace, name, uid },
  }
}

/** Whether a write would change anything but the trigger time. */
function isCurrent(current: Endpoints | undefined, wanted: Endpoints): boolean {
  return (
    current !== undefined &&
    semanticEqual(withoutVersions(current.subsets), wanted.subsets) &&
    semanticEqual(current.metadata.labels, wanted.metadata.labels) &&
    current.metadata.annotations?.[capacityAnnotation] ===
      wanted.metadata.annotations?.[capacityAnnotation]
  )
}

function withoutVersions(subsets: readonly EndpointSubset[] | undefined): unknown {
  const strip = (addresses: readonly EndpointAddress[] | undefined) =>
    addresses?.map((address) => ({
      ...address,
      ...(address.targetRef
        ? { targetRef: { ...address.targetRef, resourceVersion: undefined } }
        : {}),
    }))
  return subsets?.map((subset) => ({
    ...subset,
    addresses: strip(subset.addresses),
    notReadyAddresses: strip(subset.notReadyAddresses),
  }))
}

function write(service: Service, current: Endpoints | undefined, object: Endpoints): Outcome {
  const change: Change = current
    ? { type: 'update', resource: endpoints, object }
    : { type: 'create', resource: endpoints, object }
  const key = keyOf(service)
  return {
    changes: [change],
    failed: ([failure]) => [
      {
        type: 'event',
        event: {
          regarding: object,
          type: 'Warning',
          reason: current ? 'FailedToUpdateEndpoint' : 'FailedToCreateEndpoint',
          message: current
            ? `Failed to update endpoint ${key}: ${String(failure?.error)}`
            : `Failed to create endpoint for service ${key}: ${String(failure?.error)}`,
        },
      },
    ],
  }
}
