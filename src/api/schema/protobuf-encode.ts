// Typed objects to protobuf messages, one compiled function a struct. Go's generated code writes
// every field that is neither a pointer nor a list or map, even when it is empty: so does this.
import { compareText } from '../machinery/go-text.ts'
import { timeParts } from '../machinery/time.ts'
import { ProtobufWriter } from './protobuf-writer.ts'
import type { Field, SpecialName, Type } from './schema.ts'
import { structOf } from './schema.ts'
import { parseDuration } from './special.ts'

type Bag = Readonly<Record<string, unknown>>
/** Writes the content of a value; length and tag are the caller's. */
type Write = (writer: ProtobufWriter, value: unknown) => void
type WriteField = (writer: ProtobufWriter, object: Bag) => void

const compiled = new Map<string, Write>()
const empty: Bag = {}

function structWriter(id: string): Write {
  const known = compiled.get(id)
  if (known) return known
  const fields = structOf(id)
    .fields.filter((field) => field.number !== undefined)
    .sort((a, b) => b.number! - a.number!)
    .map(fieldWriter)
  const write: Write = (writer, value) => {
    const object = (value ?? empty) as Bag
    for (const field of fields) field(writer, object)
  }
  compiled.set(id, write)
  return write
}

function lazyStruct(id: string): Write {
  let write: Write | undefined
  return (writer, value) => {
    write ??= structWriter(id)
    write(writer, value)
  }
}

const lengthTag = (number: number) => number * 8 + 2

/** Content, then its length, then the tag: the writer goes backwards. */
function delimited(writer: ProtobufWriter, tag: number, content: () => void): void {
  const before = writer.mark
  content()
  writer.varint(writer.mark - before)
  writer.varint(tag)
}

function fieldWriter(field: Field): WriteField {
  const { name, type, pointer, inline } = field
  const number = field.number!
  if (inline) {
    const write = valueWriter(type, number)
    return (writer, object) => write(writer, object)
  }
  if (field.wrapped) return wrappedWriter(name, type, number)
  if (type.kind === 'list') return listWriter(name, type.items, number)
  if (type.kind === 'map') return mapWriter(name, type.values, number)
  const write = valueWriter(type, number)
  if (pointer || type.kind === 'bytes') {
    return (writer, object) => {
      const value = object[name]
      if (value !== undefined && value !== null) write(writer, value)
    }
  }
  return (writer, object) => write(writer, object[name])
}

function listWriter(name: string, items: Type, number: number): WriteField {
  const write = valueWriter(items, number)
  return (writer, object) => {
    const list = object[name] as readonly unknown[] | null | undefined
    if (!list) return
    for (let index = list.length - 1; index >= 0; index--) write(writer, list[index])
  }
}

/** A named list type: a message whose field 1 repeats. */
function wrappedWriter(name: string, type: Type, number: number): WriteField {
  const write = wrappedValue(type, number)
  return (writer, object) => {
    const value = object[name]
    if (value !== undefined && value !== null) write(writer, value)
  }
}

function wrappedValue(type: Type, number: number): Write {
  const items = listWriter('items', type.kind === 'list' ? type.items : type, 1)
  return (writer, value) =>
    delimited(writer, lengthTag(number), () => items(writer, { items: value }))
}

function mapWriter(name: string, values: Type, number: number): WriteField {
  // Protobuf knows no map of lists; such values are named list types.
  const write = values.kind === 'list' ? wrappedValue(values, 2) : valueWriter(values, 2)
  const tag = lengthTag(number)
  return (writer, object) => {
    const map = object[name] as Bag | null | undefined
    if (!map) return
    for (const key of Object.keys(map).sort(compareText).reverse()) {
      delimited(writer, tag, () => {
        write(writer, map[key])
        writer.varint(writer.text(key))
        writer.varint(lengthTag(1))
      })
    }
  }
}

/** Writes one value with its tag. */
function valueWriter(type: Type, number: number): Write {
  const varintTag = number * 8
  const tag = lengthTag(number)
  switch (type.kind) {
    case 'string':
      return (writer, value) => {
        writer.varint(writer.text((value as string | undefined) ?? ''))
        writer.varint(tag)
      }
    case 'bool':
      return (writer, value) => {
        writer.varint(value ? 1 : 0)
        writer.varint(varintTag)
      }
    case 'int32':
    case 'int64':
      return (writer, value) => {
        writer.integer((value as number | undefined) ?? 0)
        writer.varint(varintTag)
      }
    case 'float64':
      return (writer, value) => {
        writer.double((value as number | undefined) ?? 0)
        writer.varint(number * 8 + 1)
      }
    case 'bytes':
      return (writer, value) => {
        const bytes = Buffer.from((value as string | undefined) ?? '', 'base64')
        writer.raw(bytes)
        writer.varint(bytes.length)
        writer.varint(tag)
      }
    case 'special': {
      const write = specialWriter[type.name]
      return (writer, value) => delimited(writer, tag, () => write(writer, value))
    }
    case 'struct': {
      const write = lazyStruct(type.struct)
      return (writer, value) => delimited(writer, tag, () => write(writer, value))
    }
    case 'list':
    case 'map':
      throw new Error(`cannot compile protobuf field ${number}: ${type.kind} inside a list or map`)
  }
}

function writeTime(writer: ProtobufWriter, value: unknown): void {
  if (typeof value !== 'string' || value === '') return
  const { seconds, micros } = timeParts(value)
  writer.integer(micros * 1000)
  writer.varint(0x10)
  writer.integer(seconds)
  writer.varint(0x08)
}

function writeText(writer: ProtobufWriter, text: string, tag: number): void {
  writer.varint(writer.text(text))
  writer.varint(tag)
}

function writeIntOrString(writer: ProtobufWriter, value: unknown): void {
  const isText = typeof value === 'string'
  writeText(writer, isText ? value : '', 0x1a)
  writer.integer(isText ? 0 : ((value as number | undefined) ?? 0))
  writer.varint(0x10)
  writer.varint(isText ? 1 : 0)
  writer.varint(0x08)
}

function writeRawJson(writer: ProtobufWriter, value: unknown): void {
  if (value !== undefined && value !== null) writeText(writer, JSON.stringify(value), 0x0a)
}

const writeSchema = lazyStruct('apiextensions.v1.JSONSchemaProps')

/** Field 1 holds a schema, field 2 the list that may stand in its place. */
function writeSchemaOrList(item: Write): Write {
  return (writer, value) => {
    if (!Array.isArray(value)) {
      delimited(writer, 0x0a, () => writeSchema(writer, value))
      return
    }
    for (const element of [...value].reverse()) item(writer, element)
  }
}

function writeSchemaOrBool(writer: ProtobufWriter, value: unknown): void {
  if (typeof value !== 'boolean') delimited(writer, 0x12, () => writeSchema(writer, value))
  writer.varint(value === false ? 0 : 1)
  writer.varint(0x08)
}

const specialWriter: Readonly<Record<SpecialName, Write>> = {
  Time: writeTime,
  MicroTime: writeTime,
  Duration(writer, value) {
    writer.integer(parseDuration((value as string | undefined) ?? '0s') ?? 0n)
    writer.varint(0x08)
  },
  Quantity: (writer, value) => writeText(writer, String(value ?? '0'), 0x0a),
  IntOrString: writeIntOrString,
  RawExtension: writeRawJson,
  FieldsV1: writeRawJson,
  JSON: writeRawJson,
  JSONSchemaPropsOrArray: writeSchemaOrList((writer, value) =>
    delimited(writer, 0x12, () => writeSchema(writer, value)),
  ),
  JSONSchemaPropsOrStringArray: writeSchemaOrList((writer, value) =>
    writeText(writer, value as string, 0x12),
  ),
  JSONSchemaPropsOrBool: writeSchemaOrBool,
}

const shared = new ProtobufWriter()

/** The message of an object, without envelope. */
export function encodeMessage(struct: string, object: unknown): Buffer {
  structWriter(struct)(shared, object)
  return shared.finish()
}
