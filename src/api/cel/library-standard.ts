// CEL's own functions: operators, sizes, conversions, optionals (cel-spec, langdef.md).

import { compileRegex } from '../structural/regex.ts'
import {
  chains,
  compares,
  comparesNow,
  concatenates,
  matches,
  reads,
  scans,
  searches,
} from './costs.ts'
import { compare, equal, findByKeys, listHas } from './equal.ts'
import type { Overload } from './overload.ts'
import { overload } from './overload.ts'
import { formatDuration, formatTimestamp, parseDuration, parseTimestamp } from './time.ts'
import type { Value } from './values.ts'
import {
  CelError,
  Duration,
  List,
  MapValue,
  ObjectValue,
  Optional,
  showValue,
  Timestamp,
  TypeValue,
  typeNameOf,
  Uint,
} from './values.ts'

const minInt = -(2n ** 63n)
const maxInt = 2n ** 63n - 1n
const maxUint = 2n ** 64n - 1n

const fail = (message: string): never => {
  throw new CelError(message)
}

export const int = (value: bigint, what = 'integer overflow'): bigint =>
  value < minInt || value > maxInt ? fail(what) : value

export const uint = (value: bigint, what = 'unsigned integer overflow'): Uint =>
  value < 0n || value > maxUint ? fail(what) : new Uint(value)

const textOf = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return fail('invalid UTF-8 in bytes, cannot convert to string')
  }
}

export const sizeOf = (text: string): number => {
  let size = 0
  for (const _ of text) size += 1
  return size
}

const arithmetic = [
  overload('_+_: (int, int) -> int', (a: bigint, b: bigint) => int(a + b)),
  overload('_+_: (uint, uint) -> uint', (a: Uint, b: Uint) => uint(a.value + b.value)),
  overload('_+_: (double, double) -> double', (a: number, b: number) => a + b),
  overload('_+_: (string, string) -> string', (a: string, b: string) => a + b, {
    cost: concatenates,
  }),
  overload(
    '_+_: (bytes, bytes) -> bytes',
    (a: Uint8Array, b: Uint8Array) => Buffer.concat([a, b]),
    { cost: concatenates },
  ),
  overload('_+_: (list(A), list(A)) -> list(A)', addLists, { cost: chains }),
  overload(
    '_+_: (timestamp, duration) -> timestamp',
    (a: Timestamp, b: Duration) => new Timestamp(a.nanos + b.nanos),
  ),
  overload(
    '_+_: (duration, timestamp) -> timestamp',
    (a: Duration, b: Timestamp) => new Timestamp(a.nanos + b.nanos),
  ),
  overload(
    '_+_: (duration, duration) -> duration',
    (a: Duration, b: Duration) => new Duration(int(a.nanos + b.nanos, 'duration overflow')),
  ),
  overload('_-_: (int, int) -> int', (a: bigint, b: bigint) => int(a - b)),
  overload('_-_: (uint, uint) -> uint', (a: Uint, b: Uint) => uint(a.value - b.value)),
  overload('_-_: (double, double) -> double', (a: number, b: number) => a - b),
  overload(
    '_-_: (timestamp, timestamp) -> duration',
    (a: Timestamp, b: Timestamp) => new Duration(a.nanos - b.nanos),
  ),
  overload(
    '_-_: (timestamp, duration) -> timestamp',
    (a: Timestamp, b: Duration) => new Timestamp(a.nanos - b.nanos),
  ),
  overload(
    '_-_: (duration, duration) -> duration',
    (a: Duration, b: Duration) => new Duration(int(a.nanos - b.nanos, 'duration overflow')),
  ),
  overload('_*_: (int, int) -> int', (a: bigint, b: bigint) => int(a * b)),
  overload('_*_: (uint, uint) -> uint', (a: Uint, b: Uint) => uint(a.value * b.value)),
  overload('_*_: (double, double) -> double', (a: number, b: number) => a * b),
  overload('_/_: (int, int) -> int', (a: bigint, b: bigint) =>
    b === 0n ? fail('division by zero') : int(a / b),
  ),
  overload('_/_: (uint, uint) -> uint', (a: Uint, b: Uint) =>
    b.value === 0n ? fail('division by zero') : uint(a.value / b.value),
  ),
  overload('_/_: (double, double) -> double', (a: number, b: number) => a / b),
  overload('_%_: (int, int) -> int', (a: bigint, b: bigint) =>
    b === 0n ? fail('modulus by zero') : a % b,
  ),
  overload('_%_: (uint, uint) -> uint', (a: Uint, b: Uint) =>
    b.value === 0n ? fail('modulus by zero') : uint(a.value % b.value),
  ),
  overload('-_: (int) -> int', (a: bigint) => int(-a)),
  overload('-_: (double) -> double', (a: number) => -a),
  overload('!_: (bool) -> bool', (a: boolean) => !a),
]

/** A set takes only what it has not; a list map's items replace those of the same keys. */
function addLists(one: List, other: List): List {
  const { listType, listKeys = [] } = one.type
  if (listType === 'set') {
    return List.of([...one, ...[...other].filter((item) => !listHas(one, item))])
  }
  if (listType !== 'map') return List.of([...one, ...other])
  const replaced = [...one].map((item) => findByKeys(other, item, listKeys) ?? item)
  const added = [...other].filter((item) => findByKeys(one, item, listKeys) === undefined)
  return List.of([...replaced, ...added])
}

const ordered = ['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration']
const numbers = ['int', 'uint', 'double']

function order(sign: string, holds: (order: number) => boolean): Overload[] {
  const pairs = [
    ...ordered.map((type) => [type, type]),
    ...numbers.flatMap((a) => numbers.filter((b) => a !== b).map((b) => [a, b])),
  ]
  return pairs.map(([a, b]) => {
    const texts = a === 'string' || a === 'bytes'
    const run = (one: Value, other: Value): boolean => {
      const result = compare(one, other)
      return result !== undefined && holds(result)
    }
    const pricing = texts ? { cost: comparesNow, estimate: compares } : {}
    return overload(`${sign}: (${a}, ${b}) -> bool`, run, pricing)
  })
}

const relations = [
  overload('_==_: (A, A) -> bool', equal, { cost: comparesNow, estimate: compares }),
  overload('_!=_: (A, A) -> bool', (a: Value, b: Value) => !equal(a, b), {
    cost: comparesNow,
    estimate: compares,
  }),
  ...order('_<_', (result) => result < 0),
  ...order('_<=_', (result) => result <= 0),
  ...order('_>_', (result) => result > 0),
  ...order('_>=_', (result) => result >= 0),
  overload('@in: (A, list(A)) -> bool', (a: Value, list: List) => listHas(list, a), {
    cost: scans(1),
  }),
  overload('@in: (A, map(A, B)) -> bool', (a: Value, map: MapValue | ObjectValue) =>
    map instanceof MapValue
      ? map.has(a)
      : typeof a === 'string' && map.type.fields.has(a) && map.has(a),
  ),
]

function itemAt(list: List, index: bigint | number): Value {
  const at = Number(index)
  if (!Number.isInteger(at) || at < 0 || at >= list.size) {
    return fail(`index out of bounds: ${index}`)
  }
  return list.at(at)
}

function valueAt(map: MapValue | ObjectValue, key: Value): Value {
  const value = map instanceof MapValue ? map.get(key) : map.get(String(key))
  return value === undefined ? fail(`no such key: ${showValue(key)}`) : value
}

function optionalItem(list: List, index: bigint): Optional {
  const within = index >= 0n && index < BigInt(list.size)
  return new Optional(within ? list.at(Number(index)) : undefined)
}

const optionalValue = (map: MapValue | ObjectValue, key: Value): Optional =>
  new Optional(map instanceof MapValue ? map.get(key) : map.get(String(key)))

const indexing = [
  overload('_[_]: (list(A), int) -> A', itemAt),
  overload('_[_]: (map(A, B), A) -> B', valueAt),
  overload(
    '_[_]: (optional_type(list(V)), int) -> optional_type(V)',
    (a: Optional, index: bigint) => (a.value instanceof List ? optionalItem(a.value, index) : a),
  ),
  overload('_[_]: (optional_type(map(K, V)), K) -> optional_type(V)', (a: Optional, key: Value) =>
    a.value instanceof MapValue ? optionalValue(a.value, key) : a,
  ),
  overload('_[?_]: (list(V), int) -> optional_type(V)', optionalItem),
  overload('_[?_]: (map(K, V), K) -> optional_type(V)', optionalValue),
  overload(
    '_[?_]: (optional_type(list(V)), int) -> optional_type(V)',
    (a: Optional, index: bigint) => (a.value instanceof List ? optionalItem(a.value, index) : a),
  ),
  overload('_[?_]: (optional_type(map(K, V)), K) -> optional_type(V)', (a: Optional, key: Value) =>
    a.value instanceof MapValue ? optionalValue(a.value, key) : a,
  ),
]

const countOf = (value: string | Uint8Array | List | MapValue): bigint =>
  BigInt(
    typeof value === 'string'
      ? sizeOf(value)
      : value instanceof Uint8Array
        ? value.length
        : value.size,
  )

const sizes = ['string', 'bytes', 'list(A)', 'map(A, B)'].flatMap((type) => [
  overload(`size: (${type}) -> int`, countOf),
  overload(`size: ${type}.() -> int`, countOf),
])

function matchText(text: string, pattern: string): boolean {
  const regex = compileRegex(pattern)
  return typeof regex === 'string' ? fail(regex) : regex.matcher(text).find()
}

const texts = [
  overload('contains: string.(string) -> bool', (a: string, b: string) => a.includes(b), {
    cost: searches,
  }),
  overload('startsWith: string.(string) -> bool', (a: string, b: string) => a.startsWith(b), {
    cost: reads(0),
    estimate: reads(1),
  }),
  overload('endsWith: string.(string) -> bool', (a: string, b: string) => a.endsWith(b), {
    cost: reads(0),
    estimate: reads(1),
  }),
  overload('matches: string.(string) -> bool', matchText, { cost: matches }),
  overload('matches: (string, string) -> bool', matchText, { cost: matches }),
]

function intFromDouble(value: number): bigint {
  if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 63) return fail('integer overflow')
  return BigInt(Math.trunc(value))
}

function uintFromDouble(value: number): Uint {
  if (!Number.isFinite(value) || value < 0 || value >= 2 ** 64) {
    return fail('unsigned integer overflow')
  }
  return new Uint(BigInt(Math.trunc(value)))
}

const intFromText = (text: string): bigint =>
  /^[-+]?\d+$/.test(text)
    ? int(
        BigInt(text.replace(/^\+/, '')),
        `strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`,
      )
    : fail(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)

const uintFromText = (text: string): Uint =>
  /^\d+$/.test(text)
    ? uint(BigInt(text))
    : fail(`strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`)

function doubleFromText(text: string): number {
  const special: Readonly<Record<string, number>> = {
    NaN: Number.NaN,
    Inf: Number.POSITIVE_INFINITY,
    '+Inf': Number.POSITIVE_INFINITY,
    '-Inf': Number.NEGATIVE_INFINITY,
  }
  if (Object.hasOwn(special, text)) return special[text] as number
  return /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(text)
    ? Number(text)
    : fail(`strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`)
}

function boolFromText(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false
  return fail(`Type conversion error from 'string' to 'bool'`)
}

export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  return String(value).replace(/e([-+])(\d)$/, 'e$10$2')
}

const timestampFromText = (text: string): Timestamp => {
  const nanos = parseTimestamp(text)
  return nanos === undefined
    ? fail(`invalid timestamp ${JSON.stringify(text)}`)
    : new Timestamp(nanos)
}

const durationFromText = (text: string): Duration => {
  const nanos = parseDuration(text)
  return nanos === undefined
    ? fail(`time: invalid duration ${JSON.stringify(text)}`)
    : new Duration(nanos)
}

const same = <T extends Value>(value: T): T => value

const conversions = [
  overload('int: (int) -> int', same<bigint>),
  overload('int: (uint) -> int', (a: Uint) => int(a.value)),
  overload('int: (double) -> int', intFromDouble),
  overload('int: (string) -> int', intFromText),
  overload('int: (timestamp) -> int', (a: Timestamp) => floorSeconds(a.nanos)),
  overload('int: (duration) -> int', (a: Duration) => a.nanos),
  overload('uint: (uint) -> uint', same<Uint>),
  overload('uint: (int) -> uint', (a: bigint) => uint(a)),
  overload('uint: (double) -> uint', uintFromDouble),
  overload('uint: (string) -> uint', uintFromText),
  overload('double: (double) -> double', same<number>),
  overload('double: (int) -> double', (a: bigint) => Number(a)),
  overload('double: (uint) -> double', (a: Uint) => Number(a.value)),
  overload('double: (string) -> double', doubleFromText),
  overload('string: (string) -> string', same<string>),
  overload('string: (bool) -> string', String),
  overload('string: (int) -> string', String),
  overload('string: (uint) -> string', (a: Uint) => String(a.value)),
  overload('string: (double) -> string', doubleText),
  overload('string: (bytes) -> string', textOf, { cost: reads(0) }),
  overload('string: (timestamp) -> string', (a: Timestamp) => formatTimestamp(a.nanos)),
  overload('string: (duration) -> string', (a: Duration) => formatDuration(a.nanos)),
  overload('bytes: (bytes) -> bytes', same<Uint8Array>),
  overload('bytes: (string) -> bytes', (a: string) => Buffer.from(a), { cost: reads(0) }),
  overload('bool: (bool) -> bool', same<boolean>),
  overload('bool: (string) -> bool', boolFromText),
  overload('timestamp: (timestamp) -> timestamp', same<Timestamp>),
  overload('timestamp: (string) -> timestamp', timestampFromText),
  overload('timestamp: (int) -> timestamp', (a: bigint) => new Timestamp(a * 1_000_000_000n)),
  overload('duration: (duration) -> duration', same<Duration>),
  overload('duration: (string) -> duration', durationFromText),
  overload('duration: (int) -> duration', (a: bigint) => new Duration(a)),
  overload('dyn: (A) -> dyn', same<Value>),
  overload('type: (A) -> type', (a: Value) => new TypeValue(typeNameOf(a))),
]

const floorSeconds = (nanos: bigint): bigint =>
  (nanos - (((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)) / 1_000_000_000n

const isZero = (value: Value): boolean =>
  value === null ||
  value === false ||
  value === '' ||
  value === 0n ||
  value === 0 ||
  (value instanceof Uint && value.value === 0n) ||
  ((value instanceof List || value instanceof MapValue) && value.size === 0)

const optionals = [
  overload('optional.of: (V) -> optional_type(V)', (a: Value) => new Optional(a)),
  overload(
    'optional.ofNonZeroValue: (V) -> optional_type(V)',
    (a: Value) => new Optional(isZero(a) ? undefined : a),
  ),
  overload('optional.none: () -> optional_type(V)', () => new Optional(undefined)),
  overload('hasValue: optional_type(V).() -> bool', (a: Optional) => a.value !== undefined),
  overload('value: optional_type(V).() -> V', (a: Optional) => a.value ?? emptyOptional(a)),
  overload(
    'or: optional_type(V).(optional_type(V)) -> optional_type(V)',
    (a: Optional, b: Optional) => (a.value === undefined ? b : a),
  ),
  overload('orValue: optional_type(V).(V) -> V', (a: Optional, b: Value) =>
    a.value === undefined ? b : a.value,
  ),
]

const emptyOptional = (optional: Optional): Value =>
  optional.value === undefined ? fail('optional.none() dereference') : optional.value

export const standardFunctions: readonly Overload[] = [
  ...arithmetic,
  ...relations,
  ...indexing,
  ...sizes,
  ...texts,
  ...conversions,
  ...optionals,
]
