// log: one line per query, in CoreDNS's formats (dns.md 3.4).
import type { Query, Reply } from '../chain.ts'
import { onReply } from '../chain.ts'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import { unknownProperty, wrongArguments, zones } from '../directive.ts'
import type { Host } from '../host.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'
import { replyMessage } from '../server.ts'
import { formatClass, formatOpcode, formatRcode, formatType, RCODE } from '../wire/codes.ts'
import { messageBytes } from '../wire/encode.ts'
import { nameBytes } from '../wire/name.ts'
import { longestZone } from '../zone-names.ts'

type ResponseClass = 'all' | 'success' | 'denial' | 'error'

interface Rule {
  readonly zones: readonly string[]
  readonly format: string
  readonly classes: ReadonlySet<ResponseClass>
}

const common =
  '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}'
const formats: Readonly<Record<string, string>> = {
  '{common}': common,
  '{combined}': `${common} "{>opcode}"`,
}

export const log: Plugin = {
  name: 'log',
  parse(lines): Part {
    const rules = lines.map(parseRule)
    return { create: (host) => createInstance(rules, host) }
  },
}

function parseRule(line: Line): Rule {
  const args = line.words.slice(1)
  const last = args.at(-1)
  const hasFormat = last?.includes('{') === true
  const names = hasFormat ? args.slice(0, -1) : args
  const format = hasFormat ? (formats[last] ?? last) : common
  const classes = new Set<ResponseClass>((line.block ?? []).flatMap(parseClasses))
  return {
    zones: names.length === 0 ? ['.'] : zones(line, names),
    format,
    classes: classes.size === 0 ? new Set(['all']) : classes,
  }
}

function parseClasses(line: Line): readonly ResponseClass[] {
  if (line.words[0] !== 'class') throw unknownProperty(line)
  if (line.words.length < 2) throw wrongArguments(line)
  return line.words.slice(1).map((word) => {
    if (word === 'all' || word === 'success' || word === 'denial' || word === 'error') return word
    throw new CorefileError(line, `invalid class: ${word}`)
  })
}

function createInstance(rules: readonly Rule[], host: Host): Instance {
  const zonesOfRules = rules.flatMap((rule) => rule.zones)
  return {
    serve: (next) => (query) => {
      if (longestZone(zonesOfRules, query.name) === undefined) return next(query)
      return onReply(next(query), (answered) => {
        const rule = rules.find((each) => longestZone(each.zones, query.name) !== undefined)!
        if (rule.classes.has('all') || rule.classes.has(classOf(answered))) {
          host.log.info(formatLine(rule.format, query, { answered, host }))
        }
        return answered
      })
    },
  }
}

function classOf({ rcode, answers }: Reply): ResponseClass {
  if (rcode === RCODE.NXDOMAIN) return 'denial'
  if (rcode !== RCODE.NOERROR) return 'error'
  return answers.length > 0 ? 'success' : 'denial'
}

const plainUdpBytes = 512

function formatLine(
  format: string,
  query: Query,
  { answered, host }: { answered: Reply; host: Host },
): string {
  const { message, question } = query
  const value = (key: string): string => {
    switch (key) {
      case 'remote':
        return bracketed(query.remote.address)
      case 'port':
        return String(query.remote.port)
      case 'local':
        return bracketed(query.local.address)
      case '>id':
        return String(message.id)
      case 'type':
        return formatType(question.type)
      case 'class':
        return formatClass(question.class)
      case 'name':
        return query.name
      case 'proto':
        return query.transport
      case 'size':
        return String(messageBytes(message, nameBytes))
      case '>do':
        return String(message.edns?.dnssecOk ?? false)
      case '>bufsize':
        return String(message.edns?.udpSize ?? (query.transport === 'udp' ? plainUdpBytes : 65_535))
      case 'rcode':
        return formatRcode(answered.rcode)
      case '>rflags':
        return flagsOf(query, answered)
      case 'rsize':
        return String(messageBytes(replyMessage(query, answered), nameBytes))
      case 'duration':
        return `${((host.clock.monotonic() - query.startedMs) / 1000).toFixed(9).replace(/0+$/, '')}s`
      case '>opcode':
        return formatOpcode(message.opcode)
      default:
        return '-'
    }
  }
  return format.replace(/\{([>/\w-]+)\}/g, (_, key: string) => value(key))
}

const bracketed = (address: string) => (address.includes(':') ? `[${address}]` : address)

function flagsOf({ message }: Query, answered: Reply): string {
  const flags: readonly [boolean, string][] = [
    [true, 'qr'],
    [answered.authoritative, 'aa'],
    [answered.truncated, 'tc'],
    [message.recursionDesired, 'rd'],
    [answered.recursionAvailable, 'ra'],
    [answered.authenticData, 'ad'],
    [message.checkingDisabled, 'cd'],
  ]
  return flags.flatMap(([set, text]) => (set ? [text] : [])).join(',')
}
