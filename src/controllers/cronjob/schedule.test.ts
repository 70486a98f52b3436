import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { scheduleProblem } from '../../api/batch/schedule.ts'
import { formatInZone, parseSchedule } from './schedule.ts'

/** The times after `from`, as clocks in the zone show them. */
function check(
  [schedule, timeZone]: readonly [string, string?],
  from: string,
  expected: readonly string[],
) {
  expect(scheduleProblem(schedule)).toBeUndefined()
  const { next } = parseSchedule(schedule, timeZone)
  const found: string[] = []
  let timeMs: number | undefined = Date.parse(from)
  while (found.length < expected.length) {
    timeMs = next(timeMs)
    if (timeMs === undefined) break
    found.push(formatInZone(timeMs, timeZone))
  }
  expect(found, schedule).toEqual(expected)
}

test('next() finds what the fields say', () => {
  const from = '2026-01-01T00:00:00Z'
  check(['* * * * *'], from, ['2026-01-01T00:01:00Z', '2026-01-01T00:02:00Z'])
  check(['*/20 3 * * *'], from, [
    '2026-01-01T03:00:00Z',
    '2026-01-01T03:20:00Z',
    '2026-01-01T03:40:00Z',
    '2026-01-02T03:00:00Z',
  ])
  check(['50/5 23 31 * *'], '2026-01-31T23:50:00Z', [
    '2026-01-31T23:55:00Z',
    '2026-03-31T23:50:00Z',
  ])
  check(['0 0 29 2 *'], from, ['2028-02-29T00:00:00Z'])
  check(['0 12 * jan,DEC sun'], '2026-01-19T00:00:00Z', [
    '2026-01-25T12:00:00Z',
    '2026-12-06T12:00:00Z',
  ])
  check(['@weekly'], from, ['2026-01-04T00:00:00Z'])
  check(['@yearly'], from, ['2027-01-01T00:00:00Z'])
})

test('next() takes a day that either field names, where both name days', () => {
  const from = '2026-01-01T00:00:00Z'
  check(['0 0 13 * fri'], from, [
    '2026-01-02T00:00:00Z',
    '2026-01-09T00:00:00Z',
    '2026-01-13T00:00:00Z',
  ])
  check(['0 0 * * fri'], from, ['2026-01-02T00:00:00Z', '2026-01-09T00:00:00Z'])
  // A stride other than 1 names days.
  check(['0 0 */15 * fri'], from, [
    '2026-01-02T00:00:00Z',
    '2026-01-09T00:00:00Z',
    '2026-01-16T00:00:00Z',
  ])
})

test('next() is undefined for a day that never comes', () => {
  expect(parseSchedule('59 23 31 2 *').next(0)).toBeUndefined()
})

test('next() keeps to the clocks of the zone, whatever they do', () => {
  const berlin = 'Europe/Berlin'
  check(['30 2 * * *', berlin], '2026-03-28T00:00:00Z', [
    '2026-03-28T02:30:00+01:00',
    // On the 29th there is no 02:30.
    '2026-03-30T02:30:00+02:00',
  ])
  check(['30 2 * * *', berlin], '2026-10-25T00:00:00Z', [
    '2026-10-25T02:30:00+02:00',
    '2026-10-25T02:30:00+01:00',
    '2026-10-26T02:30:00+01:00',
  ])
  check(['0 9 * * *', 'Asia/Kolkata'], '2026-01-01T00:00:00Z', ['2026-01-01T09:00:00+05:30'])
  // Clocks go from 23:59 to 01:00.
  check(['0 * * * sun', 'Africa/Cairo'], '2026-04-23T00:00:00Z', ['2026-04-26T00:00:00+03:00'])
  check(['15 * 24 4 *', 'Africa/Cairo'], '2026-04-23T00:00:00Z', ['2026-04-24T01:15:00+03:00'])
  const inText = parseSchedule(`TZ=${berlin} 0 4 * * *`)
  expect(inText.next(Date.parse('2026-07-01T00:00:00Z'))).toBe(Date.parse('2026-07-01T02:00:00Z'))
})

test('@every counts whole seconds from the last time', () => {
  check(['@every 1h30m'], '2026-01-01T00:00:10.5Z', ['2026-01-01T01:30:10Z'])
  check(['@every 500ms'], '2026-01-01T00:00:10Z', ['2026-01-01T00:00:11Z'])
})

type Case = readonly [text: string, matches: (value: number) => boolean]
const any: Case = ['*', () => true]
const naive = fc.record({
  minute: fc.constantFrom<Case>(
    any,
    ['*/7', (value) => value % 7 === 0],
    ['5', (value) => value === 5],
    ['10-20/5', (value) => [10, 15, 20].includes(value)],
  ),
  hour: fc.constantFrom<Case>(
    any,
    ['*/6', (value) => value % 6 === 0],
    ['22-23,3', (value) => [3, 22, 23].includes(value)],
  ),
  day: fc.constantFrom<Case>(any, ['28-31', (value) => value > 27]),
  weekday: fc.constantFrom<Case>(any, ['mon-fri', (value) => value > 0 && value < 6]),
  fromMs: fc.integer({ min: 0, max: 4e12 }),
})

test('next() equals a search minute by minute', () => {
  fc.assert(
    fc.property(naive, ({ minute, hour, day, weekday, fromMs }) => {
      const eitherDay = day !== any && weekday !== any
      const matches = (time: Date) => {
        const days = [day[1](time.getUTCDate()), weekday[1](time.getUTCDay())]
        const isDay = eitherDay ? days.includes(true) : !days.includes(false)
        return isDay && minute[1](time.getUTCMinutes()) && hour[1](time.getUTCHours())
      }
      let timeMs = (Math.floor(fromMs / 60_000) + 1) * 60_000
      while (!matches(new Date(timeMs))) timeMs += 60_000
      const { next } = parseSchedule(`${minute[0]} ${hour[0]} ${day[0]} * ${weekday[0]}`)
      expect(next(fromMs)).toBe(timeMs)
    }),
  )
})
