// Parts of timestamps and durations.

import type { Overload } from './overload.ts'
import { overload } from './overload.ts'
import type { DateParts } from './time.ts'
import { datePartsOf } from './time.ts'
import { CelError, type Duration, type Timestamp } from './values.ts'

const parts: Readonly<Record<string, (date: DateParts) => number>> = {
  getFullYear: ({ year }) => year,
  getMonth: ({ month }) => month,
  getDate: ({ date }) => date,
  getDayOfMonth: ({ date }) => date - 1,
  getDayOfWeek: ({ day }) => day,
  getDayOfYear: ({ yearDay }) => yearDay,
  getHours: ({ hours }) => hours,
  getMinutes: ({ minutes }) => minutes,
  getSeconds: ({ seconds }) => seconds,
  getMilliseconds: ({ milliseconds }) => milliseconds,
}

const unitNanos: Readonly<Record<string, bigint>> = {
  getHours: 3_600_000_000_000n,
  getMinutes: 60_000_000_000n,
  getSeconds: 1_000_000_000n,
}

function partIn(time: Timestamp, zone: string, part: (date: DateParts) => number): bigint {
  const date = datePartsOf(time.nanos, zone)
  if (!date) throw new CelError(`unknown time zone ${zone}`)
  return BigInt(part(date))
}

export const timeFunctions: readonly Overload[] = [
  ...Object.entries(parts).flatMap(([name, part]) => [
    overload(`${name}: timestamp.() -> int`, (time: Timestamp) => partIn(time, 'UTC', part)),
    overload(`${name}: timestamp.(string) -> int`, (time: Timestamp, zone: string) =>
      partIn(time, zone, part),
    ),
  ]),
  ...Object.entries(unitNanos).map(([name, nanos]) =>
    overload(`${name}: duration.() -> int`, (duration: Duration) => duration.nanos / nanos),
  ),
  overload(
    'getMilliseconds: duration.() -> int',
    (duration: Duration) => (duration.nanos / 1_000_000n) % 1000n,
  ),
]
