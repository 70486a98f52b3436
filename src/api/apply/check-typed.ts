// Whether an applied configuration fits its type; in the words of structured-merge-diff, down to
// how Go prints the values, since clients see them.
import {
  type Atom,
  isObject,
  type JsonObject,
  type ListAtom,
  type MapAtom,
  type ScalarAtom,
  settle,
} from './atom.ts'
import { formatGo, formatGoSyntax, goTypeName } from './go-format.ts'
import { itemElement, showElement } from './path-element.ts'

interface TypeError {
  readonly path: string
  readonly message: string
}

/** undefined when it fits; else all errors as one text. */
export function checkTyped(object: JsonObject, atom: Atom): string | undefined {
  const errors: TypeError[] = []
  visit({ errors, path: '' }, object, atom)
  if (errors.length === 0) return undefined
  const texts = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  return texts.length === 1 ? texts[0] : ['errors:', ...texts.map((text) => `  ${text}`)].join('\n')
}

/** Where the walk is, and where errors go. */
interface Place {
  readonly errors: TypeError[]
  readonly path: string
}

const below = ({ errors, path }: Place, step: string): Place => ({ errors, path: path + step })

const complain = ({ errors, path }: Place, message: string): void => {
  errors.push({ path, message })
}

function visit(at: Place, value: unknown, declared: Atom): void {
  if (value === null) return
  const atom = settle(declared, value)
  if (atom.kind === 'scalar') {
    const message = scalarError(atom, value)
    if (message !== undefined) complain(at, message)
  } else if (atom.kind === 'map') {
    if (isObject(value)) visitFields(at, value, atom)
    else complain(at, `expected map, got &{${formatGo(value)}}`)
  } else if (Array.isArray(value)) visitItems(at, value, atom)
  else complain(at, `expected list, got &{${formatGo(value)}}`)
}

function scalarError(atom: ScalarAtom, value: unknown): string | undefined {
  const type = typeof value
  switch (atom.scalar) {
    case 'numeric':
      if (type === 'number') return undefined
      return `expected numeric (int or float), got ${goTypeName(value)}`
    case 'string':
      if (type === 'string') return undefined
      return `expected string, got &value.valueUnstructured{Value:${formatGoSyntax(value)}}`
    case 'boolean':
      if (type === 'boolean') return undefined
      return `expected boolean, got &{${formatGo(value)}}`
    default:
      if (type !== 'object') return undefined
      return `expected any scalar, got &{${formatGo(value)}}`
  }
}

function visitFields(at: Place, object: JsonObject, atom: MapAtom): void {
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue
    const field = below(at, `.${name}`)
    const declared = atom.field(name) ?? atom.element
    // Upstream stops at the first undeclared field of a struct.
    if (declared === undefined) return complain(field, 'field not declared in schema')
    visit(field, value, declared)
  }
}

function visitItems(at: Place, items: readonly unknown[], atom: ListAtom): void {
  const seen = new Set<string>()
  for (const [index, item] of items.entries()) {
    if (atom.relation === 'atomic') {
      visit(below(at, `[${index}]`), item, atom.element)
      continue
    }
    const element = itemElement(atom, item)
    if (typeof element !== 'string') return complain(at, `element ${index}: ${element.error}`)
    if (seen.has(element)) complain(at, `duplicate entries for key ${showElement(element)}`)
    seen.add(element)
    visit(below(at, showElement(element)), item, atom.element)
  }
}
