// Fields of a custom resource that its schema does not declare, and what becomes of a write with them.
import { badRequestError } from '../api/machinery/status.ts'
import { strictMessage } from '../api/schema/body.ts'
import type { Served } from './served.ts'
import type { WriteOptions } from './write-options.ts'

interface Strictness {
  readonly served: Served
  readonly options: WriteOptions
  readonly warnings: string[]
}

/** Fields a custom resource does not declare: refused, told or passed over, as was asked. */
export function refuseUnknown(
  unknown: readonly string[],
  { served, options, warnings }: Strictness,
): void {
  if (unknown.length === 0) return
  const { kind, version } = served.resource
  if (options.fieldValidation === 'Strict') {
    const message = strictMessage(unknown)
    throw badRequestError(
      `${kind} in version "${version}" cannot be handled as a ${kind}: ${message}`,
    )
  }
  if (options.fieldValidation === 'Warn') warnings.push(...unknown)
}
