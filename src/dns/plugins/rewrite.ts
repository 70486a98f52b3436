// rewrite: another question for the plugins below, and the answer back in the client's words.
import type { Query, Reply } from '../chain.ts'
import { onReply, withQuestion } from '../chain.ts'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import { wrongArguments } from '../directive.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'
import { parseClass, parseRcode, parseType } from '../wire/codes.ts'
import type { Question } from '../wire/message.ts'
import { absoluteName } from '../wire/name.ts'
import type { Names, Rename } from './rewrite-names.ts'
import {
  isMatchType,
  isValidName,
  parseRename,
  renameOwner,
  renameValues,
  reverseRename,
} from './rewrite-names.ts'

/** What a rule that matched does: another question, another reply, or both. */
interface Effect {
  readonly question?: Question
  readonly onReply?: (answered: Reply) => Reply
}

interface Rule {
  /** Whether rules below are asked too. */
  readonly goesOn: boolean
  apply(query: Query): Effect | undefined
}

export const rewrite: Plugin = {
  name: 'rewrite',
  parse(lines): Part {
    const rules = lines.map(parseRule)
    return { create: () => createInstance(rules) }
  },
}

function createInstance(rules: readonly Rule[]): Instance {
  return {
    serve: (next) => (query) => {
      let current = query
      const changes: ((answered: Reply) => Reply)[] = []
      for (const rule of rules) {
        const effect = rule.apply(current)
        if (!effect) continue
        if (effect.question) current = withQuestion(current, effect.question)
        if (effect.onReply) changes.push(effect.onReply)
        if (!rule.goesOn) break
      }
      if (current === query && changes.length === 0) return next(query)
      // The rule that changed the question last sees the answer first.
      return onReply(next(current), (answered) =>
        changes.reduceRight((reply, change) => change(reply), answered),
      )
    },
  }
}

function parseRule(line: Line): Rule {
  const inner = (line.block ?? []).flatMap((each) => each.words)
  const words = [...line.words.slice(1), ...inner]
  const mode = words[0] === 'continue' || words[0] === 'stop' ? words.shift() : 'stop'
  const [field, ...args] = words
  const read = fields[field ?? '']
  if (!read) throw new CorefileError(line, `invalid rule type '${field ?? ''}'`)
  return { goesOn: mode === 'continue', apply: read(line, args) }
}

type Apply = Rule['apply']

const fields: Readonly<Record<string, (line: Line, args: readonly string[]) => Apply>> = {
  name: parseName,
  type: (line, args) => parseNumber(line, args, { field: 'type', parse: parseType }),
  class: (line, args) => parseNumber(line, args, { field: 'class', parse: parseClass }),
  ttl: parseTtlRule,
  rcode: parseRcodeRule,
}

function parseNumber(
  line: Line,
  args: readonly string[],
  { field, parse }: { field: 'type' | 'class'; parse: (text: string) => number | undefined },
): Apply {
  const [from, to] = args.map(parse)
  if (args.length !== 2 || from === undefined || to === undefined) throw wrongArguments(line)
  return ({ question }) =>
    question[field] === from ? { question: { ...question, [field]: to } } : undefined
}

function takeNames(line: Line, args: readonly string[]): { names: Names; rest: readonly string[] } {
  const typed = isMatchType(args[0] ?? '')
  const type = typed && isMatchType(args[0]!) ? args[0] : 'exact'
  const [from, to, ...rest] = typed ? args.slice(1) : args
  if (from === undefined || to === undefined) throw wrongArguments(line)
  return { names: { line, type, from, to }, rest }
}

function parseName(line: Line, args: readonly string[]): Apply {
  const { names, rest } = takeNames(line, args)
  const rename = parseRename(names)
  const { owner, value, auto } = parseAnswerOptions(line, rest)
  const back = reverseRename(names)
  return (query) => {
    const name = rename(query.name)
    if (name === undefined || !isValidName(name)) return undefined
    const rewritten = name.toLowerCase()
    const original = query.question.name
    // The very name that was asked for goes back as it came; others by the rule read backwards.
    const restore: Rename = (each) =>
      each === rewritten ? original : auto ? back(each) : undefined
    const restores = auto || (names.type === 'exact' && !owner)
    const change = (answered: Reply): Reply =>
      mapRecords(answered, (record) => {
        const restored = restores ? renameOwner(record, restore) : record
        const named = owner ? renameOwner(restored, owner) : restored
        const valued = value ? renameValues(named, value) : named
        return auto ? renameValues(valued, restore) : valued
      })
    return { question: { ...query.question, name }, onReply: change }
  }
}

interface AnswerOptions {
  readonly auto: boolean
  readonly owner?: Rename
  readonly value?: Rename
}

/** "answer auto", "answer name FROM TO", "answer value FROM TO", in any number. */
function parseAnswerOptions(line: Line, words: readonly string[]): AnswerOptions {
  let options: AnswerOptions = { auto: false }
  const rest = [...words]
  while (rest.length > 0) {
    if (rest.shift() !== 'answer') throw wrongArguments(line)
    const what =
      rest[0] === 'auto' || rest[0] === 'name' || rest[0] === 'value' ? rest.shift() : 'name'
    if (what === 'auto') {
      options = { ...options, auto: true }
      continue
    }
    const [from, to] = rest.splice(0, 2)
    if (from === undefined || to === undefined) throw wrongArguments(line)
    const rename = parseRename({ line, type: 'regex', from, to })
    options = what === 'name' ? { ...options, owner: rename } : { ...options, value: rename }
  }
  return options
}

function mapRecords(
  answered: Reply,
  change: (record: Reply['answers'][number]) => Reply['answers'][number],
): Reply {
  const { answers, additionals } = answered
  return { ...answered, answers: answers.map(change), additionals: additionals.map(change) }
}

/** "30", "30-60", "-60", "30-". */
function parseTtlRule(line: Line, args: readonly string[]): Apply {
  const { names, rest } = takeNames(line, args)
  if (rest.length > 0) throw wrongArguments(line)
  const [, low, dash, high] = /^(\d*)(-?)(\d*)$/.exec(names.to) ?? []
  if (dash === undefined || names.to === '' || names.to === '-') {
    throw new CorefileError(line, `invalid TTL '${names.to}'`)
  }
  const min = low === '' ? 0 : Number(low)
  const max = dash === '' ? min : high === '' ? 2 ** 31 - 1 : Number(high)
  const matches = matcher(names)
  const clamp = (ttl: number) => Math.min(max, Math.max(min, ttl))
  return (query) =>
    matches(query.name)
      ? { onReply: (a) => mapRecords(a, (record) => ({ ...record, ttl: clamp(record.ttl) })) }
      : undefined
}

/** Whether a name is the rule's, whatever the rule then does. */
function matcher(names: Names): (name: string) => boolean {
  const rename = parseRename({ ...names, to: absoluteName('x') })
  return (name) => rename(name) !== undefined
}

function parseRcodeRule(line: Line, args: readonly string[]): Apply {
  const { names, rest } = takeNames(line, args)
  const [from, to] = [names.to, rest[0] ?? ''].map(parseRcode)
  if (from === undefined || to === undefined || rest.length !== 1) throw wrongArguments(line)
  const matches = matcher(names)
  return (query) =>
    matches(query.name)
      ? { onReply: (a) => (a.rcode === from ? { ...a, rcode: to } : a) }
      : undefined
}
