// StatusError: the only error that leaves the API server, and what clients throw when they meet one.

import type { Status, StatusCause, StatusDetails } from '../types/meta.gen.ts'
import type { FieldError } from './field-error.ts'
import { fieldErrorText } from './field-error.ts'
import { goQuote } from './go-text.ts'
import type { Resource } from './resource.ts'
import { qualifiedResource } from './resource.ts'

const codes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServerTimeout: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const

export type StatusReason = keyof typeof codes

/** A Kubernetes Status as an Error. `message` is exactly the Status message. */
export class StatusError extends Error {
  readonly status: Status

  constructor(status: Status, options?: ErrorOptions) {
    super(status.message ?? '', options)
    this.name = 'StatusError'
    this.status = status
  }

  get code(): number {
    return this.status.code ?? 500
  }

  /** "" where the server gave none. */
  get reason(): string {
    return this.status.reason ?? ''
  }
}

/** Whether an error is a StatusError with this reason. */
export function isReason(error: unknown, reason: StatusReason): boolean {
  return error instanceof StatusError && error.reason === reason
}

function failure(reason: StatusReason, message: string, details?: StatusDetails): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(details ? { details } : {}),
    code: codes[reason],
  }
}

export const statusError = (
  reason: StatusReason,
  message: string,
  details?: StatusDetails,
): StatusError => new StatusError(failure(reason, message, details))

type Named = Pick<Resource, 'group' | 'plural'>

function detailsOf(resource: Named, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.plural,
  }
}

export const notFoundError = (resource: Named, name: string): StatusError =>
  statusError(
    'NotFound',
    `${qualifiedResource(resource)} ${goQuote(name)} not found`,
    detailsOf(resource, name),
  )

export const alreadyExistsError = (resource: Named, name: string): StatusError =>
  statusError(
    'AlreadyExists',
    `${qualifiedResource(resource)} ${goQuote(name)} already exists`,
    detailsOf(resource, name),
  )

export const conflictError = (resource: Named, name: string, cause: string): StatusError =>
  statusError(
    'Conflict',
    `Operation cannot be fulfilled on ${qualifiedResource(resource)} ${goQuote(name)}: ${cause}`,
    detailsOf(resource, name),
  )

export const objectModified =
  'the object has been modified; please apply your changes to the latest version and try again'

export const forbiddenError = (resource: Named, name: string, cause: string): StatusError => {
  const subject =
    name === '' ? qualifiedResource(resource) : `${qualifiedResource(resource)} ${goQuote(name)}`
  return statusError('Forbidden', `${subject} is forbidden: ${cause}`, detailsOf(resource, name))
}

export const badRequestError = (message: string): StatusError => statusError('BadRequest', message)

/** 500; the error that led to it stays its `cause`, for the log. */
export function internalServerError(message: string, options?: ErrorOptions): StatusError {
  const text = `Internal error occurred: ${message}`
  return new StatusError(failure('InternalError', text, { causes: [{ message }] }), options)
}

/** 422, with one cause a field error. `details.kind` is the Kind here, not the resource. */
export function invalidError(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const causes: StatusCause[] = errors.map((error) => ({
    reason: error.type,
    message: error.message,
    field: error.field,
  }))
  const texts = [...new Set(errors.map(fieldErrorText))]
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  const groupKind = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`
  return statusError('Invalid', `${groupKind} ${goQuote(name)} is invalid: ${list}`, {
    ...(name === '' ? {} : { name }),
    ...(kind.group === '' ? {} : { group: kind.group }),
    ...(kind.kind === '' ? {} : { kind: kind.kind }),
    causes,
  })
}
