// What versions of a CustomResourceDefinition declare beside their schemas: printer columns,
// subresources, selectable fields; and how versions are converted.
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
import { dns1035LabelProblems } from '../machinery/names.ts'
import { resolveFieldPath } from '../structural/field-path.ts'
import type { Schema } from '../structural/schema.ts'
import { childPath, indexPath } from '../structural/schema.ts'
import type {
  CustomResourceColumnDefinition,
  CustomResourceSubresources,
  CustomResourceValidation,
  SelectableField,
} from '../types/apiextensions.gen.ts'
import type { InternalConversion } from './internal.ts'

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

export function columnErrors(column: CustomResourceColumnDefinition, path: string): FieldError[] {
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

export function subresourceErrors(
  subresources: CustomResourceSubresources | undefined,
  path: string,
): FieldError[] {
  const scale = subresources?.scale
  if (!scale) return []
  const judge = (name: string, text: string, roots: readonly string[]) => {
    const at = childPath(path, `scale.${name}`)
    const simple = simplePath(text, at)
    if (simple.length > 0 || roots.some((root) => text.startsWith(`${root}.`))) return simple
    const where = roots.length > 1 ? `either ${roots.join(' or ')}` : roots[0]
    return [invalid(at, text, `should be a json path under ${where}`)]
  }
  const spec = scale.specReplicasPath ?? ''
  const status = scale.statusReplicasPath ?? ''
  const selector = scale.labelSelectorPath ?? ''
  return [
    ...(spec === ''
      ? [required(childPath(path, 'scale.specReplicasPath'))]
      : judge('specReplicasPath', spec, ['.spec'])),
    ...(status === ''
      ? [required(childPath(path, 'scale.statusReplicasPath'))]
      : judge('statusReplicasPath', status, ['.status'])),
    ...(selector === '' ? [] : judge('labelSelectorPath', selector, ['.spec', '.status'])),
  ]
}

const maxSelectableFields = 8
const selectableTypes: readonly string[] = ['string', 'boolean', 'integer']

export function selectableErrors(
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

export function conversionErrors(conversion: InternalConversion | undefined): FieldError[] {
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
