// Creating an object: everything between a decoded body and the commit.

import type { Draft } from '../api/machinery/draft.ts'
import { draftOf } from '../api/machinery/draft.ts'
import { validateObjectMeta } from '../api/machinery/object-meta.ts'
import type { KubeObject } from '../api/machinery/resource.ts'
import {
  alreadyExistsError,
  badRequestError,
  internalServerError,
  StatusError,
} from '../api/machinery/status.ts'
import { prepareCreate, validateCreate, warningsOf } from '../api/machinery/strategy.ts'
import { formatTime } from '../lib/clock.ts'
import { nameSuffix, uuid } from '../lib/random.ts'
import type { AdmissionRequest } from './admission/request.ts'
import { CacheEntry } from './cache-entry.ts'
import type { ClaimTransaction } from './claims.ts'
import { plainError } from './not-found.ts'
import { objectKey, storedBytes } from './stored.ts'
import { track, trackingOf, writtenOut } from './tracking.ts'
import type { CommitInput, WriterDeps, WriteScope, Written } from './writer.ts'
import {
  admissionRequest,
  commit,
  committedEntry,
  hookContext,
  invalidObject,
  maxAttempts,
  refuseInvalid,
  runAdmission,
} from './writer.ts'

/** So much of generateName is kept before the suffix. */
const maxGeneratedBase = 58
const generateAttempts = 8

export interface CreateInput {
  /** Decoded, defaults not applied. Not changed. */
  readonly object: KubeObject
  /** managedFields stand already (server-side apply). */
  readonly tracked?: boolean
}

export async function createObject(
  deps: WriterDeps,
  scope: WriteScope,
  input: CreateInput,
): Promise<Written> {
  let names = 0
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const claims = deps.claims.begin({ dryRun: scope.options.dryRun })
    try {
      const prepared = await prepareNew(deps, scope, { ...input, claims })
      const { object, key } = prepared
      const standing = scope.served.stored.cache.get(key)
      if (standing === undefined) {
        const written = await store(deps, scope, prepared)
        if (written) return written
      }
      const existing = standing ?? scope.served.stored.cache.get(key)
      if (existing) {
        const generated = !input.object.metadata.name && object.metadata.generateName
        if (!generated || ++names >= generateAttempts) throw existsError(scope, object, existing)
      }
    } finally {
      claims.end()
    }
  }
  throw internalServerError('the object could not be stored: its claims kept changing')
}

function existsError(scope: WriteScope, object: KubeObject, existing: CacheEntry): StatusError {
  const error = alreadyExistsError(scope.served.resource, object.metadata.name)
  if (existing.object.metadata.deletionTimestamp === undefined) return error
  const message = `object is being deleted: ${error.message}`
  return new StatusError({ ...error.status, message })
}

interface Prepared {
  readonly object: KubeObject
  readonly key: string
  readonly claims: ClaimTransaction
  readonly admission: AdmissionRequest
}

async function prepareNew(
  deps: WriterDeps,
  scope: WriteScope,
  input: CreateInput & { readonly claims: ClaimTransaction },
): Promise<Prepared> {
  const { served, options } = scope
  const stored = served.stored
  const object = newDraft(deps, scope, input)
  const request = admissionRequest(
    { ...scope, name: object.metadata.name },
    { operation: 'CREATE', object, old: undefined },
  )
  await runAdmission('admit', request, deps.admission)
  stored.kind.defaults?.(object)
  const context = hookContext(deps, scope)
  prepareCreate(stored.kind, object, context)
  const { name } = object.metadata
  takeClaims(stored.kind.claim?.(object, undefined, input.claims, context) ?? [], scope, name)
  refuseInvalid(served, name, [
    ...validateCreate(stored.kind, object, context),
    ...validateObjectMeta(object.metadata, {
      namespaced: stored.resource.namespaced,
      validateName: stored.kind.validateName,
    }),
  ])
  scope.warnings.push(...warningsOf(stored.kind, { object }, context))
  stored.kind.canonicalize?.(object)
  await runAdmission('validate', request, deps.admission)
  if (input.object.metadata.resourceVersion && !options.dryRun) throw resourceVersionSet()
  const key = objectKey(object.metadata.namespace ?? '', name)
  return { object, key, claims: input.claims, admission: request }
}

/** As it will be stored, but for what admission, preparation and claims add. */
function newDraft(deps: WriterDeps, scope: WriteScope, input: CreateInput): Draft<KubeObject> {
  const { served, options } = scope
  const raw = draftOf(input.object) as Draft<KubeObject>
  raw.metadata ??= {} as Draft<KubeObject>['metadata']
  fillNamespace(raw, scope)
  wipeSystemFields(raw)
  served.kind.defaults?.(raw)
  const own = writtenOut(served, raw as KubeObject)
  if (!input.tracked) {
    const writer = {
      manager: options.fieldManager,
      subresource: scope.subresource,
      nowMs: deps.clock.now(),
    }
    track(undefined, own, trackingOf(served, writer))
  }
  const { view } = served.kind
  const object = view ? writtenOut(served.stored, view.toStored(own as KubeObject)) : own
  fillSystemFields(deps, object)
  return object
}

function fillNamespace(object: Draft<KubeObject>, scope: WriteScope): void {
  const { metadata } = object
  if (!scope.served.resource.namespaced) return
  if (metadata.namespace && metadata.namespace !== scope.namespace) {
    throw badRequestError(
      'the namespace of the provided object does not match the namespace sent on the request',
    )
  }
  metadata.namespace = scope.namespace
}

/** What a client says of these is nobody's, and not kept. */
function wipeSystemFields({ metadata }: Draft<KubeObject>): void {
  delete metadata.uid
  delete metadata.creationTimestamp
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  delete metadata.selfLink
}

function fillSystemFields(deps: WriterDeps, object: Draft<KubeObject>): void {
  const { metadata } = object
  metadata.uid = uuid(deps.random)
  metadata.creationTimestamp = formatTime(deps.clock.now())
  delete metadata.generation
  delete metadata.resourceVersion
  if (!metadata.name && metadata.generateName) {
    const base = metadata.generateName.slice(0, maxGeneratedBase)
    metadata.name = base + nameSuffix(deps.random)
  }
}

const resourceVersionSet = () =>
  plainError('resourceVersion should not be set on objects to be created')

type ClaimOutcome = ReturnType<NonNullable<WriteScope['served']['kind']['claim']>>

/** Throws for claims that cannot be had: the client's mistake is 422, a full range 500. */
export function takeClaims(outcome: ClaimOutcome, scope: WriteScope, name: string): void {
  if ('serverError' in outcome) throw internalServerError(outcome.serverError)
  if (outcome.length > 0) throw invalidObject(scope.served, name, outcome)
}

async function store(
  deps: WriterDeps,
  scope: WriteScope,
  { object, key, claims, admission }: Prepared,
): Promise<Written | undefined> {
  const bytes = storedBytes(scope.served, object)
  if (scope.options.dryRun) return { entry: new CacheEntry(key, bytes, 0), code: 201 }
  const input: CommitInput = {
    scope,
    key,
    entry: undefined,
    bytes,
    owner: object,
    claims,
    alongside: admission.alongside,
  }
  const revision = await commit(deps, input)
  if (revision === undefined) return undefined
  return { entry: committedEntry(scope.served, key, { bytes, revision }), code: 201 }
}
