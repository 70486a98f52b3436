// When a cron schedule is due, as robfig/cron reads it: five fields in a time zone, a descriptor, or
// "@every". Around a change of clocks an hour that is skipped has no times, and one that comes twice
// has them twice.
import { type Bounds, scheduleFields } from '../../api/batch/schedule.ts'

const secondMs = 1000
const minuteMs = 60_000
const hourMs = 3_600_000
/** What is not due by then never is: February 30th. */
const horizonYears = 5

export interface Schedule {
  /** The first time after this one; undefined where there is none. */
  next(afterMs: number): number | undefined
}

const descriptors: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/** Of a schedule that validation has let pass. Throws for a time zone that is not known here. */
export function parseSchedule(text: string, timeZone = 'UTC'): Schedule {
  const zoned = /^(?:CRON_)?TZ=(\S+)\s*/.exec(text)
  const plain = text.slice(zoned?.[0].length ?? 0).trim()
  if (plain.startsWith('@every ')) return every(plain.slice('@every '.length))
  const fields = (descriptors[plain] ?? plain).split(/\s+/)
  const [minute, hour, day, month, weekday] = scheduleFields.map((bounds, index) =>
    parseField(fields[index] ?? '*', bounds),
  ) as [Field, Field, Field, Field, Field]
  const offsetAt = offsetsOf(zoned?.[1] ?? timeZone)
  // Where both name days, either will do.
  const isDay = (local: Date): boolean => {
    const one = day.values.has(local.getUTCDate())
    const other = weekday.values.has(local.getUTCDay())
    return day.isAny || weekday.isAny ? one && other : one || other
  }
  return {
    next: (afterMs) => nextTime(afterMs, { minute, hour, month, isDay, offsetAt }),
  }
}

interface Field {
  readonly values: ReadonlySet<number>
  /** "*" and "?": says nothing about days. */
  readonly isAny: boolean
}

function parseField(text: string, bounds: Bounds): Field {
  const values = new Set<number>()
  let isAny = false
  for (const range of text.split(',')) {
    const [span = '', step] = range.split('/')
    const [low = '', high] = span.split('-')
    const isStar = low === '*' || low === '?'
    const stride = Number(step ?? 1)
    if (isStar && stride === 1) isAny = true
    const first = isStar ? bounds.min : valueOf(low, bounds)
    const open = isStar || step !== undefined ? bounds.max : first
    const last = high === undefined ? open : valueOf(high, bounds)
    for (let value = first; value <= last; value += stride) values.add(value)
  }
  return { values, isAny }
}

function valueOf(text: string, { names }: Bounds): number {
  const named = names?.indexOf(text.toLowerCase()) ?? -1
  return named >= 0 && text !== '' ? named : Number(text)
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: secondMs,
  m: minuteMs,
  h: hourMs,
}

/** Whole seconds, one at least, counted from the second of the last time. */
function every(duration: string): Schedule {
  let delayMs = 0
  for (const [, amount, unit] of duration.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    delayMs += Number(amount) * (unitMs[unit ?? ''] ?? 0)
  }
  const wholeMs = Math.max(1, Math.floor(delayMs / secondMs)) * secondMs
  return { next: (afterMs) => Math.floor(afterMs / secondMs) * secondMs + wholeMs }
}

interface Calendar {
  readonly minute: Field
  readonly hour: Field
  readonly month: Field
  isDay(local: Date): boolean
  offsetAt(epochMs: number): number
}

/** Skips the largest unit that does not match until all do. */
function nextTime(afterMs: number, calendar: Calendar): number | undefined {
  const { minute, hour, month, offsetAt } = calendar
  let timeMs = (Math.floor(afterMs / minuteMs) + 1) * minuteMs
  const lastYear = new Date(afterMs).getUTCFullYear() + horizonYears
  for (;;) {
    // Its UTC fields are what clocks in the zone show.
    const local = new Date(timeMs + offsetAt(timeMs))
    const year = local.getUTCFullYear()
    if (year > lastYear) return undefined
    if (!month.values.has(local.getUTCMonth() + 1)) {
      timeMs = midnight(Date.UTC(year, local.getUTCMonth() + 1, 1), offsetAt)
    } else if (!calendar.isDay(local)) {
      timeMs = midnight(Date.UTC(year, local.getUTCMonth(), local.getUTCDate() + 1), offsetAt)
    } else if (!hour.values.has(local.getUTCHours())) {
      timeMs += hourMs - local.getUTCMinutes() * minuteMs
    } else if (!minute.values.has(local.getUTCMinutes())) timeMs += minuteMs
    else return timeMs
  }
}

/** When a day begins; where its midnight is skipped, an hour later. */
function midnight(localMs: number, offsetAt: (epochMs: number) => number): number {
  const guessMs = localMs - offsetAt(localMs)
  const timeMs = localMs - offsetAt(guessMs)
  const shownMs = timeMs + offsetAt(timeMs)
  return shownMs < localMs ? timeMs + hourMs : timeMs
}

/** How far the clocks of a zone are ahead of UTC. */
function offsetsOf(timeZone: string): (epochMs: number) => number {
  if (timeZone === 'UTC') return () => 0
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (epochMs) => {
    const part: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(epochMs)) part[type] = Number(value)
    const { year = 0, month = 1, day, hour, minute, second } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(epochMs / 1000) * 1000
  }
}

/** RFC 3339 as clocks in the zone show it: "2026-01-01T01:00:00+01:00". */
export function formatInZone(epochMs: number, timeZone = 'UTC'): string {
  const offsetMs = offsetsOf(timeZone)(epochMs)
  const shown = new Date(epochMs + offsetMs).toISOString().slice(0, 19)
  if (offsetMs === 0) return `${shown}Z`
  const two = (value: number) => String(value).padStart(2, '0')
  const minutes = Math.abs(offsetMs) / minuteMs
  const sign = offsetMs < 0 ? '-' : '+'
  return `${shown}${sign}${two(Math.floor(minutes / 60))}:${two(Math.floor(minutes % 60))}`
}
