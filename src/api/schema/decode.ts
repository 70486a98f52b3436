// JSON values to typed objects: unknown fields dropped (and reported), types checked, values made
// canonical, with Kubernetes' exact errors. Parsing text is json-text.ts, whole bodies body.ts.
import type { Conversion } from './convert.ts'
import { converterOf } from './convert.ts'
import { diagnose } from './diagnose.ts'
import type { JsonDocument } from './json-text.ts'
import { documentOf } from './json-text.ts'

export interface Decoded<T> {
  /** A fresh object that the caller owns and may write to. */
  readonly value: T
  /** `unknown field "spec.foo"` and `duplicate field "data.a"`, in the order of the document. */
  readonly strictErrors: readonly string[]
}

export type DecodeResult<T> =
  | ({ readonly ok: true } & Decoded<T>)
  /** As upstream words it: "json: cannot unmarshal string into Go struct field …". */
  | { readonly ok: false; readonly message: string }

/** Decodes a parsed document as a struct of the schema ("core.v1.Service"). */
export function decodeDocument<T>(struct: string, document: JsonDocument): DecodeResult<T> {
  const conversion: Conversion = { wrong: 0, unknown: 0, wire: false, nullLists: false }
  const value = converterOf(struct)(document.value ?? {}, conversion)
  const clean = conversion.wrong === 0 && conversion.unknown === 0
  const plain = document.repeatedKeys.size === 0 && document.numberTexts.size === 0
  if (clean && plain) return { ok: true, value: value as T, strictErrors: [] }
  const { failure, strict } = diagnose(struct, document)
  if (failure !== undefined) return { ok: false, message: failure }
  return { ok: true, value: value as T, strictErrors: strict }
}

/** Decodes a value that was never JSON text, such as the result of a patch. */
export function decodeValue<T>(struct: string, value: unknown): DecodeResult<T> {
  return decodeDocument(struct, documentOf(value))
}

/** For objects from the store or a test: anything wrong is a programmer's error and throws. */
export function decode<T>(struct: string, value: unknown): T {
  const decoded = decodeValue<T>(struct, value)
  if (!decoded.ok) throw new Error(`cannot decode ${struct}: ${decoded.message}`)
  return decoded.value
}
