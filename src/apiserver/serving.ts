// The table of what is served: one Served for every group, version and plural.
import { kinds } from '../api/kinds.ts'
import type { Kind } from '../api/machinery/kind.ts'
import type { Resource } from '../api/machinery/resource.ts'
import { apiVersionOf } from '../api/machinery/resource.ts'
import { allResources } from '../api/resources.gen.ts'
import type { Cache } from './cache.ts'
import type { Served } from './served.ts'
import { storagePrefix } from './stored.ts'

const keyOf = (group: string, version: string, plural: string): string =>
  `${group}/${version}/${plural}`

export interface Serving {
  find(group: string, version: string, plural: string): Served | undefined
  /** By group and plural, the version in which it is stored. Throws for what is not served. */
  stored(resource: Pick<Resource, 'group' | 'plural'>): Served
  all(): readonly Served[]
  /** Any served version of a custom resource. */
  findCustom(group: string, plural: string): Served | undefined
  /** Serves these versions of a custom resource instead of those served so far. */
  serveCustom(of: Pick<Resource, 'group' | 'plural'>, versions: readonly Served[]): void
}

export function createServing(cache: Cache): Serving {
  const byKey = new Map<string, Served>()
  const byPlural = new Map<string, Served>()
  const kindOf = new Map(
    kinds.map((kind) => {
      const { group, version, plural } = kind.resource
      return [keyOf(group, version, plural), kind]
    }),
  )
  const add = (resource: Resource): Served => {
    const { group, version, plural } = resource
    const key = keyOf(group, version, plural)
    const known = byKey.get(key)
    if (known) return known
    const kind: Kind = kindOf.get(key) ?? { resource }
    const target = kind.view ? add(kind.view.of) : undefined
    const served = {
      resource,
      kind,
      apiVersion: apiVersionOf(resource),
      cache: target?.cache ?? cache.storage(storagePrefix(resource)),
      custom: undefined,
    } as { -readonly [Key in keyof Served]: Served[Key] }
    served.stored = target ?? served
    byKey.set(key, served)
    if (!target) byPlural.set(keyOf(group, '', plural), served)
    return served
  }
  for (const resource of allResources) add(resource)
  return {
    find: (group, version, plural) => byKey.get(keyOf(group, version, plural)),
    stored: ({ group, plural }) => {
      const served = byPlural.get(keyOf(group, '', plural))
      if (!served) throw new Error(`cannot find resource "${plural}" of group "${group}"`)
      return served
    },
    all: () => [...byKey.values()],
    findCustom: (group, plural) => byPlural.get(keyOf(group, '', plural)),
    serveCustom: ({ group, plural }, versions) => {
      const standing = [...byKey].filter(([, { resource, custom }]) => {
        return custom && resource.group === group && resource.plural === plural
      })
      for (const [key] of standing) byKey.delete(key)
      byPlural.delete(keyOf(group, '', plural))
      for (const served of versions) {
        // What is built in stays what it is.
        const key = keyOf(group, served.resource.version, plural)
        if (byKey.has(key)) continue
        byKey.set(key, served)
        byPlural.set(keyOf(group, '', plural), served)
      }
    },
  }
}
