// Checks that many kinds share, as functions from (value, field) to field errors in upstream's words.
import type { Ip } from '../../lib/ip.ts'
import { cidrContains, formatIp, parseCidr, parseIp } from '../../lib/ip.ts'
import type { FieldError } from './field-error.ts'
import { invalid, notSupported, required } from './field-error.ts'
import { goQuote } from './go-text.ts'

export type Errors = readonly FieldError[]
export const none: Errors = []

/** One error a message, as name checks (names.ts) answer them. */
export const invalids = (field: string, value: unknown, messages: readonly string[]): Errors =>
  messages.map((message) => invalid(field, value, message))

/** Each item with its own path: `${field}[0]`, `${field}[1]`, … */
export function forEach<T>(
  items: readonly T[] | undefined,
  field: string,
  check: (item: T, field: string, index: number) => Errors,
): Errors {
  return (items ?? []).flatMap((item, index) => check(item, `${field}[${index}]`, index))
}

/** Each entry with its own path: `${field}[key]`, in the order of the keys. */
export function forEachEntry<T>(
  map: Readonly<Record<string, T>> | undefined,
  field: string,
  check: (key: string, value: T, field: string) => Errors,
): Errors {
  const keys = Object.keys(map ?? {}).sort()
  return keys.flatMap((key) => check(key, map![key]!, `${field}[${key}]`))
}

export const nonNegative = (value: number | undefined, field: string): Errors =>
  value !== undefined && value < 0
    ? [invalid(field, value, 'must be greater than or equal to 0')]
    : none

export const positive = (value: number | undefined, field: string): Errors =>
  value !== undefined && value <= 0 ? [invalid(field, value, 'must be greater than 0')] : none

export const inRange = (value: number, field: string, range: readonly [number, number]): Errors =>
  value < range[0] || value > range[1]
    ? [invalid(field, value, `must be between ${range[0]} and ${range[1]}, inclusive`)]
    : none

export const portNumber = (value: number, field: string): Errors =>
  inRange(value, field, [1, 65535])

export const present = (value: string | undefined, field: string, detail = ''): Errors =>
  value === undefined || value === '' ? [required(field, detail)] : none

/** An unset value passes; say so with `present` where it must not. */
export const oneOf = (
  value: string | undefined,
  field: string,
  supported: readonly string[],
): Errors =>
  value === undefined || supported.includes(value) ? none : [notSupported(field, value, supported)]

/** `shown` is the new value as the message has it, where it is not the value itself. */
export const immutable = (
  change: readonly [value: unknown, old: unknown],
  field: string,
  shown: unknown = change[0],
): Errors =>
  sameValue(change[0], change[1]) ? none : [invalid(field, shown, 'field is immutable')]

/** Equal as stored: a field that is absent, null or an empty list makes no difference. */
export function sameValue(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (isUnset(one) || isUnset(other)) return isUnset(one) && isUnset(other)
  if (typeof one !== 'object' || typeof other !== 'object') return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const left = one as Readonly<Record<string, unknown>>
  const right = other as Readonly<Record<string, unknown>>
  if (Array.isArray(one) && one.length !== (other as readonly unknown[]).length) return false
  return (
    Object.keys(left).every((key) => sameValue(left[key], right[key])) &&
    Object.keys(right).every((key) => key in left || isUnset(right[key]))
  )
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}

const notAnIp = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
const notACidr = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
const leadingZeros = /(^|\.)0+(?=\d)/g

/** An address as older fields take it: canonical or not, but without leading zeros. */
export const ipAddress = (text: string, field: string): Errors =>
  invalids(field, text, ipProblems(text))

function ipProblems(text: string): readonly string[] {
  const ip = parseIp(text)
  if (ip) return isV4Mapped(ip) ? ['must not be an IPv4-mapped IPv6 address'] : []
  const sloppy = parseIp(text.replace(leadingZeros, '$1'))
  return [sloppy ? 'must not have leading 0s' : notAnIp]
}

/** An address as newer fields (and the names of IPAddresses) take it: in canonical form only. */
export function canonicalIpProblems(text: string): readonly string[] {
  const problems = ipProblems(text)
  if (problems.length > 0) return problems
  const canonical = formatIp(parseIp(text)!)
  return canonical === text ? [] : [`must be in canonical form (${goQuote(canonical)})`]
}

export function cidrBlock(text: string, field: string): Errors {
  const cidr = parseCidr(text)
  if (!cidr) {
    const sloppy = parseCidr(text.replace(/(^|[./])0+(?=\d)/g, '$1'))
    const message = sloppy ? 'must not have leading 0s in IP or prefix length' : notACidr
    return [invalid(field, text, message)]
  }
  return cidr.address.value === cidr.base
    ? none
    : [invalid(field, text, 'must not have bits set beyond the prefix length')]
}

const loopback = 'may not be in the loopback range (127.0.0.0/8, ::1/128)'
const linkLocal = 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'
const linkLocalMulticast = 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'

/** Refuses addresses that no endpoint can have. */
export function nonSpecialIp(text: string, field: string): Errors {
  const ip = parseIp(text)
  if (!ip) return [invalid(field, text, 'must be a valid IP address')]
  const message = specialUse(ip, text)
  return message === undefined ? none : [invalid(field, text, message)]
}

const special = (
  [
    ['127.0.0.0/8', loopback],
    ['::1/128', loopback],
    ['169.254.0.0/16', linkLocal],
    ['fe80::/10', linkLocal],
    ['224.0.0.0/24', linkLocalMulticast],
    ['ff02::/16', linkLocalMulticast],
  ] as const
).map(([block, message]) => ({ cidr: parseCidr(block)!, message }))

function specialUse(ip: Ip, text: string): string | undefined {
  if (ip.value === 0n) return `may not be unspecified (${text})`
  return special.find(({ cidr }) => cidrContains(cidr, ip))?.message
}

const isV4Mapped = (ip: Ip): boolean => ip.family === 'IPv6' && ip.value >> 32n === 0xffffn

/** The warning for an address that is valid but not written as the API would write it. */
export function ipWarnings(text: string, field: string): readonly string[] {
  const ip = parseIp(text)
  if (!ip) return []
  const canonical = formatIp(ip)
  if (canonical === text) return []
  const wanted = `should be in RFC 5952 canonical format (${goQuote(canonical)})`
  return [`${field}: ${ip.family} address ${goQuote(text)} ${wanted}`]
}
