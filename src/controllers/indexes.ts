// The indexes over shared resources. All controllers ask for the same ones, so that one informer
// of each resource serves them all.

import type { KubeObject } from '../api/machinery/resource.ts'
import type { Pod } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import { controllerOf } from './ownership.ts'

/** Objects by the uid of their controller; those without one by "orphan/<namespace>". */
export const byOwner = (object: KubeObject): readonly string[] => [
  controllerOf(object)?.uid ?? orphansIn(object.metadata.namespace),
]

export const orphansIn = (namespace: string | undefined): string => `orphan/${namespace ?? ''}`

export const ownerIndexes = { owner: byOwner }

export const podIndexes = {
  owner: byOwner as (pod: Pod) => readonly string[],
  node: (pod: Pod): readonly string[] => (pod.spec.nodeName ? [pod.spec.nodeName] : []),
}

export const serviceNameLabel = 'kubernetes.io/service-name'

/** The Service a slice is for, as "namespace/name". */
export function serviceOfSlice(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[serviceNameLabel]
  return name ? `${slice.metadata.namespace}/${name}` : undefined
}

export const sliceIndexes = {
  service: (slice: EndpointSlice): readonly string[] => {
    const key = serviceOfSlice(slice)
    return key === undefined ? [] : [key]
  },
}
