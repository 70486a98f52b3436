// metav1.Time and MicroTime: reading RFC 3339 as Go's time.Parse does (with its error texts), and
// normalising to UTC in whole seconds or microseconds.

export type TimeResult =
  /** undefined is Go's zero time, which stands for no time at all. */
  | { readonly ok: true; readonly value: string | undefined }
  | { readonly ok: false; readonly message: string }

const layouts = {
  Time: '2006-01-02T15:04:05Z07:00',
  MicroTime: '2006-01-02T15:04:05.000000Z07:00',
} as const

interface Step {
  readonly pattern: RegExp
  readonly shown: string
  readonly range?: readonly [name: string, low: number, high: number]
}

const steps: readonly Step[] = [
  { pattern: /^\d{4}/, shown: '2006' },
  { pattern: /^-/, shown: '-' },
  { pattern: /^\d{2}/, shown: '01', range: ['month', 1, 12] },
  { pattern: /^-/, shown: '-' },
  { pattern: /^\d{2}/, shown: '02' },
  { pattern: /^T/, shown: 'T' },
  { pattern: /^\d{1,2}/, shown: '15', range: ['hour', 0, 23] },
  { pattern: /^:/, shown: ':' },
  { pattern: /^\d{2}/, shown: '04', range: ['minute', 0, 59] },
  { pattern: /^:/, shown: ':' },
  { pattern: /^\d{2}/, shown: '05', range: ['second', 0, 59] },
]
const optionalFraction: Step = { pattern: /^(?:[.,]\d+)?/, shown: '' }
const microFraction: Step = { pattern: /^[.,]\d{6}/, shown: '.000000' }
const zone: Step = { pattern: /^(?:Z|[+-]\d{2}:\d{2})/, shown: 'Z07:00' }

const canonicalSeconds =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/

type TimeType = keyof typeof layouts

/** Reads a time and answers with its canonical text. */
export function parseTime(text: string, type: TimeType = 'Time'): TimeResult {
  // Nearly every time read was written by us: canonical already.
  if (type === 'Time' && canonicalSeconds.test(text)) {
    return { ok: true, value: text === '0001-01-01T00:00:00Z' ? undefined : text }
  }
  const fraction = type === 'Time' ? optionalFraction : microFraction
  const parts: string[] = []
  let rest = text
  for (const step of [...steps, fraction, zone]) {
    const match = step.pattern.exec(rest)
    if (!match) {
      return refuse(
        `parsing time ${quoted(text)} as ${quoted(layouts[type])}: cannot parse ${quoted(rest)} as ${quoted(step.shown)}`,
      )
    }
    const [name, low, high] = step.range ?? []
    const value = Number(match[0])
    if (name !== undefined && (value < low! || value > high!)) return outOfRange(text, name)
    parts.push(match[0])
    rest = rest.slice(match[0].length)
  }
  if (rest !== '') return refuse(`parsing time ${quoted(text)}: extra text: ${quoted(rest)}`)
  const day = Number(parts[4])
  if (day < 1 || day > daysIn(Number(parts[0]), Number(parts[2]))) return outOfRange(text, 'day')
  return normalise(parts, type)
}

const quoted = (text: string) => `"${text}"`
const refuse = (message: string) => ({ ok: false, message }) as const
const outOfRange = (text: string, what: string) =>
  refuse(`parsing time ${quoted(text)}: ${what} out of range`)

function daysIn(year: number, month: number): number {
  if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
}

function normalise(parts: readonly string[], type: TimeType): TimeResult {
  const [year, , month, , day, , hour, , minute, , second, fraction = '', offset = 'Z'] = parts
  const epoch = new Date(0)
  epoch.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  epoch.setUTCHours(Number(hour), Number(minute), Number(second), 0)
  const shift = offset === 'Z' ? 0 : Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6))
  const epochMs = epoch.getTime() - (offset.startsWith('-') ? -shift : shift) * 60_000
  const micros = fraction.slice(1, 7).padEnd(6, '0')
  if (epochMs === zeroTimeMs && /^0*$/.test(fraction.slice(1)))
    return { ok: true, value: undefined }
  return { ok: true, value: timeText(epochMs / 1000, Number(micros), type) }
}

/** Go's zero time, 0001-01-01T00:00:00Z. */
const zeroTimeMs = -62_135_596_800_000

/** The canonical text of a moment in whole seconds since the epoch plus microseconds. */
export function timeText(seconds: number, micros: number, type: TimeType = 'Time'): string {
  const text = new Date(seconds * 1000).toISOString().slice(0, 19)
  if (type === 'Time') return `${text}Z`
  return `${text}.${String(micros).padStart(6, '0')}Z`
}

/** Milliseconds since the epoch; undefined for no time. */
export function timeMs(text: string | undefined | null): number | undefined {
  if (!text) return undefined
  const value = Date.parse(text)
  return Number.isNaN(value) ? undefined : value
}

/** Whole seconds and microseconds of a canonical text. */
export function timeParts(text: string): { seconds: number; micros: number } {
  const seconds = Math.floor(Date.parse(`${text.slice(0, 19)}Z`) / 1000)
  const micros = text[19] === '.' ? Number(text.slice(20, 26).padEnd(6, '0')) : 0
  return { seconds, micros }
}
