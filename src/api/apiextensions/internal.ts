// A CustomResourceDefinition in the form upstream checks it in, whose paths stand in its errors:
// what all versions have in common stands once, above them.
import { sameValue } from '../machinery/validation.ts'
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  CustomResourceValidation,
  SelectableField,
  WebhookClientConfig,
} from '../types/apiextensions.gen.ts'

export interface InternalVersion {
  readonly name: string
  readonly served: boolean
  readonly storage: boolean
  readonly deprecated: boolean
  readonly deprecationWarning: string | undefined
  readonly schema: CustomResourceValidation | undefined
  readonly subresources: CustomResourceSubresources | undefined
  readonly columns: readonly CustomResourceColumnDefinition[]
  readonly selectableFields: readonly SelectableField[]
}

export interface InternalSpec
  extends Pick<CustomResourceDefinitionSpec, 'group' | 'names' | 'scope'> {
  /** The name of the first version. */
  readonly version: string
  readonly versions: readonly InternalVersion[]
  readonly validation: CustomResourceValidation | undefined
  readonly subresources: CustomResourceSubresources | undefined
  readonly columns: readonly CustomResourceColumnDefinition[]
  readonly selectableFields: readonly SelectableField[]
  readonly preserveUnknownFields: boolean
  readonly conversion: InternalConversion | undefined
}

export interface InternalConversion {
  readonly strategy: string
  readonly client: WebhookClientConfig | undefined
  readonly reviewVersions: readonly string[]
}

export function internalOf(spec: CustomResourceDefinitionSpec): InternalSpec {
  const versions = spec.versions ?? []
  const [first] = versions
  const shared = <Key extends keyof CustomResourceDefinitionVersion>(key: Key) =>
    versions.every((version) => sameValue(version[key], first?.[key])) ? first?.[key] : undefined
  const schema = shared('schema')
  const subresources = shared('subresources')
  const columns = shared('additionalPrinterColumns')
  const fields = shared('selectableFields')
  const { conversion } = spec
  return {
    group: spec.group,
    names: spec.names,
    scope: spec.scope,
    version: first?.name ?? '',
    validation: schema,
    subresources,
    columns: columns ?? [],
    selectableFields: fields ?? [],
    preserveUnknownFields: spec.preserveUnknownFields === true,
    conversion: conversion && {
      strategy: conversion.strategy,
      client: conversion.webhook?.clientConfig,
      reviewVersions: conversion.webhook?.conversionReviewVersions ?? [],
    },
    versions: versions.map((version) => ({
      name: version.name,
      served: version.served,
      storage: version.storage,
      deprecated: version.deprecated === true,
      deprecationWarning: version.deprecationWarning,
      schema: schema ? undefined : version.schema,
      subresources: subresources ? undefined : version.subresources,
      columns: columns ? [] : (version.additionalPrinterColumns ?? []),
      selectableFields: fields ? [] : (version.selectableFields ?? []),
    })),
  }
}

/** The list as upstream prints its own structs. */
export function shownVersions(versions: readonly InternalVersion[]): unknown {
  const orNull = (value: unknown) => value ?? null
  return versions.map((version) => ({
    Name: version.name,
    Served: version.served,
    Storage: version.storage,
    Deprecated: version.deprecated,
    DeprecationWarning: orNull(version.deprecationWarning),
    Schema: orNull(version.schema),
    Subresources: orNull(version.subresources),
    AdditionalPrinterColumns: version.columns.length === 0 ? null : version.columns,
    SelectableFields: version.selectableFields.length === 0 ? null : version.selectableFields,
  }))
}

/** A list that Go prints as null when there is nothing in it. */
export const listOrNull = (list: readonly unknown[] | undefined): unknown =>
  list && list.length > 0 ? list : null
