import { expect, test } from 'vitest'
import { parseTime } from './time.ts'

const time = (text: string, type: 'Time' | 'MicroTime' = 'Time') => {
  const result = parseTime(text, type)
  return result.ok ? result.value : result.message
}

test.each([
  ['2024-01-01T00:00:00Z', '2024-01-01T00:00:00Z'],
  ['2024-01-01T02:00:00+02:00', '2024-01-01T00:00:00Z'],
  ['2024-02-29T23:59:59.999Z', '2024-02-29T23:59:59Z'],
  ['0001-01-01T00:00:00Z', undefined],
  [
    'yesterday',
    'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
  ],
  ['2024-13-01T00:00:00Z', 'parsing time "2024-13-01T00:00:00Z": month out of range'],
  ['2023-02-29T00:00:00Z', 'parsing time "2023-02-29T00:00:00Z": day out of range'],
  ['2024-01-01T00:00:00Zx', 'parsing time "2024-01-01T00:00:00Zx": extra text: "x"'],
  [
    '2024-01-01',
    'parsing time "2024-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"',
  ],
])('parseTime(%j) is %j', (text, expected) => expect(time(text)).toBe(expected))

// The refusals are recorded from kube-apiserver 1.36.
test.each([
  ['2024-01-01T00:00:00.500000Z', '2024-01-01T00:00:00.500000Z'],
  ['2024-01-01T00:00:00.000001+01:00', '2023-12-31T23:00:00.000001Z'],
  [
    '2024-01-01T00:00:00.123456789Z',
    'parsing time "2024-01-01T00:00:00.123456789Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "789Z" as "Z07:00"',
  ],
  [
    '2024-01-01T00:00:00.5Z',
    'parsing time "2024-01-01T00:00:00.5Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse ".5Z" as ".000000"',
  ],
])('parseTime(%j) of a MicroTime is %j', (text, expected) =>
  expect(time(text, 'MicroTime')).toBe(expected),
)
