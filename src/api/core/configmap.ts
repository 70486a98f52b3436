// ConfigMap and Secret: keys and values, bounded in size, frozen if they say so.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid, required, tooLong } from '../machinery/field-error.ts'
import { byteLength } from '../machinery/go-text.ts'
import type { Kind } from '../machinery/kind.ts'
import { configMapKeyProblems } from '../machinery/names.ts'
import {
  type Errors,
  forEachEntry,
  immutable,
  invalids,
  none,
  sameValue,
} from '../machinery/validation.ts'
import { configmaps, secrets } from '../resources.gen.ts'
import type { ConfigMap, Secret } from '../types/core.gen.ts'

const maxBytes = 1024 * 1024

export const configMapKind: Kind<ConfigMap> = {
  resource: configmaps,
  validate: validateConfigMap,
  validateUpdate: (object, old) => [
    ...keepFrozen(object, old, ['data', 'binaryData']),
    ...validateConfigMap(object),
  ],
  columns: columnsOf('Name | Data | Age'),
  row: (object, nowMs) => ({
    cells: [
      object.metadata.name,
      Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
      ageOf(object, nowMs),
    ],
  }),
}

const base64Bytes = (text: string): number =>
  (text.length / 4) * 3 - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)

function validateConfigMap({ data, binaryData }: ConfigMap): Errors {
  let bytes = 0
  const text = forEachEntry(data, 'data', (key, value, field) => {
    bytes += byteLength(value)
    const repeated = binaryData?.[key] === undefined
    return [
      ...invalids(field, key, configMapKeyProblems(key)),
      ...(repeated ? none : [invalid(field, key, 'duplicate of key present in binaryData')]),
    ]
  })
  const binary = forEachEntry(binaryData, 'binaryData', (key, value, field) => {
    bytes += base64Bytes(value)
    return invalids(field, key, configMapKeyProblems(key))
  })
  return [...text, ...binary, ...(bytes > maxBytes ? [tooLong('', maxBytes)] : none)]
}

/** What is immutable stays so, and its data with it. */
function keepFrozen<T extends { readonly immutable?: boolean | undefined }>(
  object: T,
  old: T,
  fields: readonly (keyof T & string)[],
): Errors {
  if (!old.immutable) return none
  const frozen = 'field is immutable when `immutable` is set'
  return [
    ...(object.immutable ? none : [forbidden('immutable', frozen)]),
    ...fields.flatMap((field) =>
      sameValue(object[field], old[field]) ? none : [forbidden(field, frozen)],
    ),
  ]
}

export const secretKind: Kind<Secret> = {
  resource: secrets,
  defaults: defaultSecret,
  validate: validateSecret,
  validateUpdate: (object, old) => [
    ...immutable([object.type, old.type], 'type'),
    ...keepFrozen(object, old, ['data']),
    ...validateSecret(object),
  ],
  columns: columnsOf('Name | Type | Data | Age'),
  row: (object, nowMs) => ({
    cells: [
      object.metadata.name,
      object.type ?? '',
      Object.keys(object.data ?? {}).length,
      ageOf(object, nowMs),
    ],
  }),
  fields: { type: ({ type }) => type ?? '' },
}

/** stringData is written, never read: it goes into data as soon as it arrives. */
function defaultSecret(secret: Draft<Secret>): void {
  secret.type ||= 'Opaque'
  if (!secret.stringData) return
  secret.data ??= {}
  for (const [key, value] of Object.entries(secret.stringData)) {
    secret.data[key] = Buffer.from(value).toString('base64')
  }
  delete secret.stringData
}

function validateSecret(secret: Secret): Errors {
  let bytes = 0
  const keys = forEachEntry(secret.data, 'data', (key, value, field) => {
    bytes += base64Bytes(value)
    return invalids(field, key, configMapKeyProblems(key))
  })
  const size = bytes > maxBytes ? [tooLong('data', maxBytes)] : none
  return [...keys, ...size, ...validateSecretType(secret)]
}

const serviceAccountName = 'kubernetes.io/service-account.name'

function validateSecretType({ type, data, metadata }: Secret): Errors {
  const needs = (key: string) => (data?.[key] === undefined ? [required(`data[${key}]`)] : none)
  switch (type) {
    case 'kubernetes.io/service-account-token':
      return metadata.annotations?.[serviceAccountName]
        ? none
        : [required(`metadata.annotations[${serviceAccountName}]`)]
    case 'kubernetes.io/dockercfg':
      return validateJson(data, '.dockercfg')
    case 'kubernetes.io/dockerconfigjson':
      return validateJson(data, '.dockerconfigjson')
    case 'kubernetes.io/basic-auth':
      return data?.username === undefined && data?.password === undefined
        ? [required('data[username]'), required('data[password]')]
        : none
    case 'kubernetes.io/ssh-auth':
      return data?.['ssh-privatekey'] ? none : [required('data[ssh-privatekey]')]
    case 'kubernetes.io/tls':
      return [...needs('tls.crt'), ...needs('tls.key')]
    default:
      return none
  }
}

/** Contents are secret even in errors. */
function validateJson(data: Secret['data'], key: string): Errors {
  const field = `data[${key}]`
  const value = data?.[key]
  if (value === undefined) return [required(field)]
  try {
    JSON.parse(Buffer.from(value, 'base64').toString())
    return none
  } catch {
    return [invalid(field, '<secret contents redacted>', 'invalid character in JSON')]
  }
}
