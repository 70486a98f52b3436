// Changing an object: PUT, PATCH and writes through subresources, from what the client wants to the
// commit; and the removal that the last finalizer was holding up.
import { isNoChange } from '../api/apply/update.ts'
import type { Draft } from '../api/machinery/draft.ts'
import { invalid } from '../api/machinery/field-error.ts'
import { validateObjectMetaUpdate } from '../api/machinery/object-meta.ts'
import type { KubeObject } from '../api/machinery/resource.ts'
import {
  badRequestError,
  conflictError,
  invalidError,
  notFoundError,
  objectModified,
  type StatusError,
} from '../api/machinery/status.ts'
import { prepareUpdate, validateUpdate, warningsOf } from '../api/machinery/strategy.ts'
import type { AdmissionRequest } from './admission/request.ts'
import { CacheEntry } from './cache-entry.ts'
import type { ClaimTransaction } from './claims.ts'
import type { CreateInput } from './create.ts'
import { createObject, takeClaims } from './create.ts'
import { plainError } from './not-found.ts'
import { objectOf } from './served.ts'
import { objectKey, storedBytes } from './stored.ts'
import { asStored, writtenOut } from './tracking.ts'
import type { WriterDeps, WriteScope, Written } from './writer.ts'
import {
  admissionRequest,
  commit,
  committedEntry,
  companions,
  exclusively,
  hookContext,
  maxAttempts,
  refuseInvalid,
  runAdmission,
} from './writer.ts'

/** What a client wants to make of the object that is there. */
export interface Change {
  /**
   * The object as it should be, in the version of the request, defaulted and with its
   * managedFields; written out (tracking.ts). Called again when the object has changed meanwhile.
   */
  transform(live: KubeObject): Promise<Draft<KubeObject>> | Draft<KubeObject>
  /** Creates instead when there is nothing; undefined: 404. */
  readonly create?: ((scope: WriteScope) => Promise<CreateInput>) | undefined
  /** The server's own doing (binding, disruption budgets): no rules of the kind, no admission. */
  readonly direct?: boolean
  /** A PUT: an absent resourceVersion may be refused. */
  readonly replaces?: boolean
}

export function updateObject(
  deps: WriterDeps,
  scope: WriteScope,
  change: Change,
): Promise<Written> {
  const { served, namespace, name } = scope
  const key = objectKey(namespace, name)
  return exclusively(served.stored, key, async () => {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const entry = served.stored.cache.get(key)
      const written = entry
        ? await replace(deps, scope, { entry, change })
        : await createInstead(deps, scope, change)
      if (written) return written
    }
    throw conflictError(served.resource, name, objectModified)
  })
}

async function createInstead(
  deps: WriterDeps,
  scope: WriteScope,
  change: Change,
): Promise<Written> {
  if (!change.create) throw notFoundError(scope.served.resource, scope.name)
  return createObject(deps, scope, await change.create(scope))
}

interface Standing {
  readonly entry: CacheEntry
  readonly change: Change
}

async function replace(
  deps: WriterDeps,
  scope: WriteScope,
  { entry, change }: Standing,
): Promise<Written | undefined> {
  const claims = deps.claims.begin({ dryRun: scope.options.dryRun })
  try {
    const { served } = scope
    const live = served.custom ? objectOf(served, entry) : entry.object
    const wanted = await change.transform(objectOf(served, entry))
    checkIdentity(scope, wanted)
    checkVersion(scope, wanted, { entry, replaces: change.replaces === true })
    const { view } = served.kind
    const object = view ? writtenOut(served.stored, view.toStored(wanted as KubeObject)) : wanted
    keepSystemFields(object, live)
    const admission = change.direct
      ? undefined
      : await prepareReplacement(deps, scope, { object, live, claims })
    if (isNoChange(live, asStored(served.stored, object as KubeObject))) {
      return { entry, code: 200 }
    }
    return await store(deps, scope, { object: object as KubeObject, entry, claims, admission })
  } finally {
    claims.end()
  }
}

/** The object in the body must be the one in the URL. */
function checkIdentity(scope: WriteScope, { metadata }: Draft<KubeObject>): void {
  const { name, namespace, served } = scope
  if (metadata.name && metadata.name !== name) {
    throw badRequestError(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    )
  }
  if (!metadata.name) throw nameMissing(name)
  if (!served.resource.namespaced) return
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw badRequestError(
      'the namespace of the provided object does not match the namespace sent on the request',
    )
  }
  metadata.namespace = namespace
}

export const nameMissing = (name: string) =>
  badRequestError(
    `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
  )

function checkVersion(
  scope: WriteScope,
  { metadata }: Draft<KubeObject>,
  { entry, replaces }: { readonly entry: CacheEntry; readonly replaces: boolean },
): void {
  const { served, name } = scope
  const { uid } = entry.object.metadata
  if (replaces && metadata.uid && metadata.uid !== uid) {
    const key = served.stored.cache.prefix + entry.key
    const failed = `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${uid}`
    const cause = `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${failed}`
    throw conflictError(served.resource, name, cause)
  }
  if (!metadata.resourceVersion) {
    if (replaces && served.custom) throw versionMissing(served, name)
    if (replaces && served.kind.requiresResourceVersion) {
      const detail = 'must be specified for an update'
      refuseInvalid(served, name, [invalid('metadata.resourceVersion', '', detail)])
    }
  } else if (!/^\d+$/.test(metadata.resourceVersion)) {
    throw plainError(
      `strconv.ParseUint: parsing ${JSON.stringify(metadata.resourceVersion)}: invalid syntax`,
    )
  } else if (metadata.resourceVersion !== String(entry.revision)) {
    throw conflictError(served.resource, name, objectModified)
  }
  metadata.resourceVersion = String(entry.revision)
}

/** Found before the kind is asked, and so told of the resource. */
function versionMissing({ resource }: WriteScope['served'], name: string): StatusError {
  const error = invalid('metadata.resourceVersion', 0, 'must be specified for an update')
  return invalidError({ group: resource.group, kind: resource.plural }, name, [error])
}

/** What only the server writes stays, whatever the client sent. */
function keepSystemFields({ metadata }: Draft<KubeObject>, live: KubeObject): void {
  const old = live.metadata
  if (!metadata.uid && old.uid !== undefined) metadata.uid = old.uid
  delete metadata.selfLink
  if (old.creationTimestamp !== undefined) metadata.creationTimestamp = old.creationTimestamp
  for (const key of ['deletionTimestamp', 'deletionGracePeriodSeconds'] as const) {
    const value = old[key]
    if (value === undefined) delete metadata[key]
    else Object.assign(metadata, { [key]: value })
  }
}

interface Replacement {
  readonly object: Draft<KubeObject>
  readonly live: KubeObject
  readonly claims: ClaimTransaction
}

async function prepareReplacement(
  deps: WriterDeps,
  scope: WriteScope,
  { object, live, claims }: Replacement,
): Promise<AdmissionRequest> {
  const { served, name } = scope
  const { kind } = served.stored
  const request = admissionRequest(scope, { operation: 'UPDATE', object, old: live })
  await runAdmission('admit', request, deps.admission)
  kind.defaults?.(object)
  const context = hookContext(deps, scope)
  prepareUpdate(kind, object, live, context)
  if (scope.subresource === '')
    takeClaims(kind.claim?.(object, live, claims, context) ?? [], scope, name)
  // Upstream checks metadata in the strategy and once more around it, and reports it twice.
  const meta = validateObjectMetaUpdate(object.metadata, live.metadata)
  const errors = validateUpdate(kind, { object, old: live }, context)
  refuseInvalid(served, name, [...meta, ...meta, ...errors])
  scope.warnings.push(...warningsOf(kind, { object, old: live }, context))
  kind.canonicalize?.(object)
  await runAdmission('validate', request, deps.admission)
  return request
}

interface Ready {
  readonly object: KubeObject
  readonly entry: CacheEntry
  readonly claims: ClaimTransaction
  readonly admission: AdmissionRequest | undefined
}

async function store(
  deps: WriterDeps,
  scope: WriteScope,
  { object, entry, claims, admission }: Ready,
): Promise<Written | undefined> {
  const { served } = scope
  const { key } = entry
  const bytes = storedBytes(served, object)
  if (scope.options.dryRun) return { entry: new CacheEntry(key, bytes, entry.revision), code: 200 }
  const base = { scope, key, entry, owner: object, claims, alongside: admission?.alongside ?? [] }
  if (isReleased(served, object)) {
    const { kind } = served.stored
    takeClaims(
      kind.claim?.(undefined, entry.object, claims, hookContext(deps, scope)) ?? [],
      scope,
      scope.name,
    )
    const alsoDeletes = companions(served, object)
    const gone = await commit(deps, { ...base, bytes: undefined, alsoDeletes })
    // The answer shows the object without its last finalizer, at the version it had.
    return gone === undefined
      ? undefined
      : { entry: new CacheEntry(key, bytes, entry.revision), code: 200 }
  }
  const revision = await commit(deps, { ...base, bytes })
  if (revision === undefined) return undefined
  return { entry: committedEntry(served, key, { bytes, revision }), code: 200 }
}

/** Its deletion was asked for, and nothing holds it any more. */
function isReleased({ stored }: WriteScope['served'], object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata
  return (
    deletionTimestamp !== undefined &&
    (deletionGracePeriodSeconds ?? 0) === 0 &&
    (finalizers ?? []).length === 0 &&
    !stored.kind.heldBack?.(object)
  )
}
