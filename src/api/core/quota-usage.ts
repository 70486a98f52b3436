// What an object costs of a ResourceQuota, and whether a quota is about it at all.
import type { KubeObject } from '../machinery/resource.ts'
import type { PersistentVolumeClaim, Pod, ResourceQuota, Service } from '../types/core.gen.ts'
import { addLists, pick, podResources, type ResourceList } from './resource-list.ts'

/** Counted under their bare name as well as under "count/NAME". */
const bareCounts: ReadonlySet<string> = new Set([
  'configmaps',
  'persistentvolumeclaims',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
])

/** `resource` as in "count/": "configmaps", "deployments.apps". */
export function usageOf(resource: string, object: KubeObject | undefined): ResourceList {
  if (object === undefined) return {}
  const count = {
    [`count/${resource}`]: '1',
    ...(bareCounts.has(resource) ? { [resource]: '1' } : {}),
  }
  if (resource === 'pods') return addLists(count, podUsage(object as Pod))
  if (resource === 'services') return addLists(count, serviceUsage(object as Service))
  if (resource === 'persistentvolumeclaims') {
    return addLists(count, claimUsage(object as PersistentVolumeClaim))
  }
  return count
}

const compute: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage'])

const isFinished = ({ status }: Pod): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed'

function podUsage(pod: Pod): ResourceList {
  if (isFinished(pod)) return {}
  const usage: Record<string, string | number> = { pods: '1' }
  for (const [name, quantity] of Object.entries(podResources(pod, 'requests'))) {
    if (compute.has(name) || name.startsWith('hugepages-')) usage[name] = quantity
    usage[`requests.${name}`] = quantity
  }
  for (const [name, quantity] of Object.entries(podResources(pod, 'limits'))) {
    if (compute.has(name)) usage[`limits.${name}`] = quantity
  }
  return usage
}

function serviceUsage({ spec }: Service): ResourceList {
  const ports = spec?.ports ?? []
  if (spec?.type === 'NodePort') return { 'services.nodeports': String(ports.length) }
  if (spec?.type !== 'LoadBalancer') return {}
  const nodePorts =
    spec.allocateLoadBalancerNodePorts === false
      ? ports.filter(({ nodePort }) => nodePort).length
      : ports.length
  return { 'services.nodeports': String(nodePorts), 'services.loadbalancers': '1' }
}

function claimUsage({ spec }: PersistentVolumeClaim): ResourceList {
  const storage = spec?.resources?.requests?.storage
  const usage: Record<string, string | number> = {}
  const scopes = [
    '',
    ...(spec?.storageClassName ? [`${spec.storageClassName}.storageclass.storage.k8s.io/`] : []),
  ]
  for (const scope of scopes) {
    if (scope !== '') usage[`${scope}persistentvolumeclaims`] = '1'
    if (storage !== undefined) usage[`${scope}requests.storage`] = storage
  }
  return usage
}

/** Names of a quota that a kind of object counts under, whether this object has them or not. */
export function isAbout(resource: string, name: string): boolean {
  if (name === `count/${resource}` || (bareCounts.has(resource) && name === resource)) return true
  if (resource === 'services') return name.startsWith('services.')
  if (resource === 'persistentvolumeclaims') {
    return name === 'requests.storage' || name.includes('.storageclass.storage.k8s.io/')
  }
  if (resource !== 'pods' || name.includes('storageclass.storage.k8s.io')) return false
  if (name === 'pods' || compute.has(name) || name.startsWith('hugepages-')) return true
  return (name.startsWith('requests.') && name !== 'requests.storage') || name.startsWith('limits.')
}

/** The resources, as in "count/", whose objects are counted under these names. */
export function countedResources(names: readonly string[]): readonly string[] {
  const counted = names.flatMap((name) => (name.startsWith('count/') ? [name.slice(6)] : []))
  const candidates = new Set(['pods', 'services', ...bareCounts, ...counted])
  return [...candidates].filter((resource) => names.some((name) => isAbout(resource, name)))
}

/** What is there of each resource, as a quota counts it: 0 for what there is none of. */
export function countUsage(
  quota: ResourceQuota,
  found: ReadonlyMap<string, readonly KubeObject[]>,
): ResourceList {
  const names = Object.keys(quota.spec?.hard ?? {})
  const used: Record<string, string | number> = {}
  for (const [resource, objects] of found) {
    const about = names.filter((name) => isAbout(resource, name))
    let sum: ResourceList = {}
    for (const object of objects) {
      if (inScope(quota, resource, object))
        sum = addLists(sum, pick(usageOf(resource, object), about))
    }
    for (const name of about) used[name] = sum[name] ?? '0'
  }
  return used
}

/** Containers that do not say what a quota counts: "must specify requests.cpu for: c1,c2". */
export function unspecified(pod: Pod, names: readonly string[]): string | undefined {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]
  const missing: string[] = []
  for (const name of [...names].sort()) {
    const which = name.startsWith('limits.') ? 'limits' : 'requests'
    const bare = name.replace(/^(requests|limits)\./, '')
    if (!compute.has(bare) || pod.spec?.resources?.[which]?.[bare] !== undefined) continue
    const without = containers.filter(({ resources }) => resources?.[which]?.[bare] === undefined)
    if (without.length > 0)
      missing.push(`${name} for: ${without.map((item) => item.name).join(',')}`)
  }
  return missing.length === 0 ? undefined : `must specify ${missing.join('; ')}`
}

/** Whether an object falls under the scopes of a quota. Scopes are about Pods alone. */
export function inScope(quota: ResourceQuota, resource: string, object: KubeObject): boolean {
  const terms = [
    ...(quota.spec?.scopes ?? []).map((scopeName) => ({
      scopeName,
      operator: 'Exists',
      values: [],
    })),
    ...(quota.spec?.scopeSelector?.matchExpressions ?? []),
  ]
  if (terms.length === 0) return true
  if (resource !== 'pods') return false
  return terms.every(({ scopeName, operator, values }) =>
    matchesScope(object as Pod, scopeName, { operator, values: values ?? [] }),
  )
}

function matchesScope(
  pod: Pod,
  scope: string,
  { operator, values }: { operator: string; values: readonly string[] },
): boolean {
  const isTerminating = (pod.spec?.activeDeadlineSeconds ?? -1) >= 0
  switch (scope) {
    case 'Terminating':
      return isTerminating
    case 'NotTerminating':
      return !isTerminating
    case 'BestEffort':
      return isBestEffort(pod)
    case 'NotBestEffort':
      return !isBestEffort(pod)
    case 'CrossNamespacePodAffinity':
      return crossesNamespaces(pod)
    case 'PriorityClass':
      return matchesClass(pod.spec?.priorityClassName ?? '', operator, values)
    default:
      return false
  }
}

function matchesClass(name: string, operator: string, values: readonly string[]): boolean {
  if (operator === 'Exists') return name !== ''
  if (operator === 'DoesNotExist') return name === ''
  return operator === 'In' ? values.includes(name) : operator === 'NotIn' && !values.includes(name)
}

const isBestEffort = ({ spec }: Pod): boolean =>
  [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []),
    { resources: spec?.resources },
  ].every(
    ({ resources }) =>
      Object.keys(resources?.requests ?? {}).length +
        Object.keys(resources?.limits ?? {}).length ===
      0,
  )

function crossesNamespaces({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {}
  return [podAffinity, podAntiAffinity].some((affinity) =>
    [
      ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
        (term) => term.podAffinityTerm,
      ),
    ].some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector),
  )
}
