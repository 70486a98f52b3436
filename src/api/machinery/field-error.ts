// Field errors: what is wrong with an object, as values, in the words of Kubernetes' field package.
import { goJson, goQuote } from './go-text.ts'

export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTooFew'
  | 'FieldValueTooShort'
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
  FieldValueTooFew: 'Too few',
  FieldValueTooShort: 'Too short',
  FieldValueTypeInvalid: 'Invalid value',
  FieldValueNotFound: 'Not found',
  InternalError: 'Internal error',
}

/** Stands for a value that is too long or too secret to show. */
export const omitted: unique symbol = Symbol('value omitted')

/** A value as it stands in messages: %q for text, JSON for lists and objects. */
function show(value: unknown): string {
  if (value === omitted) return ''
  if (typeof value === 'string') return goQuote(value)
  if (value === undefined || value === null) return 'null'
  return typeof value === 'object' ? goJson(value) : String(value)
}

/** `parts` follow the type's own words, those that are not empty. */
function make(type: FieldErrorType, field: string, parts: readonly string[]): FieldError {
  const shown = [prefixes[type], ...parts].filter((part) => part !== '')
  return { type, field, message: shown.join(': ') }
}

export const required = (field: string, detail = ''): FieldError =>
  make('FieldValueRequired', field, [detail])
export const invalid = (field: string, value: unknown, detail: string): FieldError =>
  make('FieldValueInvalid', field, [show(value), detail])
export const typeInvalid = (field: string, value: unknown, detail: string): FieldError =>
  make('FieldValueTypeInvalid', field, [show(value), detail])
export const duplicate = (field: string, value: unknown): FieldError =>
  make('FieldValueDuplicate', field, [show(value), ''])
export const forbidden = (field: string, detail: string): FieldError =>
  make('FieldValueForbidden', field, [detail])
export const notFound = (field: string, value: unknown): FieldError =>
  make('FieldValueNotFound', field, [show(value), ''])
export const internalError = (field: string, detail: string): FieldError =>
  make('InternalError', field, [detail])
export const notSupported = (
  field: string,
  value: unknown,
  supported: readonly string[],
): FieldError => {
  const list = supported.map(goQuote).join(', ')
  const detail = list === '' ? '' : `supported values: ${list}`
  return make('FieldValueNotSupported', field, [show(value), detail])
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`

export const tooLong = (field: string, maxBytes: number): FieldError =>
  make('FieldValueTooLong', field, [`may not be more than ${counted(maxBytes, 'byte')}`])
export const tooMany = (field: string, actual: number, max: number): FieldError =>
  make('FieldValueTooMany', field, [String(actual), `must have at most ${counted(max, 'item')}`])

/** One field error as it stands in the message of a Status: "field: message". */
export const fieldErrorText = (error: FieldError): string => `${error.field}: ${error.message}`
