// Kubernetes' quantities, semantic versions and named formats.

import {
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '../machinery/names.ts'
import type { Quantity } from '../machinery/quantity.ts'
import { formatQuantity, readQuantity } from '../machinery/quantity.ts'
import { matchesFormat } from '../structural/formats.ts'
import { always, reads } from './costs.ts'
import type { Overload } from './overload.ts'
import { overload } from './overload.ts'
import { CelError, List, Opaque, Optional } from './values.ts'

const fail = (message: string): never => {
  throw new CelError(message)
}

const nano = 1_000_000_000n
const maxInt = 2n ** 63n - 1n

type QuantityValue = Opaque<Quantity>

const quantityValue = (quantity: Quantity): QuantityValue =>
  new Opaque('kubernetes.Quantity', quantity, (one, other) => one.nanos === other.nanos)

function quantityOf(text: string): QuantityValue {
  const read = readQuantity(text)
  return read.ok ? quantityValue(read.value) : fail(read.message)
}

const sign = (value: bigint): bigint => (value < 0n ? -1n : value > 0n ? 1n : 0n)

const isInteger = ({ data }: QuantityValue): boolean =>
  data.nanos % nano === 0n && data.nanos / nano <= maxInt && data.nanos / nano >= -maxInt - 1n

const plus = ({ data }: QuantityValue, nanos: bigint): QuantityValue =>
  quantityValue({ ...data, nanos: data.nanos + nanos })

const quantities = [
  overload('quantity: (string) -> kubernetes.Quantity', quantityOf, { cost: reads(0) }),
  overload('isQuantity: (string) -> bool', (text: string) => readQuantity(text).ok, {
    cost: reads(0),
  }),
  overload('sign: kubernetes.Quantity.() -> int', (a: QuantityValue) => sign(a.data.nanos)),
  overload('isInteger: kubernetes.Quantity.() -> bool', isInteger),
  overload('asInteger: kubernetes.Quantity.() -> int', (a: QuantityValue) =>
    isInteger(a) ? a.data.nanos / nano : fail('cannot convert value to integer'),
  ),
  overload(
    'asApproximateFloat: kubernetes.Quantity.() -> double',
    (a: QuantityValue) => Number(a.data.nanos) / 1e9,
  ),
  overload(
    'compareTo: kubernetes.Quantity.(kubernetes.Quantity) -> int',
    (a: QuantityValue, b: QuantityValue) => sign(a.data.nanos - b.data.nanos),
  ),
  overload(
    'isGreaterThan: kubernetes.Quantity.(kubernetes.Quantity) -> bool',
    (a: QuantityValue, b: QuantityValue) => a.data.nanos > b.data.nanos,
  ),
  overload(
    'isLessThan: kubernetes.Quantity.(kubernetes.Quantity) -> bool',
    (a: QuantityValue, b: QuantityValue) => a.data.nanos < b.data.nanos,
  ),
  overload(
    'add: kubernetes.Quantity.(kubernetes.Quantity) -> kubernetes.Quantity',
    (a: QuantityValue, b: QuantityValue) => plus(a, b.data.nanos),
  ),
  overload('add: kubernetes.Quantity.(int) -> kubernetes.Quantity', (a: QuantityValue, b: bigint) =>
    plus(a, b * nano),
  ),
  overload(
    'sub: kubernetes.Quantity.(kubernetes.Quantity) -> kubernetes.Quantity',
    (a: QuantityValue, b: QuantityValue) => plus(a, -b.data.nanos),
  ),
  overload('sub: kubernetes.Quantity.(int) -> kubernetes.Quantity', (a: QuantityValue, b: bigint) =>
    plus(a, -b * nano),
  ),
  overload('string: (kubernetes.Quantity) -> string', (a: QuantityValue) => formatQuantity(a.data)),
]

interface Semver {
  readonly numbers: readonly [bigint, bigint, bigint]
  readonly pre: readonly string[]
}

const semverPattern =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/

/** "v1.02" as "1.2.0": prefix dropped, zeros trimmed, missing numbers added. */
function normalized(text: string): string {
  const [, core = '', rest = ''] = /^v?([\d.]*)(.*)$/.exec(text) ?? []
  const numbers = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''))
  while (numbers.length < 3) numbers.push('0')
  return numbers.join('.') + rest
}

function readSemver(text: string): Semver | undefined {
  const match = semverPattern.exec(text)
  if (!match) return undefined
  const [, major = '0', minor = '0', patch = '0', pre = ''] = match
  return {
    numbers: [BigInt(major), BigInt(minor), BigInt(patch)],
    pre: pre === '' ? [] : pre.split('.'),
  }
}

function comparePre(one: readonly string[], other: readonly string[]): number {
  if (one.length === 0 || other.length === 0) return other.length - one.length
  for (const [index, left] of one.entries()) {
    const right = other[index]
    if (right === undefined) return 1
    if (left === right) continue
    const digits = [left, right].map((part) => /^\d+$/.test(part))
    if (digits[0] && digits[1]) return BigInt(left) < BigInt(right) ? -1 : 1
    if (digits[0] !== digits[1]) return digits[0] ? -1 : 1
    return left < right ? -1 : 1
  }
  return one.length - other.length
}

function compareSemver(one: Semver, other: Semver): bigint {
  for (const index of [0, 1, 2] as const) {
    const difference = one.numbers[index] - other.numbers[index]
    if (difference !== 0n) return sign(difference)
  }
  return sign(BigInt(comparePre(one.pre, other.pre)))
}

type SemverValue = Opaque<Semver>

function semverOf(text: string, normalize = false): SemverValue {
  const read = readSemver(normalize ? normalized(text) : text)
  if (!read) return fail(`Invalid semantic version ${JSON.stringify(text)}`)
  return new Opaque('kubernetes.Semver', read, (one, other) => compareSemver(one, other) === 0n)
}

const isSemver = (text: string, normalize = false): boolean =>
  readSemver(normalize ? normalized(text) : text) !== undefined

const versions = [
  overload('semver: (string) -> kubernetes.Semver', semverOf, { cost: reads(0) }),
  overload('semver: (string, bool) -> kubernetes.Semver', semverOf, { cost: reads(0) }),
  overload('isSemver: (string) -> bool', isSemver, { cost: reads(0) }),
  overload('isSemver: (string, bool) -> bool', isSemver, { cost: reads(0) }),
  overload('major: kubernetes.Semver.() -> int', (a: SemverValue) => a.data.numbers[0]),
  overload('minor: kubernetes.Semver.() -> int', (a: SemverValue) => a.data.numbers[1]),
  overload('patch: kubernetes.Semver.() -> int', (a: SemverValue) => a.data.numbers[2]),
  overload(
    'compareTo: kubernetes.Semver.(kubernetes.Semver) -> int',
    (a: SemverValue, b: SemverValue) => compareSemver(a.data, b.data),
  ),
  overload(
    'isGreaterThan: kubernetes.Semver.(kubernetes.Semver) -> bool',
    (a: SemverValue, b: SemverValue) => compareSemver(a.data, b.data) > 0n,
  ),
  overload(
    'isLessThan: kubernetes.Semver.(kubernetes.Semver) -> bool',
    (a: SemverValue, b: SemverValue) => compareSemver(a.data, b.data) < 0n,
  ),
]

interface NamedFormat {
  readonly name: string
  readonly problems: (text: string) => readonly string[]
}

const prefixed = (problems: NamedFormat['problems']) => (text: string) =>
  problems(text.endsWith('-') ? `${text}a` : text)

const strfmt = (name: string) => (text: string) =>
  matchesFormat(name, text) ? [] : [`must be a valid ${name}`]

const formats: Readonly<Record<string, NamedFormat['problems']>> = {
  dns1123Label: dns1123LabelProblems,
  dns1123Subdomain: dns1123SubdomainProblems,
  dns1035Label: dns1035LabelProblems,
  qualifiedName: qualifiedNameProblems,
  dns1123LabelPrefix: prefixed(dns1123LabelProblems),
  dns1123SubdomainPrefix: prefixed(dns1123SubdomainProblems),
  dns1035LabelPrefix: prefixed(dns1035LabelProblems),
  labelValue: labelValueProblems,
  uri: (text) => (text.startsWith('/') || URL.canParse(text) ? [] : ['invalid URI']),
  uuid: strfmt('uuid'),
  byte: strfmt('byte'),
  date: strfmt('date'),
  datetime: strfmt('datetime'),
}

type FormatValue = Opaque<NamedFormat>

const formatValue = (name: string): FormatValue =>
  new Opaque(
    'kubernetes.NamedFormat',
    { name, problems: formats[name] ?? (() => []) },
    (one, other) => one.name === other.name,
  )

function validate({ data }: FormatValue, text: string): Optional {
  const problems = data.problems(text)
  return new Optional(problems.length === 0 ? undefined : List.of(problems))
}

const namedFormats = [
  overload(
    'format.named: (string) -> optional_type(kubernetes.NamedFormat)',
    (name: string) => new Optional(Object.hasOwn(formats, name) ? formatValue(name) : undefined),
    { cost: always(1) },
  ),
  ...Object.keys(formats).map((name) =>
    overload(`format.${name}: () -> kubernetes.NamedFormat`, () => formatValue(name)),
  ),
  overload('validate: kubernetes.NamedFormat.(string) -> optional_type(list(string))', validate, {
    cost: reads(1),
  }),
]

export const quantityFunctions: readonly Overload[] = [...quantities, ...versions, ...namedFormats]
