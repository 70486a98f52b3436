// A local copy of what the API holds of one resource, kept by list and watch.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'

/** What a core reads: the same whether it comes from a watch or from a test's table. */
export interface Lister<T extends KubeObject> {
  /** By "namespace/name", or "name" for cluster-scoped kinds. */
  get(key: string): T | undefined
  list(namespace?: string): readonly T[]
  /** Objects whose index function gave this value. Unknown index names throw. */
  byIndex(index: string, value: string): readonly T[]
}

export interface InformerEvent<T> {
  readonly type: 'added' | 'updated' | 'deleted'
  readonly object: T
  /** The object before; present for "updated". */
  readonly old?: T
}

export interface Informer<T extends KubeObject> extends Lister<T> {
  readonly resource: Resource<T>
  /** True once the first list is complete. */
  readonly synced: boolean
  whenSynced(): Promise<void>
  /** Called synchronously after the copy changed; objects already there come first as "added". */
  subscribe(onEvent: (event: InformerEvent<T>) => void): () => void
  /** Resolves when the copy has seen this resourceVersion of the resource, or later. */
  whenSeen(resourceVersion: string): Promise<void>
}

export interface InformerOptions<T extends KubeObject> {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Index name -> values of an object. */
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>
  /** Applied before an object is kept, to drop what is not needed. Must keep name, namespace, uid, resourceVersion. */
  readonly transform?: (object: T) => T
}

/** Shares one informer among all who ask for the same resource with the same options. */
export interface InformerFactory {
  informer<T extends KubeObject>(resource: Resource<T>, options?: InformerOptions<T>): Informer<T>
  /** Starts those not yet started; controllers call it after asking for what they need. */
  start(): void
  stop(): void
}

/** "namespace/name", or "name". */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata
  return namespace ? `${namespace}/${name}` : name
}
