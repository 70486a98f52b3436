// Two values as a unified diff, for messages that say what an update may not have changed.
// Values are shown as Go prints its structs: capitalised names, one field a line.
import { type Field, structOf, type Type } from '../schema/schema.ts'

const context = 3

/** `struct` names a type whose unset fields are shown too, as Go would. */
export function jsonDiff(before: unknown, after: unknown, struct?: string): string {
  const left = linesOf(before, struct)
  const right = linesOf(after, struct)
  return unified(left, right)
}

function linesOf(value: unknown, struct: string | undefined): readonly string[] {
  return JSON.stringify(goShape(value, struct), undefined, 1).split('\n')
}

function goShape(value: unknown, struct: string | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => goShape(item, struct))
  if (value === null || typeof value !== 'object') return value
  const fields = value as Readonly<Record<string, unknown>>
  if (struct === undefined) {
    const entries = Object.entries(fields).map(([name, item]) => [
      goName(name),
      goShape(item, undefined),
    ])
    return Object.fromEntries(entries)
  }
  const members = structOf(struct).members.map((member) => {
    const item = fields[member.name]
    const shown = item === undefined ? zeroOf(member) : goShape(item, structIn(member.type))
    return [goName(member.name), shown]
  })
  return Object.fromEntries(members)
}

const structIn = (type: Type): string | undefined => {
  if (type.kind === 'struct') return type.struct
  return type.kind === 'list' ? structIn(type.items) : undefined
}

function zeroOf({ pointer, type }: Field): unknown {
  if (pointer) return null
  switch (type.kind) {
    case 'string':
      return ''
    case 'bool':
      return false
    case 'int32':
    case 'int64':
    case 'float64':
      return 0
    case 'struct':
      return goShape({}, type.struct)
    default:
      return null
  }
}

const initialisms: Readonly<Record<string, string>> = { tty: 'TTY', uid: 'UID', ip: 'IP' }

const goName = (name: string): string =>
  initialisms[name] ?? `${name.charAt(0).toUpperCase()}${name.slice(1)}`

type Edit = readonly [sign: ' ' | '-' | '+', line: string]

function unified(left: readonly string[], right: readonly string[]): string {
  const edits = editsOf(left, right)
  const changed = edits.flatMap(([sign], index) => (sign === ' ' ? [] : [index]))
  const first = changed[0]
  const last = changed.at(-1)
  if (first === undefined || last === undefined) return ''
  const from = Math.max(0, first - context)
  const shown = edits.slice(from, Math.min(edits.length, last + context + 1))
  const count = (without: '+' | '-') => shown.filter(([sign]) => sign !== without).length
  const head = `@@ -${from + 1},${count('+')} +${from + 1},${count('-')} @@`
  return `${[head, ...shown.map(([sign, line]) => `${sign}${line}`)].join('\n')}\n`
}

/** Equal lines at both ends are kept, what is between them is replaced: enough for a message. */
function editsOf(left: readonly string[], right: readonly string[]): readonly Edit[] {
  let head = 0
  while (head < left.length && head < right.length && left[head] === right[head]) head++
  let tail = 0
  const most = Math.min(left.length, right.length) - head
  while (tail < most && left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail++
  const same = (line: string): Edit => [' ', line]
  return [
    ...left.slice(0, head).map(same),
    ...left.slice(head, left.length - tail).map((line): Edit => ['-', line]),
    ...right.slice(head, right.length - tail).map((line): Edit => ['+', line]),
    ...left.slice(left.length - tail).map(same),
  ]
}
