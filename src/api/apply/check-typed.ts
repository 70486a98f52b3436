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
  visit(errors, object, atom, '')
  if (errors.length === 0) return undefined
  const texts = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  return texts.length === 1 ? texts[0] : ['errors:', ...texts.map((text) => `  ${text}`)].join('\n')
}

function visit(errors: TypeError[], value: unknown, declared: Atom, path: string): void {
  if (value === null) return
  const atom = settle(declared, value)
  if (atom.kind === 'scalar') {
    const message = scalarError(atom, value)
    if (message !== undefined) errors.push({ path, message })
  } else if (atom.kind === 'map') {
    if (isObject(value)) visitFields(errors, value, atom, path)
    else errors.push({ path, message: `expected map, got &{${formatGo(value)}}` })
  } else if (Array.isArray(value)) visitItems(errors, value, atom, path)
  else errors.push({ path, message: `expected list, got &{${formatGo(value)}}` })
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

function visitFields(errors: TypeError[], object: JsonObject, atom: MapAtom, path: string): void {
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue
    const below = `${path}.${name}`
    const declared = atom.field(name) ?? atom.element
    if (declared === undefined) {
      // Upstream stops at the first undeclared field of a struct.
      errors.push({ path: below, message: 'field not declared in schema' })
      return
    }
    visit(errors, value, declared, below)
  }
}

function visitItems(
  errors: TypeError[],
  items: readonly unknown[],
  atom: ListAtom,
  path: string,
): void {
  const seen = new Set<string>()
  for (const [index, item] of items.entries()) {
    if (atom.relation === 'atomic') {
      visit(errors, item, atom.element, `${path}[${index}]`)
      continue
    }
    const element = itemElement(atom, item)
    if (typeof element !== 'string') {
      errors.push({ path, message: `element ${index}: ${element.error}` })
      return
    }
    if (seen.has(element)) {
      errors.push({ path, message: `duplicate entries for key ${showElement(element)}` })
    }
    seen.add(element)
    visit(errors, item, atom.element, `${path}${showElement(element)}`)
  }
}
