// What a cluster has from its first moment: namespaces, roles, priorities, the Service CIDRs, the
// Service "kubernetes" with its endpoints. Made, or mended, at every start.
import { apply } from '../api/apply/apply.ts'
import { groupPriorityOf, versionPriorityOf } from '../api/documents/group-priority.ts'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import {
  apiservices,
  clusterrolebindings,
  clusterroles,
  configmaps,
  flowschemas,
  namespaces,
  priorityclasses,
  prioritylevelconfigurations,
  rolebindings,
  roles,
  servicecidrs,
} from '../api/resources.gen.ts'
import { formatTime } from '../lib/clock.ts'
import { uuid } from '../lib/random.ts'
import type { Write } from '../store/store.ts'
import type { ApiserverConfig } from './config.ts'
import { bootstrap, mendBinding, mendRole, systemNamespaces } from './rbac/bootstrap.ts'
import type { Served } from './served.ts'
import { objectKey, storedBytes } from './stored.ts'
import { track, trackingOf, writtenOut } from './tracking.ts'
import type { WriterDeps } from './writer.ts'
import { ownManager } from './writer.ts'

export interface BootstrapInput {
  readonly config: ApiserverConfig
  readonly deps: WriterDeps
  readonly served: readonly Served[]
}

type Wanted = { readonly resource: Resource; readonly object: KubeObject }

/** One commit for everything that is missing; none when nothing is. */
export async function writeBootstrapObjects(input: BootstrapInput): Promise<void> {
  const { deps } = input
  const writes: Write[] = []
  for (const { resource, object } of wantedObjects(input)) {
    const served = deps.servedOf(resource)
    const key = objectKey(object.metadata.namespace ?? '', object.metadata.name)
    const standing = served.cache.get(key)
    const next = standing
      ? mended(resource, standing.object, object)
      : created(deps, served, object)
    if (!next) continue
    writes.push({ type: 'put', key: served.cache.prefix + key, value: storedBytes(served, next) })
  }
  if (writes.length === 0) return
  const result = await deps.store.commit([], writes)
  if (result.ok) await deps.cache.reach(result.revision)
}

function created(deps: WriterDeps, served: Served, object: KubeObject): KubeObject {
  const draft = structuredClone(object) as Parameters<NonNullable<Served['kind']['defaults']>>[0]
  draft.metadata.uid = uuid(deps.random)
  draft.metadata.creationTimestamp = formatTime(deps.clock.now())
  if (served.kind.generation) draft.metadata.generation = 1
  served.kind.defaults?.(draft)
  const next = writtenOut(served, draft as KubeObject)
  const writer = { manager: ownManager, subresource: '', nowMs: deps.clock.now() }
  track(undefined, next, trackingOf(served, writer))
  return served.resource.plural === servicecidrs.plural
    ? withReadyCondition(deps, served, next as KubeObject)
    : (next as KubeObject)
}

/** What people changed stays; what the server needs and lacks comes back. */
function mended(
  resource: Resource,
  stored: KubeObject,
  wanted: KubeObject,
): KubeObject | undefined {
  if (resource === clusterroles || resource === roles) {
    return mendRole(stored as never, wanted as never) as KubeObject | undefined
  }
  if (resource !== clusterrolebindings && resource !== rolebindings) return undefined
  const mend = mendBinding(stored as never, wanted as never) as
    | { readonly binding: KubeObject }
    | undefined
  return mend?.binding
}

function* wantedObjects({ config, deps, served }: BootstrapInput): Generator<Wanted> {
  const now = formatTime(deps.clock.now())
  for (const name of systemNamespaces) {
    const labels = { 'kubernetes.io/metadata.name': name }
    const object = {
      metadata: { name, labels },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    }
    yield { resource: namespaces, object: object as KubeObject }
  }
  yield { resource: servicecidrs, object: serviceCidr(config) }
  const given = bootstrap()
  const lists = [
    [clusterroles, given.clusterroles],
    [clusterrolebindings, given.clusterrolebindings],
    [roles, given.roles],
    [rolebindings, given.rolebindings],
    [priorityclasses, given.priorityclasses],
    [prioritylevelconfigurations, given.prioritylevelconfigurations],
    [flowschemas, given.flowschemas],
  ] as const
  for (const [resource, objects] of lists) {
    for (const object of objects) yield { resource: resource as Resource, object }
  }
  yield* apiServices(served, now)
  yield { resource: configmaps, object: authenticationConfig(config) }
}

/** Says that the CIDRs may be used, as the controller that upstream runs beside the server does. */
function withReadyCondition(deps: WriterDeps, served: Served, object: KubeObject): KubeObject {
  const nowMs = deps.clock.now()
  const condition = {
    type: 'Ready',
    status: 'True',
    lastTransitionTime: formatTime(nowMs),
    reason: '',
    message: 'Kubernetes default Service CIDR is ready',
  }
  const applied = {
    apiVersion: served.apiVersion,
    kind: served.resource.kind,
    metadata: { name: object.metadata.name },
    status: { conditions: [condition] },
  }
  const manager = 'kubernetes-service-cidr-controller'
  const tracking = trackingOf(served, { manager, subresource: 'status', nowMs })
  const outcome = apply(object, applied, { force: true, tracking })
  if (!outcome.ok) throw outcome.error
  return outcome.object as unknown as KubeObject
}

function serviceCidr(config: ApiserverConfig): KubeObject {
  const object = {
    metadata: { name: 'kubernetes' },
    spec: { cidrs: config.serviceClusterIPRange },
  }
  return object as KubeObject
}

/** One for each group and version that this server serves itself. */
function* apiServices(served: readonly Served[], now: string): Generator<Wanted> {
  const seen = new Set<string>()
  for (const { resource } of served) {
    const { group, version } = resource
    const name = `${version}.${group}`
    // The group of APIServices itself has none.
    if (seen.has(name) || group === apiservices.group) continue
    seen.add(name)
    const condition = {
      type: 'Available',
      status: 'True',
      lastTransitionTime: now,
      reason: 'Local',
      message: 'Local APIServices are always available',
    }
    const object = {
      metadata: { name, labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } },
      spec: {
        ...(group === '' ? {} : { group }),
        version,
        groupPriorityMinimum: groupPriorityOf(group),
        versionPriority: versionPriorityOf(group, version),
      },
      status: { conditions: [condition] },
    }
    yield { resource: apiservices, object: object as KubeObject }
  }
}

/** How extension API servers learn whose front-proxy headers to believe. */
function authenticationConfig(config: ApiserverConfig): KubeObject {
  const { clientCA, requestheaderClientCA } = config
  const data: Record<string, string> = {}
  if (clientCA !== undefined) data['client-ca-file'] = clientCA
  if (requestheaderClientCA !== undefined) {
    const allowed = config.requestheaderAllowedNames ?? []
    data['requestheader-client-ca-file'] = requestheaderClientCA
    data['requestheader-allowed-names'] = JSON.stringify(allowed)
    data['requestheader-extra-headers-prefix'] = '["X-Remote-Extra-"]'
    data['requestheader-group-headers'] = '["X-Remote-Group"]'
    data['requestheader-username-headers'] = '["X-Remote-User"]'
  }
  const metadata = { name: 'extension-apiserver-authentication', namespace: 'kube-system' }
  return { metadata, data } as KubeObject
}
