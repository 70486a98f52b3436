// A CustomResourceDefinition as a whole: names, versions, schemas, subresources, columns, conversion.
// In upstream's order and at upstream's paths (pkg/apis/apiextensions/validation).
import { resolveFieldPath } from '../structural/field-path.ts'
import { isUnreadable, validateStructural } from '../structural/structural.ts'
import { validateDefaults } from '../structural/default-validation.ts'
import type { Schema } from '../structural/schema.ts'
import { childPath, indexPath, someSchema } from '../structural/schema.ts'
import { validateClient } from '../admissionregistration/webhooks.ts'
import type { FieldError } from '../machinery/field-error.ts'
import {
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required,
  tooMany,
} from '../machinery/field-error.ts'
import { dns1035LabelProblems, dns1123SubdomainProblems } from '../machinery/names.ts'
import { immutable, sameValue } from '../machinery/validation.ts'
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceSubresources,
  CustomResourceValidation,
  SelectableField,
} from '../types/apiextensions.gen.ts'
import { approvalErrors } from './approval.ts'
import type { InternalConversion, InternalSpec, InternalVersion } from './internal.ts'
import { internalOf, listOrNull, shownVersions } from './internal.ts'
import { itemErrors } from './list-schema.ts'
import type { Costs, SchemaOptions } from './schema-validation.ts'
import { costMessage, schemaCostLimit, validateSchema } from './schema-validation.ts'

interface Options {
  /** What was stored before: it is not held to rules that are younger. */
  readonly old: CustomResourceDefinitionSpec | undefined
  readonly prunedDefaults: boolean
  readonly atomicSets: boolean
  readonly listKeys: boolean
}

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

interface VersionContext {
  readonly options: Options
  readonly statusEnabled: boolean
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

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string']
const columnFormats = [
  'binary',
  'byte',
  'date',
  'date-time',
  'double',
  'float',
  'int32',
  'int64',
  'password',
]

function columnErrors(column: CustomResourceColumnDefinition, path: string): FieldError[] {
  const { name = '', type = '', format = '', jsonPath = '' } = column
  const at = (child: string) => childPath(path, child)
  const errors: FieldError[] = []
  if (name === '') errors.push(required(at('name')))
  const kinds = `must be one of ${columnTypes.join(',')}`
  if (type === '') errors.push(required(at('type'), kinds))
  else if (!columnTypes.includes(type)) errors.push(invalid(at('type'), type, kinds))
  if (format !== '' && !columnFormats.includes(format)) {
    errors.push(invalid(at('format'), format, `must be one of ${columnFormats.join(',')}`))
  }
  if (jsonPath === '') errors.push(required(at('JSONPath')))
  else errors.push(...simplePath(jsonPath, at('JSONPath')))
  return errors
}

const simplePath = (text: string, path: string): FieldError[] =>
  text.startsWith('.') ? [] : [invalid(path, text, 'must be a simple json path starting with .')]

function subresourceErrors(
  subresources: CustomResourceSubresources | undefined,
  path: string,
): FieldError[] {
  const scale = subresources?.scale
  if (!scale) return []
  const judge = (name: string, text: string, roots: readonly string[], where: string) => {
    const at = childPath(path, `scale.${name}`)
    const simple = simplePath(text, at)
    if (simple.length > 0 || roots.some((root) => text.startsWith(root))) return simple
    return [invalid(at, text, `should be a json path under ${where}`)]
  }
  const spec = scale.specReplicasPath ?? ''
  const status = scale.statusReplicasPath ?? ''
  const selector = scale.labelSelectorPath ?? ''
  return [
    ...(spec === ''
      ? [required(childPath(path, 'scale.specReplicasPath'))]
      : judge('specReplicasPath', spec, ['.spec.'], '.spec')),
    ...(status === ''
      ? [required(childPath(path, 'scale.statusReplicasPath'))]
      : judge('statusReplicasPath', status, ['.status.'], '.status')),
    ...(selector === ''
      ? []
      : judge('labelSelectorPath', selector, ['.spec.', '.status.'], 'either .spec or .status')),
  ]
}

const maxSelectableFields = 8
const selectableTypes: readonly string[] = ['string', 'boolean', 'integer']

function selectableErrors(
  fields: readonly SelectableField[],
  validation: CustomResourceValidation | undefined,
  path: string,
): FieldError[] {
  if (fields.length === 0) return []
  const schema = validation?.openAPIV3Schema
  if (!schema) {
    const detail = 'may only be set when `version.schema.openAPIV3Schema` is not included'
    return [invalid(path, '', detail)]
  }
  const seen = new Set<string>()
  const errors = fields.flatMap(({ jsonPath = '' }, index) =>
    selectableError(jsonPath, childPath(indexPath(path, index), 'jsonPath'), { schema, seen }),
  )
  if (seen.size > maxSelectableFields) errors.push(tooMany(path, seen.size, maxSelectableFields))
  return errors
}

function selectableError(
  jsonPath: string,
  at: string,
  { schema, seen }: { readonly schema: Schema; readonly seen: Set<string> },
): FieldError[] {
  if (jsonPath === '') return [required(at)]
  const resolved = resolveFieldPath(jsonPath, schema, { brackets: false })
  if (!resolved.ok) return [invalid(at, jsonPath, `is an invalid path: ${resolved.message}`)]
  const errors: FieldError[] = []
  if (resolved.root === 'metadata') {
    errors.push(invalid(at, jsonPath, 'must not point to fields in metadata'))
  }
  if (!selectableTypes.includes(resolved.schema.type ?? '')) {
    const detail =
      'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.'
    errors.push(invalid(at, jsonPath, detail))
  }
  if (seen.has(resolved.path)) errors.push(duplicate(at, jsonPath))
  seen.add(resolved.path)
  return errors
}

function conversionErrors(conversion: InternalConversion | undefined): FieldError[] {
  if (!conversion) return []
  const path = 'spec.conversion'
  const { strategy = '', client, reviewVersions } = conversion
  const strategies = ['None', 'Webhook']
  const clientPath = childPath(path, 'webhookClientConfig')
  const versionsPath = childPath(path, 'conversionReviewVersions')
  const errors: FieldError[] = []
  if (strategy === '') errors.push(required(childPath(path, 'strategy')))
  else if (!strategies.includes(strategy)) {
    errors.push(notSupported(childPath(path, 'strategy'), strategy, strategies))
  }
  if (strategy === 'Webhook') {
    if (client) errors.push(...validateClient(client, clientPath))
    else errors.push(required(clientPath, 'required when strategy is set to Webhook'))
    return [...errors, ...reviewErrors(reviewVersions, versionsPath)]
  }
  const detail = 'should not be set when strategy is not set to Webhook'
  if (client) errors.push(forbidden(clientPath, detail))
  if (reviewVersions.length > 0) errors.push(forbidden(versionsPath, detail))
  return errors
}

function reviewErrors(versions: readonly string[], path: string): FieldError[] {
  if (versions.length === 0) return [required(path)]
  const errors = versions.flatMap((version, index) => {
    const at = indexPath(path, index)
    if (versions.indexOf(version) < index) return [invalid(at, version, 'duplicate version')]
    return dns1035LabelProblems(version).map((problem) => invalid(at, version, problem))
  })
  return versions.some((version) => version === 'v1' || version === 'v1beta1')
    ? errors
    : [...errors, invalid(path, versions, 'must include at least one of v1, v1beta1')]
}

const allowedAtRoot: ReadonlySet<string> = new Set([
  'description',
  'format',
  'title',
  'maximum',
  'exclusiveMaximum',
  'minimum',
  'exclusiveMinimum',
  'maxLength',
  'minLength',
  'pattern',
  'maxItems',
  'minItems',
  'uniqueItems',
  'multipleOf',
  'required',
  'items',
  'properties',
  'externalDocs',
  'example',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
])
const allowedNames =
  '[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]'

/** With a status of its own, the root may only say what does not concern status. */
function rootErrors(schema: Schema, path: string): FieldError[] {
  const fields = Object.entries(schema).filter(
    ([name, value]) => name !== 'type' && value !== undefined && value !== false && value !== '',
  )
  if (schema.type && schema.type !== 'object') {
    const detail =
      'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
    return [invalid(childPath(path, 'type'), schema.type, detail)]
  }
  if (fields.every(([name]) => allowedAtRoot.has(name))) return []
  const detail = `only ${allowedNames} fields are allowed at the root of the schema if the status subresource is enabled`
  return [invalid(path, schema, detail)]
}

function schemaErrors(
  validation: CustomResourceValidation | undefined,
  path: string,
  context: VersionContext & { readonly version: string },
): FieldError[] {
  const schema = validation?.openAPIV3Schema
  if (!schema) return []
  const at = childPath(path, 'openAPIV3Schema')
  const errors = context.statusEnabled ? rootErrors(schema, at) : []
  if (schema.nullable) {
    errors.push(forbidden(childPath(at, 'nullable'), 'nullable cannot be true at the root'))
  }
  const structural = structuralErrors(schema, at, context.options)
  const readable = structural !== undefined && structural.length === 0
  errors.push(...(structural ?? []))
  const costs: Costs = { total: 0, expensive: [] }
  const options = schemaOptions(schema, context)
  errors.push(...validateSchema(schema, at, { ...options, costs: readable ? costs : undefined }))
  if (costs.total <= schemaCostLimit) return errors
  const contributed =
    'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema'
  const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema'
  return [
    ...errors,
    ...costs.expensive.map((one) => forbidden(one.path, contributed)),
    forbidden(at, costMessage(what, costs.total, schemaCostLimit)),
  ]
}

/** undefined: the schema cannot even be read as one; what keeps it from that is reported apart. */
function structuralErrors(
  schema: Schema,
  path: string,
  options: Options,
): readonly FieldError[] | undefined {
  if (isUnreadable(schema)) return undefined
  const errors = validateStructural(schema, path)
  return errors.length > 0 ? errors : validateDefaults(schema, path, options.prunedDefaults)
}

function schemaOptions(
  schema: Schema,
  { options, version }: { readonly options: Options; readonly version: string },
): SchemaOptions {
  const before = options.old?.versions.find(({ name }) => name === version)
  const { atomicSets, listKeys } = options
  const unchanged = before !== undefined && sameValue(before.schema?.openAPIV3Schema, schema)
  return { suppressRuleCost: unchanged, atomicSets, listKeys }
}
