// A CustomResourceDefinition as a whole: names, versions, what each declares, conversion. In
// upstream's order and at upstream's paths (pkg/apis/apiextensions/validation).
import type { FieldError } from '../machinery/field-error.ts'
import { invalid, notSupported, required } from '../machinery/field-error.ts'
import { dns1035LabelProblems, dns1123SubdomainProblems } from '../machinery/names.ts'
import { immutable } from '../machinery/validation.ts'
import { validateDefaults } from '../structural/default-validation.ts'
import type { Schema } from '../structural/schema.ts'
import { childPath, indexPath, someSchema } from '../structural/schema.ts'
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceSubresources,
} from '../types/apiextensions.gen.ts'
import { approvalErrors } from './approval.ts'
import type { InternalSpec, InternalVersion } from './internal.ts'
import { internalOf, listOrNull, shownVersions } from './internal.ts'
import { itemErrors } from './list-schema.ts'
import {
  columnErrors,
  conversionErrors,
  selectableErrors,
  subresourceErrors,
} from './version-parts.ts'
import type { Options, VersionContext } from './version-schema.ts'
import { schemaErrors } from './version-schema.ts'

const strict: Options = { old: undefined, prunedDefaults: true, atomicSets: true, listKeys: true }

/** Errors of a new definition. */
export function validateDefinition(crd: CustomResourceDefinition): readonly FieldError[] {
  return [...common(crd, strict), ...approvalErrors(crd, undefined), ...preserveErrors(crd.spec)]
}

/** Errors of a changed definition. */
export function validateDefinitionUpdate(
  crd: CustomResourceDefinition,
  old: CustomResourceDefinition,
): readonly FieldError[] {
  const established = (old.status?.conditions ?? []).some(
    ({ type, status }) => type === 'Established' && status === 'True',
  )
  const kept = old.spec.preserveUnknownFields === true
  return [
    ...common(crd, ratcheted(old.spec)),
    ...immutables(crd.spec, old.spec, established),
    ...approvalErrors(crd, old),
    ...(kept ? [] : preserveErrors(crd.spec)),
  ]
}

export const validateDefinitionStatus = (crd: CustomResourceDefinition): readonly FieldError[] =>
  nameErrors(crd.status?.acceptedNames, 'status.acceptedNames')

function ratcheted(old: CustomResourceDefinitionSpec): Options {
  const schemas = old.versions.flatMap(({ schema }) => schema?.openAPIV3Schema ?? [])
  const some = (holds: (schema: Schema) => boolean) =>
    schemas.some((schema) => someSchema(schema, holds))
  return {
    old,
    prunedDefaults: !schemas.some((schema) => validateDefaults(schema, '', true).length > 0),
    atomicSets: !some((schema) => {
      const items = schema.items as Schema | undefined
      const composite = items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic'
      return schema['x-kubernetes-list-type'] === 'set' && composite
    }),
    listKeys: !some((schema) => itemErrors(schema, '').length > 0),
  }
}

function common(crd: CustomResourceDefinition, options: Options): FieldError[] {
  const spec = internalOf(crd.spec)
  const required = `${crd.spec.names?.plural ?? ''}.${crd.spec.group ?? ''}`
  const name = crd.metadata.name ?? ''
  const misnamed =
    options.old === undefined && name !== required
      ? [invalid('metadata.name', name, 'must be spec.names.plural+"."+spec.group')]
      : []
  return [
    ...misnamed,
    ...specErrors(spec, options),
    ...nameErrors(crd.status?.acceptedNames, 'status.acceptedNames'),
    ...storedErrors(crd.status?.storedVersions ?? [], spec.versions),
  ]
}

function immutables(
  spec: CustomResourceDefinitionSpec,
  old: CustomResourceDefinitionSpec,
  established: boolean,
): FieldError[] {
  const fixed = [
    ...immutable([spec.group, old.group], 'spec.group'),
    ...immutable([spec.names.plural, old.names.plural], 'spec.names.plural'),
  ]
  if (!established) return fixed
  return [
    ...immutable([spec.scope, old.scope], 'spec.scope'),
    ...immutable([spec.names.kind, old.names.kind], 'spec.names.kind'),
    ...fixed,
  ]
}

function preserveErrors(spec: CustomResourceDefinitionSpec): FieldError[] {
  const detail =
    'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead'
  return spec.preserveUnknownFields ? [invalid('spec.preserveUnknownFields', true, detail)] : []
}

function specErrors(spec: InternalSpec, options: Options): FieldError[] {
  const schemas = spec.validation?.openAPIV3Schema
    ? []
    : spec.versions.flatMap(({ schema }, index) => {
        const at = `spec.versions[${index}].schema.openAPIV3Schema`
        return schema?.openAPIV3Schema ? [] : [required(at)]
      })
  const status = (subresources: CustomResourceSubresources | undefined) =>
    subresources?.status !== undefined
  const anyStatus = [spec, ...spec.versions].some(({ subresources }) => status(subresources))
  return [
    ...groupErrors(spec),
    ...schemas,
    ...spec.versions.flatMap((version, index) =>
      versionErrors(version, `spec.versions[${index}]`, {
        options,
        statusEnabled: status(spec.subresources ?? version.subresources),
      }),
    ),
    ...versionListErrors(spec),
    ...specNameErrors(spec.names),
    ...schemaErrors(spec.validation, 'spec.validation', {
      options,
      statusEnabled: anyStatus,
      version: spec.version,
    }),
    ...subresourceErrors(spec.subresources, 'spec.subresources'),
    ...spec.columns.flatMap((column, index) =>
      columnErrors(column, `spec.additionalPrinterColumns[${index}]`),
    ),
    ...selectableErrors(spec.selectableFields, spec.validation, 'spec.selectableFields'),
    ...conversionErrors(spec.conversion),
  ]
}

function groupErrors({ group = '', scope = '' }: InternalSpec): FieldError[] {
  const errors: FieldError[] = []
  const problems = dns1123SubdomainProblems(group)
  if (group === '') errors.push(required('spec.group'))
  else if (problems.length > 0) errors.push(invalid('spec.group', group, problems.join(',')))
  else if (!group.includes('.')) {
    errors.push(invalid('spec.group', group, 'should be a domain with at least one dot'))
  }
  const scopes = ['Cluster', 'Namespaced']
  if (scope === '') errors.push(required('spec.scope'))
  else if (!scopes.includes(scope)) errors.push(notSupported('spec.scope', scope, scopes))
  return errors
}

function versionErrors(
  version: InternalVersion,
  path: string,
  context: VersionContext,
): FieldError[] {
  const { name = '', deprecated, deprecationWarning } = version
  const at = (child: string) => childPath(path, child)
  const problems = dns1035LabelProblems(name)
  return [
    ...(problems.length > 0 ? [invalid(at('name'), name, problems.join(','))] : []),
    ...warningProblems(deprecated, deprecationWarning).map((problem) =>
      invalid(at('deprecationWarning'), deprecationWarning, problem),
    ),
    ...schemaErrors(version.schema, at('schema'), { ...context, version: name }),
    ...subresourceErrors(version.subresources, at('subresources')),
    ...version.columns.flatMap((column, index) =>
      columnErrors(column, indexPath(at('additionalPrinterColumns'), index)),
    ),
    ...selectableErrors(version.selectableFields, version.schema, at('selectableFields')),
  ]
}

function warningProblems(deprecated: boolean, warning: string | undefined): string[] {
  if (warning === undefined) return []
  if (!deprecated) return ['can only be set for deprecated versions']
  const problems: string[] = []
  if (Buffer.byteLength(warning) > 256) problems.push('must be <= 256 characters long')
  if (warning === '') problems.push('must not be an empty string')
  const at = [...warning].findIndex((char) => /[\p{C}\p{Zl}\p{Zp}]/u.test(char))
  if (at >= 0) {
    problems.push(
      `must only contain printable UTF-8 characters; non-printable character found at index ${at}`,
    )
  }
  return problems
}

function versionListErrors({ versions, version }: InternalSpec): FieldError[] {
  const errors: FieldError[] = []
  const shown = shownVersions(versions)
  const names = versions.map(({ name }) => name)
  if (new Set(names).size !== names.length) {
    errors.push(invalid('spec.versions', shown, 'must contain unique version names'))
  }
  if (versions.filter(({ storage }) => storage).length !== 1) {
    const detail = 'must have exactly one version marked as storage version'
    errors.push(invalid('spec.versions', shown, detail))
  }
  const problems = version === '' ? [] : dns1035LabelProblems(version)
  if (problems.length > 0) errors.push(invalid('spec.version', version, problems.join(',')))
  return errors
}

function specNameErrors(names: CustomResourceDefinitionNames): FieldError[] {
  const needed = ['plural', 'singular', 'kind', 'listKind'] as const
  const missing = needed.filter((name) => (names?.[name] ?? '') === '')
  return [
    ...missing.map((name) => required(`spec.names.${name}`)),
    ...nameErrors(names, 'spec.names'),
  ]
}

function nameErrors(names: CustomResourceDefinitionNames | undefined, path: string): FieldError[] {
  if (!names) return []
  const errors: FieldError[] = []
  const judge = (at: string, value: string, mixed = false) => {
    const problems = dns1035LabelProblems(mixed ? value.toLowerCase() : value)
    if (value === '' || problems.length === 0) return
    const prefix = mixed ? 'may have mixed case, but should otherwise match: ' : ''
    errors.push(invalid(childPath(path, at), value, prefix + problems.join(',')))
  }
  judge('plural', names.plural ?? '')
  judge('singular', names.singular ?? '')
  judge('kind', names.kind ?? '', true)
  judge('listKind', names.listKind ?? '', true)
  names.shortNames?.forEach((name, index) => judge(`shortNames[${index}]`, name))
  if (names.kind && names.kind === names.listKind) {
    const detail = 'kind and listKind may not be the same'
    errors.push(invalid(childPath(path, 'listKind'), names.listKind, detail))
  }
  names.categories?.forEach((name, index) => judge(`categories[${index}]`, name))
  return errors
}

function storedErrors(
  stored: readonly string[],
  versions: readonly InternalVersion[],
): FieldError[] {
  const path = 'status.storedVersions'
  if (stored.length === 0) {
    return [invalid(path, listOrNull(stored), 'must have at least one stored version')]
  }
  const names = versions.map(({ name }) => name)
  const unlisted = versions.filter(({ name, storage }) => storage && !stored.includes(name))
  const gone = stored.flatMap((name, index) => (names.includes(name) ? [] : [{ name, index }]))
  return [
    ...unlisted.map(({ name }) => invalid(path, stored, `must have the storage version ${name}`)),
    ...gone.map(({ name, index }) =>
      invalid(
        indexPath(path, index),
        name,
        `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
      ),
    ),
  ]
}
