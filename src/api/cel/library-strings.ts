// Strings as cel-go's extension has them (version 2), and Kubernetes' regular expressions.

import { goQuote } from '../machinery/go-text.ts'
import { compileRegex } from '../structural/regex.ts'
import { joins, matches, reads, replaces, rewrites, splits } from './costs.ts'
import { doubleText } from './library-standard.ts'
import type { Overload } from './overload.ts'
import { overload } from './overload.ts'
import { formatDuration, formatTimestamp } from './time.ts'
import type { Value } from './values.ts'
import {
  CelError,
  Duration,
  List,
  MapValue,
  ObjectValue,
  Timestamp,
  TypeValue,
  typeNameOf,
  Uint,
} from './values.ts'

const fail = (message: string): never => {
  throw new CelError(message)
}

function charAt(text: string, index: bigint): string {
  const chars = [...text]
  const at = Number(index)
  if (at < 0 || at > chars.length) return fail(`index out of range: ${index}`)
  return chars[at] ?? ''
}

function indexOf(text: string, part: string, from = 0n): bigint {
  const chars = [...text]
  const wanted = [...part]
  const start = Number(from)
  if (start < 0 || start > chars.length) return fail(`index out of range: ${from}`)
  for (let at = start; at + wanted.length <= chars.length; at++) {
    if (wanted.every((char, offset) => chars[at + offset] === char)) return BigInt(at)
  }
  return -1n
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const chars = [...text]
  const wanted = [...part]
  if (from !== undefined && (from < 0n || from > BigInt(chars.length))) {
    return fail(`index out of range: ${from}`)
  }
  const last = chars.length - wanted.length
  for (let at = Math.min(Number(from ?? last), last); at >= 0; at--) {
    if (wanted.every((char, offset) => chars[at + offset] === char)) return BigInt(at)
  }
  return -1n
}

function replace(
  ...args: readonly [text: string, from: string, to: string, count?: bigint]
): string {
  const [text, from, to, count = -1n] = args
  if (count < 0n) return text.replaceAll(from, () => to)
  const pieces = text.split(from)
  const times = Math.min(Number(count), pieces.length - 1)
  return [pieces.slice(0, times + 1).join(to), ...pieces.slice(times + 1)].join(from)
}

function split(text: string, separator: string, limit = -1n): List {
  if (limit === 0n) return List.of([])
  const pieces = separator === '' ? [...text] : text.split(separator)
  const max = Number(limit)
  if (max < 0 || pieces.length <= max) return List.of(pieces)
  return List.of([...pieces.slice(0, max - 1), pieces.slice(max - 1).join(separator)])
}

function substring(text: string, start: bigint, end?: bigint): string {
  const chars = [...text]
  const size = BigInt(chars.length)
  const stop = end ?? size
  if (start < 0n || start > size) return fail(`index out of range: ${start}`)
  if (stop < 0n || stop > size) return fail(`index out of range: ${stop}`)
  if (stop < start) return fail(`invalid substring range. start: ${start}, end: ${stop}`)
  return chars.slice(Number(start), Number(stop)).join('')
}

const lowerAscii = (text: string) => text.replaceAll(/[A-Z]/g, (char) => char.toLowerCase())
const upperAscii = (text: string) => text.replaceAll(/[a-z]/g, (char) => char.toUpperCase())

function join(list: List, separator = ''): string {
  const texts = [...list].map((item) => {
    return typeof item === 'string' ? item : fail(`no such overload: ${typeNameOf(item)}`)
  })
  return texts.join(separator)
}

function regexOf(pattern: string) {
  const regex = compileRegex(pattern)
  return typeof regex === 'string' ? fail(`Illegal regex: ${regex}`) : regex
}

function find(text: string, pattern: string): string {
  const matcher = regexOf(pattern).matcher(text)
  return matcher.find() ? (matcher.group() ?? '') : ''
}

function findAll(text: string, pattern: string, limit = -1n): List {
  const matcher = regexOf(pattern).matcher(text)
  const found: string[] = []
  while ((limit < 0n || found.length < Number(limit)) && matcher.find()) {
    found.push(matcher.group() ?? '')
  }
  return List.of(found)
}

/** %s of a value: lists and maps print what they hold. */
function shown(value: Value): string {
  if (typeof value === 'string') return value
  if (value === null) return 'null'
  if (typeof value === 'number') return doubleText(value)
  if (value instanceof Uint) return String(value.value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  if (value instanceof Timestamp) return formatTimestamp(value.nanos)
  if (value instanceof Duration) return formatDuration(value.nanos)
  if (value instanceof TypeValue) return value.name
  if (value instanceof List) return `[${[...value].map(shown).join(', ')}]`
  if (value instanceof MapValue || value instanceof ObjectValue) return shownMap(value)
  return typeof value === 'object' ? fail(`could not convert ${typeNameOf(value)}`) : String(value)
}

function shownMap(value: MapValue | ObjectValue): string {
  const keys = value instanceof MapValue ? value.keys() : value.names()
  const entries = keys.map((key) => {
    const item = value instanceof MapValue ? value.get(key) : value.get(key as string)
    return `${shown(key)}: ${shown(item ?? null)}`
  })
  return `{${entries.sort().join(', ')}}`
}

const integerOf = (value: Value): bigint | undefined =>
  typeof value === 'bigint' ? value : value instanceof Uint ? value.value : undefined

function inBase(value: Value, verb: string): string {
  const number = integerOf(value)
  const bases: Readonly<Record<string, number>> = { b: 2, o: 8, d: 10, x: 16, X: 16 }
  if (number !== undefined) {
    const text = number.toString(bases[verb])
    return verb === 'X' ? text.toUpperCase() : text
  }
  if (verb === 'b' && typeof value === 'boolean') return value ? '1' : '0'
  if (
    (verb === 'x' || verb === 'X') &&
    (typeof value === 'string' || value instanceof Uint8Array)
  ) {
    const text = Buffer.from(value as string).toString('hex')
    return verb === 'X' ? text.toUpperCase() : text
  }
  return fail(`error during formatting: %${verb} does not support ${typeNameOf(value)}`)
}

function decimal(value: Value, verb: string, precision: number): string {
  const number = integerOf(value)
  const double =
    typeof value === 'number' ? value : number === undefined ? undefined : Number(number)
  if (double === undefined)
    return fail(`error during formatting: %${verb} does not support ${typeNameOf(value)}`)
  if (!Number.isFinite(double)) return Number.isNaN(double) ? 'NaN' : double > 0 ? '∞' : '-∞'
  if (verb === 'f') return double.toFixed(precision)
  return double.toExponential(precision).replace(/e([-+])(\d)$/, 'e$10$2')
}

function format(pattern: string, args: List): string {
  let next = 0
  const text = pattern.replaceAll(/%(?:\.(\d+))?([a-zA-Z%])|%/g, (match, digits, verb) => {
    if (verb === '%') return '%'
    if (next >= args.size) return fail(`index ${next} out of range`)
    const value = args.at(next++)
    if (verb === 's') return shown(value)
    if (verb === 'f' || verb === 'e') return decimal(value, verb, Number(digits ?? 6))
    return 'bodxX'.includes(verb ?? '?')
      ? inBase(value, verb)
      : fail(
          `could not parse formatting clause: unrecognized formatting clause "${match.slice(1)}"`,
        )
  })
  return text
}

export const stringFunctions: readonly Overload[] = [
  overload('charAt: string.(int) -> string', charAt),
  overload('indexOf: string.(string) -> int', indexOf, { cost: reads(0) }),
  overload('indexOf: string.(string, int) -> int', indexOf, { cost: reads(0) }),
  overload('lastIndexOf: string.(string) -> int', lastIndexOf, { cost: reads(0) }),
  overload('lastIndexOf: string.(string, int) -> int', lastIndexOf, { cost: reads(0) }),
  overload('lowerAscii: string.() -> string', lowerAscii, { cost: rewrites }),
  overload('upperAscii: string.() -> string', upperAscii, { cost: rewrites }),
  overload('trim: string.() -> string', (text: string) => text.trim(), { cost: rewrites }),
  overload('replace: string.(string, string) -> string', replace, { cost: replaces }),
  overload('replace: string.(string, string, int) -> string', replace, { cost: replaces }),
  overload('split: string.(string) -> list(string)', split, { cost: splits }),
  overload('split: string.(string, int) -> list(string)', split, { cost: splits }),
  overload('substring: string.(int) -> string', substring, { cost: rewrites }),
  overload('substring: string.(int, int) -> string', substring, { cost: rewrites }),
  overload('join: list(string).() -> string', join, { cost: joins }),
  overload('join: list(string).(string) -> string', join, { cost: joins }),
  overload('format: string.(list(dyn)) -> string', format, { cost: reads(0) }),
  overload('strings.quote: (string) -> string', goQuote, { cost: reads(0) }),
  overload('find: string.(string) -> string', find, { cost: matches }),
  overload('findAll: string.(string) -> list(string)', findAll, { cost: matches }),
  overload('findAll: string.(string, int) -> list(string)', findAll, { cost: matches }),
]
