// Values of CEL at run time. JSON stays JSON until an expression looks at it: lists, maps and
// objects wrap it and give each part its declared type when it is asked for.
import { goQuote } from '../machinery/go-text.ts'
import { parseDuration, parseTimestamp } from './time.ts'
import type { ObjectField, Type } from './types.ts'
import { formatType, types } from './types.ts'

/** An evaluation error: `no such key: a`, `division by zero`. "||" and "&&" may pass over it. */
export class CelError extends Error {}

/** The cost limit was reached; nothing passes over that. */
export class CostError extends Error {}

export class Uint {
  readonly value: bigint
  constructor(value: bigint) {
    this.value = value
  }
}

/** Nanoseconds since 1970. */
export class Timestamp {
  readonly nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class Duration {
  readonly nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class Optional {
  readonly value: Value | undefined
  constructor(value: Value | undefined) {
    this.value = value
  }
}

export class TypeValue {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** A value of a library: URLs, IP addresses, quantities, authorizer checks. */
export class Opaque<Data = unknown> {
  readonly type: string
  readonly data: Data
  /** Takes unknown, so that a URL is an Opaque like any other. */
  readonly #equals: (one: unknown, other: unknown) => boolean

  constructor(type: string, data: Data, equals: (one: Data, other: Data) => boolean) {
    this.type = type
    this.data = data
    this.#equals = equals as (one: unknown, other: unknown) => boolean
  }

  equals(other: Opaque): boolean {
    return other.type === this.type && this.#equals(this.data, other.data)
  }
}

export class List {
  readonly type: Type
  readonly #raw: readonly unknown[]
  readonly #values: Value[]
  readonly #element: Type | undefined

  private constructor(type: Type, raw: readonly unknown[], element: Type | undefined) {
    this.type = type
    this.#raw = raw
    this.#element = element
    this.#values = element === undefined ? (raw as Value[]) : []
  }

  static of(values: readonly Value[]): List {
    return new List({ kind: 'list', element: types.dyn }, values, undefined)
  }

  static fromJson(raw: readonly unknown[], type: Type): List {
    return new List(type, raw, type.kind === 'list' ? type.element : types.dyn)
  }

  get size(): number {
    return this.#raw.length
  }

  at(index: number): Value {
    const known = this.#values[index]
    if (known !== undefined || this.#element === undefined) return known as Value
    const made = fromJson(this.#raw[index], this.#element)
    this.#values[index] = made
    return made
  }

  *[Symbol.iterator](): Generator<Value> {
    for (let index = 0; index < this.#raw.length; index++) yield this.at(index)
  }
}

/** One id for keys that are equal: 1, 1u and 1.0 are. */
function keyId(key: Value): string {
  if (typeof key === 'string') return `s${key}`
  if (typeof key === 'bigint') return `n${key}`
  if (key instanceof Uint) return `n${key.value}`
  if (typeof key === 'number') return `n${Number.isInteger(key) ? BigInt(key) : key}`
  if (typeof key === 'boolean') return `b${key}`
  throw new CelError(`unsupported key type: ${typeNameOf(key)}`)
}

export class MapValue {
  readonly #json: Readonly<Record<string, unknown>> | undefined
  readonly #type: Type
  readonly #entries: Map<string, readonly [key: Value, value: Value]>

  private constructor(
    json: Readonly<Record<string, unknown>> | undefined,
    type: Type,
    entries: Map<string, readonly [Value, Value]>,
  ) {
    this.#json = json
    this.#type = type
    this.#entries = entries
  }

  static of(entries: Iterable<readonly [key: Value, value: Value]>): MapValue {
    const byId = new Map<string, readonly [Value, Value]>()
    for (const entry of entries) {
      const id = keyId(entry[0])
      if (byId.has(id)) throw new CelError(`Failed with repeated key ${showValue(entry[0])}`)
      byId.set(id, entry)
    }
    return new MapValue(undefined, types.dyn, byId)
  }

  static fromJson(json: Readonly<Record<string, unknown>>, type: Type): MapValue {
    return new MapValue(json, type.kind === 'map' ? type.value : types.dyn, new Map())
  }

  get size(): number {
    return this.#json ? Object.keys(this.#json).length : this.#entries.size
  }

  get(key: Value): Value | undefined {
    if (this.#json && typeof key !== 'string') return undefined
    const id = keyId(key)
    const known = this.#entries.get(id)
    if (known || !this.#json || !Object.hasOwn(this.#json, key as string)) return known?.[1]
    const value = fromJson(this.#json[key as string], this.#type)
    this.#entries.set(id, [key, value])
    return value
  }

  has(key: Value): boolean {
    if (this.#json) return typeof key === 'string' && Object.hasOwn(this.#json, key)
    return this.#entries.has(keyId(key))
  }

  keys(): Value[] {
    if (this.#json) return Object.keys(this.#json)
    return [...this.#entries.values()].map(([key]) => key)
  }
}

/** An object with declared fields; what is not declared is not there. */
export class ObjectValue {
  readonly type: Type & { readonly kind: 'object' }
  readonly #json: Readonly<Record<string, unknown>>
  readonly #values = new Map<string, Value>()

  constructor(json: Readonly<Record<string, unknown>>, type: Type & { readonly kind: 'object' }) {
    this.#json = json
    this.type = type
  }

  /** undefined when the field is not set. */
  get(name: string): Value | undefined {
    const field = this.#declared(name)
    if (!this.has(name)) return undefined
    let value = this.#values.get(name)
    if (value === undefined) {
      value = fromJson(this.#json[field.name], field.type)
      this.#values.set(name, value)
    }
    return value
  }

  has(name: string): boolean {
    const field = this.#declared(name)
    return Object.hasOwn(this.#json, field.name) && this.#json[field.name] !== undefined
  }

  #declared(name: string): ObjectField {
    const field = this.type.fields.get(name)
    if (!field) throw new CelError(`no such field '${name}'`)
    return field
  }

  /** Escaped names of the fields that are set. */
  names(): string[] {
    return [...this.type.fields.keys()].filter((name) => this.has(name))
  }
}

export type Value =
  | bigint
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | Optional
  | TypeValue
  | Opaque
  | List
  | MapValue
  | ObjectValue

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A JSON value as its declared type; what the type does not fit is taken as it comes. */
export function fromJson(value: unknown, type: Type): Value {
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return List.fromJson(value, type)
  if (isRecord(value)) {
    return type.kind === 'object' ? new ObjectValue(value, type) : MapValue.fromJson(value, type)
  }
  if (typeof value === 'number') {
    if (type.kind === 'double') return value
    if (type.kind === 'uint') return new Uint(BigInt(value))
    return Number.isInteger(value) ? BigInt(value) : value
  }
  if (typeof value === 'string') return textFromJson(value, type)
  return typeof value === 'boolean' ? value : (value as Value)
}

function textFromJson(text: string, type: Type): Value {
  if (type.kind === 'bytes') return Buffer.from(text, 'base64')
  if (type.kind === 'timestamp') {
    const nanos = parseTimestamp(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
    if (nanos === undefined) throw new CelError(`Failed to parse date ${text}`)
    return new Timestamp(nanos)
  }
  if (type.kind === 'duration') {
    const nanos = parseDuration(text)
    if (nanos === undefined) throw new CelError(`Failed to parse duration ${text}`)
    return new Duration(nanos)
  }
  return text
}

export function typeNameOf(value: Value): string {
  if (value === null) return 'null_type'
  switch (typeof value) {
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    case 'boolean':
      return 'bool'
    case 'string':
      return 'string'
  }
  if (value instanceof Uint) return 'uint'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof List) return 'list'
  if (value instanceof MapValue) return 'map'
  if (value instanceof ObjectValue) return formatType(value.type)
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  if (value instanceof Optional) return 'optional_type'
  if (value instanceof TypeValue) return 'type'
  return value.type
}

/** For error messages. */
export function showValue(value: Value): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint) return String(value.value)
  return typeof value === 'object' && value !== null ? goQuote(typeNameOf(value)) : String(value)
}
