// Answers for paths and methods that are not there, in the words that clients look for.
import { StatusError, statusError } from '../api/machinery/status.ts'
import type { Answer } from './call.ts'

export const notFoundPath = (): StatusError =>
  statusError('NotFound', 'the server could not find the requested resource', {})

export const methodNotAllowed = (): StatusError =>
  statusError(
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
    {},
  )

/** For paths outside any API group that is served: plain text, as net/http says it. */
export const plainNotFound: Answer = {
  code: 404,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  body: [Buffer.from('404 page not found\n')],
}

/** A 500 without a reason: mistakes of clients that upstream did not foresee. */
export const plainError = (message: string): StatusError =>
  new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    code: 500,
  })
