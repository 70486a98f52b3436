// Reads a Corefile into server blocks of lines (dns.md 2.1). Knows no directive: config.ts does.
// Files are read through the ImportReader that is handed in.

export interface Line {
  readonly file: string
  readonly line: number
  /** The directive or property, then its arguments. */
  readonly words: readonly string[]
  /** Lines between braces, where the line has them. */
  readonly block?: readonly Line[]
}

export interface ServerBlock {
  readonly file: string
  readonly line: number
  readonly keys: readonly string[]
  readonly lines: readonly Line[]
}

/** A Corefile that cannot be served; the message says where, in CoreDNS's words. */
export class CorefileError extends Error {
  constructor(where: { readonly file: string; readonly line: number }, message: string) {
    super(`${where.file}:${where.line} - Error during parsing: ${message}`)
    this.name = 'CorefileError'
  }
}

export interface ImportReader {
  /** The files a path or a pattern with one * names, with their text. Undefined: no such file. */
  read(pattern: string, importingFile: string): readonly ImportedFile[] | undefined
  environment(name: string): string
}

export interface ImportedFile {
  readonly file: string
  readonly text: string
}

export interface Corefile {
  readonly blocks: readonly ServerBlock[]
  readonly warnings: readonly string[]
}

interface Token {
  readonly file: string
  readonly line: number
  readonly text: string
  readonly quoted: boolean
  /** Whether it is the first of its line. */
  readonly first: boolean
}

const maxSnippetImports = 10_000
const maxFileImports = 100_000

export function parseCorefile(source: ImportedFile, reader: ImportReader): Corefile {
  return new Parser(tokenize(source), source.file, reader).parse()
}

/** Words by white space; "..." groups with only \" escaped; # starts a comment outside quotes. */
export function tokenize({ file, text }: ImportedFile): Token[] {
  const tokens: Token[] = []
  const source = text.replace(/^\uFEFF/, '').replaceAll('\r', '')
  const pattern = /(\n)|(#[^\n]*)|"((?:\\"|[^"])*)("?)|([^\s#]+)|[^\S\n]+/g
  let line = 1
  let first = true
  for (const [match, newline, comment, quoted, , word] of source.matchAll(pattern)) {
    if (newline !== undefined) {
      line++
      first = true
    } else if (comment === undefined && (quoted !== undefined || word !== undefined)) {
      const isQuoted = quoted !== undefined
      const value = isQuoted ? quoted.replaceAll('\\"', '"') : word!
      tokens.push({ file, line, text: value, quoted: isQuoted, first })
      line += match.split('\n').length - 1
      first = false
    }
  }
  return tokens
}

class Parser {
  #tokens: Token[]
  #at = 0
  readonly #file: string
  readonly #reader: ImportReader
  readonly #snippets = new Map<string, readonly Token[]>()
  readonly #warnings: string[] = []
  #snippetImports = 0
  #fileImports = 0

  constructor(tokens: Token[], file: string, reader: ImportReader) {
    this.#tokens = tokens
    this.#file = file
    this.#reader = reader
  }

  parse(): Corefile {
    const blocks: ServerBlock[] = []
    for (;;) {
      const token = this.#peek()
      if (!token) return { blocks, warnings: this.#warnings }
      if (isImport(token)) {
        this.#import()
        continue
      }
      const block = this.#block(token)
      if (block) blocks.push(block)
    }
  }

  /** Undefined for a snippet, which is only remembered. */
  #block(start: Token): ServerBlock | undefined {
    const { keys, braces } = this.#keys()
    const snippet = keys.length === 1 ? /^\((.+)\)$/.exec(keys[0]!)?.[1] : undefined
    if (snippet !== undefined) {
      if (!braces) throw new CorefileError(start, `expected '{' behind snippet '${snippet}'`)
      if (this.#snippets.has(snippet)) {
        throw new CorefileError(start, `redeclaration of previously declared snippet ${snippet}`)
      }
      this.#snippets.set(snippet, this.#rawBlock(start))
      return undefined
    }
    const lines = this.#lines(braces ? start : undefined)
    return { file: start.file, line: start.line, keys, lines }
  }

  #keys(): { keys: string[]; braces: boolean } {
    const keys: string[] = []
    let more = true
    for (let token = this.#peek(); token; token = this.#peek()) {
      if (isBrace(token, '{')) {
        this.#at++
        return { keys, braces: true }
      }
      if (token.first && !more) break
      if (isBrace(token, '}')) throw new CorefileError(token, `Unexpected '}'`)
      this.#at++
      const text = this.#replaceEnvironment(token.text)
      more = text.endsWith(',')
      for (const key of text.split(',')) if (key !== '') keys.push(key)
    }
    return { keys, braces: false }
  }

  /** The tokens of a snippet up to its closing brace. */
  #rawBlock(start: Token): readonly Token[] {
    const from = this.#at
    for (let depth = 1; ; this.#at++) {
      const token = this.#peek()
      if (!token) throw new CorefileError(start, 'Unexpected EOF: snippet is not closed')
      if (isBrace(token, '{')) depth++
      if (isBrace(token, '}') && --depth === 0) {
        this.#at++
        return this.#tokens.slice(from, this.#at - 1)
      }
    }
  }

  /** Lines up to the closing brace, or to the end of the file where no brace was opened. */
  #lines(opened: Token | undefined, depth = 0): Line[] {
    const lines: Line[] = []
    for (;;) {
      const token = this.#peek()
      if (!token) {
        if (!opened) return lines
        throw new CorefileError(opened, "Unexpected EOF: '{' is not closed")
      }
      if (isBrace(token, '}')) {
        if (!opened) throw new CorefileError(token, `Unexpected '}'`)
        this.#at++
        return lines
      }
      if (depth === 0 && isImport(token)) this.#import()
      else lines.push(this.#line(token, depth))
    }
  }

  #line(start: Token, depth: number): Line {
    const { file, line } = start
    const words: string[] = []
    for (let token = this.#peek(); token; token = this.#peek()) {
      if (token.first && token !== start) break
      if (isBrace(token, '}')) break
      this.#at++
      if (isBrace(token, '{')) {
        if (words.length === 0) throw new CorefileError(token, `Unexpected '{'`)
        return { file, line, words, block: this.#lines(token, depth + 1) }
      }
      words.push(this.#replaceEnvironment(token.text))
    }
    return { file, line, words }
  }

  /** Puts the imported tokens where "import NAME" stood. */
  #import(): void {
    const at = this.#at
    const statement = this.#tokens[at]!
    const argument = this.#tokens[at + 1]
    const name = argument && !argument.first ? this.#replaceEnvironment(argument.text) : ''
    if (name === '') throw new CorefileError(statement, 'Import requires a non-empty filepath')
    const extra = this.#tokens[at + 2]
    if (extra && !extra.first && !isBrace(extra, '}')) {
      throw new CorefileError(extra, 'Import takes only one argument (glob pattern or file)')
    }
    const tokens = this.#imported(statement, name)
    if (tokens[0]) tokens[0] = { ...tokens[0], first: true }
    this.#tokens = [...this.#tokens.slice(0, at), ...tokens, ...this.#tokens.slice(at + 2)]
  }

  #imported(statement: Token, name: string): Token[] {
    const snippet = this.#snippets.get(name)
    if (snippet) {
      if (++this.#snippetImports > maxSnippetImports) {
        throw new CorefileError(statement, 'maximum snippet import depth exceeded')
      }
      return [...snippet]
    }
    if (++this.#fileImports > maxFileImports) {
      throw new CorefileError(statement, 'maximum file import depth exceeded')
    }
    const importing = statement.file === '' ? this.#file : statement.file
    const files = this.#reader.read(name, importing)
    if (files === undefined) {
      throw new CorefileError(statement, `File to import not found: ${name}`)
    }
    if (files.length === 0) this.#warnings.push(`No files matching import glob pattern: ${name}`)
    return files.flatMap(tokenize)
  }

  #replaceEnvironment(text: string): string {
    if (!text.includes('{')) return text
    const value = (_: string, dollar?: string, percent?: string) =>
      this.#reader.environment(dollar ?? percent ?? '')
    return text.replace(/\{\$([^{}$%]+)\}|\{%([^{}%]+)%\}/g, value)
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at]
  }
}

const isBrace = (token: Token, brace: '{' | '}') => token.text === brace && !token.quoted
const isImport = (token: Token) => token.first && !token.quoted && token.text === 'import'
