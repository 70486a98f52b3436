// Objects to their canonical form, by one compiled function a struct: fields in Go's order, unknown
// ones dropped, what Go omits omitted, special types canonical. It only counts what is wrong:
// diagnose.ts finds the words, on the rare inputs that need them.
import type { Field, SpecialName, Type } from './schema.ts'
import { structOf } from './schema.ts'
import { Refusal, readSpecial, zeroSpecial } from './special.ts'

export interface Conversion {
  /** Values that do not fit their type. */
  wrong: number
  /** Objects that hold members the struct does not have. */
  unknown: number
  /**
   * As bytes for clients and the store: what was never set but is always written stands as null.
   * In memory such fields are absent instead.
   */
  readonly wire: boolean
  /** On the wire, a list that is always written is null when empty, as after a trip to the store. */
  readonly nullLists: boolean
}

/** Never called with undefined or null. Answers undefined for "not set". */
type Convert = (value: unknown, conversion: Conversion) => unknown
type Bag = Readonly<Record<string, unknown>>

/** Reads one member of `input` into `output`; 1 if it was there. */
type Member = (input: Bag, output: Record<string, unknown>, conversion: Conversion) => number

const compiled = new Map<string, Convert>()

export function converterOf(struct: string): Convert {
  const known = compiled.get(struct)
  if (known) return known
  const members = structOf(struct).members.map(memberOf)
  const convert = structConverter(members)
  compiled.set(struct, convert)
  return convert
}

const isBag = (value: unknown): value is Bag =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function structConverter(members: readonly Member[]): Convert {
  return (value, conversion) => {
    if (!isBag(value)) {
      conversion.wrong++
      return {}
    }
    const output: Record<string, unknown> = {}
    let seen = 0
    for (const member of members) seen += member(value, output, conversion)
    if (!conversion.wire && seen !== countKeys(value)) conversion.unknown++
    return output
  }
}

function countKeys(bag: Bag): number {
  let count = 0
  for (const _ in bag) count++
  return count
}

const empty: Bag = {}

function memberOf(field: Field): Member {
  const { name, type, omitEmpty } = field
  const convert = typeConverter(type)
  if (field.pointer) return pointerMember(name, convert)
  switch (type.kind) {
    case 'struct':
      return (input, output, conversion) => {
        const value = input[name]
        output[name] = convert(value ?? empty, conversion)
        return value === undefined ? 0 : 1
      }
    case 'special':
      return specialMember(field, type.name, convert)
    case 'list':
    case 'map':
    case 'bytes':
      return listMember(field, convert)
    default: {
      const zero = zeroOf(type)
      return (input, output, conversion) => {
        const value = input[name]
        const result = value === undefined || value === null ? zero : convert(value, conversion)
        if (!omitEmpty || result !== zero) output[name] = result
        return value === undefined ? 0 : 1
      }
    }
  }
}

function pointerMember(name: string, convert: Convert): Member {
  return (input, output, conversion) => {
    const value = input[name]
    if (value === undefined) return 0
    if (value !== null) {
      const result = convert(value, conversion)
      if (result !== undefined) output[name] = result
    }
    return 1
  }
}

function specialMember(field: Field, special: SpecialName, convert: Convert): Member {
  const { name, omitZero } = field
  const zero = zeroSpecial[special]
  return (input, output, conversion) => {
    const value = input[name]
    const result = value === undefined || value === null ? zero : convert(value, conversion)
    if (result !== undefined) output[name] = result
    else if (conversion.wire && !omitZero) output[name] = null
    return value === undefined ? 0 : 1
  }
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'string' || Array.isArray(value)) return value.length === 0
  for (const _ in value as Bag) return false
  return true
}

function listMember({ name, omitEmpty }: Field, convert: Convert): Member {
  return (input, output, conversion) => {
    const value = input[name]
    const absent = value === undefined || value === null
    const result = absent ? undefined : convert(value, conversion)
    if (result === undefined || (conversion.nullLists && isEmpty(result))) {
      if (conversion.wire && !omitEmpty) output[name] = null
    } else if (!omitEmpty || !isEmpty(result)) output[name] = result
    return value === undefined ? 0 : 1
  }
}

/** What Go holds where a list or map has null for an element. */
function zeroOf(type: Type): unknown {
  switch (type.kind) {
    case 'string':
    // No bytes at all are no different from none once they have been stored.
    case 'bytes':
      return ''
    case 'bool':
      return false
    case 'int32':
    case 'int64':
    case 'float64':
      return 0
    case 'special':
      return zeroSpecial[type.name] ?? null
    default:
      return null
  }
}

function typeConverter(type: Type): Convert {
  switch (type.kind) {
    case 'string':
      return (value, conversion) => {
        if (typeof value === 'string') return value
        conversion.wrong++
        return ''
      }
    case 'bool':
      return (value, conversion) => {
        if (typeof value === 'boolean') return value
        conversion.wrong++
        return false
      }
    case 'int32':
      return integerConverter(-(2 ** 31), 2 ** 31 - 1)
    case 'int64':
      return integerConverter(-(2 ** 63), 2 ** 63)
    case 'float64':
      return (value, conversion) => {
        if (typeof value === 'number') return value
        conversion.wrong++
        return 0
      }
    case 'bytes':
      return convertBytes
    case 'special':
      return specialConverter(type.name)
    case 'list':
      return listConverter(type.items)
    case 'map':
      return mapConverter(type.values)
    case 'struct': {
      const { struct } = type
      let convert: Convert | undefined
      return (value, conversion) => {
        convert ??= converterOf(struct)
        return convert(value, conversion)
      }
    }
  }
}

function integerConverter(low: number, high: number): Convert {
  return (value, conversion) => {
    if (Number.isInteger(value) && (value as number) >= low && (value as number) <= high) {
      return Object.is(value, -0) ? 0 : value
    }
    conversion.wrong++
    return 0
  }
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Bytes stay base64 text. Go skips line breaks in it, and so do we. */
function convertBytes(value: unknown, conversion: Conversion): unknown {
  if (typeof value === 'string') {
    if (base64.test(value)) return canonicalBase64(value)
    const stripped = value.replace(/[\r\n]/g, '')
    if (base64.test(stripped)) return canonicalBase64(stripped)
  }
  conversion.wrong++
  return ''
}

/** Stray bits after the last byte are dropped. */
function canonicalBase64(text: string): string {
  return text.endsWith('=') ? Buffer.from(text, 'base64').toString('base64') : text
}

function listConverter(items: Type): Convert {
  const convert = typeConverter(items)
  const fill = fillerOf(items)
  return (value, conversion) => {
    if (!Array.isArray(value)) {
      conversion.wrong++
      return undefined
    }
    return value.map((item: unknown) =>
      item === null || item === undefined
        ? fill(conversion)
        : (convert(item, conversion) ?? fill(conversion)),
    )
  }
}

function mapConverter(values: Type): Convert {
  const convert = typeConverter(values)
  const fill = fillerOf(values)
  return (value, conversion) => {
    if (!isBag(value)) {
      conversion.wrong++
      return undefined
    }
    const output: Record<string, unknown> = {}
    const keys = Object.keys(value)
    if (conversion.wire) keys.sort()
    for (const key of keys) {
      const item = value[key]
      const result =
        item === null || item === undefined
          ? fill(conversion)
          : (convert(item, conversion) ?? fill(conversion))
      if (key !== '__proto__') output[key] = result
      else Object.defineProperty(output, key, { value: result, ...plainProperty })
    }
    return output
  }
}

const plainProperty = { enumerable: true, writable: true, configurable: true }

/** Makes what Go holds for null as an element. */
function fillerOf(type: Type): (conversion: Conversion) => unknown {
  if (type.kind !== 'struct') {
    const zero = zeroOf(type)
    return () => zero
  }
  return (conversion) => converterOf(type.struct)(empty, conversion)
}

function specialConverter(name: SpecialName): Convert {
  const read = readSpecial[name]
  if (!read) return schemaOrConverter(name)
  return (value, conversion) => {
    const result = read(value)
    if (!(result instanceof Refusal)) return result
    conversion.wrong++
    return undefined
  }
}

const schemaProps: Type = { kind: 'struct', struct: 'apiextensions.v1.JSONSchemaProps' }

/** What may stand beside a schema in the JSONSchemaPropsOr… types. */
export const schemaAlternative: Readonly<Partial<Record<SpecialName, Type>>> = {
  JSONSchemaPropsOrArray: { kind: 'list', items: schemaProps },
  JSONSchemaPropsOrStringArray: { kind: 'list', items: { kind: 'string' } },
}

function schemaOrConverter(name: SpecialName): Convert {
  const schema = typeConverter(schemaProps)
  const alternative = schemaAlternative[name]
  let other: Convert | undefined
  return (value, conversion) => {
    if (typeof value === 'boolean' && name === 'JSONSchemaPropsOrBool') return value
    // Go's own decoder reads these, which reports no unknown fields.
    const { unknown } = conversion
    let result: unknown
    if (alternative && Array.isArray(value)) {
      other ??= typeConverter(alternative)
      result = other(value, conversion)
    } else result = schema(value, conversion)
    conversion.unknown = unknown
    return result
  }
}
