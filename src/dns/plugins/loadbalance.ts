// loadbalance: shuffles addresses so that clients which take the first one spread (dns.md 1.10).
import type { Random } from '../../lib/random.ts'
import { onReply } from '../chain.ts'
import { CorefileError } from '../corefile.ts'
import { argumentsOf, onlyLine, unknownProperty } from '../directive.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'
import { RCODE, TYPE } from '../wire/codes.ts'
import type { ResourceRecord } from '../wire/message.ts'

export const loadbalance: Plugin = {
  name: 'loadbalance',
  parse(lines): Part {
    const line = onlyLine(lines)
    const [policy = 'round_robin'] = argumentsOf(line, 0, 2)
    if (policy !== 'round_robin') {
      throw new CorefileError(line, `policy '${policy}' is not supported, only round_robin is`)
    }
    if (line.block?.[0]) throw unknownProperty(line.block[0])
    return {
      create: ({ random }): Instance => ({
        serve: (next) => (query) => {
          const { type } = query.question
          if (type === TYPE.AXFR || type === TYPE.IXFR) return next(query)
          return onReply(next(query), (answered) => {
            if (answered.rcode !== RCODE.NOERROR) return answered
            return {
              ...answered,
              answers: shuffle(answered.answers, random),
              authorities: shuffle(answered.authorities, random),
              additionals: shuffle(answered.additionals, random),
            }
          })
        },
      }),
    }
  },
}

/** CNAMEs first, then other types as they stand, then addresses and MX in random order. */
export function shuffle(
  records: readonly ResourceRecord[],
  random: Random,
): readonly ResourceRecord[] {
  if (records.length < 2) return records
  const groups: ResourceRecord[][] = [[], [], [], []]
  for (const record of records) groups[groupOf(record.type)]!.push(record)
  return [...groups[0]!, ...groups[1]!, ...mix(groups[2]!, random), ...mix(groups[3]!, random)]
}

function groupOf(type: number): number {
  if (type === TYPE.CNAME) return 0
  if (type === TYPE.A || type === TYPE.AAAA) return 2
  return type === TYPE.MX ? 3 : 1
}

/** Fisher and Yates, in place. */
function mix(records: ResourceRecord[], random: Random): ResourceRecord[] {
  for (let last = records.length - 1; last > 0; last--) {
    const other = Math.floor(random.next() * (last + 1))
    const moved = records[last]!
    records[last] = records[other]!
    records[other] = moved
  }
  return records
}
