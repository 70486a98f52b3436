// hosts: names and addresses from a file like /etc/hosts and from lines in the Corefile.
import type { Timer } from '../../lib/clock.ts'
import type { Query, Reply } from '../chain.ts'
import { failure, reply } from '../chain.ts'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import {
  argumentOf,
  argumentsOf,
  durationMs,
  integer,
  onlyLine,
  zones,
  zonesOr,
} from '../directive.ts'
import type { Host } from '../host.ts'
import type { BlockFacts, Instance, Part, Plugin } from '../plugin.ts'
import { addressOfReverseName, canonicalAddress, isIpv6, parseAddress } from '../wire/address.ts'
import { TYPE } from '../wire/codes.ts'
import { absoluteName, labelsOf } from '../wire/name.ts'
import { addressRecord, nameRecord } from '../wire/rdata.ts'
import { longestZone } from '../zone-names.ts'

const name = 'hosts'

interface Config {
  readonly file: string
  readonly zones: readonly string[]
  readonly inline: readonly string[]
  readonly ttl: number
  readonly reverse: boolean
  readonly reloadMs: number
  readonly fallthrough?: readonly string[]
  readonly fallthroughUnsupported: boolean
}

type Draft = { -readonly [K in keyof Config]: Config[K] }

export const hosts: Plugin = {
  name,
  parse(lines, block): Part {
    const config = parseConfig(onlyLine(lines), block)
    return { create: (host) => createInstance(config, host) }
  },
}

function parseConfig(line: Line, block: BlockFacts): Config {
  const [file = '/etc/hosts', ...names] = line.words.slice(1)
  const draft: Draft = {
    file,
    zones: zonesOr(line, names, block.zones),
    inline: [],
    ttl: 3600,
    reverse: true,
    reloadMs: 5000,
    fallthroughUnsupported: false,
  }
  for (const property of line.block ?? []) readProperty(property, draft)
  return draft
}

function readProperty(line: Line, draft: Draft): void {
  const [word, ...args] = line.words
  switch (word) {
    case 'ttl':
      draft.ttl = integer(line, argumentOf(line), { max: 65_535 })
      return
    case 'no_reverse':
      draft.reverse = false
      return
    case 'reload':
      draft.reloadMs = durationMs(line, argumentOf(line))
      return
    case 'fallthrough':
      draft.fallthrough = zones(line, args)
      return
    case 'fallthrough_unsupported':
      argumentsOf(line, 0)
      draft.fallthroughUnsupported = true
      return
    default:
      if (!parseAddress(word!)) throw new CorefileError(line, `unknown property '${word}'`)
      draft.inline = [...draft.inline, line.words.join(' ')]
  }
}

interface Table {
  readonly addresses: ReadonlyMap<string, readonly string[]>
  readonly names: ReadonlyMap<string, readonly string[]>
}

function parseHosts(lines: readonly string[]): Table {
  const addresses = new Map<string, string[]>()
  const names = new Map<string, string[]>()
  const add = (map: Map<string, string[]>, key: string, value: string) => {
    const values = map.get(key)
    if (!values) map.set(key, [value])
    else if (!values.includes(value)) values.push(value)
  }
  for (const line of lines) {
    const [text = '', ...aliases] = line.replace(/#.*$/, '').trim().split(/\s+/)
    if (!parseAddress(text.replace(/%.*$/, ''))) continue
    const address = canonicalAddress(text.replace(/%.*$/, ''))
    for (const alias of aliases) {
      const owner = absoluteName(alias).toLowerCase()
      add(addresses, owner, address)
      add(names, address, owner)
    }
  }
  return { addresses, names }
}

function createInstance(config: Config, host: Host): Instance {
  let table = parseHosts([])
  let stamp: string | undefined = 'unread'
  let timer: Timer | undefined
  const entries = host.metrics.gauge({
    name: 'coredns_hosts_entries',
    help: 'The combined number of entries in hosts and Corefile.',
    labels: ['hostsfile'],
  })
  const read = () => {
    const now = host.files.stamp(config.file)
    if (now === stamp) return
    stamp = now
    const text = now === undefined ? '' : host.files.readText(config.file)
    table = parseHosts([...config.inline, ...text.split('\n')])
    entries.set(table.addresses.size, config.file)
  }
  const again = () => {
    read()
    if (config.reloadMs > 0) timer = host.clock.after(config.reloadMs, again)
  }
  again()
  return {
    serve: (next) => (query) => answer(config, table, query) ?? next(query),
    stop: () => timer?.cancel(),
  }
}

/** Undefined: the next plugin's to answer. */
function answer(config: Config, table: Table, query: Query): Reply | undefined {
  const { type } = query.question
  const owner = { name: query.question.name, ttl: config.ttl }
  if (type === TYPE.PTR && config.reverse) {
    const names = table.names.get(addressOfReverseName(query.name) ?? '')
    if (!names) return undefined
    const answers = names.map((target) => nameRecord(owner, TYPE.PTR, target))
    return reply(name, { authoritative: true, answers })
  }
  if (longestZone(config.zones, query.name) === undefined) return undefined
  const supported = type === TYPE.A || type === TYPE.AAAA
  if (!supported && config.fallthroughUnsupported) return undefined
  const addresses = find(table, query.name)
  if (addresses) {
    const wanted = addresses.filter((each) => type === (isIpv6(each) ? TYPE.AAAA : TYPE.A))
    const answers = wanted.map((each) => addressRecord(owner, each))
    return reply(name, { authoritative: true, answers })
  }
  const { fallthrough } = config
  if (fallthrough === undefined) return failure(name, 'no such host')
  if (fallthrough.length === 0 || longestZone(fallthrough, query.name)) return undefined
  return failure(name, 'no such host')
}

/** The name itself, else "*" in the place of its first label. */
function find(table: Table, queryName: string): readonly string[] | undefined {
  const rest = labelsOf(queryName).slice(1).join('.')
  return table.addresses.get(queryName) ?? table.addresses.get(`*.${rest}.`)
}
