// template: answers made from the question by patterns and text with {{ }} (dns.md 2.4).
import type { RE2JS } from 're2js'
import type { Query, Reply } from '../chain.ts'
import { failure, reply } from '../chain.ts'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import {
  argumentOf,
  argumentsOf,
  integer,
  unknownProperty,
  wrongArguments,
  zones,
} from '../directive.ts'
import type { Host } from '../host.ts'
import type { BlockFacts, Instance, Part, Plugin } from '../plugin.ts'
import {
  CLASS,
  EDNS_OPTION,
  formatClass,
  formatType,
  parseClass,
  parseRcode,
  parseType,
  RCODE,
  TYPE,
} from '../wire/codes.ts'
import type { ResourceRecord } from '../wire/message.ts'
import { parseRecord } from '../wire/text.ts'
import { longestZone } from '../zone-names.ts'
import { compile } from './rewrite-names.ts'

const name = 'template'

interface Rule {
  readonly class: number
  readonly type: number
  readonly zones: readonly string[]
  readonly patterns: readonly Pattern[]
  readonly answers: readonly Text[]
  readonly additionals: readonly Text[]
  readonly authorities: readonly Text[]
  readonly rcode: number
  readonly extendedError?: { readonly code: number; readonly text: string }
  readonly fallthrough?: readonly string[]
}

interface Pattern {
  readonly expression: RE2JS
  readonly groups: readonly string[]
}

interface Values {
  readonly query: Query
  readonly zone: string
  readonly match: readonly string[]
  readonly groups: ReadonlyMap<string, string>
}

type Text = (values: Values) => string

type Draft = { -readonly [K in keyof Rule]: Rule[K] }

export const template: Plugin = {
  name,
  parse(lines, block): Part {
    const rules = lines.map((line) => parseRule(line, block))
    return { create: (host) => createInstance(rules, host) }
  },
}

function parseRule(line: Line, block: BlockFacts): Rule {
  const [className, typeName, ...names] = argumentsOf(line, 2, Number.POSITIVE_INFINITY)
  const recordClass = parseClass(className!)
  const type = parseType(typeName!)
  if (recordClass === undefined) throw new CorefileError(line, `invalid RR class ${className}`)
  if (type === undefined) throw new CorefileError(line, `invalid RR type ${typeName}`)
  const draft: Draft = {
    class: recordClass,
    type,
    zones: names.length === 0 ? block.zones : zones(line, names),
    patterns: [],
    answers: [],
    additionals: [],
    authorities: [],
    rcode: RCODE.NOERROR,
  }
  for (const property of line.block ?? []) readProperty(property, draft)
  if (draft.patterns.length === 0) draft.patterns = [parsePattern(line, '.*')]
  return draft
}

function readProperty(line: Line, draft: Draft): void {
  const [word, ...args] = line.words
  switch (word) {
    case 'match':
      if (args.length === 0) throw wrongArguments(line)
      draft.patterns = [...draft.patterns, ...args.map((text) => parsePattern(line, text))]
      return
    case 'answer':
      draft.answers = [...draft.answers, ...texts(line)]
      return
    case 'additional':
      draft.additionals = [...draft.additionals, ...texts(line)]
      return
    case 'authority':
      draft.authorities = [...draft.authorities, ...texts(line)]
      return
    case 'rcode': {
      const rcode = parseRcode(argumentOf(line))
      if (rcode === undefined) throw new CorefileError(line, `unknown rcode ${args[0]}`)
      draft.rcode = rcode
      return
    }
    case 'ederror': {
      const [code, text = ''] = argumentsOf(line, 1, 2)
      draft.extendedError = { code: integer(line, code!, { max: 65_535 }), text }
      return
    }
    case 'fallthrough':
      draft.fallthrough = zones(line, args)
      return
    default:
      throw unknownProperty(line)
  }
}

function parsePattern(line: Line, text: string): Pattern {
  const groups = [...text.matchAll(/\(\?P?<(\w+)>/g)].map(([, group]) => group!)
  return { expression: compile(line, text), groups }
}

function texts(line: Line): readonly Text[] {
  if (line.words.length < 2) throw wrongArguments(line)
  return line.words.slice(1).map((text) => parseText(line, text))
}

/** Plain text with {{ expressions }}; one that is not known is refused with its place. */
function parseText(line: Line, source: string): Text {
  const parts = source.split(/\{\{-?\s*(.*?)\s*-?\}\}/s)
  const made = parts.map((part, index): Text => {
    return index % 2 === 0 ? () => part : parseExpression(line, part)
  })
  return (values) => made.map((part) => part(values)).join('')
}

function parseExpression(line: Line, text: string): Text {
  const group = /^\.Group\.(\w+)$/.exec(text)?.[1] ?? /^index\s+\.Group\s+"(\w+)"$/.exec(text)?.[1]
  if (group !== undefined) return ({ groups }) => groups.get(group) ?? ''
  const index = /^index\s+\.Match\s+(\d+)$/.exec(text)?.[1]
  if (index !== undefined) return ({ match }) => match[Number(index)] ?? ''
  const known = expressions[text]
  if (!known)
    throw new CorefileError(line, `could not compile template: ${text}, it is not supported`)
  return known
}

const expressions: Readonly<Record<string, Text>> = {
  '.Name': ({ query }) => query.name,
  '.Question.Name': ({ query }) => query.question.name,
  '.Zone': ({ zone }) => zone,
  '.Type': ({ query }) => formatType(query.question.type),
  '.Class': ({ query }) => formatClass(query.question.class),
  '.Remote': ({ query }) => query.remote.address,
  '.Message.Id': ({ query }) => String(query.message.id),
}

function createInstance(rules: readonly Rule[], host: Host): Instance {
  const matches = host.metrics.counter({
    name: 'coredns_template_matches_total',
    help: 'Counter of template regex matches.',
    labels: ['server', 'zone', 'view', 'class', 'type'],
  })
  const failures = host.metrics.counter({
    name: 'coredns_template_rr_failures_total',
    help: 'Counter of mis-templated RRs.',
    labels: ['server', 'zone', 'view', 'class', 'type', 'section', 'template'],
  })
  return {
    serve: (next) => (query) => {
      for (const rule of rules) {
        const zone = longestZone(rule.zones, query.name)
        if (zone === undefined || !isAsked(rule, query)) continue
        const values = matchRule(rule, query, zone)
        const labels = [query.server, zone, '', formatClass(rule.class), formatType(rule.type)]
        if (!values) {
          if (fallsThrough(rule, query.name)) continue
          return failure(name, 'no match')
        }
        matches(...labels).add()
        const answered = render(rule, values)
        if (answered.error !== undefined) failures(...labels, 'answer', '').add()
        return answered
      }
      return next(query)
    },
  }
}

const isAsked = (rule: Rule, { question }: Query): boolean =>
  (rule.class === CLASS.ANY || rule.class === question.class) &&
  (rule.type === TYPE.ANY || rule.type === question.type)

function fallsThrough({ fallthrough }: Rule, queryName: string): boolean {
  if (fallthrough === undefined) return false
  return fallthrough.length === 0 || longestZone(fallthrough, queryName) !== undefined
}

function matchRule(rule: Rule, query: Query, zone: string): Values | undefined {
  for (const { expression, groups } of rule.patterns) {
    const matcher = expression.matcher(query.name)
    if (!matcher.find()) continue
    const match = Array.from({ length: matcher.groupCount() + 1 }, (_, i) => matcher.group(i) ?? '')
    const named = new Map(groups.map((group) => [group, matcher.group(group) ?? '']))
    return { query, zone, match, groups: named }
  }
  return undefined
}

function render(rule: Rule, values: Values): Reply {
  const { extendedError: extended } = rule
  const records = (list: readonly Text[]): ResourceRecord[] =>
    list.map((text) => parseRecord(text(values)))
  try {
    return reply(name, {
      rcode: rule.rcode,
      authoritative: true,
      answers: records(rule.answers),
      authorities: records(rule.authorities),
      additionals: records(rule.additionals),
      ...(extended ? { options: [extendedErrorOption(extended)] } : {}),
    })
  } catch (error) {
    return failure(name, error instanceof Error ? error.message : String(error))
  }
}

function extendedErrorOption({ code, text }: { code: number; text: string }) {
  const data = Uint8Array.from([code >> 8, code & 0xff, ...Buffer.from(text)])
  return { code: EDNS_OPTION.EXTENDED_ERROR, data }
}
