// header: sets or clears flags of queries and responses.
import type { Query, Reply } from '../chain.ts'
import { onReply } from '../chain.ts'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import { argumentsOf, onlyLine, unknownProperty } from '../directive.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'

type Flag = 'aa' | 'ra' | 'rd' | 'ad' | 'cd'

interface Rule {
  readonly flags: readonly Flag[]
  readonly value: boolean
}

const known: readonly string[] = ['aa', 'ra', 'rd', 'ad', 'cd']

export const header: Plugin = {
  name: 'header',
  parse(lines): Part {
    const line = onlyLine(lines)
    argumentsOf(line, 0)
    const queries: Rule[] = []
    const responses: Rule[] = []
    for (const property of line.block ?? []) {
      const [selector, ...rest] = property.words
      if (selector === 'query') queries.push(parseRule(property, rest))
      else if (selector === 'response') responses.push(parseRule(property, rest))
      else if (selector === 'set' || selector === 'clear') {
        responses.push(parseRule(property, property.words))
      } else throw unknownProperty(property)
    }
    return { create: () => createInstance(queries, responses) }
  },
}

function parseRule(line: Line, [verb, ...flags]: readonly string[]): Rule {
  if (verb !== 'set' && verb !== 'clear') {
    throw new CorefileError(line, `unknown flag action=${verb}, should be set or clear`)
  }
  const unknown = flags.find((flag) => !known.includes(flag))
  if (unknown !== undefined || flags.length === 0) {
    throw new CorefileError(line, `unknown/unsupported flag '${unknown ?? ''}'`)
  }
  return { flags: flags as Flag[], value: verb === 'set' }
}

function createInstance(queries: readonly Rule[], responses: readonly Rule[]): Instance {
  const changedQuery = fieldsOf(queries, {
    rd: 'recursionDesired',
    ad: 'authenticData',
    cd: 'checkingDisabled',
  })
  const changedReply = fieldsOf(responses, {
    aa: 'authoritative',
    ra: 'recursionAvailable',
    ad: 'authenticData',
  })
  const toQuery = (query: Query): Query => ({
    ...query,
    message: { ...query.message, ...changedQuery },
  })
  return {
    serve: (next) => (query) =>
      onReply(next(toQuery(query)), (answered): Reply => ({ ...answered, ...changedReply })),
  }
}

function fieldsOf(
  rules: readonly Rule[],
  names: Readonly<Partial<Record<Flag, string>>>,
): Readonly<Record<string, boolean>> {
  const fields: Record<string, boolean> = {}
  for (const { flags, value } of rules) {
    for (const flag of flags) {
      const field = names[flag]
      if (field !== undefined) fields[field] = value
    }
  }
  return fields
}
