// What the API serves, asked of the API itself: custom resources are found like any other. Each
// resource once, in the version its group prefers.
import type { Resource } from '../api/machinery/resource.ts'
import type { APIGroup, APIResource } from '../api/types/meta.gen.ts'
import type { Client } from '../client/client.ts'

export interface Discovered {
  readonly resources: readonly Resource[]
  /** Groups and versions that did not answer, with the reason. */
  readonly failures: readonly string[]
}

/** Resources that can be deleted; all of their kind that there are. */
export const isDeletable = (resource: Resource): boolean =>
  ['delete', 'list', 'watch'].every((verb) => resource.verbs.includes(verb))

export async function discoverResources(client: Client, signal?: AbortSignal): Promise<Discovered> {
  const get = <T>(path: string) => getJson<T>(client, path, signal)
  const { groups } = await get<{ readonly groups: readonly APIGroup[] }>('/apis')
  const versions = [
    { group: '', version: 'v1', path: '/api/v1', isPreferred: true },
    ...groups.flatMap((group) =>
      (group.versions ?? []).map(({ version = '', groupVersion }) => ({
        group: group.name ?? '',
        version,
        path: `/apis/${groupVersion}`,
        isPreferred: version === group.preferredVersion?.version,
      })),
    ),
  ]
  const failures: string[] = []
  const lists = await Promise.all(
    versions.map(async (served) => {
      try {
        const { resources } = await get<{ readonly resources: readonly APIResource[] }>(served.path)
        return { ...served, resources }
      } catch (error) {
        failures.push(`${served.path}: ${error instanceof Error ? error.message : String(error)}`)
        return { ...served, resources: [] }
      }
    }),
  )
  const found = new Map<string, Resource>()
  // What only a version that is not preferred serves is wanted too.
  for (const list of [...lists].sort((a, b) => Number(b.isPreferred) - Number(a.isPreferred))) {
    for (const resource of resourcesOf(list)) {
      const key = `${resource.plural}.${resource.group}`
      if (!found.has(key)) found.set(key, resource)
    }
  }
  return { resources: [...found.values()], failures }
}

function resourcesOf(list: {
  readonly group: string
  readonly version: string
  readonly resources: readonly APIResource[]
}): readonly Resource[] {
  return list.resources
    .filter(({ name }) => !name.includes('/'))
    .map((resource) => ({
      group: list.group,
      version: list.version,
      kind: resource.kind,
      plural: resource.name,
      singular: resource.singularName ?? '',
      namespaced: resource.namespaced,
      shortNames: resource.shortNames ?? [],
      categories: resource.categories ?? [],
      verbs: resource.verbs,
      subresources: [],
      struct: '',
    }))
}

async function getJson<T>(client: Client, path: string, signal?: AbortSignal): Promise<T> {
  const response = await client.transport.request({
    method: 'GET',
    path,
    headers: { accept: 'application/json' },
    ...(signal ? { signal } : {}),
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  if (response.code !== 200) throw new Error(`cannot discover ${path}: HTTP ${response.code}`)
  return JSON.parse(Buffer.concat(chunks).toString()) as T
}
