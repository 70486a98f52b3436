// The careful JSON parser: slower than JSON.parse, but it tells what Go would tell. Used when the
// text is broken, repeats a key or holds a number that JavaScript cannot keep as written.
import { goQuote } from '../machinery/go-text.ts'

export interface JsonDocument {
  readonly value: unknown
  /** Objects in which a key stands twice: all keys, in the order of the text. */
  readonly repeatedKeys: ReadonlyMap<object, readonly string[]>
  /** Numbers that JavaScript would print otherwise, by their object or list and key or index. */
  readonly numberTexts: ReadonlyMap<object, ReadonlyMap<string | number, string>>
}

export type JsonResult =
  | { readonly ok: true; readonly document: JsonDocument }
  | { readonly ok: false; readonly message: string }

/** Carries a message out of the descent; never leaves this file. */
class JsonSyntaxError extends Error {}

const isDigit = (code: number) => code >= 48 && code <= 57

/** A character as encoding/json shows it in errors: the first byte of what was read. */
function shownChar(text: string, index: number): string {
  const byte = Buffer.from(text.slice(index, index + 2), 'utf8')[0]!
  const char = String.fromCharCode(byte)
  if (char === "'") return "'\\''"
  if (char === '"') return `'"'`
  return `'${goQuote(char).slice(1, -1)}'`
}

function setKey(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value
  else {
    const property = { value, enumerable: true, writable: true, configurable: true }
    Object.defineProperty(object, key, property)
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

class ExactParser {
  readonly repeatedKeys = new Map<object, string[]>()
  readonly numberTexts = new Map<object, Map<string | number, string>>()
  readonly #text: string
  readonly #maxDepth: number
  #position = 0
  #depth = 0

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  parse(): unknown {
    this.#space()
    const value = this.#value({ holder: undefined, key: '' })
    this.#space()
    if (this.#position < this.#text.length) this.#fail('after top-level value')
    return value
  }

  #fail(context: string): never {
    if (this.#position >= this.#text.length)
      throw new JsonSyntaxError('unexpected end of JSON input')
    const char = shownChar(this.#text, this.#position)
    throw new JsonSyntaxError(`invalid character ${char} ${context}`)
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#position)
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return
      this.#position++
    }
  }

  #value(place: { readonly holder: object | undefined; readonly key: string | number }): unknown {
    const char = this.#text[this.#position]
    switch (char) {
      case '{':
        return this.#nested(() => this.#object())
      case '[':
        return this.#nested(() => this.#list())
      case '"':
        return this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      default:
        return this.#number(place)
    }
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > this.#maxDepth) throw new JsonSyntaxError('exceeded max depth')
    this.#position++
    const value = read()
    this.#depth--
    return value
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    const keys: string[] = []
    let repeated = false
    this.#space()
    if (this.#skip('}')) return object
    for (;;) {
      this.#space()
      if (this.#text[this.#position] !== '"')
        this.#fail('looking for beginning of object key string')
      const key = this.#string()
      this.#space()
      if (!this.#skip(':')) this.#fail('after object key')
      this.#space()
      const value = this.#value({ holder: object, key })
      keys.push(key)
      if (Object.hasOwn(object, key)) {
        repeated = true
        setKey(object, key, this.#merge(object[key], value))
      } else setKey(object, key, value)
      this.#space()
      if (this.#skip(',')) continue
      if (!this.#skip('}')) this.#fail('after object key:value pair')
      if (repeated) this.repeatedKeys.set(object, keys)
      return object
    }
  }

  /** Go decodes the second value on top of the first: objects merge, all else is replaced. */
  #merge(first: unknown, second: unknown): unknown {
    if (!isObject(first) || !isObject(second)) return second
    const keys = [
      ...(this.repeatedKeys.get(first) ?? Object.keys(first)),
      ...(this.repeatedKeys.get(second) ?? []),
    ]
    for (const [key, value] of Object.entries(second)) {
      setKey(first, key, Object.hasOwn(first, key) ? this.#merge(first[key], value) : value)
    }
    // A key of both is a repeat only if one of them repeats it itself.
    if (this.repeatedKeys.has(first) || this.repeatedKeys.has(second)) {
      this.repeatedKeys.set(first, keys)
    }
    const numbers = this.numberTexts.get(second)
    if (numbers) {
      const merged = new Map([...(this.numberTexts.get(first) ?? []), ...numbers])
      this.numberTexts.set(first, merged)
    }
    return first
  }

  #list(): unknown[] {
    const list: unknown[] = []
    this.#space()
    if (this.#skip(']')) return list
    for (;;) {
      this.#space()
      list.push(this.#value({ holder: list, key: list.length }))
      this.#space()
      if (this.#skip(',')) continue
      if (!this.#skip(']')) this.#fail('after array element')
      return list
    }
  }

  #skip(char: string): boolean {
    if (this.#text[this.#position] !== char) return false
    this.#position++
    return true
  }

  #word<T>(word: string, value: T): T {
    for (let index = 1; index < word.length; index++) {
      this.#position++
      if (this.#text[this.#position] !== word[index]) {
        this.#fail(`in literal ${word} (expecting '${word[index]}')`)
      }
    }
    this.#position++
    return value
  }

  #string(): string {
    const start = this.#position++
    for (;;) {
      const code = this.#text.charCodeAt(this.#position)
      if (Number.isNaN(code) || code < 32) this.#fail('in string literal')
      this.#position++
      if (code === 34) return JSON.parse(this.#text.slice(start, this.#position)) as string
      if (code === 92) this.#escape()
    }
  }

  #escape(): void {
    const char = this.#text[this.#position]
    if (char === undefined || !'"\\/bfnrtu'.includes(char)) this.#fail('in string escape code')
    this.#position++
    if (char !== 'u') return
    for (let digit = 0; digit < 4; digit++) {
      if (!/^[0-9a-fA-F]/.test(this.#text[this.#position] ?? '')) {
        this.#fail('in \\u hexadecimal character escape')
      }
      this.#position++
    }
  }

  #digits(context: string): void {
    if (!isDigit(this.#text.charCodeAt(this.#position))) this.#fail(context)
    while (isDigit(this.#text.charCodeAt(this.#position))) this.#position++
  }

  #number(place: { readonly holder: object | undefined; readonly key: string | number }): number {
    const start = this.#position
    const negative = this.#skip('-')
    if (!this.#skip('0')) {
      this.#digits(negative ? 'in numeric literal' : 'looking for beginning of value')
    }
    if (this.#skip('.')) this.#digits('after decimal point in numeric literal')
    if (this.#skip('e') || this.#skip('E')) {
      if (!this.#skip('+')) this.#skip('-')
      this.#digits('in exponent of numeric literal')
    }
    const text = this.#text.slice(start, this.#position)
    const value = Number(text)
    if (String(value) !== text && place.holder) this.#remember(place.holder, place.key, text)
    return value
  }

  #remember(holder: object, key: string | number, text: string): void {
    const texts = this.numberTexts.get(holder) ?? new Map<string | number, string>()
    texts.set(key, text)
    this.numberTexts.set(holder, texts)
  }
}

export function parseExactJson(text: string, maxDepth: number): JsonResult {
  const parser = new ExactParser(text, maxDepth)
  try {
    const value = parser.parse()
    const { repeatedKeys, numberTexts } = parser
    return { ok: true, document: { value, repeatedKeys, numberTexts } }
  } catch (error) {
    if (error instanceof JsonSyntaxError) return { ok: false, message: error.message }
    throw error
  }
}
