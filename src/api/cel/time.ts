// Timestamps and durations of CEL in nanoseconds: parsing, printing, parts of a date in a time zone.

const second = 1_000_000_000n

const rfc3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d{2}:\d{2})$/

/** Nanoseconds since 1970; undefined for what is no RFC 3339 time. */
export function parseTimestamp(text: string): bigint | undefined {
  const match = rfc3339.exec(text)
  if (!match) return undefined
  const [, year, month, day, hour, minute, sec, fraction = '', zone = 'Z'] = match
  const plain = `${year}-${month}-${day}T${hour}:${minute}:${sec}Z`
  const ms = Date.parse(plain)
  // Date.parse carries February 30 over; the text must come back as it went in.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 19) !== plain.slice(0, 19)) {
    return undefined
  }
  const offset = offsetSeconds(zone)
  if (offset === undefined) return undefined
  return (BigInt(ms / 1000) - BigInt(offset)) * second + BigInt(fraction.padEnd(9, '0'))
}

function offsetSeconds(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z' || zone === '' || zone === 'UTC') return 0
  const match = /^([+-]?)(\d{1,2}):(\d{2})$/.exec(zone)
  if (!match) return undefined
  const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60
  return match[1] === '-' ? -seconds : seconds
}

const trimmedFraction = (nanos: bigint): string =>
  nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`

const modulo = (value: bigint, by: bigint): bigint => ((value % by) + by) % by

export function formatTimestamp(nanos: bigint): string {
  const fraction = modulo(nanos, second)
  const ms = Number((nanos - fraction) / second) * 1000
  return `${new Date(ms).toISOString().slice(0, 19)}${trimmedFraction(fraction)}Z`
}

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: second,
  m: 60n * second,
  h: 3600n * second,
}

/** As Go's time.ParseDuration; undefined for anything else. */
export function parseDuration(text: string): bigint | undefined {
  if (/^[-+]?0$/.test(text)) return 0n
  const match = /^([-+]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text)
  if (!match) return undefined
  let nanos = 0n
  for (const [, whole = '', fraction = '', unit = ''] of (match[2] as string).matchAll(
    /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g,
  )) {
    const scale = units[unit] as bigint
    nanos += BigInt(whole || '0') * scale
    if (fraction !== '') nanos += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length)
  }
  return match[1] === '-' ? -nanos : nanos
}

/** In seconds, as protobuf writes durations: "90s", "1.5s". */
export function formatDuration(nanos: bigint): string {
  const sign = nanos < 0n ? '-' : ''
  const size = nanos < 0n ? -nanos : nanos
  return `${sign}${size / second}${trimmedFraction(size % second)}s`
}

export interface DateParts {
  readonly year: number
  /** 0 is January. */
  readonly month: number
  /** 1 is the first. */
  readonly date: number
  readonly day: number
  readonly yearDay: number
  readonly hours: number
  readonly minutes: number
  readonly seconds: number
  readonly milliseconds: number
}

/** The parts of a time in a zone ("UTC", "+02:00", "Europe/Berlin"); undefined: no such zone. */
export function datePartsOf(nanos: bigint, zone: string): DateParts | undefined {
  const ms = Number((nanos - modulo(nanos, 1_000_000n)) / 1_000_000n)
  const offset = offsetSeconds(zone) ?? namedOffset(ms, zone)
  if (offset === undefined) return undefined
  const local = new Date(ms + offset * 1000)
  const year = local.getUTCFullYear()
  const start = Date.UTC(year, 0, 1)
  return {
    year,
    month: local.getUTCMonth(),
    date: local.getUTCDate(),
    day: local.getUTCDay(),
    yearDay: Math.floor((local.getTime() - start) / 86_400_000),
    hours: local.getUTCHours(),
    minutes: local.getUTCMinutes(),
    seconds: local.getUTCSeconds(),
    milliseconds: local.getUTCMilliseconds(),
  }
}

function namedOffset(ms: number, zone: string): number | undefined {
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
    const part = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')
    return offsetSeconds((part?.value ?? '').replace('GMT', ''))
  } catch {
    return undefined
  }
}
