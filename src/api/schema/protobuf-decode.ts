// Protobuf messages to typed objects, one compiled reader a struct. The wire cannot tell "empty"
// from "not set" for plain fields; the JSON rules (convert.ts) then drop what Go would omit.
import { timeText } from '../machinery/time.ts'
import { converterOf } from './convert.ts'
import { ProtobufError, ProtobufReader, wireTypes } from './protobuf-reader.ts'
import type { Field, SpecialName, Type } from './schema.ts'
import { structOf } from './schema.ts'
import { formatDuration } from './special.ts'

type Bag = Record<string, unknown>
type ReadField = (reader: ProtobufReader, output: Bag) => void
type ReadValue = (reader: ProtobufReader) => unknown

interface KnownField {
  readonly name: string
  readonly wireType: number
  readonly read: ReadField
  /** Lists of numbers may come packed into one field. */
  readonly readPacked: ReadField | undefined
}

/** By field number; unknown numbers are holes. */
type Fields = readonly (KnownField | undefined)[]

const compiled = new Map<string, Fields>()

function fieldsOf(struct: string): Fields {
  let fields = compiled.get(struct)
  if (!fields) {
    const own = structOf(struct).fields.filter((field) => field.number !== undefined)
    fields = byNumber(own.map((field) => [field.number!, knownField(field)]))
    compiled.set(struct, fields)
  }
  return fields
}

function byNumber(entries: readonly (readonly [number, KnownField])[]): Fields {
  const largest = Math.max(0, ...entries.map(([number]) => number))
  const fields = Array.from({ length: largest + 1 }, (): KnownField | undefined => undefined)
  for (const [number, field] of entries) fields[number] = field
  return fields
}

/** Reads the message that begins here. */
function readMessage(reader: ProtobufReader, fields: Fields, output: Bag): void {
  const outer = reader.enter()
  while (!reader.done) readMember(reader, fields, output)
  reader.leave(outer)
}

function readMember(reader: ProtobufReader, fields: Fields, output: Bag): void {
  const tag = reader.varint()
  const wireType = tag & 7
  const field = fields[Math.floor(tag / 8)]
  if (!field) reader.skip(wireType)
  else if (wireType === field.wireType) field.read(reader, output)
  else if (wireType === wireTypes.bytes && field.readPacked) field.readPacked(reader, output)
  else
    throw new ProtobufError(`proto: wrong wireType = ${wireType} for field ${goName(field.name)}`)
}

const goName = (name: string) => `${name.charAt(0).toUpperCase()}${name.slice(1)}`

function structReader(struct: string): (reader: ProtobufReader, output: Bag) => void {
  let fields: Fields | undefined
  return (reader, output) => {
    fields ??= fieldsOf(struct)
    readMessage(reader, fields, output)
  }
}

function wireTypeOf(type: Type): number {
  switch (type.kind) {
    case 'bool':
    case 'int32':
    case 'int64':
      return wireTypes.varint
    case 'float64':
      return wireTypes.fixed64
    case 'list':
      return wireTypeOf(type.items)
    default:
      return wireTypes.bytes
  }
}

function knownField(field: Field): KnownField {
  const { name, type } = field
  const wireType = field.wrapped ? wireTypes.bytes : wireTypeOf(type)
  if (field.inline && type.kind === 'struct') {
    return { name, wireType, read: structReader(type.struct), readPacked: undefined }
  }
  if (type.kind === 'map') {
    return { name, wireType, read: mapReader(name, type.values), readPacked: undefined }
  }
  if (type.kind === 'list' && !field.wrapped) {
    const read = listReader(name, type.items)
    const readPacked: ReadField | undefined =
      wireType === wireTypes.bytes
        ? undefined
        : (reader, output) => {
            const outer = reader.enter()
            while (!reader.done) read(reader, output)
            reader.leave(outer)
          }
    return { name, wireType, read, readPacked }
  }
  const readValue = field.wrapped ? wrappedReader(type) : valueReader(type)
  return {
    name,
    wireType,
    read: (reader, output) => {
      output[name] = readValue(reader)
    },
    readPacked: undefined,
  }
}

function listReader(name: string, items: Type): ReadField {
  const read = valueReader(items)
  return (reader, output) => {
    const item = read(reader)
    const list = output[name]
    if (list === undefined) output[name] = [item]
    else (list as unknown[]).push(item)
  }
}

function wrappedReader(type: Type): ReadValue {
  const read = listReader('items', type.kind === 'list' ? type.items : type)
  const fields = byNumber([[1, { name: 'items', wireType: 2, read, readPacked: undefined }]])
  return (reader) => {
    const output: Bag = { items: [] }
    readMessage(reader, fields, output)
    return output.items
  }
}

function mapReader(name: string, values: Type): ReadField {
  const readValue = values.kind === 'list' ? wrappedReader(values) : valueReader(values)
  const fields = byNumber([
    [1, entryField('key', wireTypes.bytes, (reader) => reader.text())],
    [2, entryField('value', values.kind === 'list' ? 2 : wireTypeOf(values), readValue)],
  ])
  return (reader, output) => {
    const entry: Bag = { key: '', value: null }
    readMessage(reader, fields, entry)
    const map = (output[name] ??= {}) as Bag
    const key = entry.key as string
    if (key !== '__proto__') map[key] = entry.value
    else {
      const property = { enumerable: true, writable: true, configurable: true }
      Object.defineProperty(map, key, { value: entry.value, ...property })
    }
  }
}

function entryField(name: string, wireType: number, readValue: ReadValue): KnownField {
  const read: ReadField = (reader, output) => {
    output[name] = readValue(reader)
  }
  return { name, wireType, read, readPacked: undefined }
}

function valueReader(type: Type): ReadValue {
  switch (type.kind) {
    case 'string':
      return (reader) => reader.text()
    case 'bool':
      return (reader) => reader.varint() !== 0
    case 'int32':
      return (reader) => reader.integer() | 0
    case 'int64':
      return (reader) => reader.integer()
    case 'float64':
      return (reader) => reader.double()
    case 'bytes':
      return (reader) => reader.bytes().toString('base64')
    case 'special':
      return specialReader(type.name)
    case 'struct': {
      const read = structReader(type.struct)
      return (reader) => {
        const output: Bag = {}
        read(reader, output)
        return output
      }
    }
    case 'list':
    case 'map':
      throw new Error(`cannot compile a protobuf reader: ${type.kind} inside a list or map`)
  }
}

/** Reads a small fixed message by its field numbers, whatever their order. */
function parts(reader: ProtobufReader): Map<number, unknown> {
  const found = new Map<number, unknown>()
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.varint()
    const wireType = tag & 7
    const number = Math.floor(tag / 8)
    if (wireType === wireTypes.varint) found.set(number, reader.integer())
    else if (wireType === wireTypes.bytes) found.set(number, reader.bytes())
    else reader.skip(wireType)
  }
  reader.leave(outer)
  return found
}

function readTime(type: 'Time' | 'MicroTime'): ReadValue {
  return (reader) => {
    const found = parts(reader)
    if (found.size === 0) return null
    const seconds = (found.get(1) as number | undefined) ?? 0
    const nanos = (found.get(2) as number | undefined) ?? 0
    if (Math.abs(seconds) > maxTimeSeconds) throw new ProtobufError('proto: time out of range')
    return timeText(seconds, Math.floor(nanos / 1000), type)
  }
}

/** The year 9999, the last that RFC 3339 can write. */
const maxTimeSeconds = 253_402_300_799

const textOf = (value: unknown) => (value === undefined ? '' : (value as Buffer).toString('utf8'))

function readRawJson(reader: ProtobufReader): unknown {
  const raw = textOf(parts(reader).get(1))
  if (raw === '') return null
  try {
    return JSON.parse(raw) as unknown
  } catch {
    throw new ProtobufError('proto: raw content is not JSON')
  }
}

const readSchema = structReader('apiextensions.v1.JSONSchemaProps')

/** Field 1 of varint or schema, field 2 of schemas or text, as the JSONSchemaPropsOr… types nest. */
function readSchemaOr(items: Type): ReadValue {
  const readItem = valueReader(items)
  return (reader) => {
    let result: unknown
    const list: unknown[] = []
    const outer = reader.enter()
    while (!reader.done) {
      const tag = reader.varint()
      if (tag === 0x0a) {
        const schema: Bag = {}
        readSchema(reader, schema)
        result = schema
      } else if (tag === 0x12) list.push(readItem(reader))
      else reader.skip(tag & 7)
    }
    reader.leave(outer)
    return result ?? list
  }
}

function readSchemaOrBool(reader: ProtobufReader): unknown {
  let result: unknown = false
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x08) {
      const allows = reader.varint() !== 0
      if (typeof result === 'boolean') result = allows
    } else if (tag === 0x12) {
      const schema: Bag = {}
      readSchema(reader, schema)
      result = schema
    } else reader.skip(tag & 7)
  }
  reader.leave(outer)
  return result
}

function specialReader(name: SpecialName): ReadValue {
  switch (name) {
    case 'Time':
    case 'MicroTime':
      return readTime(name)
    case 'Duration':
      return (reader) => formatDuration(BigInt((parts(reader).get(1) as number | undefined) ?? 0))
    case 'Quantity':
      return (reader) => textOf(parts(reader).get(1)) || '0'
    case 'IntOrString':
      return (reader) => {
        const found = parts(reader)
        return found.get(1) === 1 ? textOf(found.get(3)) : ((found.get(2) as number) ?? 0)
      }
    case 'RawExtension':
    case 'FieldsV1':
    case 'JSON':
      return readRawJson
    case 'JSONSchemaPropsOrArray':
      return readSchemaOr({ kind: 'struct', struct: 'apiextensions.v1.JSONSchemaProps' })
    case 'JSONSchemaPropsOrStringArray':
      return readSchemaOr({ kind: 'string' })
    case 'JSONSchemaPropsOrBool':
      return readSchemaOrBool
  }
}

/** The object of a bare message; throws ProtobufError for bytes that are none. */
export function decodeMessage(struct: string, bytes: Buffer): Bag {
  const reader = new ProtobufReader(bytes)
  const fields = fieldsOf(struct)
  const output: Bag = {}
  while (!reader.done) readMember(reader, fields, output)
  const conversion = { wrong: 0, unknown: 0, wire: false, nullLists: false }
  const value = converterOf(struct)(output, conversion)
  if (conversion.wrong > 0) throw new ProtobufError('proto: a value is not of its type')
  return value as Bag
}
