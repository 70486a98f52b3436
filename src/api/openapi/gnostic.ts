// How gnostic puts OpenAPI into protobuf: every object a message, every map a list of (name, value)
// in the order of the JSON, every free value and every extension ("x-…") a text in YAML.
import { ProtobufWriter } from '../schema/protobuf-writer.ts'

/** Writes the inside of a length-delimited field. */
export type Body = (writer: ProtobufWriter, value: unknown) => void
/** Writes a whole field, or nothing for what proto3 leaves out. Writers run from back to front. */
export type Field = (writer: ProtobufWriter, value: unknown) => void

const lengthDelimited = 2
const fixed64 = 1

function put(writer: ProtobufWriter, number: number, write: () => void): void {
  const mark = writer.mark
  write()
  writer.varint(writer.mark - mark)
  writer.varint(number * 8 + lengthDelimited)
}

export const inside =
  (number: number, body: Body): Field =>
  (writer, value) =>
    put(writer, number, () => body(writer, value))

const eachBackwards = (values: readonly unknown[], write: (value: unknown) => void): void => {
  for (let index = values.length - 1; index >= 0; index--) write(values[index])
}

export const list = (number: number, body: Body): Field => {
  const field = inside(number, body)
  return (writer, value) => {
    eachBackwards(value as readonly unknown[], (item) => field(writer, item))
  }
}

const textBody: Body = (writer, value) => {
  writer.text(value as string)
}

export const text = (number: number): Field => {
  const field = inside(number, textBody)
  return (writer, value) => {
    if (value !== '') field(writer, value)
  }
}

export const texts = (number: number): Field => list(number, textBody)

export const flag =
  (number: number): Field =>
  (writer, value) => {
    if (value !== true) return
    writer.varint(1)
    writer.varint(number * 8)
  }

export const integer =
  (number: number): Field =>
  (writer, value) => {
    if (value === 0) return
    writer.integer(value as number)
    writer.varint(number * 8)
  }

export const double =
  (number: number): Field =>
  (writer, value) => {
    if (value === 0) return
    writer.double(value as number)
    writer.varint(number * 8 + fixed64)
  }

/** Any: JSON is YAML. */
const anyBody: Body = (writer, value) => put(writer, 2, () => writer.text(JSON.stringify(value)))

export const any = (number: number): Field => inside(number, anyBody)
export const anys = (number: number): Field => list(number, anyBody)

/** A message that names one value: NamedSchema, NamedAny, … */
export const namedBody =
  (value: Body): Body =>
  (writer, pair) => {
    const [name, content] = pair as readonly [string, unknown]
    put(writer, 2, () => value(writer, content))
    put(writer, 1, () => writer.text(name))
  }

/** A map as a message of nothing but pairs. */
export const map = (number: number, value: Body): Field => {
  const pairs = list(1, namedBody(value))
  return inside(number, (writer, object) => pairs(writer, Object.entries(object as object)))
}

const namedAny = namedBody(anyBody)

export interface Members {
  readonly [key: string]: Field
}

/** A message. Its members stand in the order of their numbers; extensions are its last field. */
export function message(members: () => Members, extensions?: number): Body {
  let backwards: readonly (readonly [string, Field])[] | undefined
  return (writer, value) => {
    const object = value as Readonly<Record<string, unknown>>
    backwards ??= Object.entries(members()).reverse()
    const keys = Object.keys(object)
    const own = keys.filter((key) => extensions !== undefined && key.startsWith('x-'))
    for (let index = own.length - 1; index >= 0; index--) {
      const key = own[index]!
      put(writer, extensions!, () => namedAny(writer, [key, object[key]]))
    }
    let written = own.length
    for (const [key, field] of backwards) {
      if (object[key] === undefined) continue
      field(writer, object[key])
      written++
    }
    if (written !== keys.length) throw new Error(`no protobuf field for one of "${keys.join()}"`)
  }
}

/** A message with one field out of several, by the value. */
export const oneOf =
  (choose: (value: unknown) => Field): Body =>
  (writer, value) =>
    choose(value)(writer, value)

export function encodeWith(write: (writer: ProtobufWriter) => void): Buffer {
  const writer = new ProtobufWriter()
  write(writer)
  return writer.finish()
}
