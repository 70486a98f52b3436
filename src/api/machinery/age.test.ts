import { expect, test } from 'vitest'
import { formatAge, formatDuration } from './age.ts'

const check = (seconds: number, expected: string) =>
  expect(formatDuration(seconds * 1000)).toBe(expected)

test('formatDuration() shows two units, the finer the shorter the time', () => {
  const minute = 60
  const hour = 3600
  const day = 24 * hour
  check(-5, '<invalid>')
  check(0, '0s')
  check(119, '119s')
  check(120, '2m')
  check(2 * minute + 1, '2m1s')
  check(9 * minute + 59, '9m59s')
  check(10 * minute, '10m')
  check(179 * minute, '179m')
  check(3 * hour, '3h')
  check(7 * hour + 59 * minute, '7h59m')
  check(47 * hour, '47h')
  check(2 * day, '2d')
  check(7 * day + 23 * hour, '7d23h')
  check(8 * day, '8d')
  check(729 * day, '729d')
  check(2 * 365 * day, '2y')
  check(3 * 365 * day + 5 * day, '3y5d')
  check(9 * 365 * day, '9y')
})

test('formatAge() without a timestamp is unknown', () => {
  expect(formatAge(undefined, 0)).toBe('<unknown>')
  expect(formatAge('2026-01-01T00:00:00Z', Date.UTC(2026, 0, 1, 0, 1))).toBe('60s')
})
