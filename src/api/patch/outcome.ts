// What a patch gives: the patched document, or what the client is told.
import type { JsonObject } from '../apply/atom.ts'
import { goJson } from '../apply/go-format.ts'
import { badRequestError, invalidError, StatusError, statusError } from '../machinery/status.ts'

export type Patched =
  | { readonly ok: true; readonly object: JsonObject }
  | { readonly ok: false; readonly error: StatusError }

export const patched = (object: JsonObject): Patched => ({ ok: true, object })
export const refused = (error: StatusError): Patched => ({ ok: false, error })

/** 422 that does not say why, as upstream answers every JSON patch that does not apply. */
export const doesNotApply = (): Patched =>
  refused(
    statusError('Invalid', 'the server rejected our request due to an error in our request', {}),
  )

/** 400 for a patch that cannot be read; `cause` as encoding/json puts it. */
export const undecodable = (cause: string): Patched =>
  refused(badRequestError(`error decoding patch: ${cause}`))

/** 500 without a reason: client mistakes in strategic patches that upstream did not foresee. */
export const unforeseen = (message: string): Patched =>
  refused(
    new StatusError({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      code: 500,
    }),
  )

/**
 * 422 for a patched document that is no object of its kind any more. `shown` is the whole document
 * (JSON and merge patch: `goJson(document)`) or the patch (strategic: `formatGo(patch)`).
 */
export const notAnObjectOfItsKind = (shown: string, cause: string): StatusError =>
  invalidError({ group: '', kind: '' }, '', [
    {
      type: 'FieldValueInvalid',
      field: 'patch',
      message: `Invalid value: ${goQuote(shown)}: ${cause}`,
    },
  ])

/** Go's %q of valid text. */
const goQuote = (text: string): string =>
  JSON.stringify(text).replaceAll(/[\u2028\u2029]/g, (char) =>
    char === '\u2028' ? '\\u2028' : '\\u2029',
  )

export { goJson }
