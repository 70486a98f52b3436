// The scale subresource: an object seen as autoscaling/v1 Scale, and written through it.
import { apply } from '../../api/apply/apply.ts'
import type { JsonObject } from '../../api/apply/atom.ts'
import { emptySet } from '../../api/apply/field-set.ts'
import type { Entries } from '../../api/apply/managed-fields.ts'
import type { Tracking } from '../../api/apply/ownership.ts'
import { managedFieldsOfParent, managedFieldsOfScale } from '../../api/apply/scale.ts'
import { atomOfStruct, emptyOfStruct } from '../../api/apply/table-atoms.ts'
import { trackUpdate } from '../../api/apply/update.ts'
import type { Draft } from '../../api/machinery/draft.ts'
import type { KubeObject } from '../../api/machinery/resource.ts'
import { badRequestError, invalidError, statusError } from '../../api/machinery/status.ts'
import { nonNegative } from '../../api/machinery/validation.ts'
import { applyJsonPatch } from '../../api/patch/json-patch.ts'
import { applyMergePatch } from '../../api/patch/merge-patch.ts'
import { applyStrategicPatch } from '../../api/patch/strategic.ts'
import { decodeValue } from '../../api/schema/decode.ts'
import { parseJson } from '../../api/schema/json-text.ts'
import { loadYaml, parseYaml } from '../../api/schema/yaml-text.ts'
import type { Scale } from '../../api/types/autoscaling.gen.ts'
import type { Answer } from '../call.ts'
import { headerOf } from '../call.ts'
import { methodNotAllowed } from '../not-found.ts'
import type { PatchType } from '../patch.ts'
import { patchTypeOf } from '../patch.ts'
import type { ObjectRequest, RegistryDeps } from '../registry.ts'
import { findEntry, writeOptions, writeScope } from '../registry.ts'
import type { SpecialHandler } from '../router.ts'
import type { Served } from '../served.ts'
import { objectOf } from '../served.ts'
import { writtenOut } from '../tracking.ts'
import { updateObject } from '../update.ts'
import type { WriteOptions } from '../write-options.ts'
import { kindAnswer, readKind } from './body.ts'

const type = { apiVersion: 'autoscaling/v1', kind: 'Scale' } as const
const struct = 'autoscaling.v1.Scale'
const replicasOf = ({ kind }: Served) => kind.scale?.replicasPath ?? ['f:spec', 'f:replicas']

export function scaleHandler(deps: RegistryDeps): SpecialHandler {
  return async (request) => {
    switch (request.exchange.info.verb) {
      case 'get': {
        const entry = await findEntry(deps, request)
        return scaleAnswer(request, objectOf(request.served, entry))
      }
      case 'update':
        return putScale(deps, request)
      case 'patch':
        return patchScale(deps, request)
      default:
        throw methodNotAllowed()
    }
  }
}

function scaleAnswer(request: ObjectRequest, parent: KubeObject): Answer {
  const scale = scaleOf(request.served, parent)
  // Owners are only worked with, never shown.
  const { managedFields: _, ...metadata } = scale.metadata
  return kindAnswer(request, 200, { ...scale, metadata } as Scale)
}

function scaleOf(served: Served, parent: KubeObject): Scale {
  const { metadata } = parent
  const { specReplicas, statusReplicas, selector } = served.kind.scale!.read(parent)
  const managed = managedFieldsOfScale(metadata.managedFields, {
    apiVersion: served.apiVersion,
    replicas: replicasOf(served),
  })
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata
  const shown = { name, namespace, uid, resourceVersion, creationTimestamp }
  return {
    ...type,
    metadata: managed ? { ...shown, managedFields: managed } : shown,
    spec: { replicas: specReplicas },
    status: { replicas: statusReplicas, ...(selector === undefined ? {} : { selector }) },
  } as Scale
}

type ToScale = (current: Scale) => Scale

async function putScale(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const options = writeOptions('UpdateOptions', request)
  const body = await readKind<Scale>(request, type, options)
  const tracking = trackingOf(deps, request, options)
  return writeScale(deps, request, {
    options,
    toScale: (current) => tracked(current, body, tracking),
  })
}

async function patchScale(deps: RegistryDeps, request: ObjectRequest): Promise<Answer> {
  const { call } = request.exchange
  const patchType = patchTypeOf(request.served, headerOf(call.headers, 'content-type'))
  const options = writeOptions('PatchOptions', request, patchType === 'apply')
  const patch = await parsePatch(patchType, await call.body())
  const tracking = trackingOf(deps, request, options)
  const toScale: ToScale = (current) =>
    patchType === 'apply'
      ? applied(current, patch as JsonObject, { force: options.force, tracking })
      : tracked(current, patchedScale(patchType, current, patch), tracking)
  return writeScale(deps, request, { options, toScale })
}

async function parsePatch(patchType: PatchType, body: Buffer): Promise<unknown> {
  if (patchType === 'apply') await loadYaml()
  const parsed = patchType === 'apply' ? parseYaml(body.toString()) : parseJson(body.toString())
  if (!parsed.ok) throw badRequestError(`error decoding patch: ${parsed.message}`)
  return parsed.document.value
}

function patchedScale(patchType: PatchType, current: Scale, patch: unknown): Scale {
  const document = current as unknown as JsonObject
  const outcome =
    patchType === 'json'
      ? applyJsonPatch(document, patch)
      : patchType === 'merge'
        ? applyMergePatch(document, patch)
        : applyStrategicPatch(document, patch, struct)
  if (!outcome.ok) throw outcome.error
  return decodedScale(outcome.object)
}

function decodedScale(value: JsonObject): Scale {
  const decoded = decodeValue<Scale>(struct, value)
  if (!decoded.ok) throw badRequestError(decoded.message)
  return decoded.value
}

function trackingOf(
  deps: RegistryDeps,
  request: ObjectRequest,
  { fieldManager: manager }: WriteOptions,
): Tracking {
  return {
    atom: atomOfStruct(struct),
    empty: emptyOfStruct(struct),
    group: 'autoscaling',
    version: 'v1',
    kind: 'Scale',
    manager,
    subresource: request.subresource,
    reset: emptySet,
    nowMs: deps.clock.now(),
  }
}

function tracked(current: Scale, next: Scale, tracking: Tracking): Scale {
  const managedFields = trackUpdate(current, next as KubeObject, tracking)
  return { ...next, metadata: { ...next.metadata, managedFields } }
}

function applied(
  current: Scale,
  patch: JsonObject,
  options: { readonly force: boolean; readonly tracking: Tracking },
): Scale {
  const outcome = apply(current, patch, options)
  if (!outcome.ok) throw outcome.error
  return decodedScale(outcome.object)
}

interface ScaleWrite {
  readonly options: WriteOptions
  readonly toScale: ToScale
}

async function writeScale(
  deps: RegistryDeps,
  request: ObjectRequest,
  { options, toScale }: ScaleWrite,
): Promise<Answer> {
  const { served } = request
  // The parent is written as itself: its replicas are part of its spec.
  const scope = writeScope({ ...request, subresource: '' }, options)
  const written = await updateObject(deps, scope, {
    transform: (live) => {
      const scale = toScale(scaleOf(served, live))
      checkScale(request, scale, live)
      const next = writtenOut(served, live)
      served.kind.scale!.write(next, scale.spec?.replicas ?? 0)
      keepOwners(served, next, { live, scale })
      const { resourceVersion } = scale.metadata
      if (resourceVersion) next.metadata.resourceVersion = resourceVersion
      return next
    },
  })
  return scaleAnswer(request, objectOf(served, written.entry))
}

function checkScale({ name }: ObjectRequest, scale: Scale, live: KubeObject): void {
  const { metadata, spec } = scale
  if (metadata?.name && metadata.name !== name) {
    throw badRequestError(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    )
  }
  if (metadata?.uid && metadata.uid !== live.metadata.uid) {
    throw statusError('Conflict', `the UID of the scale does not match that of "${name}"`)
  }
  const errors = nonNegative(spec?.replicas, 'spec.replicas')
  if (errors.length > 0) {
    throw invalidError({ group: 'autoscaling', kind: 'Scale' }, name, errors)
  }
}

function keepOwners(
  served: Served,
  next: Draft<KubeObject>,
  { live, scale }: { readonly live: KubeObject; readonly scale: Scale },
): void {
  const mapping = { apiVersion: served.apiVersion, replicas: replicasOf(served) }
  const entries: Entries | undefined = managedFieldsOfParent(
    live.metadata.managedFields,
    scale.metadata?.managedFields,
    mapping,
  )
  if (entries === undefined) delete next.metadata.managedFields
  else next.metadata.managedFields = entries as Draft<Entries>
}
