// Client and ResourceClient over any Transport: paths, bodies, watch lines, errors as StatusError.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { apiVersionOf } from '../api/machinery/resource.ts'
import { StatusError } from '../api/machinery/status.ts'
import type { Status } from '../api/types/meta.gen.ts'
import type {
  ApiRequest,
  ApiResponse,
  Client,
  List,
  ListOptions,
  ObjectKey,
  PatchType,
  ResourceClient,
  Transport,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts'

export function createClient(transport: Transport): Client {
  return { transport, resource: (resource) => resourceClient(transport, resource) }
}

const patchContentTypes: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}

function resourceClient<T extends KubeObject>(
  transport: Transport,
  resource: Resource<T>,
): ResourceClient<T> {
  const apiVersion = apiVersionOf(resource)
  /** Bodies and items of lists: the server wants to see what it is, and leaves it out itself. */
  const typed = (object: T): T => ({ apiVersion, kind: resource.kind, ...object })
  const path = (key: Partial<ObjectKey>, subresource?: string) =>
    resourcePath(resource, key, subresource)
  return { ...reads(transport, path, typed), ...writes(transport, path, typed) }
}

type PathOf = (key: Partial<ObjectKey>, subresource?: string) => string
type Typed<T> = (object: T) => T
type Reads<T extends KubeObject> = Pick<ResourceClient<T>, 'get' | 'list' | 'watch'>

function reads<T extends KubeObject>(
  transport: Transport,
  path: PathOf,
  typed: Typed<T>,
): Reads<T> {
  return {
    get: (key, options = {}) =>
      call(transport, {
        method: 'GET',
        path: path(key, options.subresource) + query({ resourceVersion: options.resourceVersion }),
        signal: options.signal,
      }),

    async list(options = {}) {
      const list = await call<List<T>>(transport, {
        method: 'GET',
        path: path({ namespace: options.namespace }) + query(listQuery(options)),
        signal: options.signal,
      })
      return { metadata: list.metadata, items: (list.items ?? []).map(typed) }
    },

    watch: (options = {}) => watch<T>(transport, path({ namespace: options.namespace }), options),
  }
}

function writes<T extends KubeObject>(
  transport: Transport,
  path: PathOf,
  typed: Typed<T>,
): Omit<ResourceClient<T>, keyof Reads<T>> {
  return {
    create: (object, options = {}) => {
      const { namespace, name } = object.metadata
      const { subresource, signal } = options
      const target = subresource ? path({ namespace, name }, subresource) : path({ namespace })
      const body = subresource ? object : typed(object)
      return call(transport, {
        method: 'POST',
        path: target + query(writeQuery(options)),
        body,
        signal,
      })
    },

    update: (object, options = {}) =>
      call(transport, {
        method: 'PUT',
        path: path(object.metadata, options.subresource) + query(writeQuery(options)),
        body: typed(object),
        signal: options.signal,
      }),

    patch: (key, patch, options = {}) => {
      const parameters = { ...writeQuery(options), ...(patch.force ? { force: 'true' } : {}) }
      return call(transport, {
        method: 'PATCH',
        path: path(key, options.subresource) + query(parameters),
        body: patch.body,
        contentType: patchContentTypes[patch.type],
        signal: options.signal,
      })
    },

    async delete(key, options = {}) {
      const target = path(key) + query(writeQuery(options))
      const { body, signal } = options
      await call(transport, { method: 'DELETE', path: target, body, signal })
    },

    async deleteCollection(options = {}) {
      const target = path({ namespace: options.namespace }) + query(listQuery(options))
      const { body, signal } = options
      await call(transport, { method: 'DELETE', path: target, body, signal })
    },
  }
}

interface JsonRequest {
  readonly method: ApiRequest['method']
  readonly path: string
  readonly body?: unknown
  readonly contentType?: string
  readonly signal?: AbortSignal | undefined
}

async function call<Result>(transport: Transport, request: JsonRequest): Promise<Result> {
  const { method, path, body, contentType = 'application/json', signal } = request
  const response = await transport.request({
    method,
    path,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': contentType }),
    },
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    ...(signal ? { signal } : {}),
  })
  return (await readJson(response)) as Result
}

/** "/apis/apps/v1/namespaces/default/deployments/web/status" */
export function resourcePath(
  resource: Pick<Resource, 'group' | 'version' | 'plural' | 'namespaced'>,
  key: Partial<ObjectKey>,
  subresource?: string,
): string {
  const parts = [resource.group === '' ? '/api' : `/apis/${resource.group}`, resource.version]
  if (resource.namespaced && key.namespace)
    parts.push('namespaces', encodeURIComponent(key.namespace))
  parts.push(resource.plural)
  if (key.name) parts.push(encodeURIComponent(key.name))
  if (subresource) parts.push(subresource)
  return parts.join('/')
}

type Parameters = Readonly<Record<string, string | number | boolean | undefined>>

function query(parameters: Parameters): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) search.set(name, String(value))
  }
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}

const writeQuery = (options: WriteOptions): Parameters => ({
  fieldManager: options.fieldManager,
  dryRun: options.dryRun ? 'All' : undefined,
})

const listQuery = (options: ListOptions): Parameters => ({
  labelSelector: options.labelSelector,
  fieldSelector: options.fieldSelector,
  limit: options.limit,
  continue: options.continue,
  resourceVersion: options.resourceVersion,
  resourceVersionMatch: options.resourceVersionMatch,
})

async function* watch<T extends KubeObject>(
  transport: Transport,
  path: string,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const parameters = {
    ...listQuery(options),
    watch: true,
    allowWatchBookmarks: options.allowWatchBookmarks,
    sendInitialEvents: options.sendInitialEvents,
    timeoutSeconds: options.timeoutSeconds,
  }
  const response = await transport.request({
    method: 'GET',
    path: path + query(parameters),
    headers: { accept: 'application/json' },
    ...(options.signal ? { signal: options.signal } : {}),
  })
  if (response.code !== 200) throw await failure(response)
  for await (const line of lines(response.body)) {
    const event = JSON.parse(line) as { type: string; object: unknown }
    if (event.type === 'ERROR') throw new StatusError(event.object as Status)
    yield event as WatchEvent<T>
  }
}

const newline = 0x0a

/** Splits a stream of chunks at newlines; a rest without one is dropped, as a cut-off event is. */
async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let pending: Buffer[] = []
  for await (const part of body) {
    let chunk = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline)) {
      const line = Buffer.concat([...pending, chunk.subarray(0, end)]).toString('utf8')
      pending = []
      chunk = chunk.subarray(end + 1)
      if (line !== '') yield line
    }
    if (chunk.length > 0) pending.push(chunk)
  }
}

async function readAll(response: ApiResponse): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function readJson(response: ApiResponse): Promise<unknown> {
  if (response.code < 200 || response.code > 299) throw await failure(response)
  return JSON.parse((await readAll(response)).toString('utf8'))
}

/** The server's Status as an error; a made-up one where the answer is none (a proxy's, say). */
async function failure(response: ApiResponse): Promise<StatusError> {
  const text = (await readAll(response)).toString('utf8')
  try {
    const status = JSON.parse(text) as Status
    if (status.kind === 'Status') return new StatusError(status)
  } catch {
    // Not JSON: told below.
  }
  const reason = response.code >= 500 ? 'InternalError' : 'BadRequest'
  const message = `the server answered ${response.code} without a Status: ${text.slice(0, 200)}`
  return new StatusError({ metadata: {}, status: 'Failure', reason, message, code: response.code })
}
