// Who owns what: the one controller reference an object may have, and who matches without one.

import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { apiVersionOf } from '../api/machinery/resource.ts'
import type { OwnerReference } from '../api/types/meta.gen.ts'

export const controllerOf = (object: KubeObject): OwnerReference | undefined =>
  object.metadata.ownerReferences?.find((owner) => owner.controller === true)

export const isControlledBy = (object: KubeObject, owner: KubeObject): boolean =>
  owner.metadata.uid !== undefined && controllerOf(object)?.uid === owner.metadata.uid

export function controllerRef(
  resource: Pick<Resource, 'group' | 'version' | 'kind'>,
  owner: KubeObject,
): OwnerReference {
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  }
}

/** The keys of the owners an event touches: the controller now, and the one before an update. */
export function ownerKeys(
  resource: Pick<Resource, 'group' | 'kind'>,
  object: KubeObject,
  old?: KubeObject,
): readonly string[] {
  const names = new Set<string>()
  for (const item of old ? [object, old] : [object]) {
    const owner = controllerOf(item)
    if (owner?.kind === resource.kind && groupOf(owner.apiVersion) === resource.group) {
      names.add(`${object.metadata.namespace}/${owner.name}`)
    }
  }
  return [...names]
}

const groupOf = (apiVersion: string): string =>
  apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
