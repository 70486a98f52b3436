// Static types of CEL expressions, their notation, and when one may stand for another.

/** What a schema says of a value beyond its type; costs and comparisons need it. */
export interface SchemaFacts {
  /** Most characters, items or entries a request could hold. */
  readonly maxElements?: number
  /** Fewest bytes it takes as JSON. */
  readonly minBytes?: number
  /** x-kubernetes-list-type: sets and maps compare and add as such. */
  readonly listType?: string
  readonly listKeys?: readonly string[]
}

export interface ObjectField {
  /** In JSON; the field is addressed by its escaped name. */
  readonly name: string
  readonly type: Type
}

export type SimpleKind =
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'null'
  | 'timestamp'
  | 'duration'
  | 'dyn'
  | 'error'
  | 'type'

export type Type = SchemaFacts &
  (
    | { readonly kind: SimpleKind }
    | { readonly kind: 'list'; readonly element: Type }
    | { readonly kind: 'map'; readonly key: Type; readonly value: Type }
    | {
        readonly kind: 'object'
        readonly name: string
        readonly fields: ReadonlyMap<string, ObjectField>
      }
    | { readonly kind: 'opaque'; readonly name: string; readonly parameters: readonly Type[] }
    | { readonly kind: 'param'; readonly name: string }
  )

const simple = (kind: SimpleKind): Type => ({ kind })

export const types = {
  bool: simple('bool'),
  int: simple('int'),
  uint: simple('uint'),
  double: simple('double'),
  string: simple('string'),
  bytes: simple('bytes'),
  null: simple('null'),
  timestamp: simple('timestamp'),
  duration: simple('duration'),
  dyn: simple('dyn'),
  error: simple('error'),
  type: simple('type'),
} as const satisfies Record<SimpleKind, Type>

export const listOf = (element: Type): Type => ({ kind: 'list', element })
export const mapOf = (key: Type, value: Type): Type => ({ kind: 'map', key, value })
export const opaque = (name: string, ...parameters: readonly Type[]): Type => ({
  kind: 'opaque',
  name,
  parameters,
})
export const optionalOf = (type: Type): Type => opaque('optional_type', type)

export const unwrapOptional = (type: Type): Type | undefined =>
  type.kind === 'opaque' && type.name === 'optional_type' ? type.parameters[0] : undefined

export const isDyn = (type: Type): boolean => type.kind === 'dyn' || type.kind === 'error'

/** As cel-go prints types in its errors. */
export function formatType(type: Type): string {
  switch (type.kind) {
    case 'list':
      return `list(${formatType(type.element)})`
    case 'map':
      return `map(${formatType(type.key)}, ${formatType(type.value)})`
    case 'object':
    case 'param':
      return type.name
    case 'opaque':
      return type.parameters.length === 0
        ? type.name
        : `${type.name}(${type.parameters.map(formatType).join(', ')})`
    case 'error':
      return '!error!'
    default:
      return type.kind
  }
}

const notation = /\s*([A-Za-z_.]+|[(),])/y

/** Reads `list(A)`, `map(string, int)`, `kubernetes.URL`; a single capital is a parameter. */
export function parseType(text: string): Type {
  let at = 0
  const next = (): string => {
    notation.lastIndex = at
    const token = notation.exec(text)?.[1]
    if (token === undefined) throw new Error(`cannot read CEL type "${text}"`)
    at = notation.lastIndex
    return token
  }
  const read = (): Type => {
    const name = next()
    const parameters: Type[] = []
    if (text[at] === '(') {
      next()
      do parameters.push(read())
      while (next() === ',')
    }
    return typeOf(name, parameters)
  }
  return read()
}

function typeOf(name: string, parameters: readonly Type[]): Type {
  const [first = types.dyn, second = types.dyn] = parameters
  if (name === 'list') return listOf(first)
  if (name === 'map') return mapOf(first, second)
  if (/^[A-Z]$/.test(name)) return { kind: 'param', name }
  return Object.hasOwn(types, name) ? types[name as SimpleKind] : opaque(name, ...parameters)
}

/** What type parameters stand for, as far as it is known by now. */
export class Substitution {
  #bound = new Map<string, Type>()

  copy(): Substitution {
    const copy = new Substitution()
    copy.#bound = new Map(this.#bound)
    return copy
  }

  take(other: Substitution): void {
    this.#bound = other.#bound
  }

  bind(name: string, type: Type): void {
    this.#bound.set(name, type)
  }

  /** Unbound parameters stay, or become dyn at the end. */
  apply(type: Type, free: 'keep' | 'dyn' = 'keep'): Type {
    switch (type.kind) {
      case 'param': {
        const bound = this.#bound.get(type.name)
        if (bound) return this.apply(bound, free)
        return free === 'dyn' ? types.dyn : type
      }
      case 'list':
        return { ...type, element: this.apply(type.element, free) }
      case 'map':
        return { ...type, key: this.apply(type.key, free), value: this.apply(type.value, free) }
      case 'opaque':
        return { ...type, parameters: type.parameters.map((one) => this.apply(one, free)) }
      default:
        return type
    }
  }
}

/** Whether a value of one type may be used as another; binds parameters on the way. */
export function isAssignable(from: Type, to: Type, bound: Substitution): boolean {
  const attempt = bound.copy()
  if (!assign(from, to, attempt)) return false
  bound.take(attempt)
  return true
}

const nullable: ReadonlySet<string> = new Set(['opaque', 'timestamp', 'duration', 'object'])

function assign(left: Type, right: Type, bound: Substitution): boolean {
  const from = bound.apply(left)
  const to = bound.apply(right)
  if (to.kind === 'param') return bindParameter(to.name, from, bound)
  if (from.kind === 'param') return bindParameter(from.name, to, bound)
  if (isDyn(from) || isDyn(to)) return true
  if (from.kind === 'null') return to.kind === 'null' || nullable.has(to.kind)
  if (from.kind !== to.kind) return false
  switch (from.kind) {
    case 'list':
      return assign(from.element, (to as typeof from).element, bound)
    case 'map': {
      const { key, value } = to as typeof from
      return assign(from.key, key, bound) && assign(from.value, value, bound)
    }
    case 'object':
      return from.name === (to as typeof from).name
    case 'opaque': {
      const other = to as typeof from
      return (
        from.name === other.name &&
        from.parameters.length === other.parameters.length &&
        from.parameters.every((one, index) => assign(one, other.parameters[index]!, bound))
      )
    }
    default:
      return true
  }
}

function bindParameter(name: string, type: Type, bound: Substitution): boolean {
  if (type.kind === 'param' && type.name === name) return true
  if (occursIn(name, type)) return false
  bound.bind(name, type)
  return true
}

function occursIn(name: string, type: Type): boolean {
  switch (type.kind) {
    case 'param':
      return type.name === name
    case 'list':
      return occursIn(name, type.element)
    case 'map':
      return occursIn(name, type.key) || occursIn(name, type.value)
    case 'opaque':
      return type.parameters.some((one) => occursIn(name, one))
    default:
      return false
  }
}
