// Requests for objects, verb by verb: reads from the cache, writes through create, update, patch and
// delete, watches. What is particular to a kind is in its Kind; what is not objects is elsewhere.

import type { KubeObject } from '../api/machinery/resource.ts'
import { badRequestError, notFoundError } from '../api/machinery/status.ts'
import type { BodyFormat } from '../api/schema/body.ts'
import { decodeBody, prepareFormat } from '../api/schema/body.ts'
import type { DeleteOptions } from '../api/types/meta.gen.ts'
import type { Cache } from './cache.ts'
import type { CacheEntry } from './cache-entry.ts'
import type { Answer } from './call.ts'
import { headerOf } from './call.ts'
import { createObject } from './create.ts'
import { deleteObject } from './delete.ts'
import { encodeEntry, encodeList, encodeTyped } from './encode.ts'
import type { EncodeOptions } from './encoding.ts'
import { readList, waitForRevision } from './list.ts'
import { filterOf, parseListQuery, parseResourceVersion } from './list-options.ts'
import type { Encoding, NegotiationRules } from './negotiate.ts'
import {
  bodyEncoding,
  builtinRules,
  contentTypes,
  customRules,
  isPretty,
  negotiate,
  plainJson,
  tableObjectPolicy,
  watchRules,
} from './negotiate.ts'
import { methodNotAllowed, notFoundPath } from './not-found.ts'
import { changeOfPatch, patchTypeOf } from './patch.ts'
import type { Exchange } from './pipeline.ts'
import type { Served } from './served.ts'
import { objectKey } from './stored.ts'
import { track, trackingOf, writtenOut } from './tracking.ts'
import { refuseUnknown } from './unknown-fields.ts'
import { updateObject } from './update.ts'
import type { WatchRequest } from './watch.ts'
import { expiredFrame, Watch } from './watch.ts'
import type { WriteOptions } from './write-options.ts'
import { parseDeleteOptions, parseWriteOptions } from './write-options.ts'
import type { WriterDeps, WriteScope, Written } from './writer.ts'

export interface RegistryDeps extends WriterDeps {
  readonly onFrames?: (served: Served, count: number) => void
}

/** A request for a served resource. */
export interface ObjectRequest {
  readonly exchange: Exchange
  readonly served: Served
  /** "" for cluster-scoped ones, and for all namespaces. */
  readonly namespace: string
  readonly name: string
  readonly subresource: string
}

type Handler = (deps: RegistryDeps, request: ObjectRequest) => Promise<Answer>

const handlers: Readonly<Record<string, Handler>> = {
  get: getObject,
  list: listObjects,
  watch: watchObjects,
  create: postObject,
  update: putObject,
  patch: patchObject,
  delete: removeObject,
  deletecollection: removeCollection,
}

export function handleObjects(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const { exchange, served } = request
  const { verb } = exchange.info
  const handler = handlers[verb]
  if (!handler || !served.resource.verbs.includes(verb)) throw methodNotAllowed()
  checkScope(request, verb)
  if (served.kind.deprecation !== undefined) exchange.warnings.push(served.kind.deprecation)
  return handler(deps, request)
}

/** Which paths a verb has: a namespaced object is not made or named without its namespace. */
function checkScope({ served, namespace, exchange }: ObjectRequest, verb: string): void {
  const { method } = exchange.call
  if (method === 'HEAD') throw methodNotAllowed()
  const needsName = verb === 'update' || verb === 'patch'
  if (needsName !== (exchange.info.name !== '') && (needsName || verb === 'create')) {
    throw methodNotAllowed()
  }
  const named = exchange.info.name !== '' && verb !== 'list' && verb !== 'watch'
  if (served.resource.namespaced) {
    if (namespace === '' && (verb === 'create' || verb === 'deletecollection')) {
      throw methodNotAllowed()
    }
    if (namespace === '' && named) throw notFoundPath()
  } else if (exchange.info.namespace !== '' && served.resource.kind !== 'Namespace') {
    throw notFoundPath()
  }
}

export function encodeOptions(
  deps: Pick<RegistryDeps, 'clock'>,
  { exchange, served }: Pick<ObjectRequest, 'exchange' | 'served'>,
  rules: NegotiationRules = served.custom ? customRules : builtinRules,
): EncodeOptions {
  const { call } = exchange
  const negotiated = negotiate(headerOf(call.headers, 'accept'), rules)
  const pretty = negotiated.pretty || isPretty(call.query, headerOf(call.headers, 'user-agent'))
  const media = pretty && negotiated.encoding === 'json' ? { ...negotiated, pretty } : negotiated
  const includeObject = media.as === 'table' ? tableObjectPolicy(call.query) : 'Metadata'
  return { media, includeObject, nowMs: deps.clock.now() }
}

export function entryAnswer(served: Served, written: Written, options: EncodeOptions): Answer {
  const body = encodeEntry(served, written.entry, options)
  return {
    code: written.code,
    headers: { 'content-type': options.media.contentType },
    body: [body],
  }
}

export async function findEntry(deps: RegistryDeps, request: ObjectRequest): Promise<CacheEntry> {
  const { served, namespace, name, exchange } = request
  const version = exchange.call.query.get('resourceVersion') ?? ''
  const revision = parseResourceVersion(version, 'get')
  if (revision !== undefined) await waitForRevision(deps.cache, deps.clock, revision)
  const entry = served.stored.cache.get(objectKey(namespace, name))
  if (!entry) throw notFoundError(served.resource, name)
  return entry
}

export async function getObject(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const options = encodeOptions(deps, request)
  const entry = await findEntry(deps, request)
  return entryAnswer(request.served, { entry, code: 200 }, options)
}

async function listObjects(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const { exchange, served, namespace } = request
  const options = encodeOptions(deps, request)
  const query = parseListQuery(exchange.call.query, false)
  const list = await readList(deps.cache, deps.clock, { served, namespace, query })
  const body = encodeList(served, list, options)
  return {
    code: 200,
    headers: { 'content-type': options.media.contentType },
    body,
  }
}

async function watchObjects(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const { exchange, served, namespace } = request
  const rules = served.custom ? { ...watchRules, encodings: ['json'] as const } : watchRules
  const encoding = encodeOptions(deps, request, rules)
  const query = parseListQuery(exchange.call.query, true)
  const filter = filterOf(served, query)
  const revision = parseResourceVersion(query.resourceVersion, 'watch')
  const after = await watchStart(deps.cache, request, { query, revision, deps })
  const name = legacyName(exchange)
  const named =
    name === ''
      ? filter
      : {
          ...filter,
          name,
          all: false,
          matches: (entry: CacheEntry) => entry.name === name && filter.matches(entry),
        }
  const watch: WatchRequest = { served, namespace, query, filter: named, encoding, after }
  if (after !== undefined) {
    const oldest = await deps.cache.reachBack(served.cache, after)
    if (oldest !== undefined) return expiredAnswer(watch, oldest)
  }
  return watchAnswer(deps, exchange, watch)
}

/** A watch by the old path /watch/…/NAME. */
function legacyName({ info, call }: Exchange): string {
  return call.query.get('fieldSelector') === null ? info.name : ''
}

interface WatchStart {
  readonly query: ReturnType<typeof parseListQuery>
  readonly revision: number | undefined
  readonly deps: RegistryDeps
}

/** The revision to begin after; undefined: with the state as it is. */
async function watchStart(
  cache: Cache,
  _request: ObjectRequest,
  { query, revision, deps }: WatchStart,
): Promise<number | undefined> {
  if (query.sendInitialEvents !== undefined) {
    if (revision !== undefined) await waitForRevision(cache, deps.clock, revision)
    if (query.sendInitialEvents) return undefined
    return revision === undefined || revision === 0 ? cache.revision : revision
  }
  if (revision === undefined || revision === 0) return undefined
  await waitForRevision(cache, deps.clock, revision)
  return revision
}

function watchHeaders(watch: WatchRequest): Record<string, string> {
  const { media } = watch.encoding
  const type =
    media.encoding === 'protobuf' ? `${contentTypes.protobuf};stream=watch` : media.contentType
  return { 'content-type': type }
}

function expiredAnswer(watch: WatchRequest, oldest: number): Answer {
  return { code: 200, headers: watchHeaders(watch), body: [expiredFrame(watch, oldest)] }
}

function watchAnswer(deps: RegistryDeps, exchange: Exchange, request: WatchRequest): Answer {
  return {
    code: 200,
    headers: watchHeaders(request),
    start: (sink) => {
      const watch = new Watch(request, deps, sink)
      exchange.call.onClose(() => watch.stop())
      watch.start()
    },
  }
}

export function writeScope(request: ObjectRequest, options: WriteOptions): WriteScope {
  const { served, namespace, name, subresource, exchange } = request
  const { user, warnings } = exchange
  return { served, namespace, name, subresource, user, options, warnings }
}

export function writeOptions(
  kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
  { exchange }: ObjectRequest,
  apply = false,
): WriteOptions {
  const { query, headers } = exchange.call
  return parseWriteOptions(kind, { query, userAgent: headerOf(headers, 'user-agent'), apply })
}

export function formatOf({ exchange, served }: ObjectRequest): BodyFormat {
  const accepted: Encoding[] = served.custom ? ['json', 'yaml'] : ['json', 'yaml', 'protobuf']
  return bodyEncoding(headerOf(exchange.call.headers, 'content-type'), accepted)
}

/** The body as an object of the resource; what is unknown in it is warned of or refused. */
export async function readObject(
  request: ObjectRequest,
  options: WriteOptions,
): Promise<KubeObject> {
  const { served, exchange } = request
  const format = formatOf(request)
  const body = await exchange.call.body()
  const { kind, struct } = served.resource
  const expected = {
    apiVersion: served.apiVersion,
    kind,
    struct: served.custom ? undefined : struct,
  }
  const decoded = await decodeBody(body, format, {
    expected,
    fieldValidation: options.fieldValidation,
  })
  exchange.warnings.push(...decoded.warnings)
  if (served.custom) {
    const typed = Object.assign(decoded.value, decoded.type)
    const unknown = served.custom.decode(typed)
    refuseUnknown(unknown, { served, options, warnings: exchange.warnings })
  }
  if (decoded.type.apiVersion !== served.apiVersion) {
    throw badRequestError(
      `the API version in the data (${decoded.type.apiVersion}) does not match the expected API version (${served.apiVersion})`,
    )
  }
  const object = decoded.value as unknown as KubeObject
  served.custom?.requireKind(object as never)
  return object.metadata ? object : { ...object, metadata: { name: '' } }
}

async function postObject(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const encoding = encodeOptions(deps, request)
  const options = writeOptions('CreateOptions', request)
  const object = await readObject(request, options)
  const written = await createObject(deps, writeScope(request, options), { object })
  return entryAnswer(request.served, written, encoding)
}

export async function putObject(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const { served } = request
  const encoding = encodeOptions(deps, request)
  const options = writeOptions('UpdateOptions', request)
  const object = await readObject(request, options)
  const scope = writeScope(request, options)
  const creates = served.kind.createOnUpdate === true && scope.subresource === ''
  const written = await updateObject(deps, scope, {
    transform: (live) => {
      const draft = structuredClone(object) as never
      served.kind.defaults?.(draft)
      const next = writtenOut(served, draft)
      const writer = {
        manager: options.fieldManager,
        subresource: scope.subresource,
        nowMs: deps.clock.now(),
      }
      track(live, next, trackingOf(served, writer))
      return next
    },
    replaces: true,
    create: creates
      ? async () => ({
          object: {
            ...object,
            metadata: { ...object.metadata, name: object.metadata.name || request.name },
          },
        })
      : undefined,
  })
  return entryAnswer(served, written, encoding)
}

export async function patchObject(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const { served, exchange } = request
  const type = patchTypeOf(served, headerOf(exchange.call.headers, 'content-type'))
  const encoding = encodeOptions(deps, request)
  const options = writeOptions('PatchOptions', request, type === 'apply')
  const body = await exchange.call.body()
  const scope = writeScope(request, options)
  const change = await changeOfPatch({ type, body, scope, clock: deps.clock })
  const written = await updateObject(
    deps,
    scope,
    scope.subresource === '' ? change : { transform: change.transform },
  )
  return entryAnswer(served, written, encoding)
}

async function deleteOptionsOf(request: ObjectRequest): Promise<DeleteOptions> {
  const { call } = request.exchange
  const body = await call.body()
  const format = body.length > 0 ? formatOf(request) : 'json'
  await prepareFormat(format)
  return parseDeleteOptions(body, format, call.query)
}

/** DeleteOptions say dryRun themselves. */
function deleteScope(request: ObjectRequest, options: DeleteOptions): WriteScope {
  const write: WriteOptions = {
    dryRun: (options.dryRun ?? []).length > 0,
    fieldManager: '',
    fieldValidation: 'Ignore',
    force: false,
    object: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...options },
  }
  return writeScope(request, write)
}

async function removeObject(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const encoding = encodeOptions(deps, request)
  const options = await deleteOptionsOf(request)
  const deleted = await deleteObject(deps, deleteScope(request, options), options)
  if ('entry' in deleted) return entryAnswer(request.served, deleted, encoding)
  const media = encoding.media.as === 'none' ? encoding.media : plainJson
  const body = encodeTyped(deleted.status, media)
  return {
    code: deleted.code,
    headers: { 'content-type': media.contentType },
    body: [body],
  }
}

/** So many objects of a collection go at a time. */
const deleteWorkers = 8

async function removeCollection(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const { exchange, served, namespace } = request
  const encoding = encodeOptions(deps, request)
  const query = parseListQuery(exchange.call.query, false)
  const options = await deleteOptionsOf(request)
  const list = await readList(deps.cache, deps.clock, { served, namespace, query })
  const queue = [...list.entries]
  const worker = async () => {
    for (let entry = queue.shift(); entry; entry = queue.shift()) {
      const one = { ...request, namespace: entry.namespace, name: entry.name }
      await deleteObject(deps, deleteScope(one, options), options).catch(ignoreNotFound)
    }
  }
  await Promise.all(Array.from({ length: deleteWorkers }, worker))
  const body = encodeList(served, list, encoding)
  return {
    code: 200,
    headers: { 'content-type': encoding.media.contentType },
    body,
  }
}

function ignoreNotFound(error: unknown): void {
  if ((error as { reason?: string }).reason !== 'NotFound') throw error
}
