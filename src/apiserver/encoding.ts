// How an answer is to be encoded, and the shape of an object of which only metadata is wanted.
import type { KubeObject } from '../api/machinery/resource.ts'
import type { Media } from './negotiate.ts'

export type TablePolicy = 'None' | 'Metadata' | 'Object'

export interface EncodeOptions {
  readonly media: Media
  readonly includeObject: TablePolicy
  readonly nowMs: number
}

export function partialOf(object: KubeObject, media: Media): KubeObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${media.metaVersion}`,
    metadata: object.metadata,
  }
}
