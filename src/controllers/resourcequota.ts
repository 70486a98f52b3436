// The ResourceQuota controller: counts anew what a quota is about. Admission counts up with every
// object it lets in; down, and after a change of the quota, is this controller's part.
import { countedResources, countUsage, usageOf } from '../api/core/quota-usage.ts'
import type { ResourceList } from '../api/core/resource-list.ts'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { qualifiedResource } from '../api/machinery/resource.ts'
import { isReason } from '../api/machinery/status.ts'
import {
  allResources,
  configmaps,
  cronjobs,
  daemonsets,
  deployments,
  jobs,
  persistentvolumeclaims,
  pods,
  replicasets,
  replicationcontrollers,
  resourcequotas,
  secrets,
  services,
  statefulsets,
} from '../api/resources.gen.ts'
import type { ResourceQuota } from '../api/types/core.gen.ts'
import type { Change, Controller, Live, Snapshot } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { keyOf } from '../client/informer.ts'
import { semanticEqual } from '../lib/equal.ts'
import type { Discovered } from './discovery.ts'

export interface ResourceQuotaOptions {
  readonly discover: (live: Live) => Promise<Discovered>
  readonly workers: number
  /** How often to count when nothing that is watched has happened: other kinds can be counted too. */
  readonly resyncMs: number
}

/** Those whose deletion is seen at once. */
const watched = [
  configmaps,
  cronjobs,
  daemonsets,
  deployments,
  jobs,
  persistentvolumeclaims,
  pods,
  replicasets,
  replicationcontrollers,
  secrets,
  services,
  statefulsets,
] as readonly unknown[] as readonly Resource[]

/** What observe() found: counted after this state of the quota was read. */
interface Counted {
  readonly quota: ResourceQuota
  readonly used: ResourceList
}

export function resourceQuotaController(options: ResourceQuotaOptions): Controller {
  return {
    name: 'resourcequota',
    component: 'resourcequota-controller',
    workers: options.workers,
    watches: [
      watching({ resource: resourcequotas }),
      ...watched.map((resource) =>
        watching({
          resource,
          keys: (object, old, snapshot) =>
            costsLess(resource, { object, old, snapshot }) ? quotasBeside(object, snapshot) : [],
        }),
      ),
    ],
    // Live, and after the quota was read: admission writes the quota in the commit that adds an
    // object, so what is made after that makes our update a conflict instead of a wrong count.
    async observe(key, snapshot, live): Promise<Counted | undefined> {
      const quota = snapshot.of(resourcequotas).get(key)
      if (!quota || quota.metadata.deletionTimestamp) return undefined
      return { quota, used: countUsage(quota, await listCounted(quota, options, live)) }
    },
    reconcile(_key, _snapshot, { observed }) {
      if (!observed) return { changes: [] }
      return { changes: statusChange(observed as Counted), requeueAfterMs: options.resyncMs }
    },
  }
}

/** Whether an event frees anything; what an object adds, admission has counted. */
function costsLess(
  resource: Resource,
  event: { readonly object: KubeObject; readonly old: KubeObject | undefined; snapshot: Snapshot },
): boolean {
  const { object, old, snapshot } = event
  const name = qualifiedResource(resource)
  if (old) return !semanticEqual(usageOf(name, old), usageOf(name, object))
  return snapshot.of(resource).get(keyOf(object)) === undefined
}

const quotasBeside = ({ metadata }: KubeObject, snapshot: Snapshot): readonly string[] =>
  snapshot.of(resourcequotas).list(metadata.namespace).map(keyOf)

async function listCounted(
  quota: ResourceQuota,
  { discover }: ResourceQuotaOptions,
  live: Live,
): Promise<ReadonlyMap<string, readonly KubeObject[]>> {
  const found = new Map<string, readonly KubeObject[]>()
  for (const name of countedResources(Object.keys(quota.spec?.hard ?? {}))) {
    const named = (resource: Resource) => qualifiedResource(resource) === name
    const resource = allResources.find(named) ?? (await discover(live)).resources.find(named)
    const items = resource && (await listIn(quota.metadata.namespace, resource, live))
    if (items) found.set(name, items)
  }
  return found
}

/** Undefined for a kind that is no longer served. */
async function listIn(
  namespace: string | undefined,
  resource: Resource,
  { client, signal }: Live,
): Promise<readonly KubeObject[] | undefined> {
  try {
    return (await client.resource(resource).list({ namespace, signal })).items
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined
    throw error
  }
}

function statusChange({ quota, used }: Counted): readonly Change[] {
  const status = { hard: quota.spec?.hard ?? {}, used }
  if (semanticEqual(quota.status, status)) return []
  const object = { ...quota, status } as ResourceQuota
  return [{ type: 'update', resource: resourcequotas, subresource: 'status', object }]
}
