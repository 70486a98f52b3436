// Manifests as people write them, put into a cluster as `kubectl apply --server-side` does.
import { parseAllDocuments } from 'yaml'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { apiVersionOf } from '../api/machinery/resource.ts'
import { allResources } from '../api/resources.gen.ts'
import type { Client } from '../client/client.ts'

/** The objects of a YAML text, those of Lists one by one. Throws for text that is not YAML. */
export function parseManifest(text: string): KubeObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors
    if (error) throw new Error(`cannot read manifest: ${error.message}`)
    const object = document.toJS() as (KubeObject & { items?: KubeObject[] }) | null
    if (object === null) return []
    return object.kind?.endsWith('List') && object.items ? object.items : [object]
  })
}

/** How an object is addressed; `namespace` is where it goes unless it says so itself. */
export function resourceOf(object: Pick<KubeObject, 'apiVersion' | 'kind'>): Resource {
  const found = allResources.find(
    (resource) => resource.kind === object.kind && apiVersionOf(resource) === object.apiVersion,
  )
  if (!found)
    throw new Error(`no resource for kind "${object.kind}" in version "${object.apiVersion}"`)
  return found
}

export async function applyObjects(
  client: Client,
  objects: readonly KubeObject[],
  options: { readonly namespace: string; readonly fieldManager: string },
): Promise<KubeObject[]> {
  const applied: KubeObject[] = []
  for (const object of objects) {
    const resource = resourceOf(object)
    const namespace = resource.namespaced
      ? (object.metadata.namespace ?? options.namespace)
      : undefined
    const body = { ...object, metadata: { ...object.metadata, ...(namespace && { namespace }) } }
    const key = { namespace, name: object.metadata.name }
    const patch = { type: 'apply' as const, body, force: true }
    applied.push(
      await client.resource(resource).patch(key, patch, { fieldManager: options.fieldManager }),
    )
  }
  return applied
}
