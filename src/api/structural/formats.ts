// Formats of strings that a schema may ask for, as go-openapi's strfmt and Kubernetes check them.

import { dns1123LabelProblems, dns1123SubdomainProblems } from '../machinery/names.ts'
import { isIPv4, isIPv6 } from './addresses.ts'

type Check = (text: string) => boolean

const hostname =
  /^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$/u
const creditCard =
  /^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$/
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/
const rgb =
  /^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$/
const mac = /^([0-9a-f]{2}([:-])([0-9a-f]{2}\2){4}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4})$/i
const email =
  /^(?:[^<>]*<)?[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?>?$/
const goDuration =
  /^[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*$/
const scalaDuration =
  /^\s*(\d+)\s*(ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\s*$/i

const uuid = (version: string, variant: string): Check => {
  const pattern = `^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?${variant}[0-9a-f]{3}-?[0-9a-f]{12}$`
  const regex = new RegExp(pattern, 'i')
  return (text) => regex.test(text)
}

const byPattern =
  (regex: RegExp): Check =>
  (text) =>
    regex.test(text)

/** Keys without dashes, which make no difference. */
const checks: Readonly<Record<string, Check>> = {
  bsonobjectid: byPattern(/^[0-9a-f]{24}$/i),
  uri: isUri,
  email: byPattern(email),
  hostname: isHostname,
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: byPattern(mac),
  uuid: uuid('[0-9a-f]', '[0-9a-f]'),
  uuid3: uuid('3', '[0-9a-f]'),
  uuid4: uuid('4', '[89ab]'),
  uuid5: uuid('5', '[89ab]'),
  isbn: (text) => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  creditcard: isCreditCard,
  ssn: byPattern(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  hexcolor: byPattern(/^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/),
  rgbcolor: byPattern(rgb),
  byte: byPattern(base64),
  password: () => true,
  date: isDate,
  duration: isDuration,
  datetime: isDateTime,
  k8sshortname: (text) => dns1123LabelProblems(text).length === 0,
  k8slongname: (text) => dns1123SubdomainProblems(text).length === 0,
}

const formatsOfNumbers: Readonly<Record<string, readonly string[]>> = {
  integer: ['int32', 'int64'],
  number: ['float', 'double'],
}

/** The format that counts for a type; "" for one that is not known and therefore ignored. */
export function formatOf(type: string, format: string): string {
  if (format === '') return ''
  const known =
    type === '' || type === 'string'
      ? checkOf(format) !== undefined
      : formatsOfNumbers[type]?.includes(format) === true
  return known ? format : ''
}

const checkOf = (format: string): Check | undefined => {
  const name = format.replaceAll('-', '')
  return Object.hasOwn(checks, name) ? checks[name] : undefined
}

/** Whether a text is of a format; unknown ones are anything. */
export const matchesFormat = (format: string, text: string): boolean =>
  checkOf(format)?.(text) ?? true

function isUri(text: string): boolean {
  if (/[\s\p{Cc}]/u.test(text)) return false
  if (text.startsWith('/')) return true
  return /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/?[^/]?/.test(text) && !/%(?![0-9a-fA-F]{2})/.test(text)
}

function isHostname(text: string): boolean {
  if (text.length > 255 || !hostname.test(text)) return false
  return text.split('.').every((label) => label.length <= 63)
}

function isCidr(text: string): boolean {
  const slash = text.indexOf('/')
  const [address, bits] = [text.slice(0, slash), text.slice(slash + 1)]
  if (slash < 0 || !/^\d{1,3}$/.test(bits)) return false
  if (isIPv4(address) && !address.includes(':')) return Number(bits) <= 32
  return isIPv6(address) && Number(bits) <= 128
}

function isIsbn10(text: string): boolean {
  const digits = text.replaceAll(/[\s-]/g, '')
  if (!/^\d{9}[\dX]$/.test(digits)) return false
  const valueOf = (char: string) => (char === 'X' ? 10 : Number(char))
  return [...digits].reduce((sum, char, at) => sum + (at + 1) * valueOf(char), 0) % 11 === 0
}

function isIsbn13(text: string): boolean {
  const digits = text.replaceAll(/[\s-]/g, '')
  if (!/^\d{13}$/.test(digits)) return false
  return [...digits].reduce((sum, char, at) => sum + Number(char) * (at % 2 ? 3 : 1), 0) % 10 === 0
}

function isCreditCard(text: string): boolean {
  const digits = text.replaceAll(/\D+/g, '')
  if (!creditCard.test(digits)) return false
  const doubled = [...digits].reverse().map((char, at) => {
    const value = Number(char) * (at % 2 ? 2 : 1)
    return value > 9 ? value - 9 : value
  })
  return doubled.reduce((sum, value) => sum + value, 0) % 10 === 0
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const [year = 0, month = 0, day = 0] = text.split('-').map(Number)
  const date = new Date(Date.UTC(2000, month - 1, 1))
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

function isDateTime(text: string): boolean {
  const match =
    /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})$/.exec(text)
  if (!match) return false
  const [, date = '', hour = '', minute = '', second = ''] = match
  return isDate(date) && Number(hour) <= 23 && Number(minute) <= 59 && Number(second) <= 59
}

function isDuration(text: string): boolean {
  return text === '0' || goDuration.test(text) || scalaDuration.test(text)
}
