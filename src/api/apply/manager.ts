// The name of the field manager of a request.
import { type FieldError, invalid, tooLong } from '../machinery/field-error.ts'

const maxBytes = 128

/** The one asked for, else the User-Agent up to its first slash. */
export function managerOf(asked: string | undefined, userAgent: string | undefined): string {
  if (asked) return asked
  let name = ''
  let bytes = 0
  for (const char of (userAgent ?? '').split('/', 1)[0] ?? '') {
    if (!isPrintable(char)) continue
    bytes += Buffer.byteLength(char)
    if (bytes > maxBytes) break
    name += char
  }
  return name
}

/** Errors of ?fieldManager=, under the field "fieldManager". */
export function validateManager(manager: string): readonly FieldError[] {
  const field = 'fieldManager'
  const errors: FieldError[] = []
  if (Buffer.byteLength(manager) > maxBytes) errors.push(tooLong(field, maxBytes))
  let position = 0
  for (const char of manager) {
    if (!isPrintable(char)) {
      const code = char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')
      const detail = `invalid character U+${code} (at position ${position})`
      const error = invalid(field, '', detail)
      errors.push({ ...error, message: `Invalid value: ${quoteGo(manager)}: ${detail}` })
      break
    }
    position += Buffer.byteLength(char)
  }
  return errors
}

/** Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the plain space. */
const isPrintable = (char: string): boolean => /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(char)

/** Go's %q. */
function quoteGo(text: string): string {
  const quoted = JSON.stringify(text).replaceAll(/\\u00([0-7])([0-9a-f])/g, '\\x$1$2')
  return quoted.replaceAll('\\b', '\\b').replaceAll('\\x07', '\\a').replaceAll('\\x0b', '\\v')
}
