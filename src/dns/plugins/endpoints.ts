// health, ready, prometheus, reload, bind: what the operator's side of a server block is made of.
import type { Query, Reply } from '../chain.ts'
import { onReply } from '../chain.ts'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import {
  argumentOf,
  argumentsOf,
  durationMs,
  listenAddress,
  onlyLine,
  unknownProperty,
} from '../directive.ts'
import type { Host } from '../host.ts'
import { pluginLog } from '../lines.ts'
import { durationBuckets, sizeBuckets } from '../metrics.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'
import { replyMessage } from '../server.ts'
import { formatRcode, formatType } from '../wire/codes.ts'
import { messageBytes } from '../wire/encode.ts'
import { nameBytes } from '../wire/name.ts'

const addressOf = (line: Line, fallback: string) =>
  listenAddress(line, argumentsOf(line, 0, 1)[0] ?? fallback)

/** health: 200 for as long as the process lives, and the lameduck period before it ends. */
export const health: Plugin = {
  name: 'health',
  parse(lines): Part {
    const line = onlyLine(lines)
    const address = addressOf(line, ':8080')
    let lameduck = { text: '0s', ms: 0 }
    for (const property of line.block ?? []) {
      if (property.words[0] !== 'lameduck') throw unknownProperty(property)
      const text = argumentOf(property)
      lameduck = { text, ms: durationMs(property, text) }
    }
    return {
      create(host): Instance {
        host.http.serve(address, '/health', () => ({ code: 200, text: 'OK' }))
        return {
          async freeze() {
            if (lameduck.ms === 0) return
            pluginLog(host.log, 'health').info(`Going into lameduck mode for ${lameduck.text}`)
            await host.clock.sleep(lameduck.ms)
          },
        }
      },
    }
  },
}

/** ready: 200 once every plugin is; then for good, unless told to go on looking. */
export const ready: Plugin = {
  name: 'ready',
  parse(lines): Part {
    const line = onlyLine(lines)
    const address = addressOf(line, ':8181')
    let latches = true
    for (const property of line.block ?? []) {
      if (property.words[0] !== 'monitor') throw unknownProperty(property)
      const mode = argumentOf(property)
      if (mode !== 'until-ready' && mode !== 'continuously') {
        throw new CorefileError(property, `monitor: unknown mode '${mode}'`)
      }
      latches = mode === 'until-ready'
    }
    return {
      create(host): Instance {
        let wasReady = false
        let ending = false
        host.http.serve(address, '/ready', () => {
          // A connection that was kept alive must hear of the end too.
          if (ending) return { code: 503, text: 'Shutting down', close: true }
          const waiting = wasReady && latches ? [] : host.unready()
          wasReady ||= waiting.length === 0
          if (waiting.length === 0) return { code: 200, text: 'OK' }
          return { code: 503, text: waiting.join(',') }
        })
        return {
          freeze() {
            ending = true
          },
        }
      },
    }
  },
}

/** reload: looks at the Corefile now and then. */
export const reload: Plugin = {
  name: 'reload',
  parse(lines): Part {
    const line = onlyLine(lines)
    const [intervalText = '30s', jitterText = '15s'] = argumentsOf(line, 0, 2)
    const intervalMs = Math.max(2000, durationMs(line, intervalText))
    const asked = durationMs(line, jitterText)
    const jitterMs = Math.min(asked === 0 ? 0 : Math.max(1000, asked), intervalMs / 2)
    return {
      create(host): Instance {
        host.reload.poll(intervalMs, jitterMs)
        return {}
      },
    }
  },
}

/** bind: addresses, or interfaces that have some. Read while configuring: routes depend on it. */
export const bind: Plugin = {
  name: 'bind',
  parse(lines): Part {
    const addresses: string[] = []
    for (const line of lines) {
      if (line.words.length < 2) throw new CorefileError(line, 'bind needs an address')
      if (line.block) throw unknownProperty(line.block[0] ?? line)
      addresses.push(...line.words.slice(1))
    }
    return { settings: { bind: addresses } }
  },
}

/** prometheus: counts every query of the block, and serves all counts. */
export const prometheus: Plugin = {
  name: 'prometheus',
  parse(lines): Part {
    const address = addressOf(onlyLine(lines), 'localhost:9153')
    return {
      create(host): Instance {
        host.http.serve(address, '/metrics', () => ({
          code: 200,
          text: host.metrics.render(),
          contentType: 'text/plain; version=0.0.4; charset=utf-8',
        }))
        const count = queryMetrics(host)
        return {
          serve: (next) => (query) =>
            onReply(next(query), (answered) => {
              count(query, answered)
              return answered
            }),
        }
      },
    }
  },
}

const countedTypes: ReadonlySet<string> = new Set(
  'A AAAA CNAME DNSKEY DS MX NSEC NSEC3 NS PTR RRSIG SOA SRV TXT HTTPS SVCB IXFR AXFR ANY'.split(
    ' ',
  ),
)

const view = ''

function queryMetrics({ metrics, clock }: Host): (query: Query, answered: Reply) => void {
  const base = ['server', 'zone', 'view']
  const requests = metrics.counter({
    name: 'coredns_dns_requests_total',
    help: 'Counter of DNS requests made per zone, protocol and family.',
    labels: [...base, 'proto', 'family', 'type'],
  })
  const responses = metrics.counter({
    name: 'coredns_dns_responses_total',
    help: 'Counter of response status codes.',
    labels: [...base, 'rcode', 'plugin'],
  })
  const dnssecOk = metrics.counter({
    name: 'coredns_dns_do_requests_total',
    help: 'Counter of DNS requests with DO bit set per zone.',
    labels: base,
  })
  const duration = metrics.histogram(
    {
      name: 'coredns_dns_request_duration_seconds',
      help: 'Histogram of the time (in seconds) each request took per zone.',
      labels: base,
    },
    durationBuckets,
  )
  const size = (direction: 'request' | 'response') =>
    metrics.histogram(
      {
        name: `coredns_dns_${direction}_size_bytes`,
        help: `Size of the EDNS0 UDP buffer in bytes (64K for TCP) per zone and protocol.`,
        labels: [...base, 'proto'],
      },
      sizeBuckets,
    )
  const requestSize = size('request')
  const responseSize = size('response')
  return (query, answered) => {
    const { server, zone, transport, message, question } = query
    const proto = transport === 'udp' ? 'udp' : 'tcp'
    const family = query.remote.address.includes(':') ? '2' : '1'
    const text = formatType(question.type)
    requests(server, zone, view, proto, family, countedTypes.has(text) ? text : 'other').add()
    responses(server, zone, view, formatRcode(answered.rcode), answered.plugin).add()
    if (message.edns?.dnssecOk) dnssecOk(server, zone, view).add()
    duration(server, zone, view).observe((clock.monotonic() - query.startedMs) / 1000)
    requestSize(server, zone, view, proto).observe(query.bytes)
    const bytes = messageBytes(replyMessage(query, answered), nameBytes)
    responseSize(server, zone, view, proto).observe(bytes)
  }
}
