import { expect, test } from 'vitest'
import { scheduleProblem } from './schedule.ts'

const check = (schedule: string, expected: string | undefined) =>
  expect(scheduleProblem(schedule), schedule).toBe(expected)

test('scheduleProblem() reads what robfig/cron reads', () => {
  for (const schedule of [
    '*/5 * * * *',
    '0 0 1,15 * mon-fri',
    '@daily',
    '@every 1h30m',
    '0-30/10 * ? jan SUN',
    'TZ=Europe/Berlin 0 4 * * *',
    '5/15 * * * *',
  ]) {
    check(schedule, undefined)
  }
})

test('scheduleProblem() says why, in its words', () => {
  check('x', 'expected exactly 5 fields, found 1: [x]')
  check('60 * * * *', 'end of range (60) above maximum (59): 60')
  check('* * 0 * *', 'beginning of range (0) below minimum (1): 0')
  check('5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1')
  check('*/0 * * * *', 'step of range should be a positive number: */0')
  check('a * * * *', 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax')
  check('1-2-3 * * * *', 'too many hyphens: 1-2-3')
  check('@sometimes', 'unrecognized descriptor: @sometimes')
})
