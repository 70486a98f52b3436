// Types with a JSON form of their own: times, quantities, ports that may be names, raw JSON.
// Each reader answers the canonical value, undefined for "nothing", or a Refusal.
import { goJson, goQuote } from '../machinery/go-text.ts'
import { canonicalQuantity } from '../machinery/quantity.ts'
import { parseTime } from '../machinery/time.ts'
import type { SpecialName } from './schema.ts'

/** Why a value cannot be read, as Go's UnmarshalJSON of the type puts it. */
export class Refusal {
  readonly message: string
  /** Set for a mismatch of types, which Go reports with the field's name: "number" of "string". */
  readonly mismatch: { readonly value: string; readonly goType: string } | undefined

  constructor(message: string, mismatch?: { value: string; goType: string }) {
    this.message = message
    this.mismatch = mismatch
  }
}

/** A JSON value's kind, as in "cannot unmarshal object into …". */
export function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  return typeof value
}

const mismatch = (value: unknown, goType: string) =>
  new Refusal(`json: cannot unmarshal ${jsonKind(value)} into Go value of type ${goType}`, {
    value: jsonKind(value),
    goType,
  })

export type ReadSpecial = (value: unknown) => unknown

function readTime(type: 'Time' | 'MicroTime'): ReadSpecial {
  return (value) => {
    if (value === null) return undefined
    if (typeof value !== 'string') return mismatch(value, 'string')
    const parsed = parseTime(value, type)
    return parsed.ok ? parsed.value : new Refusal(parsed.message)
  }
}

function readQuantity(value: unknown): unknown {
  if (value === null) return '0'
  // Upstream reads the raw text: anything but text and numbers fails as a malformed quantity.
  const text = typeof value === 'string' ? value : goJson(value)
  const read = canonicalQuantity(text.trim())
  return read.ok ? read.value : new Refusal(read.message)
}

const minInt32 = -(2 ** 31)
const maxInt32 = 2 ** 31 - 1

function readIntOrString(value: unknown): unknown {
  if (value === null) return 0
  if (typeof value === 'string') return value
  if (typeof value !== 'number') return mismatch(value, 'int32')
  if (Number.isInteger(value) && value >= minInt32 && value <= maxInt32) return value
  return new Refusal(`json: cannot unmarshal number ${value} into Go value of type int32`, {
    value: `number ${value}`,
    goType: 'int32',
  })
}

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}

/** Nanoseconds of a Go duration such as "1h30m" or "1.5s"; undefined if it is none. */
export function parseDuration(text: string): bigint | undefined {
  const negative = text.startsWith('-')
  let rest = text.replace(/^[+-]/, '')
  if (rest === '0') return 0n
  if (rest === '') return undefined
  let total = 0n
  while (rest !== '') {
    const match = /^(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/.exec(rest)
    if (!match) return undefined
    const [all, whole = '', fraction = '', unit = ''] = match
    if (whole === '' && fraction === '') return undefined
    const scale = 10n ** BigInt(fraction.length)
    total += (BigInt(`${whole}${fraction}`) * units[unit]!) / scale
    rest = rest.slice(all.length)
  }
  return negative ? -total : total
}

/** As Go's time.Duration prints it: "1h0m0s", "1.5s", "100ms". */
export function formatDuration(nanos: bigint): string {
  if (nanos === 0n) return '0s'
  const sign = nanos < 0n ? '-' : ''
  const size = nanos < 0n ? -nanos : nanos
  if (size < 1_000_000_000n) {
    const [unit, name] =
      size < 1000n ? [1n, 'ns'] : size < 1_000_000n ? [1000n, 'µs'] : [1_000_000n, 'ms']
    return `${sign}${decimal(size, unit as bigint)}${name}`
  }
  const hours = size / 3_600_000_000_000n
  const minutes = (size / 60_000_000_000n) % 60n
  const seconds = `${decimal(size % 60_000_000_000n, 1_000_000_000n)}s`
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}`
  return minutes > 0n ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`
}

function decimal(value: bigint, unit: bigint): string {
  const whole = value / unit
  const digits = String(unit).length - 1
  const fraction = String(value % unit)
    .padStart(digits, '0')
    .replace(/0+$/, '')
  return fraction === '' || digits === 0 ? String(whole) : `${whole}.${fraction}`
}

function readDuration(value: unknown): unknown {
  if (value === null) return '0s'
  if (typeof value !== 'string') return mismatch(value, 'string')
  const nanos = parseDuration(value)
  if (nanos === undefined) return new Refusal(`time: invalid duration ${goQuote(value)}`)
  return formatDuration(nanos)
}

const readAny: ReadSpecial = (value) => (value === null ? undefined : value)

/** Readers of what needs no other struct; the JSONSchemaPropsOr… are made in convert.ts. */
export const readSpecial: Readonly<Partial<Record<SpecialName, ReadSpecial>>> = {
  Time: readTime('Time'),
  MicroTime: readTime('MicroTime'),
  Duration: readDuration,
  Quantity: readQuantity,
  IntOrString: readIntOrString,
  RawExtension: readAny,
  FieldsV1: readAny,
  JSON: readAny,
}

/** What Go writes for a value that was never set; undefined where that is null or nothing. */
export const zeroSpecial: Readonly<Partial<Record<SpecialName, unknown>>> = {
  Duration: '0s',
  Quantity: '0',
  IntOrString: 0,
}
