// The JSONPath of printer columns, selectable fields and scale paths: .a.b, ['a.b'], [0], [*] and
// .., with filters left out; kubectl's own dialect is richer, but these never were.
import { isObject } from './schema.ts'

type Step =
  | { readonly type: 'field'; readonly name: string }
  | { readonly type: 'index'; readonly index: number }
  | { readonly type: 'slice'; readonly from: number | undefined; readonly to: number | undefined }
  | { readonly type: 'all' }
  | { readonly type: 'recurse' }

export type JsonPath = readonly Step[]

const token =
  /\.\.|\.\*|\.((?:\\.|[^.[\]\\])+)|\['((?:\\.|[^'\\])*)'\]|\["((?:\\.|[^"\\])*)"\]|\[(\*)\]|\[(-?\d+)\]|\[(-?\d*):(-?\d*)\]/y

/** undefined for a text that is no path. */
export function parseJsonPath(text: string): JsonPath | undefined {
  const steps: Step[] = []
  let at = text.startsWith('$') ? 1 : 0
  if (text === '.' || at === text.length) return steps
  while (at < text.length) {
    token.lastIndex = at
    const match = token.exec(text)
    if (!match) return undefined
    steps.push(stepOf(match))
    at = token.lastIndex
    // "..name": what follows the descent needs no dot of its own.
    if (match[0] === '..' && /[^.[]/.test(text[at] ?? '')) at -= 1
  }
  return steps
}

const unescape = (text: string): string => text.replaceAll(/\\(.)/g, '$1')
const numberOf = (text: string | undefined): number | undefined =>
  text === undefined || text === '' ? undefined : Number(text)

function stepOf(match: RegExpExecArray): Step {
  const [whole, dotted, single, double, all, index, from, to] = match
  if (whole === '..') return { type: 'recurse' }
  if (whole === '.*' || all !== undefined) return { type: 'all' }
  if (index !== undefined) return { type: 'index', index: Number(index) }
  if (from !== undefined) return { type: 'slice', from: numberOf(from), to: numberOf(to) }
  return { type: 'field', name: unescape(dotted ?? single ?? double ?? '') }
}

/** All values at a path, in order; missing keys yield none. */
export function findAll(value: unknown, path: JsonPath): readonly unknown[] {
  let found: readonly unknown[] = [value]
  for (const step of path) found = found.flatMap((one) => [...stepInto(one, step)])
  return found
}

function* stepInto(value: unknown, step: Step): Generator<unknown> {
  if (step.type === 'recurse') yield* descendants(value)
  else if (step.type === 'field') {
    if (isObject(value) && Object.hasOwn(value, step.name)) yield value[step.name]
  } else if (step.type === 'all') {
    if (Array.isArray(value)) yield* value
    else if (isObject(value)) yield* Object.values(value)
  } else if (Array.isArray(value)) {
    if (step.type === 'slice') yield* value.slice(step.from, step.to)
    else {
      const at = step.index < 0 ? value.length + step.index : step.index
      if (at in value) yield value[at]
    }
  }
}

function* descendants(value: unknown): Generator<unknown> {
  yield value
  if (typeof value !== 'object' || value === null) return
  for (const item of Object.values(value)) yield* descendants(item)
}
