// The EndpointSlice controller: keeps the slices of every Service that has a selector.
import { endpointslices, nodes, pods, services } from '../../api/resources.gen.ts'
import type { Node, Service } from '../../api/types/core.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery.gen.ts'
import type { Change, Controller, Outcome, Snapshot } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { keyOf } from '../../client/informer.ts'
import { podIndexes, serviceOfSlice, sliceIndexes } from '../indexes.ts'
import { type Remembering, remembering } from '../memory.ts'
import { isManaged, servicesOfPod } from '../service-pods.ts'
import { type TriggerTimes, triggerTime, withTriggerTime } from '../trigger-time.ts'
import type { SliceChanges } from './pack.ts'
import {
  type Desired,
  managedByLabel,
  managerName,
  reconcileSlices,
  selectPods,
} from './reconcile.ts'
import { isOverloaded, topologyChanged, wantsAutoHints, zoneRatios } from './topology.ts'

interface Memory {
  readonly triggers: TriggerTimes
  /** Whether hints by topology were given. */
  readonly hinted: boolean
}

export function endpointSliceController(options: {
  readonly maxEndpointsPerSlice: number
  readonly workers: number
}): Controller {
  return remembering<Memory>({
    name: 'endpointslice',
    component: 'endpoint-slice-controller',
    workers: options.workers,
    backoff: { baseMs: 1000, maxMs: 1_000_000 },
    watches: [
      watching({ resource: services }),
      watching({ resource: pods, indexes: podIndexes, keys: servicesOfPod }),
      watching({ resource: endpointslices, indexes: sliceIndexes, keys: servicesOfSliceEvent }),
      watching({ resource: nodes, keys: servicesOfNode }),
    ],
    reconcile: (key, snapshot, context) => {
      const service = snapshot.of(services).get(key)
      if (!service) return { outcome: { changes: [] }, memory: undefined }
      if (!isManaged(service)) return { outcome: { changes: [] }, memory: context.memory }
      return run(service, snapshot, { ...options, memory: context.memory })
    },
  })
}

function run(
  service: Service,
  snapshot: Snapshot,
  options: { readonly maxEndpointsPerSlice: number; readonly memory: Memory | undefined },
): Remembering<Memory> {
  const selected = selectPods(service, snapshot.of(pods).list(service.metadata.namespace))
  const trigger = triggerTime(service, selected, options.memory?.triggers)
  const desired = reconcileSlices(
    {
      service,
      pods: selected,
      findNode: (name) => snapshot.of(nodes).get(name),
      slices: managedSlices(keyOf(service), snapshot),
      ratios: wantsAutoHints(service) ? zoneRatios(snapshot.of(nodes).list()) : undefined,
      hinted: options.memory?.hinted ?? false,
    },
    { maxEndpoints: options.maxEndpointsPerSlice },
  )
  return {
    outcome: outcomeOf(service, desired, trigger.time),
    memory: { triggers: trigger.seen, hinted: desired.hinted },
  }
}

const isOurs = (slice: EndpointSlice): boolean =>
  slice.metadata.labels?.[managedByLabel] === managerName

const managedSlices = (key: string, snapshot: Snapshot): readonly EndpointSlice[] =>
  snapshot
    .of(endpointslices)
    .byIndex('service', key)
    .filter((slice) => isOurs(slice) && slice.metadata.deletionTimestamp === undefined)

function outcomeOf(service: Service, desired: Desired, time: string | undefined): Outcome {
  const [first] = desired.nodeless
  const cause =
    first === undefined
      ? undefined
      : `${desired.nodeless.length} pods are left out as their node is not found, "${first}" among them`
  return {
    changes: [
      ...writes(desired.changes, time),
      ...desired.events.map(
        (event) => ({ type: 'event', event: { ...event, regarding: service } }) as const,
      ),
      ...(cause === undefined ? [] : [failureEvent(service, cause)]),
    ],
    failed: (failures) => [failureEvent(service, String(failures[0]?.error))],
    ...(cause === undefined ? {} : { retry: cause }),
  }
}

/** Creates, then updates, then deletes; what is of one sort goes out at once. */
function writes(changes: SliceChanges, time: string | undefined): readonly (readonly Change[])[] {
  const stamped = (slice: EndpointSlice): EndpointSlice => ({
    ...slice,
    metadata: { ...slice.metadata, annotations: withTriggerTime(slice.metadata.annotations, time) },
  })
  return [
    changes.create.map(
      (slice) => ({ type: 'create', resource: endpointslices, object: stamped(slice) }) as const,
    ),
    changes.update.map(
      (slice) => ({ type: 'update', resource: endpointslices, object: stamped(slice) }) as const,
    ),
    changes.delete.map(
      ({ metadata: { namespace, name } }) =>
        ({ type: 'delete', resource: endpointslices, key: { namespace, name } }) as const,
    ),
  ].filter((batch) => batch.length > 0)
}

const failureEvent = (service: Service, cause: string): Change => ({
  type: 'event',
  event: {
    regarding: service,
    type: 'Warning',
    reason: 'FailedToUpdateEndpointSlices',
    message: `Error updating Endpoint Slices for Service ${keyOf(service)}: ${cause}`,
  },
})

// Slices of others do not matter, unless one has just been given away or taken over.
function servicesOfSliceEvent(
  slice: EndpointSlice,
  old: EndpointSlice | undefined,
): readonly string[] {
  const keys = [slice, old ?? slice].filter(isOurs).map(serviceOfSlice)
  if (keys.length === 1) keys.push(serviceOfSlice(slice), serviceOfSlice(old ?? slice))
  return [...new Set(keys.filter((key) => key !== undefined))]
}

/** Services with hints by topology that a changed set of Nodes leaves with too few endpoints. */
function servicesOfNode(node: Node, old: Node | undefined, snapshot: Snapshot): readonly string[] {
  if (old && !topologyChanged(old, node)) return []
  const auto = snapshot.of(services).list().filter(wantsAutoHints)
  if (auto.length === 0) return []
  const ratios = zoneRatios(snapshot.of(nodes).list())
  return auto.map(keyOf).filter((key) => isOverloaded(managedSlices(key, snapshot), ratios))
}
