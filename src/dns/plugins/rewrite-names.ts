// How a rewrite rule recognises a name and what it makes of it; and the way back for answers.
import { RE2JS } from 're2js'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import { fixedBytes, isName, layoutOf, takesRest } from '../wire/layout.ts'
import type { ResourceRecord } from '../wire/message.ts'
import {
  absoluteName,
  decodeName,
  encodeName,
  labelsOf,
  maxNameBytes,
  nameEnd,
} from '../wire/name.ts'

export type MatchType = 'exact' | 'prefix' | 'suffix' | 'substring' | 'regex'

const matchTypes: readonly string[] = ['exact', 'prefix', 'suffix', 'substring', 'regex']

export const isMatchType = (text: string): text is MatchType => matchTypes.includes(text)

/** Undefined: the rule does not match. */
export type Rename = (name: string) => string | undefined

export interface Names {
  readonly line: Line
  readonly type: MatchType
  readonly from: string
  readonly to: string
}

export function parseRename({ line, type, from, to }: Names): Rename {
  const lower = from.toLowerCase()
  switch (type) {
    case 'exact': {
      const exact = absoluteName(lower)
      const target = absoluteName(to)
      return (name) => (name === exact ? target : undefined)
    }
    case 'prefix':
      return (name) => (name.startsWith(lower) ? to + name.slice(lower.length) : undefined)
    case 'suffix': {
      const suffix = absoluteName(lower)
      const target = absoluteName(to)
      return (name) =>
        name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) + target : undefined
    }
    case 'substring':
      return (name) => (name.includes(lower) ? name.replaceAll(lower, to) : undefined)
    case 'regex':
      return regexRename(line, from, to)
  }
}

/** Go's syntax and its linear time; "{1}" stands for the first group. */
function regexRename(line: Line, from: string, to: string): Rename {
  const pattern = compile(line, from)
  return (name) => {
    const matcher = pattern.matcher(name)
    if (!matcher.find()) return undefined
    return absoluteName(
      to.replace(/\{(\d+)\}/g, (_, group: string) => {
        return Number(group) <= matcher.groupCount() ? (matcher.group(Number(group)) ?? '') : ''
      }),
    )
  }
}

export function compile(line: Line, text: string): RE2JS {
  try {
    return RE2JS.compile(text)
  } catch {
    throw new CorefileError(line, `invalid regex pattern '${text}'`)
  }
}

/** The other direction, for `answer auto`. */
export function reverseRename({ line, type, from, to }: Names): Rename {
  if (type === 'regex') return () => undefined
  return parseRename({ line, type, from: to, to: from })
}

export function renameOwner(record: ResourceRecord, rename: Rename): ResourceRecord {
  const name = rename(record.name.toLowerCase())
  return name === undefined || !isValidName(name) ? record : { ...record, name }
}

export function isValidName(name: string): boolean {
  try {
    encodeName(name, new Uint8Array(1024), 0)
    return labelsOf(name).length > 0 || name === '.'
  } catch {
    return false
  }
}

/** Renames every name in the record's data. */
export function renameValues(record: ResourceRecord, rename: Rename): ResourceRecord {
  const layout = layoutOf(record.type)
  if (!layout?.some(isName) || record.data.length === 0) return record
  const { data } = record
  const out = new Uint8Array(data.length + 2 * maxNameBytes)
  let at = 0
  let written = 0
  for (const kind of layout) {
    if (isName(kind)) {
      const name = decodeName(data, at)
      at = nameEnd()
      const renamed = rename(name.toLowerCase())
      const valid = renamed !== undefined && isValidName(renamed)
      written = encodeName(valid ? renamed : name, out, written)
      continue
    }
    const fixed = fixedBytes(kind) ?? 1 + (data[at] ?? 0)
    const end = takesRest(kind) ? data.length : Math.min(data.length, at + fixed)
    out.set(data.subarray(at, end), written)
    written += end - at
    at = end
  }
  return { ...record, data: out.slice(0, written) }
}
