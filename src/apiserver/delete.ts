// Deleting: at once, or after a grace period, or when the last finalizer is gone; and collections.
import type { Draft } from '../api/machinery/draft.ts'
import type { KubeObject } from '../api/machinery/resource.ts'
import {
  conflictError,
  notFoundError,
  objectModified,
  statusError,
} from '../api/machinery/status.ts'
import type { DeleteOptions, Status } from '../api/types/meta.gen.ts'
import { formatTime } from '../lib/clock.ts'
import { CacheEntry } from './cache-entry.ts'
import { takeClaims } from './create.ts'
import { objectKey, storedBytes } from './stored.ts'
import { writtenOut } from './tracking.ts'
import type { WriterDeps, WriteScope } from './writer.ts'
import {
  admissionRequest,
  commit,
  committedEntry,
  companions,
  exclusively,
  hookContext,
  maxAttempts,
  runAdmission,
} from './writer.ts'

export type Deleted =
  /** The object as it is now, or as it went. */
  | { readonly entry: CacheEntry; readonly gone: boolean; readonly code: number }
  | { readonly status: Status; readonly code: number }

export function deleteObject(
  deps: WriterDeps,
  scope: WriteScope,
  options: DeleteOptions,
): Promise<Deleted> {
  const { served, namespace, name } = scope
  const key = objectKey(namespace, name)
  return exclusively(served.stored, key, async () => {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const entry = served.stored.cache.get(key)
      if (!entry) throw notFoundError(served.resource, name)
      const deleted = await deleteEntry(deps, scope, { entry, options })
      if (deleted) return deleted
    }
    throw conflictError(served.resource, name, objectModified)
  })
}

interface Target {
  readonly entry: CacheEntry
  readonly options: DeleteOptions
}

async function deleteEntry(
  deps: WriterDeps,
  scope: WriteScope,
  target: Target,
): Promise<Deleted | undefined> {
  const { entry, options } = target
  checkPreconditions(scope, entry, options)
  const live = entry.object
  const object = { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...options }
  const request = admissionRequest(scope, {
    operation: 'DELETE',
    object: undefined,
    old: live,
    options: object,
  })
  await runAdmission('admit', request, deps.admission)
  await runAdmission('validate', request, deps.admission)
  const marking = markingOf(deps, scope, target)
  if (marking === 'unchanged') {
    return { entry, gone: false, code: 200 }
  }
  if (marking === undefined) return remove(deps, scope, target)
  const marked = await mark(deps, scope, { entry, object: marking.object })
  if (!marked) return undefined
  if (!marking.thenRemove) return { entry: marked, gone: false, code: codeWhileThere(options) }
  // Two steps, as upstream: watchers see that it is going before it is gone.
  if (scope.options.dryRun) return { entry: marked, gone: true, code: 200 }
  return remove(deps, scope, { entry: marked, options })
}

/** Upstream says Accepted only to those who asked, the old way, for dependents to go first. */
const codeWhileThere = (options: DeleteOptions): number =>
  options.orphanDependents === false ? 202 : 200

function checkPreconditions(scope: WriteScope, entry: CacheEntry, options: DeleteOptions): void {
  const { preconditions } = options
  if (!preconditions) return
  const { served, name } = scope
  const { uid } = entry.object.metadata
  const { group, kind } = served.resource
  const refuse = (cause: string) => {
    // Upstream names the kind here where everything else names the resource.
    throw statusError(
      'Conflict',
      `Operation cannot be fulfilled on ${group === '' ? kind : `${kind}.${group}`} "${name}": ${cause}`,
      { name, ...(group === '' ? {} : { group }), kind },
    )
  }
  if (preconditions.uid !== undefined && preconditions.uid !== uid) {
    refuse(
      `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    )
  }
  const revision = preconditions.resourceVersion
  if (revision !== undefined && revision !== String(entry.revision)) {
    refuse(
      `the ResourceVersion in the precondition (${revision}) does not match the ResourceVersion in record (${entry.revision}). The object might have been modified`,
    )
  }
}

interface Marking {
  readonly object: Draft<KubeObject>
  readonly thenRemove: boolean
}

/** What a delete writes into the object first; undefined: it goes at once. */
function markingOf(
  deps: WriterDeps,
  scope: WriteScope,
  { entry, options }: Target,
): Marking | 'unchanged' | undefined {
  const { kind } = scope.served.stored
  const live = entry.object
  const finalizers = finalizersAfter(live, options)
  const changedFinalizers = !sameSet(finalizers, live.metadata.finalizers ?? [])
  const held = finalizers.length > 0 || kind.heldBack?.(live) === true
  const grace = kind.graceSeconds?.(live, options.gracePeriodSeconds ?? undefined)
  if (!held && grace === undefined) return undefined
  const asked = Math.max(grace ?? 0, 0)
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = live.metadata
  const pending = deletionTimestamp !== undefined
  if (pending) {
    const shorter = grace !== undefined && asked < deletionGracePeriodSeconds
    if (!held && deletionGracePeriodSeconds === 0) return undefined
    if (!shorter && !changedFinalizers) return 'unchanged'
  }
  const object = writtenOut(scope.served.stored, live)
  const { metadata } = object
  if (finalizers.length > 0) metadata.finalizers = finalizers
  else delete metadata.finalizers
  const seconds = pending ? Math.min(asked, deletionGracePeriodSeconds) : asked
  metadata.deletionTimestamp = deletionTime(deps, live, seconds)
  // A kind with a deletion of its own (Namespace) has no grace to speak of.
  if (!kind.startDeletion) metadata.deletionGracePeriodSeconds = seconds
  const counted = metadata.generation !== undefined && metadata.generation > 0
  if (!pending && counted && !kind.startDeletion && metadata.generation !== undefined) {
    metadata.generation += 1
  }
  if (!pending) kind.startDeletion?.(object, hookContext(deps, scope))
  return { object, thenRemove: !held && seconds === 0 }
}

/** A shorter grace counts from when the deletion was asked for. */
function deletionTime(deps: WriterDeps, live: KubeObject, seconds: number): string {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = live.metadata
  if (deletionTimestamp === undefined) return formatTime(deps.clock.now() + seconds * 1000)
  const askedAt = Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1000
  return formatTime(askedAt + seconds * 1000)
}

const orphan = 'orphan'
const foreground = 'foregroundDeletion'

/** The policy asked for decides over both finalizers; without one those that stand do. */
function finalizersAfter(live: KubeObject, options: DeleteOptions): string[] {
  const standing = live.metadata.finalizers ?? []
  const { propagationPolicy: policy, orphanDependents } = options
  const decided = policy !== undefined || orphanDependents !== undefined
  const orphans = decided
    ? policy === 'Orphan' || orphanDependents === true
    : standing.includes(orphan)
  const waits = decided ? policy === 'Foreground' : standing.includes(foreground)
  const others = standing.filter((finalizer) => finalizer !== orphan && finalizer !== foreground)
  return [...others, ...(orphans ? [orphan] : []), ...(waits ? [foreground] : [])]
}

const sameSet = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((item) => other.includes(item))

async function mark(
  deps: WriterDeps,
  scope: WriteScope,
  { entry, object }: { readonly entry: CacheEntry; readonly object: Draft<KubeObject> },
): Promise<CacheEntry | undefined> {
  const { key } = entry
  const bytes = storedBytes(scope.served, object as KubeObject)
  if (scope.options.dryRun) return new CacheEntry(key, bytes, entry.revision)
  const owner = object as KubeObject
  const revision = await commit(deps, { scope, key, entry, bytes, owner })
  if (revision === undefined) return undefined
  return committedEntry(scope.served, key, { bytes, revision })
}

async function remove(
  deps: WriterDeps,
  scope: WriteScope,
  { entry }: Target,
): Promise<Deleted | undefined> {
  const { served } = scope
  const { kind } = served.stored
  const live = entry.object
  if (scope.options.dryRun) return goneAnswer(scope, entry)
  const claims = deps.claims.begin({ dryRun: false })
  try {
    takeClaims(
      kind.claim?.(undefined, live, claims, hookContext(deps, scope)) ?? [],
      scope,
      scope.name,
    )
    const revision = await commit(deps, {
      scope,
      key: entry.key,
      entry,
      bytes: undefined,
      owner: live,
      claims,
      alsoDeletes: companions(served, live),
    })
    return revision === undefined ? undefined : goneAnswer(scope, entry.at(revision))
  } finally {
    claims.end()
  }
}

function goneAnswer(scope: WriteScope, entry: CacheEntry): Deleted {
  const { served } = scope
  if (served.kind.deleteReturnsObject) return { entry, gone: true, code: 200 }
  const { group, plural } = served.resource
  const { name, uid } = entry.object.metadata
  const details = {
    name,
    ...(group === '' ? {} : { group }),
    kind: plural,
    ...(uid ? { uid } : {}),
  }
  const head = { kind: 'Status', apiVersion: 'v1', metadata: {} }
  return { status: { ...head, status: 'Success', details }, code: 200 }
}
