// Plugins of a few lines each: any, bufsize, cancel, chaos, debug, local, minimal, multisocket, nsid,
// pprof, timeouts, whoami.
import type { Query, Reply } from '../chain.ts'
import { defaultTimeouts, failure, onReply, reply } from '../chain.ts'
import {
  argumentOf,
  argumentsOf,
  durationMs,
  integer,
  onlyLine,
  unknownProperty,
  zonesOr,
} from '../directive.ts'
import { pluginLog } from '../lines.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'
import { CLASS, EDNS_OPTION, RCODE, TYPE } from '../wire/codes.ts'
import { isBelow } from '../wire/name.ts'
import {
  addressRecord,
  nameRecord,
  record,
  soaRecord,
  srvRecord,
  txtRecord,
} from '../wire/rdata.ts'
import { longestZone } from '../zone-names.ts'

const instance =
  (made: Instance): NonNullable<Part['create']> =>
  () =>
    made

/** any: a small answer to ANY (RFC 8482). */
export const any: Plugin = {
  name: 'any',
  parse(lines): Part {
    argumentsOf(onlyLine(lines), 0)
    const text = (value: string) => [value.length, ...Buffer.from(value)]
    const data = Uint8Array.from([...text('ANY obsoleted'), ...text('See RFC 8482')])
    return {
      create: instance({
        serve: (next) => (query) => {
          if (query.question.type !== TYPE.ANY) return next(query)
          const owner = { name: query.question.name, ttl: 8482 }
          return reply('any', { answers: [record(owner, TYPE.HINFO, data)] })
        },
      }),
    }
  },
}

/** bufsize: lowers the size that EDNS clients announce, towards upstreams too. */
export const bufsize: Plugin = {
  name: 'bufsize',
  parse(lines): Part {
    const line = onlyLine(lines)
    const [text = '1232'] = argumentsOf(line, 0, 1)
    const size = integer(line, text, { min: 512, max: 4096 })
    return {
      create: instance({
        serve: (next) => (query) => {
          const { edns } = query.message
          if (!edns || edns.udpSize <= size) return next(query)
          const message = { ...query.message, edns: { ...edns, udpSize: size } }
          return onReply(next({ ...query, message }), (answered) => ({
            ...answered,
            udpSize: size,
          }))
        },
      }),
    }
  },
}

/** cancel: an answer that takes too long becomes SERVFAIL. */
export const cancel: Plugin = {
  name: 'cancel',
  parse(lines): Part {
    const line = onlyLine(lines)
    const [text = '5001ms'] = argumentsOf(line, 0, 1)
    const limitMs = durationMs(line, text)
    return {
      create: ({ clock }) => ({
        serve: (next) => (query) => {
          const answered = next(query)
          if (!(answered instanceof Promise)) return answered
          return new Promise<Reply>((resolve, reject) => {
            const late = () => resolve(failure('cancel', 'context deadline exceeded'))
            const timer = clock.after(limitMs, late)
            answered.then(resolve, reject).finally(() => timer.cancel())
          })
        },
      }),
    }
  },
}

/** chaos: who we are, in class CH. */
export const chaos: Plugin = {
  name: 'chaos',
  parse(lines): Part {
    const line = onlyLine(lines)
    const [version = 'Signpost', ...authors] = line.words.slice(1)
    const texts: Readonly<Record<string, readonly string[]>> = {
      'version.bind.': [version],
      'version.server.': [version],
      'hostname.bind.': ['localhost'],
      'id.server.': ['localhost'],
      'authors.bind.': authors,
    }
    return {
      settings: { anyClass: true },
      create: instance({
        serve: (next) => (query) => {
          const { question } = query
          const values = texts[query.name]
          const asked = question.class === CLASS.CH && question.type === TYPE.TXT
          if (!asked || !values) return next(query)
          const owner = { name: question.name, ttl: 0 }
          const answers = values.map((text) => ({ ...txtRecord(owner, [text]), class: CLASS.CH }))
          return reply('chaos', { authoritative: true, answers })
        },
      }),
    }
  },
}

/** debug: panics are not caught there; here it changes nothing but what is logged at start. */
export const debug: Plugin = {
  name: 'debug',
  parse(lines): Part {
    argumentsOf(onlyLine(lines), 0)
    return {}
  },
}

/** pprof: Go's profiler, which has no counterpart; taken so that a Corefile with it is served. */
export const pprof: Plugin = {
  name: 'pprof',
  parse(): Part {
    return {
      create: ({ log }) => {
        pluginLog(log, 'pprof').warning('ignored: use node --inspect to profile this server')
        return {}
      },
    }
  },
}

const localTtl = 604_800

/** local: localhost and the loopback addresses are answered here, as RFC 6761 wants. */
export const local: Plugin = {
  name: 'local',
  parse(lines): Part {
    argumentsOf(onlyLine(lines), 0)
    return {
      create: ({ metrics }) => {
        const guarded = metrics.counter({
          name: 'coredns_local_localhost_requests_total',
          help: 'Counter of localhost.<domain> requests.',
        })
        return {
          serve: (next) => (query) => {
            const search = query.name.startsWith('localhost.') && query.name !== 'localhost.'
            if (search) guarded().add()
            return answerLocal(query, search) ?? next(query)
          },
        }
      },
    }
  },
}

function answerLocal(query: Query, search: boolean): Reply | undefined {
  const { type } = query.question
  const owner = { name: query.question.name, ttl: localTtl }
  const zone = ['localhost.', '0.in-addr.arpa.', '127.in-addr.arpa.', '255.in-addr.arpa.'].find(
    (each) => isBelow(query.name, each),
  )
  if (zone === undefined && !search) return undefined
  const isName = query.name === 'localhost.' || search
  if (isName && type === TYPE.A) {
    return reply('local', { authoritative: true, answers: [addressRecord(owner, '127.0.0.1')] })
  }
  if (isName && type === TYPE.AAAA) {
    return reply('local', { authoritative: true, answers: [addressRecord(owner, '::1')] })
  }
  if (query.name === '1.0.0.127.in-addr.arpa.' && type === TYPE.PTR) {
    return reply('local', {
      authoritative: true,
      answers: [nameRecord(owner, TYPE.PTR, 'localhost.')],
    })
  }
  const soa = soaRecord(
    { name: zone ?? query.name, ttl: localTtl },
    {
      mname: 'localhost.',
      rname: 'root.localhost.',
      serial: 1,
      refresh: 0,
      retry: 0,
      expire: 0,
      minimum: localTtl,
    },
  )
  const exists = isName || query.name === zone
  const rcode = exists ? RCODE.NOERROR : RCODE.NXDOMAIN
  return reply('local', { rcode, authoritative: true, authorities: [soa] })
}

/** timeouts: of TCP connections. */
export const timeouts: Plugin = {
  name: 'timeouts',
  parse(lines): Part {
    const line = onlyLine(lines)
    argumentsOf(line, 0)
    let values = defaultTimeouts
    for (const property of line.block ?? []) {
      const text = argumentOf(property)
      switch (property.words[0]) {
        case 'read':
          values = { ...values, readMs: durationMs(property, text) }
          break
        case 'write':
          values = { ...values, writeMs: durationMs(property, text) }
          break
        case 'idle':
          values = { ...values, idleMs: durationMs(property, text) }
          break
        case 'maxtcpqueries':
          values = { ...values, maxQueries: integer(property, text, { min: 1 }) }
          break
        default:
          throw unknownProperty(property)
      }
    }
    return { settings: { timeouts: values } }
  },
}

/** multisocket: how many sockets share a port there. One does the work of several here. */
export const multisocket: Plugin = {
  name: 'multisocket',
  parse(lines): Part {
    const line = onlyLine(lines)
    for (const text of argumentsOf(line, 0, 1)) integer(line, text, { min: 1, max: 1024 })
    return {}
  },
}

/** minimal: leaves out what a positive answer does not need. */
export const minimal: Plugin = {
  name: 'minimal',
  parse(lines): Part {
    argumentsOf(onlyLine(lines), 0)
    return {
      create: instance({
        serve: (next) => (query) =>
          onReply(next(query), (answered) => {
            const positive = answered.rcode === RCODE.NOERROR && answered.answers.length > 0
            return positive ? { ...answered, authorities: [], additionals: [] } : answered
          }),
      }),
    }
  },
}

/** nsid: which server answered (RFC 5001), for clients that ask. */
export const nsid: Plugin = {
  name: 'nsid',
  parse(lines): Part {
    const line = onlyLine(lines)
    const text = line.words.slice(1).join(' ') || 'localhost'
    const option = { code: EDNS_OPTION.NSID, data: Uint8Array.from(Buffer.from(text)) }
    return {
      create: instance({
        serve: (next) => (query) => {
          const asked = query.message.edns?.options.some(({ code }) => code === EDNS_OPTION.NSID)
          if (!asked) return next(query)
          return onReply(next(query), (answered) => ({
            ...answered,
            options: [...(answered.options ?? []), option],
          }))
        },
      }),
    }
  },
}

/** whoami: the client's own address, port and transport. */
export const whoami: Plugin = {
  name: 'whoami',
  parse(lines, block): Part {
    const line = onlyLine(lines)
    const served = zonesOr(line, argumentsOf(line, 0), block.zones)
    return {
      create: instance({
        serve: (next) => (query) => {
          if (longestZone(served, query.name) === undefined) return next(query)
          const { remote, transport, question } = query
          const proto = transport === 'udp' ? 'udp' : 'tcp'
          const below = question.name === '.' ? '' : question.name
          const owner = { name: question.name, ttl: 0 }
          const srv = { priority: 0, weight: 0, port: remote.port, target: '.' }
          return reply('whoami', {
            authoritative: true,
            additionals: [
              addressRecord(owner, remote.address),
              srvRecord({ name: `_${proto}.${below}`, ttl: 0 }, srv),
            ],
          })
        },
      }),
    }
  },
}
