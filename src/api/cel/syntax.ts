// CEL text to a tree. The library parses; what cel-go tells about operators' positions and how it
// words syntax errors is worked out here from the text. Loaded when the first expression comes.
import { createRequire } from 'node:module'
import type { ASTNode, Environment } from '@marcbachmann/cel-js'

export type Ast = ASTNode

/** Deeper or wider expressions are refused. */
const limits = {
  maxDepth: 250,
  maxAstNodes: 100_000,
  maxListElements: 10_000,
  maxMapEntries: 10_000,
  maxCallArguments: 32,
}

let environment: Environment | undefined

function parser(): Environment {
  if (!environment) {
    const library = createRequire(import.meta.url)(
      '@marcbachmann/cel-js',
    ) as typeof import('@marcbachmann/cel-js')
    environment = new library.Environment({ enableOptionalTypes: true, limits })
  }
  return environment
}

export type Parsed =
  | { readonly ok: true; readonly ast: Ast }
  | { readonly ok: false; readonly message: string }

interface ParseFailure {
  readonly code: string
  readonly summary: string
  readonly range?: { readonly start: number; readonly end: number }
}

export function parse(text: string): Parsed {
  try {
    return { ok: true, ast: parser().parse(text).ast }
  } catch (error) {
    const { code, summary, range } = error as ParseFailure
    if (code === undefined) throw error
    const at = range?.start ?? 0
    return { ok: false, message: issue(text, at, syntaxProblem(text, { code, summary, at })) }
  }
}

const expressionStart =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"

const tokenText: Readonly<Record<string, string>> = {
  RPAREN: "')'",
  RBRACKET: "']'",
  RBRACE: "'}'",
  COLON: "':'",
}

interface Failure {
  readonly code: string
  readonly summary: string
  readonly at: number
}

/** The library's error in the words of cel-go's parser. */
function syntaxProblem(text: string, { code, summary, at }: Failure): string {
  const found = tokenAt(text, at)
  switch (code) {
    case 'unexpected_token':
      return `Syntax error: mismatched input '${found}' expecting ${expressionStart}`
    case 'expected_token': {
      const wanted = /^Expected (\w+)/.exec(summary)?.[1] ?? ''
      if (wanted === 'IDENTIFIER') return `Syntax error: no viable alternative at input '.'`
      if (wanted === 'RPAREN' || wanted === 'RBRACKET' || wanted === 'RBRACE') {
        return `Syntax error: missing ${tokenText[wanted]} at '${found}'`
      }
      return `Syntax error: mismatched input '${found}' expecting ${tokenText[wanted] ?? wanted}`
    }
    case 'unexpected_character':
      return isTokenStart(found)
        ? `Syntax error: extraneous input '${found}' expecting <EOF>`
        : `Syntax error: token recognition error at: '${found}'`
    case 'reserved_identifier':
      return `reserved identifier: ${found}`
    case 'limit_exceeded':
      return `expression recursion limit exceeded: ${limits.maxDepth}`
    case 'invalid_macro_argument':
      return 'argument must be a simple name'
    default:
      return `Syntax error: ${summary}`
  }
}

const isTokenStart = (text: string): boolean => /^[\w"'.()[\]{}?:,<>=!&|+*/%-]/.test(text)

function tokenAt(text: string, at: number): string {
  const rest = text.slice(at)
  return rest === '' ? '<EOF>' : (/^(?:\w+|.)/su.exec(rest)?.[0] ?? rest)
}

/** A problem as cel-go shows it: where, what, and the line with a caret under the place. */
export function issue(text: string, offset: number, message: string): string {
  const before = text.slice(0, offset)
  const line = before.split('\n').length
  const column = [...before.slice(before.lastIndexOf('\n') + 1)].length
  const shown = (text.split('\n')[line - 1] ?? '').replaceAll('\t', ' ')
  return `ERROR: <input>:${line}:${column + 1}: ${message}\n | ${shown}\n | ${'.'.repeat(column)}^`
}

const operatorText: Readonly<Record<string, string>> = { '?:': '?' }

/** Where cel-go sees a node: an operator at its sign, a call at its parenthesis. */
export function positionOf(node: Ast): number {
  const { input, op } = node
  switch (op) {
    case '.':
    case '.?': {
      const [operand] = node.args
      return Math.max(input.indexOf('.', operand.end), 0)
    }
    case '[]':
    case '[?]':
      return Math.max(input.indexOf('[', node.args[0].end), 0)
    case 'rcall': {
      const [name, receiver] = node.args
      const called = new RegExp(`\\.\\s*${name}\\s*\\(`).exec(input.slice(receiver.end))
      return called ? receiver.end + called.index + called[0].length - 1 : node.start
    }
    case 'call':
      return Math.max(input.indexOf('(', node.start), 0)
    case 'id':
    case 'value':
    case 'list':
    case 'map':
    case '!_':
    case '-_':
      return node.start
    default: {
      const [left] = node.args
      return Math.max(input.indexOf(operatorText[op] ?? op, left.end), 0)
    }
  }
}
