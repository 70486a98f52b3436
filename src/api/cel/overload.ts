// One signature of a function: types, what it does, what it costs. The notation is cel-go's:
// `contains: string.(string) -> bool`, `size: (list(A)) -> int`.
import type { Range } from './range.ts'
import type { Type } from './types.ts'
import { parseType } from './types.ts'
import type { Value } from './values.ts'
import {
  Duration,
  List,
  MapValue,
  ObjectValue,
  Opaque,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
} from './values.ts'

/** The sizes of the arguments, the receiver first; the size of an item or key where it is known. */
export interface CostInput {
  readonly sizes: readonly Range[]
  /** Of the elements of a list argument, if they are text. */
  elementSize(index: number): Range | undefined
  /** Only while it runs. */
  readonly result?: Value
}

export interface CostOutput {
  readonly cost: Range
  /** Of the result, where it follows from the arguments. */
  readonly size?: Range
}

export type CostRule = (input: CostInput) => CostOutput

export interface Overload {
  readonly name: string
  readonly member: boolean
  /** The receiver of a member function stands first. */
  readonly params: readonly Type[]
  readonly result: Type
  readonly run: (args: readonly Value[]) => Value
  /** When it runs; and when it is estimated, if that differs. 1 unless said otherwise. */
  readonly cost?: CostRule | undefined
  readonly estimate?: CostRule | undefined
}

const notation = /^([^:]+): (?:(.+?)\.)?\((.*)\) -> (.+)$/

export interface Pricing {
  readonly cost?: CostRule
  readonly estimate?: CostRule
}

/** `run` gets values of exactly the declared types; the notation vouches for its parameters. */
export function overload<Args extends readonly (Value | undefined)[]>(
  signature: string,
  run: (...args: Args) => Value,
  { cost, estimate = cost }: Pricing = {},
): Overload {
  const match = notation.exec(signature)
  if (!match) throw new Error(`cannot read signature "${signature}"`)
  const [, name = '', receiver, params = '', result = ''] = match
  const types = splitParams(params).map(parseType)
  return {
    name,
    member: receiver !== undefined,
    params: receiver === undefined ? types : [parseType(receiver), ...types],
    result: parseType(result),
    run: (args) => run(...(args as unknown as Args)),
    cost,
    estimate,
  }
}

function splitParams(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let part = ''
  for (const char of text) {
    if (char === '(') depth += 1
    if (char === ')') depth -= 1
    if (char === ',' && depth === 0) {
      parts.push(part)
      part = ''
    } else part += char
  }
  return part.trim() === '' ? parts : [...parts, part]
}

/** Whether a value is of a type, as far as its outside shows. */
export function accepts(type: Type, value: Value): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'param':
    case 'error':
      return true
    case 'bool':
      return typeof value === 'boolean'
    case 'int':
      return typeof value === 'bigint'
    case 'uint':
      return value instanceof Uint
    case 'double':
      return typeof value === 'number'
    case 'string':
      return typeof value === 'string'
    case 'bytes':
      return value instanceof Uint8Array
    case 'null':
      return value === null
    case 'timestamp':
      return value instanceof Timestamp
    case 'duration':
      return value instanceof Duration
    case 'type':
      return value instanceof TypeValue
    case 'list':
      return value instanceof List
    case 'map':
      return value instanceof MapValue || value instanceof ObjectValue
    case 'object':
      return value instanceof ObjectValue || value instanceof MapValue
    case 'opaque':
      return type.name === 'optional_type'
        ? value instanceof Optional
        : value instanceof Opaque && value.type === type.name
  }
}
