// One version of a CustomResourceDefinition as a Kind: its schema put to work in the hooks that the
// registry runs for every kind.
import { atomOfCustom, resetFieldsOfCustom } from '../../api/apply/schema-atoms.ts'
import type { Draft } from '../../api/machinery/draft.ts'
import type { FieldError } from '../../api/machinery/field-error.ts'
import { invalid } from '../../api/machinery/field-error.ts'
import { goQuote } from '../../api/machinery/go-text.ts'
import type { FieldReader, Kind } from '../../api/machinery/kind.ts'
import { qualifiedNameProblems } from '../../api/machinery/names.ts'
import type { KubeObject, Resource, Subresource } from '../../api/machinery/resource.ts'
import { badRequestError, invalidError } from '../../api/machinery/status.ts'
import { sameValue } from '../../api/machinery/validation.ts'
import { Correlated } from '../../api/structural/correlate.ts'
import { applyDefaults, dropNulls } from '../../api/structural/defaults.ts'
import { findAll, parseJsonPath } from '../../api/structural/json-path.ts'
import { validateListTypes } from '../../api/structural/list-types.ts'
import { coerceEmbedded, readMetadata, validateEmbedded } from '../../api/structural/object-meta.ts'
import { pruneResource } from '../../api/structural/prune.ts'
import type { Rules } from '../../api/structural/rules.ts'
import { rulesOf } from '../../api/structural/rules.ts'
import type { JsonObject, Schema } from '../../api/structural/schema.ts'
import { propertyOf, someSchema } from '../../api/structural/schema.ts'
import { validateValue } from '../../api/structural/validate.ts'
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from '../../api/types/apiextensions.gen.ts'
import type { CustomResource } from '../served.ts'
import { tableOf } from './cells.ts'
import { scaleErrors, scaleStrategyOf } from './scale.ts'

/** In the order upstream lists them. */
const verbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch']

export interface CustomKind {
  readonly resource: Resource
  readonly kind: Kind
  readonly custom: CustomResource
  readonly schema: Schema | undefined
}

/**
 * The versions that are served, as kinds. Where only a webhook could convert, and none is called
 * here, that is the version objects are stored in: another would show them wrongly.
 */
export function kindsOf(crd: CustomResourceDefinition): readonly CustomKind[] {
  const webhook = crd.spec.conversion?.strategy === 'Webhook'
  const shown = crd.spec.versions.filter(({ served, storage }) => served && (storage || !webhook))
  return shown.map((version) => kindOf(crd, version))
}

function kindOf(
  crd: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
): CustomKind {
  const resource = resourceOf(crd, version)
  const schema = version.schema?.openAPIV3Schema
  const preserves = crd.spec.preserveUnknownFields === true
  const converts = crd.spec.versions.length > 1
  const defaults = someSchema(schema, (one) => one.default !== undefined)
  const apiVersion = `${resource.group}/${resource.version}`
  const view = {
    of: resource,
    toStored: (object: KubeObject) => object,
    fromStored: (stored: KubeObject): KubeObject => {
      const object = structuredClone(stored) as unknown as JsonObject
      if (stored.apiVersion !== apiVersion) {
        object.apiVersion = apiVersion
        if (!preserves) pruneResource(object, schema)
      }
      applyDefaults(object, schema)
      return object as unknown as KubeObject
    },
  }
  return {
    resource,
    schema,
    kind: {
      ...hooksOf(version, schema),
      resource,
      ...(converts || defaults ? { view } : {}),
      ...(version.deprecated ? { deprecation: deprecationOf(crd, version) } : {}),
    },
    custom: customOf(crd, { resource, schema, preserves }),
  }
}

function resourceOf(
  { spec, status }: CustomResourceDefinition,
  { name: version, subresources }: CustomResourceDefinitionVersion,
): Resource {
  const { plural, singular, kind, shortNames, categories } = status?.acceptedNames ?? spec.names
  const subs: Subresource[] = []
  const read = ['get', 'patch', 'update']
  if (subresources?.status) subs.push({ name: 'status', kind, verbs: read })
  if (subresources?.scale) {
    subs.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: read })
  }
  return {
    group: spec.group,
    version,
    kind,
    plural,
    singular: singular ?? '',
    namespaced: spec.scope === 'Namespaced',
    shortNames: shortNames ?? [],
    categories: categories ?? [],
    verbs,
    subresources: subs,
    struct: '',
  }
}

const deprecationOf = (
  { spec }: CustomResourceDefinition,
  { name, deprecationWarning }: CustomResourceDefinitionVersion,
): string => deprecationWarning ?? `${spec.group}/${name} ${spec.names.kind} is deprecated`

/** Blocks rules: their expressions count on the types that the schema declares. */
const blocking: ReadonlySet<string> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
])

const notChecked = invalid(
  '<nil>',
  null,
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
)

type Hooks = Omit<Kind, 'resource'>

function hooksOf(version: CustomResourceDefinitionVersion, schema: Schema | undefined): Hooks {
  const { subresources, additionalPrinterColumns, selectableFields } = version
  const scale = subresources?.scale
  const hasStatus = subresources?.status !== undefined
  const validator = new Validator(schema, schema && rulesOf(schema, true))
  const table = tableOf(additionalPrinterColumns)
  const paths = (selectableFields ?? []).map(({ jsonPath }) => jsonPath)
  return {
    generation: true,
    requiresResourceVersion: true,
    columns: table.columns,
    row: table.row,
    fields: Object.fromEntries(paths.map((path) => [path.replace(/^\./, ''), readerOf(path)])),
    defaults: (object) => applyDefaults(object, schema),
    ...(hasStatus ? {} : { isChange: (object, old) => !sameValue(bodyOf(object), bodyOf(old)) }),
    validate: (object) => [...validator.create(object), ...scaleErrors(object, scale, 'all')],
    validateUpdate: (object, old) => [
      ...validator.update(object, old),
      ...scaleErrors(object, scale, 'all'),
    ],
    warnings: finalizerWarnings,
    ...(scale ? { scale: scaleStrategyOf(scale) } : {}),
    subresources: hasStatus
      ? {
          status: {
            keepsMetadata: true,
            validateUpdate: (object, old) => [
              ...validator.updateStatus(object, old),
              ...scaleErrors(object, scale, 'status'),
            ],
          },
        }
      : {},
  }
}

function bodyOf(object: KubeObject): object {
  const { apiVersion: _, kind: __, metadata: ___, ...body } = object
  return body
}

function readerOf(jsonPath: string): FieldReader<KubeObject> {
  const path = parseJsonPath(jsonPath) ?? []
  return (object) => {
    const [value] = findAll(object, path)
    return value === undefined || value === null ? '' : String(value)
  }
}

class Validator {
  readonly #schema: Schema | undefined
  readonly #rules: Rules | undefined

  constructor(schema: Schema | undefined, rules: Rules | undefined) {
    this.#schema = schema
    this.#rules = rules
  }

  create(object: KubeObject): readonly FieldError[] {
    const schema = this.#schema
    const errors = [
      ...validateValue(object, schema),
      ...validateEmbedded(object, schema),
      ...validateListTypes(object, schema),
    ]
    return [...errors, ...this.#ruleErrors(errors, object, undefined)]
  }

  update(object: KubeObject, old: KubeObject): readonly FieldError[] {
    const schema = this.#schema
    const correlation = new Correlated(object, old, schema)
    const errors = [
      ...validateValue(object, schema, { correlation }),
      ...validateEmbedded(object, schema),
      ...this.#listErrors(object, old),
    ]
    return [...errors, ...this.#ruleErrors(errors, object, old)]
  }

  updateStatus(object: KubeObject, old: KubeObject): readonly FieldError[] {
    const schema = propertyOf(this.#schema, 'status')
    const [status, before] = [object, old].map((one) => (one as { status?: unknown }).status)
    const correlation = new Correlated(status, before, schema)
    const errors = [
      ...(status === undefined
        ? []
        : validateValue(status, schema, { field: 'status', correlation })),
      ...this.#listErrors(object, old),
    ]
    return [...errors, ...this.#ruleErrors(errors, object, old)]
  }

  /** Lists that were wrong before may stay wrong. */
  #listErrors(object: KubeObject, old: KubeObject): readonly FieldError[] {
    const before = validateListTypes(old, this.#schema)
    return before.length > 0 ? [] : validateListTypes(object, this.#schema)
  }

  #ruleErrors(
    errors: readonly FieldError[],
    object: KubeObject,
    old: KubeObject | undefined,
  ): readonly FieldError[] {
    if (!this.#rules) return []
    if (errors.some(({ type }) => blocking.has(type))) return [notChecked]
    const correlation = old && new Correlated(object, old, this.#schema)
    return this.#rules.validate(object, old, correlation ? { correlation } : {}).errors
  }
}

const standardFinalizers = ['orphan', 'foregroundDeletion', 'kubernetes']

function finalizerWarnings(object: KubeObject, old: KubeObject | undefined): readonly string[] {
  const before = old?.metadata.finalizers ?? []
  const added = (object.metadata.finalizers ?? []).filter((name) => !before.includes(name)).sort()
  return added.flatMap((name) => {
    const at = `metadata.finalizers: ${goQuote(name)}: `
    const problems = qualifiedNameProblems(name).map((problem) => at + problem)
    if (name.includes('/') || standardFinalizers.includes(name)) return problems
    const path = name.includes('.') ? ' including a path (/)' : ''
    const advice = `prefer a domain-qualified finalizer name${path} to avoid accidental conflicts with other finalizer writers`
    return [...problems, at + advice]
  })
}

interface Shape {
  readonly resource: Resource
  readonly schema: Schema | undefined
  readonly preserves: boolean
}

function customOf(
  crd: CustomResourceDefinition,
  { resource, schema, preserves }: Shape,
): CustomResource {
  const { group, version, kind } = resource
  const storage = crd.spec.versions.find((one) => one.storage)?.name ?? version
  const hasStatus = resource.subresources.some(({ name }) => name === 'status')
  const atoms = new Map(
    crd.spec.versions.map((one) => [
      `${group}/${one.name}`,
      atomOfCustom(one.schema?.openAPIV3Schema),
    ]),
  )
  return {
    listKind: crd.status?.acceptedNames?.listKind ?? `${kind}List`,
    storageVersion: `${group}/${storage}`,
    terminating: crd.metadata.deletionTimestamp !== undefined,
    atom: atomOfCustom(schema),
    reset: (subresource) => resetFieldsOfCustom(hasStatus, subresource),
    otherVersion: (apiVersion) => {
      const atom = atoms.get(apiVersion)
      return atom && { atom, convert: (object) => ({ ...object, apiVersion }) }
    },
    decode: (object) => {
      const known = object.apiVersion === `${group}/${version}` && object.kind === kind
      return decode(object, {
        schema: known ? schema : undefined,
        prunes: !preserves && isOurs(object, resource),
      })
    },
    requireKind: (object) => requireKind(object, resource),
  }
}

const isOurs = (object: JsonObject, { group, kind }: Resource): boolean =>
  object.kind === kind && String(object.apiVersion).split('/')[0] === group

/** As typed decoding does for built-in kinds: unknown fields go, metadata gets its types. */
function decode(
  object: JsonObject,
  { schema, prunes }: { readonly schema: Schema | undefined; readonly prunes: boolean },
): readonly string[] {
  const unknown: string[] = []
  if (object.metadata !== undefined && object.metadata !== null) {
    const read = readMetadata(object.metadata)
    if (!read.ok) throw badRequestError(read.message)
    unknown.push(...read.unknown.map((name) => `metadata.${name}`))
    object.metadata = read.metadata
  }
  if (prunes) {
    unknown.push(...pruneResource(object, schema))
    dropNulls(object, schema)
  }
  const coerced = coerceEmbedded(object, schema)
  if (coerced.error) throw badRequestError(`${coerced.error.field}: ${coerced.error.message}`)
  return [...unknown, ...coerced.unknown].map((path) => `unknown field "${path}"`)
}

function requireKind(object: Draft<KubeObject>, resource: Resource): void {
  const { kind = '', metadata } = object
  if (kind === resource.kind) return
  const error = invalid('kind', kind, `must be ${resource.kind}`)
  throw invalidError({ group: resource.group, kind }, metadata?.name ?? '', [error])
}
