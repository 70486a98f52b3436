// What authorizers, admission and tokens may see of what is stored: readers over the watch cache.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import {
  clusterrolebindings,
  clusterroles,
  persistentvolumeclaims,
  persistentvolumes,
  pods,
  rolebindings,
  roles,
} from '../api/resources.gen.ts'
import type { Reader } from './admission/request.ts'
import type { CacheListener, StorageCache } from './cache.ts'
import type { RbacSource } from './rbac/authorizer.ts'
import type { NodeSource } from './rbac/node-authorizer.ts'
import type { Served } from './served.ts'

type ServedOf = (resource: Pick<Resource, 'group' | 'plural'>) => Served

export type ReaderOf = <T extends KubeObject>(resource: Resource<T>) => Reader<T>

export function createReaders(servedOf: ServedOf): ReaderOf {
  return <T extends KubeObject>(resource: Resource<T>): Reader<T> => {
    const { cache } = servedOf(resource)
    return {
      get: (key) => cache.get(key)?.object as T | undefined,
      list: (namespace) => cache.list(namespace ?? '').map((entry) => entry.object as T),
    }
  }
}

/** Roles and bindings, parsed once for each change to any of them. */
export function rbacSource(servedOf: ServedOf): RbacSource {
  let version = 0
  const counter: CacheListener = {
    onEvent: () => {
      version++
    },
    onEnd: () => {},
  }
  const cacheOf = (resource: Resource): StorageCache => servedOf(resource).cache
  for (const one of [clusterroles, clusterrolebindings, roles, rolebindings]) {
    cacheOf(one).listen('', counter)
  }
  const readerOf = createReaders(servedOf)
  return {
    clusterRole: (name) => readerOf(clusterroles).get(name),
    role: (namespace, name) => readerOf(roles).get(`${namespace}/${name}`),
    clusterRoleBindings: () => readerOf(clusterrolebindings).list(),
    roleBindings: (namespace) => readerOf(rolebindings).list(namespace),
    version: () => version,
  }
}

export function nodeSource(servedOf: ServedOf): NodeSource {
  const readerOf = createReaders(servedOf)
  const byNode = podsByNode(servedOf(pods).cache)
  return {
    podsOnNode: (node) =>
      [...(byNode.get(node) ?? [])].flatMap((key) => readerOf(pods).get(key) ?? []),
    persistentVolumeClaim: (namespace, name) =>
      readerOf(persistentvolumeclaims).get(`${namespace}/${name}`),
    persistentVolume: (name) => readerOf(persistentvolumes).get(name),
  }
}

/** Keys of Pods by node, kept as Pods come and go. */
function podsByNode(cache: StorageCache): ReadonlyMap<string, ReadonlySet<string>> {
  const byNode = new Map<string, Set<string>>()
  const nodeOf = (object: KubeObject): string =>
    (object as { spec?: { nodeName?: string } }).spec?.nodeName ?? ''
  const add = (node: string, key: string) => {
    const keys = byNode.get(node)
    if (keys) keys.add(key)
    else if (node !== '') byNode.set(node, new Set([key]))
  }
  for (const entry of cache.list('')) add(nodeOf(entry.object), entry.key)
  cache.listen('', {
    onEvent: ({ type, entry, previous }) => {
      if (previous) byNode.get(nodeOf(previous.object))?.delete(entry.key)
      if (type === 'put') add(nodeOf(entry.object), entry.key)
    },
    onEnd: () => {},
  })
  return byNode
}
