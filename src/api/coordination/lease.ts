// Lease: who leads, or that a node is alive. The hottest write path there is.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Kind } from '../machinery/kind.ts'
import { type Errors, nonNegative, positive } from '../machinery/validation.ts'
import { leases } from '../resources.gen.ts'
import type { Lease } from '../types/coordination.gen.ts'

export const leaseKind: Kind<Lease> = {
  resource: leases,
  createOnUpdate: true,
  requiresResourceVersion: true,
  validate: validateLease,
  columns: columnsOf('Name | Holder | Age'),
  row: (lease, nowMs) => ({
    cells: [lease.metadata.name, lease.spec?.holderIdentity ?? '', ageOf(lease, nowMs)],
  }),
}

function validateLease({ spec }: Lease): Errors {
  return [
    ...positive(spec?.leaseDurationSeconds, 'spec.leaseDurationSeconds'),
    ...nonNegative(spec?.leaseTransitions, 'spec.leaseTransitions'),
  ]
}
