// forward: hands queries on to other name servers, with health checks and a bound on what is under way.
import type { Query, Reply, Serve } from '../chain.ts'
import { failure, reply } from '../chain.ts'
import { CorefileError } from '../corefile.ts'
import type { Host } from '../host.ts'
import { pluginLog } from '../lines.ts'
import { durationBuckets } from '../metrics.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'
import { parseResolvConf } from '../resolv-conf.ts'
import type { UpstreamAddress } from '../upstream.ts'
import { formatRcode, RCODE } from '../wire/codes.ts'
import type { Message } from '../wire/message.ts'
import { longestZone } from '../zone-names.ts'
import type { ForwardConfig } from './forward-config.ts'
import { parseForward, splitHostPort } from './forward-config.ts'
import { ForwardTarget } from './forward-target.ts'

const name = 'forward'
const wholeQueryMs = 5000

export const forward: Plugin = {
  name,
  parse(lines, block): Part {
    const configs = lines.map((line) => parseForward(line, block))
    return { settings: { anyClass: true }, create: (host) => createInstance(configs, host) }
  },
}

function createInstance(configs: readonly ForwardConfig[], host: Host): Instance {
  const forwards = configs.map((config) => new Forward(config, host))
  return {
    serve: (next) =>
      forwards.reduceRight<{ serve: Serve; following?: Serve }>(
        ({ serve, following }, current) => {
          const here: Serve = (query) => current.serve(query, { next: serve, following })
          return { serve: here, following: here }
        },
        { serve: next },
      ).serve,
    freeze: () => forwards.forEach((each) => each.stop()),
    stop: () => forwards.forEach((each) => each.close()),
  }
}

interface Chained {
  readonly next: Serve
  /** The forward below, which alone the `next` property hands over to. */
  readonly following: Serve | undefined
}

class Forward {
  readonly #config: ForwardConfig
  readonly #host: Host
  readonly #targets: readonly ForwardTarget[]
  readonly #count: ReturnType<typeof forwardMetrics>
  #concurrent = 0
  #turn = 0

  constructor(config: ForwardConfig, host: Host) {
    this.#config = config
    this.#host = host
    this.#count = forwardMetrics(host)
    const addresses = resolveTargets(config, host)
    this.#targets = addresses.map((address) => new ForwardTarget(address, config, host))
  }

  serve(query: Query, { next, following }: Chained): Reply | Promise<Reply> {
    const { from, except, maxConcurrent } = this.#config
    const mine = longestZone(from, query.name) !== undefined
    if (!mine || longestZone(except, query.name) !== undefined) return next(query)
    if (maxConcurrent > 0 && this.#concurrent >= maxConcurrent) {
      this.#count.rejects().add()
      const error = `concurrent queries exceeded maximum ${maxConcurrent}`
      return reply(name, { rcode: RCODE.REFUSED, error })
    }
    this.#concurrent++
    return this.#forward(query)
      .finally(() => this.#concurrent--)
      .then((answered) => (following && this.#handsOver(answered) ? following(query) : answered))
  }

  #handsOver(answered: Reply): boolean {
    if (this.#config.next.has(answered.rcode)) return true
    const nodata = answered.rcode === RCODE.NOERROR && answered.answers.length === 0
    return this.#config.nextOnNodata && nodata
  }

  async #forward(query: Query): Promise<Reply> {
    const { clock } = this.#host
    const deadlineMs = clock.monotonic() + wholeQueryMs
    const order = this.#order()
    const attempts = this.#config.maxAttempts || 2 * order.length
    let error = 'no upstream to forward to'
    let refused: Reply | undefined
    for (let attempt = 0; attempt < attempts; attempt++) {
      const leftMs = deadlineMs - clock.monotonic()
      if (leftMs <= 0) break
      const target = this.#choose(order, attempt)
      if (!target) return failure(name, 'no healthy proxies')
      try {
        const answered = toReply(await this.#ask(target, query, leftMs))
        if (!this.#config.failover.has(answered.rcode)) return answered
        refused = answered
        if (attempt + 1 >= order.length) break
      } catch (caught) {
        error = caught instanceof Error ? caught.message : String(caught)
        target.noteFailure()
      }
    }
    return refused ?? failure(name, error)
  }

  /** The healthy one whose turn it is; with none healthy a random one, for checks may be wrong. */
  #choose(order: readonly ForwardTarget[], attempt: number): ForwardTarget | undefined {
    for (let index = 0; index < order.length; index++) {
      const target = order[(attempt + index) % order.length]!
      if (!target.down) return target
    }
    this.#count.broken().add()
    if (this.#config.failFast) return undefined
    return order[Math.floor(this.#host.random.next() * order.length)]
  }

  async #ask(target: ForwardTarget, query: Query, leftMs: number): Promise<Message> {
    const { forceTcp, preferUdp, readTimeoutMs } = this.#config
    const { clock } = this.#host
    const startedMs = clock.monotonic()
    const timeoutMs = Math.min(readTimeoutMs, leftMs)
    const overTcp = forceTcp || (query.transport !== 'udp' && !preferUdp)
    const { message } = query
    let answer = await target.exchange(message, { transport: overTcp ? 'tcp' : 'udp', timeoutMs })
    if (answer.truncated && preferUdp && !overTcp) {
      answer = await target.exchange(message, { transport: 'tcp', timeoutMs })
    }
    const seconds = (clock.monotonic() - startedMs) / 1000
    this.#count.duration(name, target.label, formatRcode(answer.rcode)).observe(seconds)
    return answer
  }

  #order(): readonly ForwardTarget[] {
    const all = this.#targets
    if (this.#config.policy === 'sequential' || all.length < 2) return all
    const { random } = this.#host
    const start =
      this.#config.policy === 'round_robin' ? this.#turn++ : Math.floor(random.next() * all.length)
    return all.map((_, index) => all[(start + index) % all.length]!)
  }

  stop(): void {
    for (const target of this.#targets) target.stopProbing()
  }

  close(): void {
    for (const target of this.#targets) target.close()
  }
}

function toReply(message: Message): Reply {
  return reply(name, {
    rcode: message.rcode,
    authoritative: message.authoritative,
    truncated: message.truncated,
    recursionAvailable: message.recursionAvailable,
    authenticData: message.authenticData,
    answers: message.answers,
    authorities: message.authorities,
    additionals: message.additionals,
  })
}

function forwardMetrics({ metrics }: Host) {
  return {
    rejects: metrics.counter({
      name: 'coredns_forward_max_concurrent_rejects_total',
      help: 'Counter of the number of queries rejected because the concurrent queries were at maximum.',
    }),
    broken: metrics.counter({
      name: 'coredns_forward_healthcheck_broken_total',
      help: 'Counter of the number of complete failures of the healthchecks.',
    }),
    duration: metrics.histogram(
      {
        name: 'coredns_proxy_request_duration_seconds',
        help: 'Histogram of the time each request took.',
        labels: ['proxy_name', 'to', 'rcode'],
      },
      durationBuckets,
    ),
  }
}

/** Addresses as they stand, and the name servers of the files; a host without any forwards nothing. */
function resolveTargets(config: ForwardConfig, host: Host): readonly UpstreamAddress[] {
  return config.to.flatMap((target): readonly UpstreamAddress[] => {
    if (!('file' in target)) return [withTls(target, config, host)]
    let text: string
    try {
      text = host.files.readText(target.file)
    } catch {
      throw new CorefileError(config.line, `not an IP address or file: '${target.file}'`)
    }
    const { nameservers } = parseResolvConf(text)
    if (nameservers.length === 0) {
      pluginLog(host.log, name).warning(`no nameservers found in ${target.file}`)
    }
    return nameservers.flatMap((text) => splitHostPort(text.replace(/%.*$/, ''), 53) ?? [])
  })
}

function withTls(target: UpstreamAddress, config: ForwardConfig, host: Host): UpstreamAddress {
  if (!target.tls) return target
  const { cert, key, ca } = config.tls
  const serverName = target.tls.serverName ?? config.tlsServerName
  return {
    ...target,
    tls: {
      ...(serverName ? { serverName } : {}),
      ...(cert ? { cert: host.files.readText(cert) } : {}),
      ...(key ? { key: host.files.readText(key) } : {}),
      ...(ca ? { ca: host.files.readText(ca) } : {}),
    },
  }
}
