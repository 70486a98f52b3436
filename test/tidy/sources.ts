// The project's source files as the house rules see them: read and parsed once for all checks.
import { readdirSync, readFileSync } from 'node:fs'
import * as path from 'node:path'
import { parseSync } from 'oxc-parser'

export interface Import {
  /** Path of the imported file from the root, or a package name ("node:fs", "yaml"). */
  readonly target: string
  readonly line: number
}

export interface Source {
  /** From the root: "src/dns/zone.ts". */
  readonly file: string
  /** "dns" */
  readonly room: string
  readonly text: string
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
  readonly program: AstNode
}

/** As much of the syntax tree as the checks look at. */
export interface AstNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [property: string]: unknown
}

export const root = path.resolve(import.meta.dirname, '../..')

const isGenerated = (file: string) => file.endsWith('.gen.ts')
const isTest = (file: string) => file.endsWith('.test.ts')

function filesBelow(directory: string): string[] {
  return readdirSync(path.join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(directory, entry.name)
    if (entry.isDirectory()) return filesBelow(file)
    return file.endsWith('.ts') ? [file] : []
  })
}

function load(file: string): Source {
  const text = readFileSync(path.join(root, file), 'utf8')
  const { module, program } = parseSync(file, text)
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length
  const resolve = (specifier: string) =>
    specifier.startsWith('.') ? path.join(path.dirname(file), specifier) : specifier
  const imports: Import[] = []
  const add = (specifier: string, start: number) =>
    imports.push({ target: resolve(specifier), line: lineOf(start) })
  for (const entry of module.staticImports) add(entry.moduleRequest.value, entry.start)
  for (const { entries } of module.staticExports) {
    for (const entry of entries)
      if (entry.moduleRequest) add(entry.moduleRequest.value, entry.start)
  }
  for (const entry of module.dynamicImports) {
    const specifier = text.slice(entry.moduleRequest.start, entry.moduleRequest.end)
    if (/^['"]/.test(specifier)) add(specifier.slice(1, -1), entry.start)
  }
  return {
    file,
    room: file.split('/')[1]!,
    text,
    lines: text.split('\n'),
    imports,
    program: program as unknown as AstNode,
  }
}

/** Everything under src/ that people write and ship. */
export const sources: readonly Source[] = filesBelow('src')
  .filter((file) => !isGenerated(file) && !isTest(file))
  .map(load)

/** Calls visit for every node of a tree, parents first. */
export function walk(node: AstNode, visit: (node: AstNode) => void): void {
  visit(node)
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) for (const item of value) if (isNode(item)) walk(item, visit)
    if (isNode(value)) walk(value, visit)
  }
}

function isNode(value: unknown): value is AstNode {
  return typeof value === 'object' && value !== null && typeof (value as AstNode).type === 'string'
}
