// Request bodies to objects: media type, version and kind, strictness; every refusal in the words
// of the API server (k8s.io/apiserver endpoints/handlers, apimachinery runtime/serializer).

import type { StatusError } from '../machinery/status.ts'
import { badRequestError } from '../machinery/status.ts'
import { decodeDocument } from './decode.ts'
import { diagnoseUntyped } from './diagnose.ts'
import type { JsonDocument } from './json-text.ts'
import { parseJson } from './json-text.ts'
import { decodeProtobuf } from './protobuf.ts'
import { structOfKind } from './schema.ts'
import { loadYaml, parseYaml } from './yaml-text.ts'

export type BodyFormat = 'json' | 'yaml' | 'protobuf'

/** "v1" and "ConfigMap"; either may be missing from a body. */
export interface TypeName {
  readonly apiVersion: string
  readonly kind: string
}

export interface Expected extends TypeName {
  /** The struct of the schema; undefined for custom resources, which are taken as they are. */
  readonly struct: string | undefined
}

export interface Body {
  readonly value: Record<string, unknown>
  /** What the body called itself, with what was expected for what it left out. */
  readonly type: TypeName
  /** Unknown and repeated fields; empty for protobuf. */
  readonly strictErrors: readonly string[]
}

export type BodyResult =
  | ({ readonly ok: true } & Body)
  | {
      readonly ok: false
      readonly message: string
      /** Known if the body got as far as naming itself. */
      readonly type?: TypeName
    }

/** The scheme in which the API server looks kinds up, as its messages name it. */
const legacyScheme = 'pkg/api/legacyscheme/scheme.go:30'

interface Parsed {
  readonly document: JsonDocument
  readonly strictErrors: readonly string[]
}

type ParsedResult =
  | ({ readonly ok: true } & Parsed)
  | { readonly ok: false; readonly message: string }

/** Must be awaited once before a YAML body is read; JSON and protobuf need nothing. */
export const prepareFormat = async (format: BodyFormat): Promise<void> => {
  if (format === 'yaml') await loadYaml()
}

function parseText(bytes: Uint8Array, format: 'json' | 'yaml'): ParsedResult {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  if (format === 'yaml') {
    const yaml = parseYaml(text)
    if (!yaml.ok) return yaml
    const { repeated } = yaml
    const strictErrors =
      repeated.length === 0 ? [] : [['yaml: unmarshal errors:', ...repeated].join('\n  ')]
    return { ok: true, document: yaml.document, strictErrors }
  }
  const json = parseJson(text)
  if (json.ok) return { ok: true, document: json.document, strictErrors: [] }
  return { ok: false, message: `couldn't get version/kind; json parse error: ${json.message}` }
}

const typeMetaGoType =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'

const kindOfValue = (value: unknown) =>
  Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value

/** apiVersion and kind as the body has them; a message if they are not text. */
function typeOf(value: unknown): { apiVersion: string; kind: string } | string {
  if (value === null) return { apiVersion: '', kind: '' }
  const prefix = "couldn't get version/kind; json parse error: json: cannot unmarshal "
  if (typeof value !== 'object' || Array.isArray(value)) {
    return `${prefix}${kindOfValue(value)} into Go value of type ${typeMetaGoType}`
  }
  const bag = value as Readonly<Record<string, unknown>>
  const found = { apiVersion: '', kind: '' }
  for (const key of ['apiVersion', 'kind'] as const) {
    const item = bag[key]
    if (item === undefined || item === null) continue
    if (typeof item !== 'string') {
      return `${prefix}${kindOfValue(item)} into Go struct field .${key} of type string`
    }
    found[key] = item
  }
  return found
}

const splitVersion = (apiVersion: string): readonly [group: string, version: string] => {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)]
}

/** Reads a body that should hold an object of the expected kind. */
export function readBody(bytes: Uint8Array, format: BodyFormat, expected: Expected): BodyResult {
  if (format === 'protobuf') return readProtobuf(bytes, expected)
  const parsed = parseText(bytes, format)
  if (!parsed.ok) return parsed
  const found = typeOf(parsed.document.value)
  if (typeof found === 'string') return { ok: false, message: found }
  if (found.apiVersion.split('/').length > 2) {
    return {
      ok: false,
      message: `unexpected GroupVersion string: ${found.apiVersion}`,
    }
  }
  const type = {
    apiVersion: found.apiVersion || expected.apiVersion,
    kind: found.kind || expected.kind,
  }
  if (expected.struct === undefined) return readUntyped(parsed, type)
  return readTyped(parsed, { ...expected, struct: expected.struct }, type)
}

function readUntyped({ document, strictErrors }: Parsed, type: TypeName): BodyResult {
  const value = (document.value ?? {}) as Record<string, unknown>
  const repeated = diagnoseUntyped(document)
  return { ok: true, value, type, strictErrors: [...strictErrors, ...repeated] }
}

function readTyped(
  { document, strictErrors }: Parsed,
  expected: Expected & { readonly struct: string },
  type: TypeName,
): BodyResult {
  const struct = structOfKind(type.apiVersion, type.kind)
  if (struct === undefined) {
    const message = `no kind "${type.kind}" is registered for version "${type.apiVersion}" in scheme "${legacyScheme}"`
    return { ok: false, message, type }
  }
  const decoded = decodeDocument<Record<string, unknown>>(struct, document)
  if (!decoded.ok) return { ok: false, message: decoded.message, type }
  const problem = conversionProblem(struct, expected.struct)
  if (problem !== undefined) return { ok: false, message: problem, type }
  const all = [...strictErrors, ...decoded.strictErrors]
  return { ok: true, value: decoded.value, type, strictErrors: all }
}

/** Kinds of one name in two groups or versions convert into each other; the caller decides. */
function conversionProblem(struct: string, wanted: string): string | undefined {
  const nameOf = (id: string) => id.slice(id.lastIndexOf('.') + 1)
  if (nameOf(struct) === nameOf(wanted)) return undefined
  const [version, name] = struct.split('.').slice(-2)
  const internal = `${wanted.split('.')[0]}.${nameOf(wanted)}`
  return `converting (${version}.${name}) to (${internal}): unknown conversion`
}

function readProtobuf(bytes: Uint8Array, expected: Expected): BodyResult {
  const decoded = decodeProtobuf(bytes, expected)
  if (!decoded.ok) return decoded
  if (expected.struct === undefined) {
    return { ok: false, message: 'protobuf is not available for this kind', type: decoded.type }
  }
  const problem = conversionProblem(decoded.struct, expected.struct)
  if (problem !== undefined) return { ok: false, message: problem, type: decoded.type }
  return { ok: true, value: decoded.value, type: decoded.type, strictErrors: [] }
}

const shownBytes = 30

/** The start of a body as error messages show it. */
function summary(bytes: Uint8Array): string {
  if (bytes.length === 0) return '<empty>'
  const head = Buffer.from(bytes.subarray(0, shownBytes))
  const more = bytes.length > shownBytes ? ' ...' : ''
  return `${bytes[0] === 0x7b ? head.toString('utf8') : head.toString('hex')}${more}`
}

/** The 400 for a body that readBody refused. */
export function unreadableBody(
  failure: { readonly message: string; readonly type?: TypeName },
  expected: TypeName,
  bytes: Uint8Array,
): StatusError {
  const { message, type } = failure
  if (type) {
    const [, version] = splitVersion(type.apiVersion)
    return badRequestError(
      `${type.kind} in version "${version}" cannot be handled as a ${expected.kind}: ${message}`,
    )
  }
  return badRequestError(
    `the object provided is unrecognized (must be of type ${expected.kind}): ${message} (${summary(bytes)})`,
  )
}

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

/** The message of the errors that fieldValidation=Strict turns into a 400. */
export const strictMessage = (strictErrors: readonly string[]): string =>
  `strict decoding error: ${strictErrors.join(', ')}`

/** The same as warnings, which fieldValidation=Warn sends along: YAML errors one a line. */
export function strictWarnings(strictErrors: readonly string[]): readonly string[] {
  return strictErrors.flatMap((text) =>
    text.startsWith('yaml: unmarshal errors:\n')
      ? text
          .split('\n')
          .slice(1)
          .map((line) => line.trim())
      : [text],
  )
}

export interface DecodedBody {
  readonly value: Record<string, unknown>
  readonly type: TypeName
  readonly warnings: readonly string[]
}

/**
 * Reads the body of a create or update as the API server does, throwing the 400 it would answer.
 * A body of another version of the kind passes; compare `type.apiVersion` if that matters.
 */
export async function decodeBody(
  bytes: Uint8Array,
  format: BodyFormat,
  options: { readonly expected: Expected; readonly fieldValidation: FieldValidation },
): Promise<DecodedBody> {
  const { expected, fieldValidation } = options
  await prepareFormat(format)
  const body = readBody(bytes, format, expected)
  if (!body.ok) throw unreadableBody(body, expected, bytes)
  const { value, type, strictErrors } = body
  if (strictErrors.length > 0 && fieldValidation === 'Strict') {
    throw unreadableBody({ message: strictMessage(strictErrors), type }, expected, bytes)
  }
  const warnings = fieldValidation === 'Warn' ? strictWarnings(strictErrors) : []
  return { value, type, warnings }
}
