// Discovery documents, legacy and aggregated, made from the resources that are served. Values only:
// negotiation, ETags and caching are the API server's.
import { createHash } from 'node:crypto'
import { compareText } from '../machinery/go-text.ts'
import type { Resource, Subresource } from '../machinery/resource.ts'
import { apiVersionOf } from '../machinery/resource.ts'
import { compareVersions, groupPriorityOf, versionPriorityOf } from './group-priority.ts'

type Document = Readonly<Record<string, unknown>>

export interface Group {
  readonly name: string
  /** Preferred first. */
  readonly versions: readonly GroupVersion[]
}

export interface GroupVersion {
  readonly group: string
  readonly version: string
  /** "v1" or "apps/v1". */
  readonly apiVersion: string
  /** By name. */
  readonly resources: readonly Resource[]
}

/** Map.groupBy, which Node.js 20 does not have. */
function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const members = groups.get(keyOf(item))
    if (members) members.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

/** The served resources, sorted as discovery shows them: the core group, if any, comes first. */
export function groupsOf(resources: readonly Resource[]): readonly Group[] {
  const byGroup = groupBy(resources, (resource) => resource.group)
  const groups = [...byGroup].map(([name, members]) => ({ name, versions: versionsOf(members) }))
  return groups.sort((a, b) => {
    if (a.name === '' || b.name === '') return a.name === '' ? -1 : 1
    return groupPriorityOf(b.name) - groupPriorityOf(a.name) || compareText(a.name, b.name)
  })
}

function versionsOf(resources: readonly Resource[]): readonly GroupVersion[] {
  const byVersion = groupBy(resources, (resource) => resource.version)
  const versions = [...byVersion].map(([version, members]) => ({
    group: members[0]!.group,
    version,
    apiVersion: apiVersionOf(members[0]!),
    resources: members.sort((a, b) => compareText(a.plural, b.plural)),
  }))
  return versions.sort(
    (a, b) =>
      versionPriorityOf(b.group, b.version) - versionPriorityOf(a.group, a.version) ||
      compareVersions(a.version, b.version),
  )
}

/** GET /api. `serverAddress` is host:port, as clients reach the server. */
export const apiVersionsDocument = (serverAddress: string): Document => ({
  kind: 'APIVersions',
  versions: ['v1'],
  serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
})

function groupEntry({ name, versions }: Group): Document {
  const entries = versions.map(({ apiVersion, version }) => ({ groupVersion: apiVersion, version }))
  return { name, versions: entries, preferredVersion: entries[0] }
}

/** GET /apis: all groups but the core group. */
export const apiGroupListDocument = (groups: readonly Group[]): Document => ({
  kind: 'APIGroupList',
  apiVersion: 'v1',
  groups: groups.filter((group) => group.name !== '').map(groupEntry),
})

/** GET /apis/GROUP */
export const apiGroupDocument = (group: Group): Document => ({
  kind: 'APIGroup',
  apiVersion: 'v1',
  ...groupEntry(group),
})

/** GET /api/v1, /apis/GROUP/VERSION */
export function apiResourceListDocument(groupVersion: GroupVersion): Document {
  return {
    kind: 'APIResourceList',
    // As upstream: the core group's list leaves its own version out.
    ...(groupVersion.group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: groupVersion.apiVersion,
    resources: groupVersion.resources.flatMap((resource) => [
      resourceEntry(resource),
      ...sorted(resource.subresources).map((sub) => subresourceEntry(resource, sub)),
    ]),
  }
}

const sorted = (subresources: readonly Subresource[]) =>
  [...subresources].sort((a, b) => compareText(a.name, b.name))

const unlessEmpty = <T>(key: string, list: readonly T[]): Document =>
  list.length === 0 ? {} : { [key]: list }

function resourceEntry(resource: Resource): Document {
  return {
    name: resource.plural,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: resource.verbs,
    ...unlessEmpty('shortNames', resource.shortNames),
    ...unlessEmpty('categories', resource.categories),
    ...(resource.verbs.includes('watch')
      ? { storageVersionHash: storageVersionHash(resource) }
      : {}),
  }
}

function subresourceEntry(resource: Resource, sub: Subresource): Document {
  return {
    name: `${resource.plural}/${sub.name}`,
    singularName: '',
    namespaced: resource.namespaced,
    ...(sub.group === undefined ? {} : { group: sub.group }),
    ...(sub.version === undefined ? {} : { version: sub.version }),
    kind: sub.kind,
    verbs: sub.verbs,
  }
}

/** Kinds that upstream stores in another group or version than it serves them in. */
const storedAs: Readonly<Record<string, string>> = {
  'admissionregistration.k8s.io/v1/MutatingAdmissionPolicy': 'admissionregistration.k8s.io/v1beta1',
  'admissionregistration.k8s.io/v1/MutatingAdmissionPolicyBinding':
    'admissionregistration.k8s.io/v1beta1',
  'apiextensions.k8s.io/v1/CustomResourceDefinition': 'apiextensions.k8s.io/v1beta1',
  'autoscaling/v1/HorizontalPodAutoscaler': 'autoscaling/v2',
  'events.k8s.io/v1/Event': '/v1',
}

/** The first eight bytes of the SHA-256 of the storage version's name. */
function storageVersionHash({ group, version, kind }: Resource): string {
  const served = `${group}/${version}`
  const name = `${storedAs[`${served}/${kind}`] ?? served}/${kind}`
  return createHash('sha256').update(name).digest().subarray(0, 8).toString('base64')
}

/** The aggregated form of /api (`core`) or /apis: an APIGroupDiscoveryList. */
export function aggregatedDocument(groups: readonly Group[], which: 'core' | 'named'): Document {
  const chosen = groups.filter((group) => (group.name === '') === (which === 'core'))
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: chosen.map(({ name, versions }) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map(({ version, resources }) => ({
        version,
        resources: resources.map(aggregatedResource),
        freshness: 'Current',
      })),
    })),
  }
}

function aggregatedResource(resource: Resource): Document {
  const subresources = sorted(resource.subresources).map((sub) => ({
    subresource: sub.name,
    responseKind: { group: sub.group ?? '', version: sub.version ?? '', kind: sub.kind },
    verbs: sub.verbs,
  }))
  return {
    resource: resource.plural,
    // Upstream leaves group and version empty where they are those of the list.
    responseKind: { group: '', version: '', kind: resource.kind },
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...unlessEmpty('shortNames', resource.shortNames),
    ...unlessEmpty('categories', resource.categories),
    ...unlessEmpty('subresources', subresources),
  }
}
