// resource.Quantity: fixed-point numbers with a suffix, `500m`, `1.5Gi`, `12e3`. Exact arithmetic in
// billionths; finer input is rounded away from zero, as upstream rounds.

type Format = 'DecimalSI' | 'BinarySI' | 'DecimalExponent'

export interface Quantity {
  /** The value times 10^9. */
  readonly nanos: bigint
  readonly format: Format
}

export type QuantityResult =
  | { readonly ok: true; readonly value: Quantity }
  | { readonly ok: false; readonly message: string }

const wrongFormat =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
const wrongSuffix = "unable to parse quantity's suffix"
const wrongNumber = 'unable to parse numeric part of quantity'

const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const

const nano = 1_000_000_000n
const maxNanos = (2n ** 63n - 1n) * nano

interface Suffix {
  readonly format: Format
  /** The factor is base ** exponent. */
  readonly base: bigint
  readonly exponent: number
}

/** Exponents beyond this change nothing: the value is zero-ish or capped long before. */
const maxExponent = 400

function parseSuffix(text: string): Suffix | undefined {
  const binary = binarySuffixes.indexOf(text as 'Ki')
  if (binary > 0) return { format: 'BinarySI', base: 1024n, exponent: binary }
  const decimal = decimalSuffixes.indexOf(text as 'k')
  if (decimal >= 0) return { format: 'DecimalSI', base: 10n, exponent: (decimal - 3) * 3 }
  const match = /^[eE]([+-]?\d+)$/.exec(text)
  if (!match) return undefined
  const exponent = Math.max(-maxExponent, Math.min(maxExponent, Number(match[1])))
  return { format: 'DecimalExponent', base: 10n, exponent }
}

/** Division that rounds away from zero. */
function divideUp(value: bigint, by: bigint): bigint {
  const quotient = value / by
  if (value % by === 0n) return quotient
  return value < 0n ? quotient - 1n : quotient + 1n
}

const capped = (nanos: bigint) =>
  nanos > maxNanos ? maxNanos : nanos < -maxNanos ? -maxNanos : nanos

/** Reads a quantity, or says in upstream's words why it is none. */
export function readQuantity(text: string): QuantityResult {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/.exec(text)
  if (!match || text === '') return { ok: false, message: wrongFormat }
  const [, sign, whole = '', fraction = '', suffixText = ''] = match
  const suffix = parseSuffix(suffixText)
  if (!suffix) return { ok: false, message: wrongSuffix }
  if (whole === '' && fraction === '') return { ok: false, message: wrongNumber }
  const digits = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n)
  const { format, base, exponent } = suffix
  const scaled = exponent >= 0 ? digits * base ** BigInt(exponent) * nano : digits * nano
  const divisor = 10n ** BigInt(fraction.length) * (exponent < 0 ? base ** BigInt(-exponent) : 1n)
  return { ok: true, value: { nanos: capped(divideUp(scaled, divisor)), format } }
}

/** In units of 10^-9, rounded away from zero; undefined when it is no quantity. */
export function parseQuantity(text: string | number): bigint | undefined {
  const read = readQuantity(String(text))
  return read.ok ? read.value.nanos : undefined
}

const nanosOf = (text: string | number | undefined): bigint =>
  (text === undefined ? undefined : parseQuantity(text)) ?? 0n

function formatBinary(nanos: bigint): string {
  let value = nanos / nano
  let step = 0
  while (step < binarySuffixes.length - 1 && value % 1024n === 0n) {
    value /= 1024n
    step++
  }
  return `${value}${binarySuffixes[step]}`
}

/** The canonical text: no fraction, the largest suffix of the family that loses nothing. */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0'
  const size = nanos < 0n ? -nanos : nanos
  if (format === 'BinarySI' && size >= 1024n * nano && nanos % nano === 0n) {
    return formatBinary(nanos)
  }
  let value = nanos
  let step = 0
  while (step < decimalSuffixes.length - 1 && value % 1000n === 0n) {
    value /= 1000n
    step++
  }
  if (format !== 'DecimalExponent') return `${value}${decimalSuffixes[step]}`
  return step === 3 ? `${value}` : `${value}e${(step - 3) * 3}`
}

/** Plain small integers and milli-values are most of all quantities and canonical already. */
const alreadyCanonical = /^(?:0|[1-9]\d{0,2}[mkMGTPE]?|[1-9]\d{0,2}(?:Ki|Mi|Gi|Ti|Pi|Ei))$/

/** The canonical text of a quantity, or why it is none. */
export function canonicalQuantity(
  text: string,
):
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly message: string } {
  if (alreadyCanonical.test(text)) return { ok: true, value: text }
  const read = readQuantity(text)
  return read.ok ? { ok: true, value: formatQuantity(read.value) } : read
}

/** Negative, 0 or positive; what is absent or no quantity counts as 0. */
export function compareQuantities(
  one: string | number | undefined,
  other: string | number | undefined,
): number {
  const left = nanosOf(one)
  const right = nanosOf(other)
  return left < right ? -1 : left > right ? 1 : 0
}

/** In thousandths, rounded up, as CPU is counted; 0 for what is absent or no quantity. */
export const quantityMillis = (text: string | number | undefined): number =>
  Number(ceil(nanosOf(text), 1_000_000n))

/** In whole units, rounded up, as memory is counted; 0 for what is absent or no quantity. */
export const quantityUnits = (text: string | number | undefined): number =>
  Number(ceil(nanosOf(text), nano))

const ceil = (value: bigint, by: bigint): bigint =>
  value > 0n && value % by !== 0n ? value / by + 1n : value / by

/** The sum, in the format of the first. */
export function addQuantities(one: string, other: string): string {
  const read = readQuantity(one)
  const format = read.ok ? read.value.format : 'DecimalSI'
  return formatQuantity({ format, nanos: capped(nanosOf(one) + nanosOf(other)) })
}
