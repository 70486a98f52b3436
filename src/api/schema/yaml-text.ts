// YAML request bodies: YAML 1.1 as sigs.k8s.io/yaml reads it (yes and on are booleans, 012 is
// octal, dates stay text), the first document only, with Go's wording of the common errors.
import type { Document, Node, Pair, YAMLError, YAMLMap, YAMLSeq } from 'yaml'
import type { JsonDocument } from './json-text.ts'
import { documentOf } from './json-text.ts'

export type YamlResult =
  | {
      readonly ok: true
      readonly document: JsonDocument
      /** `line 5: key "name" already set in map` */
      readonly repeated: readonly string[]
    }
  | { readonly ok: false; readonly message: string }

/**
 * Far below what JSON may have: the parser recurses with large frames, and within a regular
 * expression that is first used there, the end of the stack is the end of the process.
 */
export const maxYamlDepth = 250

/** Aliases may not blow a small text up into a huge value. */
const maxAliases = 1000

type YamlModule = typeof import('yaml')
let yaml: YamlModule | undefined

/** Loads the parser, which is left out of the start of the program. */
export async function loadYaml(): Promise<void> {
  yaml ??= await import('yaml')
}

/** Parses the first document. loadYaml must have resolved before. */
export function parseYaml(text: string): YamlResult {
  if (!yaml) throw new Error('cannot parse YAML: loadYaml() has not been awaited')
  const lines = new yaml.LineCounter()
  const first = firstDocument(text, lines.addNewLine)
  if (first === 'too deep') return { ok: false, message: 'yaml: exceeded max depth' }
  if (!first) return { ok: true, document: documentOf(null), repeated: [] }
  const error = first.errors[0]
  if (error) return { ok: false, message: goMessage(error, lines.linePos(error.pos[0]).line) }
  const fault = faultOf(first.contents, 0)
  if (fault !== undefined) return { ok: false, message: `yaml: ${fault}` }
  return valueOf(first, (offset) => lines.linePos(offset).line)
}

/** Lexer and parser keep a stack of their own; only what they let pass is composed. */
function firstDocument(
  text: string,
  onNewLine: (offset: number) => void,
): Document | 'too deep' | undefined {
  const { Composer, Lexer, Parser } = yaml!
  const composer = new Composer({
    version: '1.1',
    uniqueKeys: false,
    customTags: (tags) =>
      tags.filter((tag) => typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:timestamp'),
  })
  const parser = new Parser(onNewLine)
  onNewLine(0)
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      for (const document of composer.next(token)) return document
    }
    if (parser.stack.length > maxYamlDepth + framesAround) return 'too deep'
  }
  for (const token of parser.end()) {
    for (const document of composer.next(token)) return document
  }
  for (const document of composer.end()) return document
  return undefined
}

/** On the parser's stack beside the collections: the document and a scalar. */
const framesAround = 2

function valueOf(document: Document, lineOf: (offset: number) => number): YamlResult {
  const repeated: string[] = []
  collectRepeated(document.contents as Node | null, lineOf, repeated)
  let value: unknown
  try {
    value = plain(document.toJS({ maxAliasCount: maxAliases }))
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return { ok: false, message: `yaml: ${detail}` }
  }
  return { ok: true, document: documentOf(value), repeated }
}

/** Only what JSON can say: binary becomes base64, large integers numbers. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value === null || typeof value !== 'object') return value === undefined ? null : value
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (value instanceof Set) return Object.fromEntries([...value].map((key) => [String(key), null]))
  const entries = value instanceof Map ? [...value] : Object.entries(value)
  return Object.fromEntries(entries.map(([key, item]) => [String(key), plain(item)]))
}

/** What JSON cannot take. Pairs within lists are maps of their own, which the parser did not count. */
function faultOf(node: unknown, depth: number): string | undefined {
  if (!yaml) return undefined
  const isMap = yaml.isMap(node)
  if (!isMap && !yaml.isSeq(node)) return undefined
  if (depth >= maxYamlDepth) return 'exceeded max depth'
  for (const item of node.items) {
    if (isMap && yaml.isCollection((item as Pair).key)) return 'invalid map key'
    const fault = faultOf(isMap ? (item as Pair).value : item, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

function collectRepeated(
  node: unknown,
  lineOf: (offset: number) => number,
  repeated: string[],
): void {
  if (!yaml) return
  if (yaml.isSeq(node)) {
    for (const item of (node as YAMLSeq).items) collectRepeated(item, lineOf, repeated)
  }
  if (!yaml.isMap(node)) return
  const seen = new Set<string>()
  for (const pair of (node as YAMLMap).items as Pair[]) {
    const key = yaml.isScalar(pair.key) ? String(pair.key.value) : String(pair.key)
    if (seen.has(key)) {
      const offset = (pair.key as Node | null)?.range?.[0] ?? 0
      repeated.push(`line ${lineOf(offset)}: key ${JSON.stringify(key)} already set in map`)
    }
    seen.add(key)
    collectRepeated(pair.value, lineOf, repeated)
  }
}

/** By the parser's error codes; libyaml's words where one code has one cause. */
const wordings: Readonly<Partial<Record<YAMLError['code'], string>>> = {
  BLOCK_AS_IMPLICIT_KEY: 'mapping values are not allowed in this context',
  MULTILINE_IMPLICIT_KEY: "could not find expected ':'",
  MISSING_CHAR: 'did not find expected key',
  BAD_INDENT: 'did not find expected key',
  TAB_AS_INDENT: 'found character that cannot start any token',
  BAD_ALIAS: 'unknown anchor referenced',
  UNEXPECTED_TOKEN: 'did not find expected node content',
  BAD_SCALAR_START: 'found character that cannot start any token',
}

/** libyaml counts lines from zero and is silent about the first. */
function goMessage(error: YAMLError, line: number): string {
  const text = wordings[error.code] ?? error.message
  return line > 1 ? `yaml: line ${line}: ${text}` : `yaml: ${text}`
}
