// Cron schedules: five fields or a descriptor, with the error texts of robfig/cron, upstream's parser.

export interface Bounds {
  readonly min: number
  readonly max: number
  readonly names?: readonly string[]
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** Minute, hour, day of the month, month, day of the week. */
export const scheduleFields: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: ['', ...months] },
  { min: 0, max: 6, names: days },
]

const descriptors = [
  '@yearly',
  '@annually',
  '@monthly',
  '@weekly',
  '@daily',
  '@midnight',
  '@hourly',
]

/** Why a schedule cannot be read; undefined if it can. */
export function scheduleProblem(schedule: string): string | undefined {
  const text = schedule.replace(/^(?:CRON_)?TZ=\S+\s*/, '').trim()
  if (text === '') return 'empty spec string'
  if (text.startsWith('@')) return descriptorProblem(text)
  const parts = text.split(/\s+/)
  if (parts.length !== scheduleFields.length) {
    return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`
  }
  for (const [index, part] of parts.entries()) {
    const problem = fieldProblem(part, scheduleFields[index]!)
    if (problem !== undefined) return problem
  }
  return undefined
}

function descriptorProblem(text: string): string | undefined {
  if (descriptors.includes(text)) return undefined
  if (!text.startsWith('@every ')) return `unrecognized descriptor: ${text}`
  const duration = text.slice('@every '.length)
  return /^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(duration)
    ? undefined
    : `failed to parse duration ${text}: time: invalid duration "${duration}"`
}

function fieldProblem(field: string, bounds: Bounds): string | undefined {
  for (const range of field.split(',').filter((item) => item !== '')) {
    const problem = rangeProblem(range, bounds)
    if (problem !== undefined) return problem
  }
  return undefined
}

function rangeProblem(range: string, bounds: Bounds): string | undefined {
  const [span = '', step, ...moreSteps] = range.split('/')
  const [low = '', high, ...moreEnds] = span.split('-')
  if (moreSteps.length > 0) return `too many slashes: ${range}`
  if (moreEnds.length > 0) return `too many hyphens: ${range}`
  const any = low === '*' || low === '?'
  const start = any ? bounds.min : numberOf(low, bounds)
  if (typeof start === 'string') return start
  const given = high === undefined ? undefined : numberOf(high, bounds)
  if (typeof given === 'string') return given
  const end = given ?? (any || step !== undefined ? bounds.max : start)
  if (step !== undefined) {
    const stride = numberOf(step, { min: 0, max: 0 })
    if (typeof stride === 'string') return stride
    if (stride === 0) return `step of range should be a positive number: ${range}`
  }
  if (start < bounds.min)
    return `beginning of range (${start}) below minimum (${bounds.min}): ${range}`
  if (end > bounds.max) return `end of range (${end}) above maximum (${bounds.max}): ${range}`
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${range}`
  return undefined
}

/** The number, or the error text. */
function numberOf(text: string, { names }: Bounds): number | string {
  const named = text === '' ? -1 : (names?.indexOf(text.toLowerCase()) ?? -1)
  if (named >= 0) return named
  if (/^[+-]?\d+$/.test(text)) {
    const number = Number(text)
    return number < 0 ? `negative number (${number}) not allowed: ${text}` : number
  }
  return `failed to parse int from ${text}: strconv.Atoi: parsing "${text}": invalid syntax`
}
