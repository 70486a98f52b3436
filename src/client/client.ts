// The client of any Kubernetes API: the contract. transport.ts carries it over HTTP;
// the API server in the same process is reached through the same Transport.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import type { DeleteOptions } from '../api/types/meta.gen.ts'

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path and query, as sent: "/api/v1/pods?limit=500". */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal?: AbortSignal
}

export interface ApiResponse {
  readonly code: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** Chunks as they arrive; must be read to the end or returned early. */
  readonly body: AsyncIterable<Uint8Array>
}

/** Carries requests to an API server. Rejects only when no HTTP answer came. */
export interface Transport {
  request(request: ApiRequest): Promise<ApiResponse>
  close(): void
}

export interface ObjectKey {
  readonly namespace?: string | undefined
  readonly name: string
}

export interface ReadOptions {
  readonly signal?: AbortSignal
  readonly resourceVersion?: string
}

export interface ListOptions extends ReadOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly limit?: number
  readonly continue?: string
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan'
}

export interface WatchOptions extends ListOptions {
  readonly allowWatchBookmarks?: boolean
  readonly sendInitialEvents?: boolean
  readonly timeoutSeconds?: number
}

export interface WriteOptions {
  readonly signal?: AbortSignal
  readonly subresource?: string
  readonly fieldManager?: string
  readonly dryRun?: boolean
}

export interface List<T> {
  readonly items: readonly T[]
  readonly metadata: {
    readonly resourceVersion?: string
    readonly continue?: string
    readonly remainingItemCount?: number
  }
}

export type WatchEvent<T> = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: T
}
/** The Status is thrown as StatusError by watch(); this never reaches callers. */

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

export interface Patch {
  readonly type: PatchType
  readonly body: unknown
  /** Apply only. */
  readonly force?: boolean
}

/** All methods reject with StatusError for the server's own errors. Objects returned carry apiVersion and kind. */
export interface ResourceClient<T extends KubeObject> {
  get(key: ObjectKey, options?: ReadOptions & { subresource?: string }): Promise<T>
  list(options?: ListOptions): Promise<List<T>>
  /** Ends when the server ends the watch; throws StatusError for an ERROR event. */
  watch(options?: WatchOptions): AsyncIterable<WatchEvent<T>>
  /** With a subresource the key names the parent (pods/binding, serviceaccounts/token). */
  create(object: T, options?: WriteOptions): Promise<T>
  update(object: T, options?: WriteOptions): Promise<T>
  patch(key: ObjectKey, patch: Patch, options?: WriteOptions): Promise<T>
  delete(key: ObjectKey, options?: WriteOptions & { body?: DeleteOptions }): Promise<void>
  deleteCollection(options?: ListOptions & { body?: DeleteOptions }): Promise<void>
}

export interface Client {
  resource<T extends KubeObject>(resource: Resource<T>): ResourceClient<T>
  readonly transport: Transport
}
