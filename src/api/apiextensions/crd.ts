// CustomResourceDefinition: how the kind itself is defaulted, stored and shown. What checks schemas
// and rules is large and is loaded by whoever takes writes, before the first one.

import { formatTime } from '../../lib/clock.ts'
import { nameAndCreated } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import type { FieldError } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { customresourcedefinitions } from '../resources.gen.ts'
import { formatOf } from '../structural/formats.ts'
import { someSchema } from '../structural/schema.ts'
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
} from '../types/apiextensions.gen.ts'
import { markForDeletion } from './conditions.ts'

type Validation = typeof import('./validation.ts')

let validation: Validation | undefined

/** To be awaited before a definition is written. */
export async function loadDefinitionValidation(): Promise<void> {
  validation ??= await import('./validation.ts')
}

function loaded(): Validation {
  if (!validation) throw new Error('cannot validate a definition: its validation is not loaded')
  return validation
}

export const crdKind: Kind<CustomResourceDefinition> = {
  ...nameAndCreated,
  resource: customresourcedefinitions,
  generation: true,
  requiresResourceVersion: true,
  defaults: ({ spec }) => {
    if (spec) defaultSpec(spec)
  },
  prepareForCreate: (crd) => {
    crd.status = { acceptedNames: { plural: '', kind: '' }, storedVersions: [] }
    recordStoredVersion(crd)
  },
  prepareForUpdate: (crd) => recordStoredVersion(crd),
  validate: (crd): readonly FieldError[] => loaded().validateDefinition(crd),
  validateUpdate: (crd, old): readonly FieldError[] => loaded().validateDefinitionUpdate(crd, old),
  warnings: (crd, old) => warningsOf(crd.spec, old?.spec),
  startDeletion: (crd, { clock }) => markForDeletion(crd, formatTime(clock.now())),
  // The first DELETE only marks: there may be objects.
  heldBack: ({ metadata }) => metadata.deletionTimestamp === undefined,
  subresources: {
    status: {
      validateUpdate: (crd): readonly FieldError[] => loaded().validateDefinitionStatus(crd),
    },
  },
}

function defaultSpec(spec: Draft<CustomResourceDefinitionSpec>): void {
  const { names } = spec
  if (names) {
    if (!names.singular) names.singular = (names.kind ?? '').toLowerCase()
    if (!names.listKind && names.kind) names.listKind = `${names.kind}List`
  }
  spec.conversion ??= { strategy: 'None' }
  const service = spec.conversion.webhook?.clientConfig?.service
  if (service) service.port ??= 443
}

/** The version objects are written in stays listed until somebody has migrated them. */
function recordStoredVersion(crd: Draft<CustomResourceDefinition>): void {
  const storage = (crd.spec?.versions ?? []).find((version) => version.storage)
  const stored = crd.status?.storedVersions ?? []
  if (!storage || stored.includes(storage.name)) return
  crd.status = { ...crd.status, storedVersions: [...stored, storage.name] }
}

function warningsOf(
  spec: CustomResourceDefinitionSpec,
  old: CustomResourceDefinitionSpec | undefined,
): readonly string[] {
  const before = new Set(old ? schemaWarnings(old) : [])
  return schemaWarnings(spec).filter((warning) => !before.has(warning))
}

function schemaWarnings({ versions }: CustomResourceDefinitionSpec): readonly string[] {
  const formats: string[] = []
  const sets = new Set<string>()
  for (const { schema } of versions ?? []) {
    someSchema(schema?.openAPIV3Schema, (one) => {
      const { type = '', format = '' } = one
      if (format !== '' && formatOf(type, format) === '') {
        formats.push(`unrecognized format ${JSON.stringify(format)}`)
      }
      const item = Array.isArray(one.items)
        ? undefined
        : (one.items as { type?: string } | undefined)
      if (one['x-kubernetes-list-type'] === 'set' && /^(object|array)$/.test(item?.type ?? '')) {
        sets.add(
          `x-kubernetes-list-type: set for items of type "${item?.type}" is not supported by server-side apply or CEL validation rules`,
        )
      }
      return false
    })
  }
  return [...new Set(formats), ...[...sets].sort()]
}
