// The rules every object's metadata obeys on create and update
// (k8s.io/apimachinery pkg/api/validation/objectmeta.go), and those of write options.

import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from '../types/meta.gen.ts'
import type { FieldError } from './field-error.ts'
import { forbidden, invalid, notSupported, required, tooLong } from './field-error.ts'
import { byteLength, goStringSlice } from './go-text.ts'
import type { ValidateName } from './kind.ts'
import { validateLabels } from './labels.ts'
import { nameIsDnsLabel, nameIsDnsSubdomain, qualifiedNameProblems } from './names.ts'
import { invalids, nonNegative } from './validation.ts'

const maxAnnotationBytes = 256 * 1024

export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  field: string,
): FieldError[] {
  const errors: FieldError[] = []
  let size = 0
  for (const [key, value] of Object.entries(annotations ?? {})) {
    size += byteLength(key) + byteLength(value)
    // Case does not matter in the keys of annotations.
    for (const problem of qualifiedNameProblems(key.toLowerCase())) {
      errors.push(invalid(field, key, problem))
    }
  }
  if (size > maxAnnotationBytes) errors.push(tooLong(field, maxAnnotationBytes))
  return errors
}

function validateOwnerReference(reference: OwnerReference, field: string): FieldError[] {
  const errors: FieldError[] = []
  const { apiVersion, kind, name, uid } = reference
  const parts = apiVersion.split('/')
  if (apiVersion === '') errors.push(required(`${field}.apiVersion`, 'must not be empty'))
  else if (parts.length > 2 || parts[parts.length - 1] === '') {
    const detail = 'must be <group>/<version> or <version>'
    errors.push(invalid(`${field}.apiVersion`, apiVersion, detail))
  }
  if (kind === '') errors.push(required(`${field}.kind`, 'must not be empty'))
  if (name === '') errors.push(required(`${field}.name`, 'must not be empty'))
  if (uid === '') errors.push(required(`${field}.uid`, 'must not be empty'))
  if (apiVersion === 'v1' && kind === 'Event') {
    errors.push(invalid(field, reference, '/v1, Kind=Event is disallowed from being an owner'))
  }
  return errors
}

export function validateOwnerReferences(
  references: readonly OwnerReference[] | undefined,
  field: string,
): FieldError[] {
  const errors: FieldError[] = []
  let controller: string | undefined
  for (const [index, reference] of (references ?? []).entries()) {
    errors.push(...validateOwnerReference(reference, `${field}[${index}]`))
    if (reference.controller !== true) continue
    const current = `${reference.kind}/${reference.name}`
    if (controller === undefined) controller = current
    else {
      const detail = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${current}`
      errors.push(invalid(field, references, detail))
    }
  }
  return errors
}

export function validateFinalizers(
  finalizers: readonly string[] | undefined,
  field: string,
): FieldError[] {
  const list = finalizers ?? []
  const errors = list.flatMap((finalizer) =>
    qualifiedNameProblems(finalizer).map((problem) => invalid(field, finalizer, problem)),
  )
  if (list.includes('orphan') && list.includes('foregroundDeletion')) {
    const detail = 'finalizer orphan and foregroundDeletion cannot be both set'
    errors.push(invalid(field, list, detail))
  }
  return errors
}

function validateManagedFields(
  entries: readonly ManagedFieldsEntry[] | undefined,
  field: string,
): FieldError[] {
  const errors: FieldError[] = []
  for (const [index, entry] of (entries ?? []).entries()) {
    const at = `${field}[${index}]`
    const operation: string = entry.operation ?? ''
    if (operation === '') errors.push(required(`${at}.operation`, 'must not be empty'))
    else if (operation !== 'Apply' && operation !== 'Update') {
      errors.push(notSupported(`${at}.operation`, operation, ['Apply', 'Update']))
    }
    if (entry.fieldsType && entry.fieldsType !== 'FieldsV1') {
      errors.push(invalid(`${at}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`'))
    }
    errors.push(...validateFieldManager(entry.manager ?? '', `${at}.manager`))
    if (byteLength(entry.subresource ?? '') > 256) errors.push(tooLong(`${at}.subresource`, 256))
  }
  return errors
}

export function validateFieldManager(manager: string, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (byteLength(manager) > 128) errors.push(tooLong(field, 128))
  let position = 0
  for (const char of manager) {
    if (/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(char)) {
      const code = char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
      errors.push(invalid(field, manager, `invalid character U+${code} (at position ${position})`))
    }
    position += byteLength(char)
  }
  return errors
}

function validateNamespace(meta: ObjectMeta, namespaced: boolean): FieldError[] {
  const field = 'metadata.namespace'
  const namespace = meta.namespace ?? ''
  if (!namespaced) {
    return namespace === '' ? [] : [forbidden(field, 'not allowed on this type')]
  }
  return namespace === ''
    ? [required(field)]
    : [...invalids(field, namespace, nameIsDnsLabel(namespace, false))]
}

/** Metadata of an object about to be created; its name has been generated by now. */
export function validateObjectMeta(
  meta: ObjectMeta,
  rules: { readonly namespaced: boolean; readonly validateName?: ValidateName | undefined },
): FieldError[] {
  const problems = rules.validateName ?? nameIsDnsSubdomain
  const errors: FieldError[] = []
  const { name, generateName } = meta
  if (generateName) {
    errors.push(...invalids('metadata.generateName', generateName, problems(generateName, true)))
  }
  if (!name) errors.push(required('metadata.name', 'name or generateName is required'))
  else errors.push(...invalids('metadata.name', name, problems(name, false)))
  errors.push(...validateNamespace(meta, rules.namespaced))
  errors.push(...nonNegative(meta.generation, 'metadata.generation'))
  errors.push(...validateCommon(meta))
  const finalizers = validateFinalizers(meta.finalizers, 'metadata.finalizers')
  const managed = validateManagedFields(meta.managedFields, 'metadata.managedFields')
  return [...errors, ...finalizers, ...managed]
}

function validateCommon(meta: ObjectMeta): FieldError[] {
  return [
    ...validateLabels(meta.labels, 'metadata.labels'),
    ...validateAnnotations(meta.annotations, 'metadata.annotations'),
    ...validateOwnerReferences(meta.ownerReferences, 'metadata.ownerReferences'),
  ]
}

const immutableText = 'field is immutable'

function immutable(value: unknown, old: unknown, field: string): FieldError[] {
  return value === old ? [] : [invalid(field, value, immutableText)]
}

/** Metadata of an object about to replace `old`. */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta): FieldError[] {
  const errors: FieldError[] = []
  if (old.deletionTimestamp) {
    const before = new Set(old.finalizers ?? [])
    const extra = (meta.finalizers ?? []).filter((finalizer) => !before.has(finalizer))
    if (extra.length > 0) {
      const list = goStringSlice([...new Set(extra)].sort())
      const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`
      errors.push(forbidden('metadata.finalizers', detail))
    }
  }
  if (!meta.resourceVersion) {
    errors.push(invalid('metadata.resourceVersion', '', 'must be specified for an update'))
  }
  errors.push(...nonNegative(meta.generation, 'metadata.generation'))
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    errors.push(invalid('metadata.generation', meta.generation ?? 0, 'must not be decremented'))
  }
  errors.push(...immutable(meta.name ?? '', old.name ?? '', 'metadata.name'))
  errors.push(...immutable(meta.namespace ?? '', old.namespace ?? '', 'metadata.namespace'))
  errors.push(...immutable(meta.uid ?? '', old.uid ?? '', 'metadata.uid'))
  for (const key of [
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ] as const) {
    errors.push(...immutable(meta[key], old[key], `metadata.${key}`))
  }
  errors.push(...validateCommon(meta))
  errors.push(...validateManagedFields(meta.managedFields, 'metadata.managedFields'))
  return errors
}
