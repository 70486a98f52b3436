// ServiceAccount: who a Pod is to the API.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Kind } from '../machinery/kind.ts'
import { none } from '../machinery/validation.ts'
import { serviceaccounts } from '../resources.gen.ts'
import type { ServiceAccount } from '../types/core.gen.ts'

const enforceMountable = 'kubernetes.io/enforce-mountable-secrets'

export const serviceAccountKind: Kind<ServiceAccount> = {
  resource: serviceaccounts,
  deleteReturnsObject: true,
  validate: () => none,
  warnings({ metadata }, old) {
    const isSet = (account: ServiceAccount | undefined) =>
      account?.metadata.annotations?.[enforceMountable] !== undefined
    if (metadata.annotations?.[enforceMountable] === undefined || isSet(old)) return []
    const instead = 'prefer separate namespaces to isolate access to mounted secrets'
    return [`metadata.annotations[${enforceMountable}]: deprecated in v1.32+; ${instead}`]
  },
  columns: columnsOf('Name | Age'),
  row: (account, nowMs) => ({ cells: [account.metadata.name, ageOf(account, nowMs)] }),
}
