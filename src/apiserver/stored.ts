// An object as the bytes in the store: JSON in Go's order of fields, without its resourceVersion.
// Nothing of the user's choosing but names stands before the uid (see cache-entry.ts).
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { encode } from '../api/schema/encode.ts'
import { encodeMessage } from '../api/schema/protobuf.ts'
import { plainError } from './not-found.ts'
import type { Served } from './served.ts'

export function storedBytes(served: Served, object: KubeObject): Buffer {
  const { resource, apiVersion } = served.stored
  const { resourceVersion: _, ...metadata } = object.metadata
  const typed = { ...object, kind: resource.kind, apiVersion, metadata }
  if (!served.custom) return Buffer.from(encode(resource.struct, typed, { nullLists: true }))
  return Buffer.from(customText({ ...typed, apiVersion: served.custom.storageVersion }))
}

/** etcd's limit of a request, which bounds objects wherever they run. */
const maxStoredBytes = 1.5 * 1024 * 1024

/** Measured as upstream stores it: JSON may be far longer than the protobuf of built-in kinds. */
export function refuseTooLarge({ stored, custom }: Served, bytes: Uint8Array): void {
  if (bytes.length <= maxStoredBytes) return
  if (!custom) {
    const object = JSON.parse(Buffer.from(bytes).toString())
    if (encodeMessage(stored.resource.struct, object).length <= maxStoredBytes) return
  }
  // Clients know the words, and the 500 without a reason, from etcd.
  throw plainError('etcdserver: request is too large')
}

const metadataOrder = ['name', 'generateName', 'namespace', 'uid'] as const

/** Custom resources have no struct: their fields stay in the order they came in. */
function customText(object: KubeObject): string {
  const { apiVersion, kind, metadata, ...rest } = object
  const ordered: Record<string, unknown> = {}
  for (const key of metadataOrder) if (metadata[key] !== undefined) ordered[key] = metadata[key]
  Object.assign(ordered, metadata)
  return JSON.stringify({ kind, apiVersion, metadata: ordered, ...rest })
}

/** Where upstream's layout is not "/registry/PLURAL/". */
const directories: Readonly<Record<string, string>> = {
  services: 'services/specs',
  endpoints: 'services/endpoints',
  nodes: 'minions',
  replicationcontrollers: 'controllers',
  'ingresses.networking.k8s.io': 'ingress',
}

/** Groups whose objects lie below their group; those of custom resources do, too. */
const ownDirectory = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io'])

/** "/registry/pods/", as upstream lays them out in etcd. */
export function storagePrefix(
  resource: Pick<Resource, 'group' | 'plural'> & { readonly struct?: string },
): string {
  const { group, plural } = resource
  const custom = resource.struct === ''
  if (custom || ownDirectory.has(group)) return `/registry/${group}/${plural}/`
  const named = directories[group === '' ? plural : `${plural}.${group}`]
  return `/registry/${named ?? plural}/`
}

/** "namespace/name", or "name". */
export function objectKey(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`
}
