// errors: prints what went wrong with a query, once, on the way up (dns.md 3.4).
import type { Query } from '../chain.ts'
import { onReply } from '../chain.ts'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import { argumentsOf, durationMs, onlyLine, unknownProperty } from '../directive.ts'
import type { Host } from '../host.ts'
import type { LineLog } from '../lines.ts'
import { pluginLog } from '../lines.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'
import { formatType } from '../wire/codes.ts'

type Level = 'warning' | 'error' | 'info' | 'debug'

interface Rule {
  readonly periodMs: number
  readonly periodText: string
  readonly pattern: RegExp
  readonly level: Level
  readonly showFirst: boolean
}

const levels: readonly string[] = ['warning', 'error', 'info', 'debug']

export const errors: Plugin = {
  name: 'errors',
  parse(lines): Part {
    const line = onlyLine(lines)
    argumentsOf(line, 0, 1)
    const rules = (line.block ?? []).flatMap(parseProperty)
    return { create: (host) => createInstance(rules, host) }
  },
}

function parseProperty(line: Line): readonly Rule[] {
  if (line.words[0] === 'stacktrace') return []
  if (line.words[0] !== 'consolidate') throw unknownProperty(line)
  const [period, pattern, ...rest] = argumentsOf(line, 2, 4)
  const level = rest.find((word) => levels.includes(word)) ?? 'error'
  const unknown = rest.find((word) => word !== 'show_first' && !levels.includes(word))
  if (unknown !== undefined) throw new CorefileError(line, `unknown log level '${unknown}'`)
  try {
    return [
      {
        periodMs: durationMs(line, period!),
        periodText: period!,
        pattern: new RegExp(pattern!),
        level: level as Level,
        showFirst: rest.includes('show_first'),
      },
    ]
  } catch (error) {
    if (error instanceof CorefileError) throw error
    throw new CorefileError(line, `failed to parse regexp '${pattern}'`)
  }
}

function createInstance(rules: readonly Rule[], host: Host): Instance {
  const log = pluginLog(host.log, 'errors')
  const counts = new Map<Rule, number>()
  const print = (query: Query, rcode: number, error: string) => {
    const line = `${rcode} ${query.name} ${formatType(query.question.type)}: ${error}`
    const rule = rules.find(({ pattern }) => pattern.test(error))
    if (!rule) return log.error(line)
    const count = counts.get(rule) ?? 0
    counts.set(rule, count + 1)
    if (count > 0) return
    if (rule.showFirst) log[rule.level](line)
    host.clock.after(rule.periodMs, () => summarize(rule, { counts, log }))
  }
  return {
    serve: (next) => (query) =>
      onReply(next(query), (answered) => {
        if (answered.error !== undefined) print(query, answered.rcode, answered.error)
        return answered
      }),
  }
}

function summarize(rule: Rule, { counts, log }: { counts: Map<Rule, number>; log: LineLog }): void {
  const count = counts.get(rule) ?? 0
  counts.delete(rule)
  const text = `${count} errors like '${rule.pattern.source}' occurred in last ${rule.periodText}`
  if (count > (rule.showFirst ? 1 : 0)) log[rule.level](text)
}
