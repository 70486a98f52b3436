// acl: who may ask what, by source address (dns.md 2.4). Decides by the first rule that matches.
import type { Query, Reply } from '../chain.ts'
import { reply } from '../chain.ts'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import { unknownProperty, zonesOr } from '../directive.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'
import { parseAddress } from '../wire/address.ts'
import { EDNS_OPTION, parseType, RCODE } from '../wire/codes.ts'
import { longestZone } from '../zone-names.ts'

type Action = 'allow' | 'block' | 'filter' | 'drop'

interface Rule {
  readonly action: Action
  /** Empty: all types. */
  readonly types: ReadonlySet<number>
  /** Empty: all addresses. */
  readonly networks: readonly Network[]
}

interface Network {
  readonly bytes: Uint8Array
  readonly prefix: number
}

interface Policy {
  readonly zones: readonly string[]
  readonly rules: readonly Rule[]
}

const actions: readonly string[] = ['allow', 'block', 'filter', 'drop']

export const acl: Plugin = {
  name: 'acl',
  parse(lines, block): Part {
    const policies = lines.map(
      (line): Policy => ({
        zones: zonesOr(line, line.words.slice(1), block.zones),
        rules: (line.block ?? []).map(parseRule),
      }),
    )
    return {
      create: ({ metrics }): Instance => {
        const base = ['server', 'zone', 'view']
        const counter = (what: string) =>
          metrics.counter({
            name: `coredns_acl_${what}_requests_total`,
            help: `Counter of DNS requests being ${what}.`,
            labels: base,
          })
        const counts = {
          allow: counter('allowed'),
          block: counter('blocked'),
          filter: counter('filtered'),
          drop: counter('dropped'),
        }
        return {
          serve: (next) => (query) => {
            const action = decide(policies, query)
            if (action === undefined) return next(query)
            counts[action](query.server, query.zone, '').add()
            return action === 'allow' ? next(query) : refusal(action)
          },
        }
      },
    }
  },
}

/** "block type A net 10.0.0.0/8 192.0.2.1": types and networks in any order, both optional. */
function parseRule(line: Line): Rule {
  const [action, ...words] = line.words
  if (!actions.includes(action!)) throw unknownProperty(line)
  const types = new Set<number>()
  const networks: Network[] = []
  let section = ''
  for (const word of words) {
    if (word === 'type' || word === 'net') {
      section = word
    } else if (section === 'type') {
      const type = parseType(word)
      if (type === undefined && word !== '*') {
        throw new CorefileError(line, `unexpected token '${word}'; expect legal QTYPE`)
      }
      if (type !== undefined) types.add(type)
    } else if (section === 'net') {
      if (word !== '*') networks.push(parseNetwork(line, word))
    } else {
      throw new CorefileError(line, `unexpected token '${word}'; expect 'type | net'`)
    }
  }
  return { action: action as Action, types, networks }
}

function parseNetwork(line: Line, text: string): Network {
  const [address = '', length] = text.split('/')
  const bytes = parseAddress(address)
  const prefix = length === undefined ? (bytes?.length ?? 0) * 8 : Number(length)
  if (!bytes || !Number.isInteger(prefix) || prefix < 0 || prefix > bytes.length * 8) {
    throw new CorefileError(line, `illegal CIDR notation '${text}'`)
  }
  return { bytes, prefix }
}

function decide(policies: readonly Policy[], query: Query): Action | undefined {
  const source = parseAddress(query.remote.address)
  for (const { zones, rules } of policies) {
    if (longestZone(zones, query.name) === undefined) continue
    for (const { action, types, networks } of rules) {
      const typed = types.size === 0 || types.has(query.question.type)
      const near = networks.length === 0 || networks.some((each) => contains(each, source))
      if (typed && near) return action
    }
  }
  return undefined
}

function contains({ bytes, prefix }: Network, address: Uint8Array | undefined): boolean {
  if (address?.length !== bytes.length) return false
  for (let bit = 0; bit < prefix; bit += 8) {
    const mask = (0xff00 >> Math.min(8, prefix - bit)) & 0xff
    if (((bytes[bit / 8]! ^ address[bit / 8]!) & mask) !== 0) return false
  }
  return true
}

/** Extended errors of RFC 8914: 15 Blocked, 17 Filtered. */
function refusal(action: Exclude<Action, 'allow'>): Reply {
  if (action === 'drop') return reply('acl', { silent: true })
  const extended = (code: number) => [
    { code: EDNS_OPTION.EXTENDED_ERROR, data: Uint8Array.of(0, code) },
  ]
  if (action === 'block') return reply('acl', { rcode: RCODE.REFUSED, options: extended(15) })
  return reply('acl', { rcode: RCODE.NOERROR, options: extended(17) })
}
