// PATCH: which of the four kinds it is, and the object it makes of the one that is there.
import { apply } from '../api/apply/apply.ts'
import type { JsonObject } from '../api/apply/atom.ts'
import { isObject, jsonEqual } from '../api/apply/atom.ts'
import { formatGo, goJson } from '../api/apply/go-format.ts'
import type { Draft } from '../api/machinery/draft.ts'
import { invalid } from '../api/machinery/field-error.ts'
import { escapeHtml } from '../api/machinery/go-text.ts'
import type { KubeObject } from '../api/machinery/resource.ts'
import { badRequestError, statusError } from '../api/machinery/status.ts'
import { applyJsonPatch } from '../api/patch/json-patch.ts'
import { applyMergePatch } from '../api/patch/merge-patch.ts'
import { notAnObjectOfItsKind } from '../api/patch/outcome.ts'
import { applyStrategicPatch } from '../api/patch/strategic.ts'
import { strictMessage, strictWarnings } from '../api/schema/body.ts'
import { decodeValue } from '../api/schema/decode.ts'
import { parseJson } from '../api/schema/json-text.ts'
import { structOfKind } from '../api/schema/schema.ts'
import { loadYaml, parseYaml } from '../api/schema/yaml-text.ts'
import type { Clock } from '../lib/clock.ts'
import type { CreateInput } from './create.ts'
import { parseClause } from './negotiate.ts'
import type { Served } from './served.ts'
import { track, trackingOf, writtenOut } from './tracking.ts'
import type { Change } from './update.ts'
import { nameMissing } from './update.ts'
import type { WriteScope } from './writer.ts'
import { refuseInvalid } from './writer.ts'

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

const patchTypes: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
}

/** Throws 415 for what is no patch of this resource. */
export function patchTypeOf(served: Served, contentType: string | undefined): PatchType {
  const type = patchTypes[parseClause(contentType ?? '').type]
  if (type !== undefined && !(served.custom && type === 'strategic')) return type
  const accepted = Object.keys(patchTypes).filter((one) => patchTypes[one] !== 'strategic')
  const message = served.custom
    ? `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`
    : '415: Unsupported Media Type'
  throw statusError('UnsupportedMediaType', message, served.custom ? undefined : {})
}

export interface PatchInput {
  readonly type: PatchType
  readonly body: Buffer
  readonly scope: WriteScope
  readonly clock: Pick<Clock, 'now'>
}

/** The change a patch stands for. */
export async function changeOfPatch(input: PatchInput): Promise<Change> {
  if (input.type === 'apply') return applyChange(input)
  const patch = parsePatch(input.body)
  return { transform: (live) => patched(input, live, patch) }
}

function parsePatch(body: Buffer): unknown {
  const parsed = parseJson(body.toString())
  if (!parsed.ok) throw badRequestError(`error decoding patch: ${parsed.message}`)
  return parsed.document.value
}

function patched(
  { type, scope, clock }: PatchInput,
  live: KubeObject,
  patch: unknown,
): Draft<KubeObject> {
  const { served } = scope
  const document = live as unknown as JsonObject
  const outcome =
    type === 'json'
      ? applyJsonPatch(document, patch)
      : type === 'merge'
        ? applyMergePatch(document, patch)
        : applyStrategicPatch(document, patch, served.resource.struct)
  if (!outcome.ok) throw outcome.error
  const shown = () => (type === 'strategic' ? formatGo(patch) : documentText(outcome.object, live))
  const unknown = type === 'json' ? unknownOperationFields(patch) : []
  const object = decoded(scope, outcome.object, { shown, unknown, type })
  served.kind.defaults?.(object)
  const next = writtenOut(served, object as KubeObject)
  track(live, next, trackingOf(served, writerOf(scope, clock)))
  return next
}

const writerOf = (scope: WriteScope, clock: Pick<Clock, 'now'>) => ({
  manager: scope.options.fieldManager,
  subresource: scope.subresource,
  nowMs: clock.now(),
})

/** A patched document as upstream prints it: sorted where the patch has been, else as stored. */
function documentText(document: JsonObject, live: KubeObject): string {
  const before = live as unknown as JsonObject
  const members = Object.keys(document)
    .sort()
    .map((key) => {
      const value = document[key]
      const text = jsonEqual(value, before[key]) ? escapeHtml(JSON.stringify(value)) : goJson(value)
      return `${JSON.stringify(key)}:${text}`
    })
  return `{${members.join(',')}}`
}

const operationFields = new Set(['op', 'path', 'from', 'value'])

function unknownOperationFields(patch: unknown): string[] {
  if (!Array.isArray(patch)) return []
  return patch.flatMap((operation, index) =>
    Object.keys(isObject(operation) ? operation : {})
      .filter((key) => !operationFields.has(key))
      .map((key) => `json patch unknown field "[${index}].${key}"`),
  )
}

interface DecodeContext {
  /** The patch or the document, as errors show it. */
  readonly shown: () => string
  /** Problems found before. */
  readonly unknown: readonly string[]
  readonly type: PatchType
}

/** The patched document as an object of its kind; what the kind does not know is reported. */
function decoded(
  scope: WriteScope,
  value: JsonObject,
  { shown, unknown, type }: DecodeContext,
): Draft<KubeObject> {
  const { served, options } = scope
  if (served.custom) return decodedCustom(scope, value, { shown, unknown })
  requireKnownKind(value, shown)
  const result = decodeValue<Draft<KubeObject>>(served.resource.struct, value)
  if (!result.ok) {
    const message = type === 'strategic' ? unstructuredMessage(result.message) : result.message
    throw notAnObjectOfItsKind(shown(), message)
  }
  const strictErrors = [...unknown, ...result.strictErrors]
  if (strictErrors.length > 0) {
    if (options.fieldValidation === 'Strict') {
      throw notAnObjectOfItsKind(shown(), strictMessage(strictErrors))
    }
    if (options.fieldValidation === 'Warn') scope.warnings.push(...strictWarnings(strictErrors))
  }
  return result.value
}

function decodedCustom(
  { served, options, warnings }: WriteScope,
  value: JsonObject,
  { shown, unknown }: Pick<DecodeContext, 'shown' | 'unknown'>,
): Draft<KubeObject> {
  const object = structuredClone(value) as Record<string, unknown>
  const strictErrors = [...unknown, ...(served.custom?.decode(object) ?? [])]
  if (strictErrors.length > 0 && options.fieldValidation === 'Strict') {
    throw notAnObjectOfItsKind(shown(), strictMessage(strictErrors))
  }
  if (options.fieldValidation === 'Warn') warnings.push(...strictWarnings(strictErrors))
  return object as unknown as Draft<KubeObject>
}

function requireKnownKind({ apiVersion, kind }: JsonObject, shown: () => string): void {
  if (structOfKind(String(apiVersion), String(kind)) !== undefined) return
  const message = `no kind "${kind}" is registered for version "${apiVersion}" in scheme "pkg/api/legacyscheme/scheme.go:30"`
  throw notAnObjectOfItsKind(shown(), message)
}

/** Strategic patches go through a converter that words type errors in its own way. */
function unstructuredMessage(message: string): string {
  const match = /cannot unmarshal (\w+) into Go (?:struct field \S+|value) of type (\S+)/.exec(
    message,
  )
  const [, found = '', type = ''] = match ?? []
  const target = type.startsWith('[]') ? 'slice' : type.startsWith('map[') ? 'map' : 'struct'
  const source = found === 'object' ? 'map' : found === 'array' ? 'slice' : found
  return match && /[.[]/.test(type) ? `cannot restore ${target} from ${source}` : message
}

async function applyChange(input: PatchInput): Promise<Change> {
  const { scope, clock } = input
  const applied = await parseApplied(input)
  const merge = (live: KubeObject | undefined): Draft<KubeObject> => {
    const tracking = trackingOf(scope.served, writerOf(scope, clock))
    const outcome = apply(live, applied, { force: scope.options.force, tracking })
    if (!outcome.ok) throw outcome.error
    const shown = () => goJson(outcome.object)
    return decoded(scope, outcome.object, { shown, unknown: [], type: 'apply' })
  }
  const transform = (live: KubeObject): Draft<KubeObject> => {
    const object = merge(live)
    scope.served.kind.defaults?.(object)
    return writtenOut(scope.served, object as KubeObject)
  }
  return { transform, create: async () => createInput(scope, applied, merge(undefined)) }
}

function createInput(
  scope: WriteScope,
  applied: JsonObject,
  object: Draft<KubeObject>,
): CreateInput {
  const { name, served } = scope
  const { resourceVersion: _, ...metadata } = object.metadata ?? {}
  if (!metadata.name) throw nameMissing(name)
  if (metadata.name !== name) {
    throw badRequestError(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    )
  }
  const uid = isObject(applied.metadata) ? applied.metadata.uid : undefined
  if (typeof uid === 'string' && uid !== '') {
    const error = invalid('metadata.uid', uid, 'field is immutable')
    refuseInvalid(served, name, [error, error])
  }
  return { object: { ...object, metadata } as KubeObject, tracked: true }
}

async function parseApplied({ body, scope }: PatchInput): Promise<JsonObject> {
  await loadYaml()
  const parsed = parseYaml(body.toString())
  if (!parsed.ok) throw badRequestError(`error decoding YAML: ${parsed.message}`)
  const { value } = parsed.document
  if (!isObject(value)) throw badRequestError('error decoding YAML: the body is not an object')
  if (parsed.repeated.length > 0) {
    const text = ['yaml: unmarshal errors:', ...parsed.repeated].join('\n  ')
    if (scope.options.fieldValidation === 'Strict') {
      throw badRequestError(`error strict decoding YAML: ${text}`)
    }
    if (scope.options.fieldValidation === 'Warn') scope.warnings.push(...parsed.repeated)
  }
  return value
}
