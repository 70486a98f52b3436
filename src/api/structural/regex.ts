// Regular expressions of users: RE2's language and its linear time (re2js), loaded when first needed.
import { createRequire } from 'node:module'
import type { RE2JS } from 're2js'

interface Library {
  readonly RE2JS: { compile(pattern: string, flags?: number): RE2JS }
}

let library: Library | undefined

function re2(): Library {
  library ??= createRequire(import.meta.url)('re2js') as Library
  return library
}

/** So many patterns are kept compiled. */
const maxKept = 1000
const compiled = new Map<string, RE2JS | string>()

/** The compiled pattern, or what is wrong with it in Go's words. */
export function compileRegex(pattern: string): RE2JS | string {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  const made = compile(pattern)
  if (compiled.size >= maxKept) {
    const [oldest = ''] = compiled.keys()
    compiled.delete(oldest)
  }
  compiled.set(pattern, made)
  return made
}

function compile(pattern: string): RE2JS | string {
  try {
    return re2().RE2JS.compile(pattern)
  } catch (error) {
    return (error as Error).message
  }
}

export function regexProblemOf(pattern: string): string | undefined {
  const made = compileRegex(pattern)
  return typeof made === 'string' ? made : undefined
}
