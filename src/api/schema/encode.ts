// Typed objects to canonical JSON, as Go's encoder writes them: its order of fields, what is empty
// left out or written as null where Go does, sorted maps, `<>&` escaped.
import { escapeHtml } from '../machinery/go-text.ts'
import type { Conversion } from './convert.ts'
import { converterOf } from './convert.ts'

export interface EncodeOptions {
  /**
   * Empty lists that are always written become null, as they do upstream by the way through
   * etcd. For what is stored; not for lists and reviews made on the fly.
   */
  readonly nullLists?: boolean
}

/** The JSON value that stands for an object on the wire. Throws for what is not of the struct. */
export function wireValue(
  struct: string,
  object: unknown,
  options: EncodeOptions = {},
): Record<string, unknown> {
  const nullLists = options.nullLists === true
  const conversion: Conversion = { wrong: 0, unknown: 0, wire: true, nullLists }
  const value = converterOf(struct)(object, conversion)
  if (conversion.wrong > 0) throw new Error(`cannot encode ${struct}: a value is not of its type`)
  return value as Record<string, unknown>
}

/** The JSON text of an object, without a line end. */
export function encode(struct: string, object: unknown, options: EncodeOptions = {}): string {
  return escapeHtml(JSON.stringify(wireValue(struct, object, options)))
}
