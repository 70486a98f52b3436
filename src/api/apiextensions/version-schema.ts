// The schema of a version as a whole: its root, its structure, its defaults, its rules and what they
// cost together.
import type { FieldError } from '../machinery/field-error.ts'
import { forbidden, invalid } from '../machinery/field-error.ts'
import { sameValue } from '../machinery/validation.ts'
import { validateDefaults } from '../structural/default-validation.ts'
import type { Schema } from '../structural/schema.ts'
import { childPath } from '../structural/schema.ts'
import { isUnreadable, validateStructural } from '../structural/structural.ts'
import type {
  CustomResourceDefinitionSpec,
  CustomResourceValidation,
} from '../types/apiextensions.gen.ts'
import type { Costs, SchemaOptions } from './schema-validation.ts'
import { costMessage, schemaCostLimit, validateSchema } from './schema-validation.ts'

export interface Options {
  /** What was stored before: it is not held to rules that are younger. */
  readonly old: CustomResourceDefinitionSpec | undefined
  readonly prunedDefaults: boolean
  readonly atomicSets: boolean
  readonly listKeys: boolean
}

export interface VersionContext {
  readonly options: Options
  readonly statusEnabled: boolean
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

export function schemaErrors(
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
