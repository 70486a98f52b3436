// The words for what is wrong with a document: a walk over struct and document side by side, as
// Go's decoder (sigs.k8s.io/json) takes it. The first mismatch of types is the answer, unless a
// type's own reader gives up, which ends the decoding there and then.
import { goQuote } from '../machinery/go-text.ts'
import { schemaAlternative } from './convert.ts'
import { goTypesJson } from './go-types.gen.ts'
import type { JsonDocument } from './json-text.ts'
import type { Field, SpecialName, Struct, Type } from './schema.ts'
import { goTypeName, structOf } from './schema.ts'
import { jsonKind, Refusal, readSpecial } from './special.ts'

export interface Diagnosis {
  /** Decoding failed, with this message. */
  readonly failure: string | undefined
  /** `unknown field "spec.foo"`, `duplicate field "data.a"`: not fatal by themselves. */
  readonly strict: readonly string[]
}

/** Upstream reports no more than this. */
const maxStrictErrors = 100

/** Ends the walk; never leaves this file. */
class Aborted extends Error {}

type Bag = Readonly<Record<string, unknown>>

class Walk {
  readonly strict = new Set<string>()
  failure: string | undefined
  readonly #document: JsonDocument
  /** Names of struct fields on the way down; no keys of maps, no indices. */
  readonly #fields: string[] = []
  #struct = ''

  constructor(document: JsonDocument) {
    this.#document = document
  }

  root(struct: Struct): void {
    try {
      this.#value({ kind: 'struct', struct: struct.id }, { value: this.#document.value, path: '' })
    } catch (error) {
      if (!(error instanceof Aborted)) throw error
    }
  }

  #report(what: 'unknown' | 'duplicate', path: string): void {
    if (this.strict.size < maxStrictErrors) this.strict.add(`${what} field ${goQuote(path)}`)
  }

  #mismatch(value: string, goType: string): string {
    const place =
      this.#struct === '' && this.#fields.length === 0
        ? `Go value of type ${goType}`
        : `Go struct field ${this.#struct}.${this.#fields.join('.')} of type ${goType}`
    return `json: cannot unmarshal ${value} into ${place}`
  }

  #wrong(value: string, type: Type, goType?: string): void {
    this.failure ??= this.#mismatch(value, goType ?? goTypeName(type))
  }

  #value(type: Type, at: At): void {
    const { value } = at
    if (value === null || value === undefined) return
    switch (type.kind) {
      case 'struct':
        return this.#structValue(structOf(type.struct), at, type)
      case 'list':
        return this.#listValue(type, at)
      case 'map':
        return this.#mapValue(type, at)
      case 'special':
        return this.#specialValue(type.name, at)
      default:
        return this.#scalar(type, at)
    }
  }

  /** The keys of an object in the order of the text; a repeated one is reported at its place. */
  *#keys(object: Bag, path: string, isKnown: (key: string) => boolean): Iterable<string> {
    const keys = this.#document.repeatedKeys.get(object)
    const seen = new Set<string>()
    for (const key of keys ?? Object.keys(object)) {
      if (!seen.has(key)) yield key
      else if (isKnown(key)) this.#report('duplicate', join(path, key))
      seen.add(key)
    }
  }

  #structValue(struct: Struct, at: At, type: Type): void {
    const { value, path } = at
    if (!isBag(value)) return this.#wrong(jsonKind(value), type)
    const members = membersOf(struct)
    const outer = this.#struct
    for (const key of this.#keys(value, path, (name) => members.has(name))) {
      const field = members.get(key)
      if (!field) {
        this.#report('unknown', join(path, key))
        continue
      }
      this.#fields.push(key)
      this.#struct = struct.goName
      const text = this.#document.numberTexts.get(value)?.get(key)
      const goType = goTypesOf(struct.id)[key]
      this.#value(field.type, { value: value[key], path: join(path, key), text, goType })
      this.#fields.pop()
      this.#struct = outer
    }
  }

  #mapValue(type: Type & { kind: 'map' }, { value, path, goType: named }: At): void {
    if (!isBag(value)) return this.#wrong(jsonKind(value), type, named)
    const goType = /^map\[[\w.]+\](.+)$/.exec(named ?? '')?.[1]
    for (const key of this.#keys(value, path, () => true)) {
      const text = this.#document.numberTexts.get(value)?.get(key)
      this.#value(type.values, { value: value[key], path: join(path, key), text, goType })
    }
  }

  #listValue(type: Type & { kind: 'list' }, { value, path, goType: named }: At): void {
    if (!Array.isArray(value)) return this.#wrong(jsonKind(value), type, named)
    const texts = this.#document.numberTexts.get(value)
    const goType = named?.startsWith('[]') ? named.slice(2) : undefined
    for (const [index, item] of value.entries()) {
      const text = texts?.get(index)
      this.#value(type.items, { value: item, path: `${path}[${index}]`, text, goType })
    }
  }

  #scalar(type: Type, { value, text, goType }: At): void {
    if (type.kind === 'bytes') return this.#bytes(value)
    const found = jsonKind(value)
    if (found !== jsonKindOf[type.kind]) return this.#wrong(found, type, goType)
    if (type.kind !== 'int32' && type.kind !== 'int64') return
    const shown = text ?? String(value)
    if (!fitsInteger(shown, type.kind)) this.#wrong(`number ${shown}`, type, goType)
  }

  #bytes(value: unknown): void {
    if (typeof value !== 'string') return this.#wrong(jsonKind(value), { kind: 'bytes' })
    const position = badBase64(value)
    if (position >= 0) this.failure ??= `illegal base64 data at input byte ${position}`
  }

  #specialValue(name: SpecialName, at: At): void {
    const read = readSpecial[name]
    if (!read) return this.#schemaOr(name, at)
    const result = read(at.value)
    if (!(result instanceof Refusal)) return
    // The type's own reader failed: Go stops here and forgets what it had found before.
    const { mismatch } = result
    this.failure = mismatch ? this.#mismatch(mismatch.value, mismatch.goType) : result.message
    throw new Aborted()
  }

  /** Read by Go's plain decoder: no unknown fields are reported, and its errors name no field. */
  #schemaOr(name: SpecialName, { value }: At): void {
    const isSchema = isBag(value)
    if (typeof value === 'boolean' && name === 'JSONSchemaPropsOrBool') return
    const alternative = Array.isArray(value) ? schemaAlternative[name] : undefined
    if (!isSchema && !alternative) {
      this.failure = schemaRefusal[name] ?? 'json: unsupported value'
      throw new Aborted()
    }
    const type: Type = alternative ?? {
      kind: 'struct',
      struct: 'apiextensions.v1.JSONSchemaProps',
    }
    const inner = new Walk({ ...this.#document, value })
    try {
      inner.#value(type, { value, path: '' })
    } catch (error) {
      if (!(error instanceof Aborted)) throw error
    }
    if (inner.failure === undefined) return
    this.failure = inner.failure
    throw new Aborted()
  }
}

interface At {
  readonly value: unknown
  /** As in strict errors: "spec.ports[0].port". */
  readonly path: string
  /** How the number stood in the text, where JavaScript prints it otherwise. */
  readonly text?: string | undefined
  /** The Go type, where it has a name of its own. */
  readonly goType?: string | undefined
}

type GoTypes = Readonly<Record<string, Readonly<Record<string, string>>>>

let goTypes: GoTypes | undefined

function goTypesOf(struct: string): Readonly<Record<string, string>> {
  goTypes ??= JSON.parse(goTypesJson) as GoTypes
  return goTypes[struct] ?? {}
}

const isBag = (value: unknown): value is Bag =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const join = (path: string, key: string) => (path === '' ? key : `${path}.${key}`)

const jsonKindOf: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'bool',
  int32: 'number',
  int64: 'number',
  float64: 'number',
}

const schemaRefusal: Readonly<Partial<Record<SpecialName, string>>> = {
  JSONSchemaPropsOrBool: 'boolean or JSON schema expected',
}

const cache = new WeakMap<Struct, ReadonlyMap<string, Field>>()

function membersOf(struct: Struct): ReadonlyMap<string, Field> {
  let members = cache.get(struct)
  if (!members) {
    members = new Map(struct.members.map((field) => [field.name, field]))
    cache.set(struct, members)
  }
  return members
}

function fitsInteger(text: string, type: 'int32' | 'int64'): boolean {
  if (!/^-?\d+$/.test(text)) return false
  const limit = type === 'int32' ? 2n ** 31n : 2n ** 63n
  const value = BigInt(text)
  return value >= -limit && value < limit
}

/** Where Go's base64 decoder stumbles; -1 if it does not. */
function badBase64(text: string): number {
  let count = 0
  for (let index = 0; index < text.length; index++) {
    const char = text[index]!
    if (char === '\n' || char === '\r') continue
    if (char === '=') return badPadding(text, { index, count })
    if (!/[A-Za-z0-9+/]/.test(char)) return index
    count++
  }
  return count % 4 === 0 ? -1 : text.length
}

function badPadding(text: string, at: { index: number; count: number }): number {
  const needed = (4 - (at.count % 4)) % 4
  if (needed !== 1 && needed !== 2) return at.index
  const rest = text.slice(at.index).replace(/[\r\n]/g, '')
  if (rest === '='.repeat(needed)) return -1
  return rest.length < needed ? text.length : at.index + needed
}

/** What decoding a document as this struct would report upstream. */
export function diagnose(struct: string, document: JsonDocument): Diagnosis {
  const walk = new Walk(document)
  walk.root(structOf(struct))
  return { failure: walk.failure, strict: [...walk.strict] }
}

/** Repeated keys of a document that has no struct: a custom resource. */
export function diagnoseUntyped(document: JsonDocument): readonly string[] {
  if (document.repeatedKeys.size === 0) return []
  const strict = new Set<string>()
  collectRepeated(document, { value: document.value, path: '' }, strict)
  return [...strict]
}

function collectRepeated(document: JsonDocument, at: At, strict: Set<string>): void {
  if (Array.isArray(at.value)) {
    for (const [index, value] of at.value.entries()) {
      collectRepeated(document, { value, path: `${at.path}[${index}]` }, strict)
    }
  }
  if (!isBag(at.value)) return
  const seen = new Set<string>()
  for (const key of document.repeatedKeys.get(at.value) ?? Object.keys(at.value)) {
    const path = join(at.path, key)
    if (seen.has(key) && strict.size < maxStrictErrors)
      strict.add(`duplicate field ${goQuote(path)}`)
    seen.add(key)
    collectRepeated(document, { value: at.value[key], path }, strict)
  }
}
