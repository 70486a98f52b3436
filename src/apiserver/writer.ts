// How every write reaches the store: one at a time for an object, with its claims, quota and
// companions in one commit, and again from the start when somebody else was faster.

import type { Draft } from '../api/machinery/draft.ts'
import type { FieldError } from '../api/machinery/field-error.ts'
import type { ClusterFacts, HookContext } from '../api/machinery/kind.ts'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { invalidError, StatusError } from '../api/machinery/status.ts'
import type { Clock } from '../lib/clock.ts'
import { formatTime } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { uuid } from '../lib/random.ts'
import type { Expectation, Store, Write } from '../store/store.ts'
import { admit, validate } from './admission/admission.ts'
import type { AdmissionContext, AdmissionRequest, AlongsideWrite } from './admission/request.ts'
import type { Cache } from './cache.ts'
import { CacheEntry } from './cache-entry.ts'
import type { ClaimBook, ClaimTransaction } from './claims.ts'
import type { User } from './rbac/attributes.ts'
import type { Served } from './served.ts'
import { objectKey, refuseTooLarge, storagePrefix, storedBytes } from './stored.ts'
import { track, trackingOf, writtenOut } from './tracking.ts'
import type { WriteOptions } from './write-options.ts'

export interface WriterDeps {
  readonly store: Store
  readonly cache: Cache
  readonly claims: ClaimBook
  readonly clock: Clock
  readonly random: Random
  readonly facts: ClusterFacts
  readonly admission: AdmissionContext
  /** The resource as it is stored. */
  servedOf(resource: Pick<Resource, 'group' | 'plural'>): Served
}

export interface WriteScope {
  readonly served: Served
  readonly namespace: string
  readonly name: string
  /** "" for the object itself. */
  readonly subresource: string
  readonly user: User
  readonly options: WriteOptions
  readonly warnings: string[]
}

export interface Written {
  readonly entry: CacheEntry
  readonly code: number
}

/** The server's name where it owns fields itself. */
export const ownManager = 'kube-apiserver'

/** Attempts before a write that keeps losing races gives up. */
export const maxAttempts = 30

export function hookContext(deps: WriterDeps, scope: WriteScope): HookContext {
  const { clock, random, facts } = deps
  const { name, uid, groups, extra } = scope.user
  return {
    clock,
    random,
    facts,
    subresource: scope.subresource,
    dryRun: scope.options.dryRun,
    requestVersion: scope.served.apiVersion,
    user: { username: name, uid, groups, extra },
  }
}

const locks = new WeakMap<object, Map<string, Promise<unknown>>>()

/** Runs one writer of a key after the other, in the order they came. */
export async function exclusively<Result>(
  served: Served,
  key: string,
  run: () => Promise<Result>,
): Promise<Result> {
  let held = locks.get(served.cache)
  if (!held) locks.set(served.cache, (held = new Map()))
  const before = held.get(key)
  const mine = before ? before.then(run, run) : run()
  const settled = mine.catch(() => {})
  held.set(key, settled)
  try {
    return await mine
  } finally {
    if (held.get(key) === settled) held.delete(key)
  }
}

interface AdmissionInput {
  readonly operation: AdmissionRequest['operation']
  readonly object: Draft<KubeObject> | undefined
  readonly old: KubeObject | undefined
  readonly options?: Readonly<Record<string, unknown>>
}

export function admissionRequest(scope: WriteScope, input: AdmissionInput): AdmissionRequest {
  const { served, namespace, name, subresource, user, options, warnings } = scope
  const own = served.resource.kind === 'Namespace' && served.resource.group === ''
  return {
    operation: input.operation,
    resource: served.resource,
    subresource,
    namespace: own ? name : namespace,
    name,
    object: input.object,
    old: input.old,
    user,
    options: input.options ?? options.object,
    dryRun: options.dryRun,
    warnings,
    auditAnnotations: {},
    alongside: [],
  }
}

/** Throws what the first plugin that objects says. */
export async function runAdmission(
  hook: 'admit' | 'validate',
  request: AdmissionRequest,
  context: AdmissionContext,
): Promise<void> {
  const pending = hook === 'admit' ? admit(request, context) : validate(request, context)
  const refusal = pending instanceof Promise ? await pending : pending
  if (refusal) throw refusal
}

/** 422, unless a claim failed for want of room: then it is the server's fault. */
export function refuseInvalid(served: Served, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalidObject(served, name, errors)
}

/** Every error is a cause, but the message says each thing once. */
export function invalidObject(
  served: Served,
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const { group, kind } = served.resource
  name ??= ''
  const all = invalidError({ group, kind }, name, errors)
  const seen = new Set<string>()
  const once = errors.filter(({ field, message }) => {
    const text = `${field}: ${message}`
    return seen.has(text) ? false : seen.add(text)
  })
  if (once.length === errors.length) return all
  const { message = '' } = invalidError({ group, kind }, name, once).status
  return new StatusError({ ...all.status, message })
}

export interface CommitInput {
  readonly scope: WriteScope
  readonly key: string
  /** What it replaces; undefined: nothing. */
  readonly entry: CacheEntry | undefined
  /** The new bytes; undefined: it goes. */
  readonly bytes: Uint8Array | undefined
  /** Whose claims they are. */
  readonly owner: KubeObject
  readonly claims?: ClaimTransaction
  readonly alongside?: readonly AlongsideWrite[]
  /** Full keys that go along. */
  readonly alsoDeletes?: readonly string[]
}

/** The revision, or undefined when something in it had changed: then try again. */
export async function commit(deps: WriterDeps, input: CommitInput): Promise<number | undefined> {
  const { scope, entry, claims } = input
  const { cache } = scope.served.stored
  if (input.bytes) refuseTooLarge(scope.served, input.bytes)
  const key = cache.prefix + input.key
  const own: Write = input.bytes
    ? { type: 'put', key, value: input.bytes }
    : { type: 'delete', key }
  const expectations: Expectation[] = [
    { key, modRevision: entry?.revision ?? 0 },
    ...(claims?.expectations() ?? []),
  ]
  const writes: Write[] = [own]
  if (claims && !claims.empty) {
    writes.push(
      ...claims.writes(input.owner, (address) => ipAddressBytes(deps, input.owner, address)),
    )
  }
  for (const other of input.alsoDeletes ?? []) writes.push({ type: 'delete', key: other })
  for (const { resource, resourceVersion, object } of input.alongside ?? []) {
    const served = deps.servedOf(resource)
    const { namespace = '', name } = object.metadata
    const otherKey = served.cache.prefix + objectKey(namespace, name)
    expectations.push({ key: otherKey, modRevision: Number(resourceVersion) })
    writes.push({ type: 'put', key: otherKey, value: companionBytes(deps, served, object) })
  }
  const result = await deps.store.commit(expectations, writes)
  if (result.ok) {
    await deps.cache.reach(result.revision)
    return result.revision
  }
  // The next attempt must see what was in the way.
  await deps.cache.reach(result.found?.modRevision ?? 0)
  return undefined
}

/** What admission writes beside the object (quota usage) is a status of the server's own making. */
function companionBytes(deps: WriterDeps, served: Served, object: KubeObject): Uint8Array {
  const { namespace = '', name } = object.metadata
  const live = served.cache.get(objectKey(namespace, name))?.object
  const next = writtenOut(served, object)
  const writer = { manager: ownManager, subresource: 'status', nowMs: deps.clock.now() }
  if (live) track(live, next, trackingOf(served, writer))
  return storedBytes(served, next as KubeObject)
}

/** The entry of a commit: from the cache, unless somebody has changed it again since. */
export function committedEntry(
  served: Served,
  key: string,
  written: { readonly bytes: Uint8Array; readonly revision: number },
): CacheEntry {
  const cached = served.stored.cache.get(key)
  if (cached?.revision === written.revision) return cached
  return new CacheEntry(key, written.bytes, written.revision)
}

export function ipAddressBytes(deps: WriterDeps, owner: KubeObject, address: string): Uint8Array {
  const family = address.includes(':') ? 'IPv6' : 'IPv4'
  const { name, namespace = '' } = owner.metadata
  const object = {
    metadata: {
      name: address,
      uid: uuid(deps.random),
      creationTimestamp: formatTime(deps.clock.now()),
      labels: {
        'ipaddress.kubernetes.io/ip-family': family,
        'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
      },
    },
    spec: { parentRef: { group: '', resource: 'services', namespace, name } },
  }
  const served = deps.servedOf({ group: 'networking.k8s.io', plural: 'ipaddresses' })
  const next = writtenOut(served, object as KubeObject)
  track(
    undefined,
    next,
    trackingOf(served, { manager: ownManager, subresource: '', nowMs: deps.clock.now() }),
  )
  return storedBytes(served, next as KubeObject)
}

/** Keys of the objects that go with one. */
export function companions(served: Served, object: KubeObject): string[] {
  return (served.stored.kind.alsoDeletes?.(object) ?? []).map(({ resource, namespace, name }) => {
    return storagePrefix(resource) + objectKey(namespace, name)
  })
}
