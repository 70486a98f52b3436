// Field selectors: `metadata.name=a,status.phase!=Failed`. Which labels a kind knows is the kind's
// business (Kind.fields); here is the grammar, in the words of k8s.io/apimachinery pkg/fields.
import { compareText, goQuote } from './go-text.ts'
import type { FieldReader } from './kind.ts'
import type { Parsed } from './labels.ts'

export interface FieldRequirement {
  readonly field: string
  readonly operator: '=' | '!='
  readonly value: string
}

/** Splits at commas that no backslash protects. */
function splitTerms(text: string): string[] {
  const terms: string[] = []
  let start = 0
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '\\') index++
    else if (text[index] === ',') {
      terms.push(text.slice(start, index))
      start = index + 1
    }
  }
  terms.push(text.slice(start))
  return terms
}

function unescapeValue(text: string): Parsed<string> {
  let value = ''
  for (let index = 0; index < text.length; index++) {
    const char = text[index]!
    if (char === ',' || char === '=') {
      const code = char.charCodeAt(0)
      return refuse(`invalid field selector: unescaped character in value: ${code}`)
    }
    if (char !== '\\') {
      value += char
      continue
    }
    const next = text[++index] ?? ''
    if (next !== '\\' && next !== ',' && next !== '=') {
      return refuse(`invalid field selector: invalid escape sequence: \\${next}`)
    }
    value += next
  }
  return { ok: true, value }
}

const refuse = (message: string) => ({ ok: false, message }) as const

/** Reads the fieldSelector query parameter; all requirements must hold. */
export function parseFieldSelector(text: string): Parsed<FieldRequirement[]> {
  const requirements: FieldRequirement[] = []
  for (const term of splitTerms(text).sort(compareText)) {
    if (term === '') continue
    const match = /^([^]*?)(!=|==|=)([^]*)$/.exec(term)
    if (!match) return refuse(`invalid selector: '${text}'; can't understand '${term}'`)
    const value = unescapeValue(match[3]!)
    if (!value.ok) return value
    const operator = match[2] === '!=' ? '!=' : '='
    requirements.push({ field: match[1]!, operator, value: value.value })
  }
  return { ok: true, value: requirements }
}

export function formatFieldSelector(requirements: readonly FieldRequirement[]): string {
  return requirements
    .map(({ field, operator, value }) => {
      return `${field}${operator}${value.replace(/[\\,=]/g, (char) => `\\${char}`)}`
    })
    .join(',')
}

/** The value a selector pins a field to, as in metadata.name=x; undefined if it does not. */
export function exactFieldValue(
  requirements: readonly FieldRequirement[],
  field: string,
): string | undefined {
  return requirements.find((item) => item.field === field && item.operator === '=')?.value
}

/** Kinds that list fields of their own answer differently to an unknown one, and so do we. */
function unknownField(field: string, own: boolean): string {
  if (own) return `field label not supported: ${field}`
  const known = 'only "metadata.name", "metadata.namespace"'
  return `${goQuote(field)} is not a known field selector: ${known}`
}

/**
 * A predicate over objects, or the message about a field that the kind does not know.
 * `own`: the kind has fields beyond metadata.name and metadata.namespace.
 */
export function fieldMatcher<T>(
  requirements: readonly FieldRequirement[],
  readers: Readonly<Record<string, FieldReader<T>>>,
  own: boolean,
): Parsed<(object: T) => boolean> {
  const tests: ((object: T) => boolean)[] = []
  for (const { field, operator, value } of requirements) {
    const read = Object.hasOwn(readers, field) ? readers[field] : undefined
    if (!read) return refuse(unknownField(field, own))
    tests.push((object) => (read(object) === value) === (operator === '='))
  }
  return { ok: true, value: (object) => tests.every((test) => test(object)) }
}
