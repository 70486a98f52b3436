// Field errors: what is wrong with an object, as values, in the words of Kubernetes' field package.

export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'FieldValueNotFound'
  | 'InternalError'

export interface FieldError {
  readonly type: FieldErrorType
  /** As in "spec.ports[0].port"; "" for the whole object. */
  readonly field: string
  /** The full text after "field: ", for example `Invalid value: 0: must be between 1 and 65535, inclusive`. */
  readonly message: string
}

const prefixes: Readonly<Record<FieldErrorType, string>> = {
  FieldValueRequired: 'Required value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueTooMany: 'Too many',
  FieldValueTypeInvalid: 'Invalid value',
  FieldValueNotFound: 'Not found',
  InternalError: 'Internal error',
}

/** A value as Go's %v or %q puts it into messages. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value === undefined || value === null) return 'null'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function make(type: FieldErrorType, field: string, middle: string, detail: string): FieldError {
  const parts = [prefixes[type], middle, detail].filter((part) => part !== '')
  return { type, field, message: parts.join(': ') }
}

export const required = (field: string, detail = ''): FieldError =>
  make('FieldValueRequired', field, '', detail)
export const invalid = (field: string, value: unknown, detail: string): FieldError =>
  make('FieldValueInvalid', field, show(value), detail)
export const typeInvalid = (field: string, value: unknown, detail: string): FieldError =>
  make('FieldValueTypeInvalid', field, show(value), detail)
export const duplicate = (field: string, value: unknown): FieldError =>
  make('FieldValueDuplicate', field, show(value), '')
export const forbidden = (field: string, detail: string): FieldError =>
  make('FieldValueForbidden', field, '', detail)
export const notFound = (field: string, value: unknown): FieldError =>
  make('FieldValueNotFound', field, show(value), '')
export const internalError = (field: string, detail: string): FieldError =>
  make('InternalError', field, '', detail)
export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError => {
  const list = supported.map((item) => JSON.stringify(item)).join(', ')
  return make('FieldValueNotSupported', field, show(value), list === '' ? '' : `supported values: ${list}`)
}
export const tooLong = (field: string, maxBytes: number): FieldError =>
  make('FieldValueTooLong', field, '', `may not be more than ${maxBytes} bytes`)
export const tooMany = (field: string, actual: number, max: number): FieldError =>
  make('FieldValueTooMany', field, String(actual), `must have at most ${max} item${max === 1 ? '' : 's'}`)
