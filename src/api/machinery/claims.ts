// Claims: what the registry reserves for an object in the object's own commit (apiserver/claims.ts
// keeps the books). Nothing stays reserved when the commit does not happen.

import type { IPFamily } from '../../lib/ip.ts'
import type { FieldError } from './field-error.ts'

export type { IPFamily } from '../../lib/ip.ts'

/** Taking a value that is taken answers the reason as text, in Kubernetes' words. */
export interface Claims {
  /** A given or (undefined) any free ClusterIP of the family. */
  takeClusterIP(family: IPFamily, wanted?: string): ClaimResult<string>
  releaseClusterIP(address: string): void
  takeNodePort(wanted?: number): ClaimResult<number>
  releaseNodePort(port: number): void
}

export type ClaimResult<Value> =
  | { readonly ok: true; readonly value: Value }
  /** "full" is a server error (500), the rest are field errors of the client (422). */
  | {
      readonly ok: false
      readonly reason: 'full' | 'taken' | 'out-of-range'
      readonly message: string
    }

/** What a claim hook answers: field errors (none: all is well), or the cause of a 500. */
export type ClaimOutcome = readonly FieldError[] | { readonly serverError: string }
