// JSON text to values, as Go reads it: duplicate keys merge and are reported, numbers keep their
// text where JavaScript would lose it, nesting is limited, errors are worded as encoding/json does.
// JSON.parse does the work unless a quick look at the text says that it would lose something.
import type { JsonDocument, JsonResult } from './json-exact.ts'
import { parseExactJson } from './json-exact.ts'

export type { JsonDocument, JsonResult } from './json-exact.ts'

/** Upstream allows 10 000; everything real stays far below, and so do recursive walks. */
export const maxJsonDepth = 1000

const nothing: ReadonlyMap<never, never> = new Map<never, never>()

/** A document around a value that came from elsewhere than JSON text. */
export const documentOf = (value: unknown): JsonDocument => ({
  value,
  repeatedKeys: nothing,
  numberTexts: nothing,
})

export function parseJson(text: string): JsonResult {
  const look = inspect(text)
  if (!look.exact || look.depth > maxJsonDepth) return parseExactJson(text, maxJsonDepth)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return parseExactJson(text, maxJsonDepth)
  }
  if (countMembers(value) !== look.members) return parseExactJson(text, maxJsonDepth)
  return { ok: true, document: documentOf(value) }
}

interface Look {
  /** Colons outside of text: one for each member of an object. */
  readonly members: number
  readonly depth: number
  /** No number is written with a fraction, an exponent or more digits than JavaScript keeps. */
  readonly exact: boolean
}

const quote = 34
const longestSafeDigits = 15

/** One pass over the text outside of its strings; nothing is checked here. */
function inspect(text: string): Look {
  let members = 0
  let depth = 0
  let deepest = 0
  let digits = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 48 && code <= 57) {
      if (++digits > longestSafeDigits) return { members, depth: deepest, exact: false }
      continue
    }
    // "." or an exponent after a digit.
    const odd = code === 46 || ((code === 101 || code === 69) && digits > 0)
    if (odd) return { members, depth: deepest, exact: false }
    digits = 0
    if (code === quote) index = endOfString(text, index)
    else if (code === 58) members++
    else if (code === 123 || code === 91) {
      if (++depth > deepest) deepest = depth
    } else if (code === 125 || code === 93) depth--
  }
  return { members, depth: deepest, exact: true }
}

/** The index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end > 0) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === 92) backslashes++
    if (backslashes % 2 === 0) return end
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

function countMembers(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0
  let count = 0
  if (Array.isArray(value)) {
    for (const item of value) count += countMembers(item)
    return count
  }
  const object = value as Readonly<Record<string, unknown>>
  for (const key in object) count += 1 + countMembers(object[key])
  return count
}
