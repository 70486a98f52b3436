// The grammar of label selector strings: tokens, then requirements. Its error texts, however odd,
// are those of k8s.io/apimachinery pkg/labels, because clients and users see them.
import { compareText, goQuote } from './go-text.ts'
import { labelValueProblems, qualifiedNameProblems } from './names.ts'

export type Operator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt'

export interface Requirement {
  readonly key: string
  readonly operator: Operator
  /** Sorted, without repeats. */
  readonly values: readonly string[]
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string }

type TokenKind = 'identifier' | 'keyword' | 'symbol' | 'error' | 'end'

interface Token {
  readonly kind: TokenKind
  readonly text: string
}

const symbols = new Set([')', ',', '!', '==', '=', '>', '<', '!=', '('])
const isSymbolChar = (char: string) => '=!(),><'.includes(char)
const isSpace = (char: string) => char === ' ' || char === '\t' || char === '\r' || char === '\n'

function scanSymbol(text: string, start: number): { token: Token; next: number } {
  let found: string | undefined
  let end = start
  while (end < text.length && isSymbolChar(text[end]!)) {
    const candidate = text.slice(start, end + 1)
    if (symbols.has(candidate)) found = candidate
    else if (found !== undefined) break
    end++
  }
  if (found !== undefined) return { token: { kind: 'symbol', text: found }, next: end }
  const message = `error expected: keyword found '${text.slice(start, end)}'`
  return { token: { kind: 'error', text: message }, next: end }
}

function tokenise(text: string): Token[] {
  const tokens: Token[] = []
  let position = 0
  while (position < text.length) {
    const char = text[position]!
    if (isSpace(char)) {
      position++
    } else if (isSymbolChar(char)) {
      const { token, next } = scanSymbol(text, position)
      tokens.push(token)
      position = next
    } else {
      let end = position
      while (end < text.length && !isSymbolChar(text[end]!) && !isSpace(text[end]!)) end++
      const word = text.slice(position, end)
      tokens.push({
        kind: word === 'in' || word === 'notin' ? 'keyword' : 'identifier',
        text: word,
      })
      position = end
    }
  }
  tokens.push({ kind: 'end', text: '' })
  return tokens
}

/** Carries the message out of the descent; never leaves this file. */
class SelectorSyntaxError extends Error {}

function fail(message: string): never {
  throw new SelectorSyntaxError(message)
}

/** "in" and "notin" are words of the language only where an operator may stand. */
const isIdentifier = (token: Token) => token.kind === 'identifier' || token.kind === 'keyword'
const isSymbol = (token: Token, text: string) => token.kind === 'symbol' && token.text === text

const binary: Readonly<Record<string, Operator>> = {
  in: 'in',
  notin: 'notin',
  '=': '=',
  '==': '==',
  '!=': '!=',
  '>': 'gt',
  '<': 'lt',
}

class Parser {
  readonly #tokens: readonly Token[]
  #position = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#position, this.#tokens.length - 1)]!
  }

  #take(): Token {
    const token = this.#peek()
    this.#position++
    return token
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = []
    for (;;) {
      const first = this.#peek()
      if (first.kind === 'end') return requirements
      if (!isIdentifier(first) && !isSymbol(first, '!')) {
        fail(`found '${first.text}', expected: !, identifier, or 'end of string'`)
      }
      requirements.push(this.#prefixed())
      const after = this.#take()
      if (after.kind === 'end') return requirements
      if (!isSymbol(after, ',')) fail(`found '${after.text}', expected: ',' or 'end of string'`)
      const next = this.#peek()
      if (!isIdentifier(next) && !isSymbol(next, '!')) {
        fail(`found '${next.text}', expected: identifier after ','`)
      }
    }
  }

  #prefixed(): Requirement {
    try {
      return this.#requirement()
    } catch (error) {
      if (!(error instanceof SelectorSyntaxError)) throw error
      fail(`unable to parse requirement: ${error.message}`)
    }
  }

  #requirement(): Requirement {
    let token = this.#take()
    const negated = isSymbol(token, '!')
    if (negated) token = this.#take()
    if (!isIdentifier(token)) fail(`found '${token.text}', expected: identifier`)
    const key = token.text
    const problems = qualifiedNameProblems(key)
    if (problems.length > 0) fail(`<nil>: Invalid value: ${goQuote(key)}: ${problems.join('; ')}`)
    const next = this.#peek()
    if (negated) return { key, operator: '!', values: [] }
    if (next.kind === 'end' || isSymbol(next, ',')) return { key, operator: 'exists', values: [] }
    const operator = this.#operator()
    const values = operator === 'in' || operator === 'notin' ? this.#list() : this.#exact()
    return checked({ key, operator, values: [...values].sort(compareText) })
  }

  #operator(): Operator {
    const token = this.#take()
    const operator =
      token.kind === 'symbol' || token.kind === 'keyword' ? binary[token.text] : undefined
    if (operator !== undefined) return operator
    return fail(`found '${token.text}', expected: in, notin, =, ==, !=, gt, lt`)
  }

  #list(): Set<string> {
    const open = this.#take()
    if (!isSymbol(open, '(')) fail(`found '${open.text}' expected: '('`)
    const first = this.#peek()
    if (isSymbol(first, ')')) {
      this.#take()
      return new Set([''])
    }
    if (!isIdentifier(first) && !isSymbol(first, ',')) {
      fail(`found '${first.text}', expected: ',', ')' or identifier`)
    }
    const values = this.#identifiers()
    if (!isSymbol(this.#take(), ')')) fail(`found '${first.text}', expected: ')'`)
    return values
  }

  /** Identifiers between commas; an empty place is the empty value. */
  #identifiers(): Set<string> {
    const values = new Set<string>()
    for (;;) {
      const token = this.#take()
      const next = this.#peek()
      if (isIdentifier(token)) {
        values.add(token.text)
        if (isSymbol(next, ',')) continue
        if (isSymbol(next, ')')) return values
        fail(`found '${next.text}', expected: ',' or ')'`)
      }
      if (!isSymbol(token, ',')) fail(`found '${token.text}', expected: ',', or identifier`)
      if (values.size === 0 || isSymbol(next, ')') || isSymbol(next, ',')) values.add('')
      if (isSymbol(next, ')')) return values
    }
  }

  #exact(): Set<string> {
    const next = this.#peek()
    if (next.kind === 'end' || isSymbol(next, ',')) return new Set([''])
    const token = this.#take()
    if (!isIdentifier(token)) fail(`found '${token.text}', expected: identifier`)
    return new Set([token.text])
  }
}

const integer = /^[+-]?\d+$/

function checked(requirement: Requirement): Requirement {
  const { key, operator, values } = requirement
  const errors: string[] = []
  for (const [index, value] of values.entries()) {
    if ((operator === 'gt' || operator === 'lt') && !integer.test(value)) {
      errors.push(
        `values[${index}]: Invalid value: ${goQuote(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
      )
    }
  }
  for (const [index, value] of values.entries()) {
    const problems = labelValueProblems(value)
    if (problems.length === 0) continue
    errors.push(
      `values[${index}][${key}]: Invalid value: ${goQuote(value)}: ${problems.join('; ')}`,
    )
  }
  if (errors.length > 0) fail(errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`)
  return requirement
}

export function parseLabelTokens(text: string): Parsed<Requirement[]> {
  try {
    return { ok: true, value: new Parser(tokenise(text)).parse() }
  } catch (error) {
    if (error instanceof SelectorSyntaxError) return { ok: false, message: error.message }
    throw error
  }
}
