// Environment variables and what they may be taken from.
import { invalid, notSupported, required } from '../machinery/field-error.ts'
import {
  configMapKeyProblems,
  envVarNameProblems,
  qualifiedNameProblems,
} from '../machinery/names.ts'
import { type Errors, forEach, invalids, none, present } from '../machinery/validation.ts'
import type {
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from '../types/core.gen.ts'

const envPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]
const volumePaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.labels',
  'metadata.annotations',
  'metadata.uid',
]
/** What upstream's conversion of field labels knows at all. */
const knownPaths = new Set([
  ...envPaths,
  ...volumePaths,
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
])
const envResources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]

export const envFieldRef = (ref: ObjectFieldSelector, field: string): Errors =>
  validateFieldRef(ref, field, envPaths)
export const volumeFieldRef = (ref: ObjectFieldSelector, field: string): Errors =>
  validateFieldRef(ref, field, volumePaths)

function validateFieldRef(
  ref: ObjectFieldSelector,
  field: string,
  supported: readonly string[],
): Errors {
  const at = `${field}.fieldPath`
  if (!ref.apiVersion) return [required(`${field}.apiVersion`)]
  if (!ref.fieldPath) return [required(at)]
  const subscript = /^([^[]*)\['(.*)'\]$/s.exec(ref.fieldPath)
  if (subscript) return validateSubscript(subscript[1]!, subscript[2]!, at)
  if (!knownPaths.has(ref.fieldPath)) {
    const message = `error converting fieldPath: field label not supported: ${ref.fieldPath}`
    return [invalid(at, ref.fieldPath, message)]
  }
  return supported.includes(ref.fieldPath)
    ? none
    : [notSupported(at, ref.fieldPath, [...supported].sort())]
}

function validateSubscript(path: string, key: string, field: string): Errors {
  if (path === 'metadata.annotations') {
    return invalids(field, key, qualifiedNameProblems(key.toLowerCase()))
  }
  return path === 'metadata.labels'
    ? invalids(field, key, qualifiedNameProblems(key))
    : [invalid(field, path, 'does not support subscript')]
}

export function validateResourceFieldRef(
  ref: ResourceFieldSelector,
  field: string,
  inVolume: boolean,
): Errors {
  if (inVolume && !ref.containerName) return [required(`${field}.containerName`)]
  if (!ref.resource) return [required(`${field}.resource`)]
  const hugePages = /^(limits|requests)\.hugepages-/.test(ref.resource)
  return envResources.includes(ref.resource) || hugePages
    ? none
    : [notSupported(`${field}.resource`, ref.resource, envResources)]
}

const keyRef = (
  ref: { readonly name?: string | undefined; readonly key: string },
  field: string,
): Errors => [
  ...present(ref.name, `${field}.name`),
  ...(ref.key
    ? invalids(`${field}.key`, ref.key, configMapKeyProblems(ref.key))
    : [required(`${field}.key`)]),
]

function validateValueFrom({ value, valueFrom }: EnvVar, field: string): Errors {
  if (!valueFrom) return none
  const sources = Object.values(valueFrom).filter((source) => source !== undefined).length
  const choice =
    'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'
  const count =
    sources === 0
      ? [invalid(field, '', choice)]
      : value
        ? [invalid(field, '', 'may not be specified when `value` is not empty')]
        : sources > 1
          ? [invalid(field, '', 'may not have more than one field specified at a time')]
          : none
  return [...validateSources(valueFrom, field), ...count]
}

function validateSources(source: EnvVarSource, field: string): Errors {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = source
  return [
    ...(fieldRef ? envFieldRef(fieldRef, `${field}.fieldRef`) : none),
    ...(resourceFieldRef
      ? validateResourceFieldRef(resourceFieldRef, `${field}.resourceFieldRef`, false)
      : none),
    ...(configMapKeyRef ? keyRef(configMapKeyRef, `${field}.configMapKeyRef`) : none),
    ...(secretKeyRef ? keyRef(secretKeyRef, `${field}.secretKeyRef`) : none),
  ]
}

export const validateEnv = (env: readonly EnvVar[] | undefined, field: string): Errors =>
  forEach(env, field, (variable, at) => [
    ...(variable.name
      ? invalids(`${at}.name`, variable.name, envVarNameProblems(variable.name))
      : [required(`${at}.name`)]),
    ...validateValueFrom(variable, `${at}.valueFrom`),
  ])

export const validateEnvFrom = (
  sources: readonly EnvFromSource[] | undefined,
  field: string,
): Errors =>
  forEach(sources, field, ({ prefix, configMapRef, secretRef }, at) => {
    const count = (configMapRef ? 1 : 0) + (secretRef ? 1 : 0)
    return [
      ...(prefix ? invalids(`${at}.prefix`, prefix, envVarNameProblems(prefix)) : none),
      ...(configMapRef ? present(configMapRef.name, `${at}.configMapRef.name`) : none),
      ...(secretRef ? present(secretRef.name, `${at}.secretRef.name`) : none),
      ...(count === 0
        ? [invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`')]
        : count > 1
          ? [invalid(at, '', 'may not have more than one field specified at a time')]
          : none),
    ]
  })
