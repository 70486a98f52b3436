// Namespace: lives until its spec.finalizers are gone, which the namespace controller sees to.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { invalid } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { nameIsDnsLabel } from '../machinery/names.ts'
import { validateFinalizers } from '../machinery/object-meta.ts'
import { type Errors, none } from '../machinery/validation.ts'
import { namespaces } from '../resources.gen.ts'
import type { Namespace } from '../types/core.gen.ts'

const nameLabel = 'kubernetes.io/metadata.name'
const finalizer = 'kubernetes'

export const namespaceKind: Kind<Namespace> = {
  resource: namespaces,
  validateName: nameIsDnsLabel,
  defaults: labelWithName,
  prepareForCreate(namespace) {
    namespace.status = { phase: 'Active' }
    const finalizers = namespace.spec?.finalizers ?? []
    if (!finalizers.includes(finalizer)) {
      namespace.spec = { ...namespace.spec, finalizers: [...finalizers, finalizer] }
    }
  },
  prepareForUpdate(namespace, old) {
    // Finalizers go through the finalize subresource only.
    const finalizers = old.spec?.finalizers
    namespace.spec = finalizers ? { ...namespace.spec, finalizers: [...finalizers] } : {}
  },
  validate: () => none,
  validateUpdate: () => none,
  startDeletion(namespace) {
    namespace.status = { ...namespace.status, phase: 'Terminating' }
  },
  heldBack: ({ spec }) => (spec?.finalizers ?? []).length > 0,
  subresources: {
    status: { validateUpdate: validateStatus },
    finalize: { writes: ['spec.finalizers'], validateUpdate: validateFinalize },
  },
  columns: columnsOf('Name | Status | Age'),
  row: (namespace, nowMs) => ({
    cells: [namespace.metadata.name, namespace.status?.phase ?? '', ageOf(namespace, nowMs)],
  }),
  fields: { 'status.phase': ({ status }) => status?.phase ?? '' },
}

/** Every Namespace can be selected by its name; an unset name is generated after this. */
function labelWithName({ metadata }: Draft<Namespace>): void {
  if (!metadata.name) return
  metadata.labels ??= {}
  metadata.labels[nameLabel] = metadata.name
}

function validateStatus({ metadata, status }: Namespace): Errors {
  const wanted = metadata.deletionTimestamp === undefined ? 'Active' : 'Terminating'
  const detail =
    wanted === 'Active'
      ? "may only be 'Active' if `deletionTimestamp` is empty"
      : "may only be 'Terminating' if `deletionTimestamp` is not empty"
  return status?.phase === wanted ? none : [invalid('status.Phase', status?.phase ?? '', detail)]
}

function validateFinalize({ spec }: Namespace): Errors {
  return validateFinalizers(spec?.finalizers, 'spec.finalizers')
}
