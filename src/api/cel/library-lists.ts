// Kubernetes' functions of lists, and cel-go's of sets.
import { aggregates, product } from './costs.ts'
import { compare, equal, listHas } from './equal.ts'
import { int, uint } from './library-standard.ts'
import type { Overload } from './overload.ts'
import { overload } from './overload.ts'
import type { Value } from './values.ts'
import { CelError, Duration, List, Uint } from './values.ts'

const fail = (message: string): never => {
  throw new CelError(message)
}

const order = (one: Value, other: Value): number => compare(one, other) ?? fail('no such overload')

function isSorted(list: List): boolean {
  for (let index = 1; index < list.size; index++) {
    if (order(list.at(index - 1), list.at(index)) > 0) return false
  }
  return true
}

function extreme(list: List, name: string, sign: number): Value {
  if (list.size === 0) return fail(`${name} called on empty list`)
  return [...list].reduce((best, item) => (order(item, best) * sign > 0 ? item : best))
}

function indexIn(list: List, wanted: Value): bigint {
  for (let index = 0; index < list.size; index++) {
    if (equal(list.at(index), wanted)) return BigInt(index)
  }
  return -1n
}

function lastIndexIn(list: List, wanted: Value): bigint {
  for (let index = list.size - 1; index >= 0; index--) {
    if (equal(list.at(index), wanted)) return BigInt(index)
  }
  return -1n
}

const sums = [
  overload(
    'sum: list(int).() -> int',
    (list: List) => [...list].reduce<bigint>((sum, item) => int(sum + (item as bigint)), 0n),
    { cost: aggregates },
  ),
  overload(
    'sum: list(uint).() -> uint',
    (list: List) =>
      [...list].reduce<Uint>((sum, item) => uint(sum.value + (item as Uint).value), new Uint(0n)),
    { cost: aggregates },
  ),
  overload(
    'sum: list(double).() -> double',
    (list: List) => [...list].reduce<number>((sum, item) => sum + (item as number), 0),
    { cost: aggregates },
  ),
  overload(
    'sum: list(duration).() -> duration',
    (list: List) =>
      new Duration([...list].reduce<bigint>((sum, item) => sum + (item as Duration).nanos, 0n)),
    { cost: aggregates },
  ),
]

const comparable = ['int', 'uint', 'double', 'bool', 'string', 'bytes', 'timestamp', 'duration']

const contains = (one: List, other: List): boolean => [...other].every((item) => listHas(one, item))

export const listFunctions: readonly Overload[] = [
  ...sums,
  ...comparable.flatMap((type) => [
    overload(`isSorted: list(${type}).() -> bool`, isSorted, { cost: aggregates }),
    overload(`min: list(${type}).() -> ${type}`, (list: List) => extreme(list, 'min', -1), {
      cost: aggregates,
    }),
    overload(`max: list(${type}).() -> ${type}`, (list: List) => extreme(list, 'max', 1), {
      cost: aggregates,
    }),
  ]),
  overload('indexOf: list(A).(A) -> int', indexIn, { cost: aggregates }),
  overload('lastIndexOf: list(A).(A) -> int', lastIndexIn, { cost: aggregates }),
  overload('sets.contains: (list(A), list(A)) -> bool', contains, { cost: product(1) }),
  overload(
    'sets.equivalent: (list(A), list(A)) -> bool',
    (one: List, other: List) => contains(one, other) && contains(other, one),
    { cost: product(2) },
  ),
  overload(
    'sets.intersects: (list(A), list(A)) -> bool',
    (one: List, other: List) => [...one].some((item) => listHas(other, item)),
    { cost: product(1) },
  ),
]
