// Records as zone-file lines (RFC 1035 5.1, RFC 3597 for what has no form of its own), both ways.
// Read by the file, hosts and template plugins; written by tests, logs and `signpost resolve`.
import { formatAddress, parseIpv4, parseIpv6 } from './address.ts'
import { CLASS, formatClass, formatType, parseClass, parseType } from './codes.ts'
import type { FieldKind, Layout } from './layout.ts'
import { fixedBytes, isName, layoutOf } from './layout.ts'
import type { ResourceRecord } from './message.ts'
import { absoluteName, decodeName, encodeName, maxNameBytes, nameEnd } from './name.ts'
import { formatParams, parseParams } from './svcparams.ts'
import { WireError } from './wire-error.ts'

/** "web.example. 30 IN A 192.0.2.1" */
export function formatRecord(record: ResourceRecord): string {
  const head = `${record.name} ${record.ttl} ${formatClass(record.class)} ${formatType(record.type)}`
  return `${head} ${formatData(record)}`.trimEnd()
}

export function formatData(record: Pick<ResourceRecord, 'type' | 'data'>): string {
  const { data } = record
  const layout = layoutOf(record.type)
  if (!layout) return `\\# ${data.length} ${Buffer.from(data).toString('hex')}`.trimEnd()
  const fields: string[] = []
  let at = 0
  for (const kind of layout) {
    if (at >= data.length && kind !== 'strings' && kind !== 'params') break
    const field = formatField(data, at, kind)
    fields.push(field.text)
    at = field.end
  }
  return fields.filter((text) => text !== '').join(' ')
}

function formatField(data: Uint8Array, at: number, kind: FieldKind): { text: string; end: number } {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
  const rest = bytes.subarray(at)
  if (isName(kind)) return { text: decodeName(data, at), end: nameEnd() }
  const fixed = fixedBytes(kind)
  if (fixed !== undefined) {
    const field = rest.subarray(0, fixed)
    return { text: formatFixed(field, kind), end: at + fixed }
  }
  switch (kind) {
    case 'string':
      return { text: quote(rest.subarray(1, 1 + rest[0]!)), end: at + 1 + rest[0]! }
    case 'salt':
    case 'base32': {
      const field = rest.subarray(1, 1 + rest[0]!)
      const text = kind === 'salt' ? field.toString('hex') || '-' : base32(field)
      return { text, end: at + 1 + rest[0]! }
    }
    case 'strings':
      return { text: splitStrings(rest).map(quote).join(' '), end: data.length }
    case 'text':
      return { text: quote(rest), end: data.length }
    case 'base64':
      return { text: rest.toString('base64'), end: data.length }
    case 'types':
      return { text: formatTypes(rest), end: data.length }
    case 'params':
      return { text: formatParams(rest), end: data.length }
    default:
      return { text: rest.toString('hex').toUpperCase(), end: data.length }
  }
}

function formatFixed(field: Buffer, kind: FieldKind): string {
  if (kind === 'ip4' || kind === 'ip6') return formatAddress(field)
  const number = field.readUIntBE(0, field.length)
  if (kind === 'type') return formatType(number)
  if (kind !== 'time') return String(number)
  return new Date(number * 1000).toISOString().replace(/[-:T]|\.000Z/g, '')
}

function splitStrings(bytes: Buffer): Buffer[] {
  const strings: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 1 + bytes[at]!) {
    strings.push(bytes.subarray(at + 1, at + 1 + bytes[at]!))
  }
  return strings
}

function quote(bytes: Uint8Array): string {
  let text = '"'
  for (const byte of bytes) {
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`
    else if (byte < 0x20 || byte > 0x7e) text += `\\${String(byte).padStart(3, '0')}`
    else text += String.fromCharCode(byte)
  }
  return `${text}"`
}

function base32(bytes: Uint8Array): string {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUV'
  let bits = ''
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0')
  return (bits.match(/.{1,5}/g) ?? [])
    .map((group) => digits[Number.parseInt(group.padEnd(5, '0'), 2)])
    .join('')
}

function formatTypes(bytes: Uint8Array): string {
  const names: string[] = []
  for (let at = 0; at + 2 <= bytes.length; at += 2 + bytes[at + 1]!) {
    for (let bit = 0; bit < 8 * bytes[at + 1]!; bit++) {
      const byte = bytes[at + 2 + (bit >> 3)] ?? 0
      if (byte & (0x80 >> (bit & 7))) names.push(formatType(256 * bytes[at]! + bit))
    }
  }
  return names.join(' ')
}

export interface RecordDefaults {
  /** Appended to names without a trailing dot; "@" stands for it. */
  readonly origin?: string
  readonly ttl?: number
}

/** Reads one line "NAME [TTL] [CLASS] TYPE DATA"; throws WireError for a line that is none. */
export function parseRecord(line: string, defaults: RecordDefaults = {}): ResourceRecord {
  return parseFields(splitFields(line), defaults)
}

/** The same from a line already split by splitFields. */
export function parseFields(fields: readonly string[], defaults: RecordDefaults): ResourceRecord {
  const origin = defaults.origin ?? '.'
  const rest = [...fields]
  const name = resolveName(rest.shift() ?? '', origin)
  let ttl = defaults.ttl ?? 3600
  let recordClass: number = CLASS.IN
  for (;;) {
    const word = rest[0]
    if (word === undefined) throw new WireError('rdata', 'record has no type')
    const seconds = parseTtl(word)
    const classNumber = seconds === undefined ? parseClass(word) : undefined
    if (seconds !== undefined) ttl = seconds
    else if (classNumber !== undefined) recordClass = classNumber
    else break
    rest.shift()
  }
  const type = parseType(rest[0]!)
  if (type === undefined) throw new WireError('rdata', `unknown record type "${rest[0]}"`)
  return { name, type, class: recordClass, ttl, data: parseData(type, rest.slice(1), origin) }
}

/** Seconds, or BIND's "1h30m". */
export function parseTtl(text: string): number | undefined {
  if (!/^(?:\d+[smhdw]?)+$/i.test(text)) return undefined
  const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
  let seconds = 0
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw]?)/gi)) {
    seconds += Number(count) * units[(unit || 's').toLowerCase()]!
  }
  return seconds <= 0x7fffffff ? seconds : undefined
}

/** Words of a line; a quoted one keeps a leading quote so that it is told from a bare one. */
export function splitFields(line: string): string[] {
  return line.match(/(?:"(?:\\.|[^"\\])*"|\\.|[^\s"\\])+/gs) ?? []
}

function resolveName(text: string, origin: string): string {
  if (text === '@') return origin
  const name = text.endsWith('.') ? text : origin === '.' ? absoluteName(text) : `${text}.${origin}`
  const scratch = new Uint8Array(2 * maxNameBytes)
  encodeName(name, scratch, 0)
  return decodeName(scratch, 0)
}

function parseData(type: number, fields: readonly string[], origin: string): Uint8Array {
  if (fields[0] === '\\#') {
    const bytes = Buffer.from(fields.slice(2).join(''), 'hex')
    if (bytes.length !== Number(fields[1])) throw new WireError('rdata', 'wrong length behind \\#')
    return Uint8Array.from(bytes)
  }
  const layout = layoutOf(type)
  if (!layout) throw new WireError('rdata', `data of ${formatType(type)} must be given as \\#`)
  return Uint8Array.from(Buffer.concat(parseLayout(layout, fields, origin)))
}

function parseLayout(layout: Layout, fields: readonly string[], origin: string): Uint8Array[] {
  const rest = [...fields]
  const parts: Uint8Array[] = []
  for (const kind of layout) {
    if (kind === 'strings') {
      if (rest.length === 0) throw new WireError('rdata', 'text is missing')
      for (const text of rest.splice(0)) parts.push(lengthPrefixed(unquote(text)))
    } else if (kind === 'hex' || kind === 'base64') {
      parts.push(Buffer.from(rest.splice(0).join(''), kind))
    } else if (kind === 'params') {
      parts.push(parseParams(rest.splice(0)))
    } else {
      const text = rest.shift()
      if (text === undefined) throw new WireError('rdata', 'record data is incomplete')
      parts.push(parseField(kind, text, origin))
    }
  }
  if (rest.length > 0) throw new WireError('rdata', `"${rest[0]}" does not belong to the record`)
  return parts
}

function parseField(kind: FieldKind, text: string, origin: string): Uint8Array {
  if (isName(kind)) {
    const scratch = new Uint8Array(2 * maxNameBytes)
    return scratch.slice(0, encodeName(resolveName(text, origin), scratch, 0))
  }
  if (kind === 'ip4' || kind === 'ip6') {
    const bytes = kind === 'ip4' ? parseIpv4(text) : parseIpv6(text)
    if (!bytes) throw new WireError('rdata', `"${text}" is no address`)
    return bytes
  }
  if (kind === 'string') return lengthPrefixed(unquote(text))
  if (kind === 'text') return unquote(text)
  const size = fixedBytes(kind)
  if (size === undefined) throw new WireError('rdata', 'this record type cannot be read from text')
  const value = kind === 'type' ? parseType(text) : kind === 'u32' ? parseTtl(text) : Number(text)
  if (value === undefined || !Number.isInteger(value) || value < 0 || value >= 256 ** size) {
    throw new WireError('rdata', `"${text}" is out of range`)
  }
  const bytes = Buffer.alloc(size)
  bytes.writeUIntBE(value, 0, size)
  return bytes
}

function lengthPrefixed(bytes: Uint8Array): Uint8Array {
  if (bytes.length > 255) throw new WireError('range', 'string is longer than 255 bytes')
  return Buffer.concat([Uint8Array.of(bytes.length), bytes])
}

/** The bytes of a bare or quoted word. */
function unquote(text: string): Uint8Array {
  const inner = text.startsWith('"') ? text.slice(1, -1) : text
  const bytes: number[] = []
  for (const [match] of inner.matchAll(/\\\d{3}|\\.|[^\\]/gsu)) {
    if (/^\\\d{3}$/.test(match)) bytes.push(Number(match.slice(1)) & 0xff)
    else bytes.push(...Buffer.from(match.startsWith('\\') ? match.slice(1) : match, 'utf8'))
  }
  return Uint8Array.from(bytes)
}
