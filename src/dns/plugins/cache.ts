// cache: keeps replies for as long as their shortest TTL, within limits, and hands that one TTL to
// every record, of live replies too (dns.md 2.4). Names of the kubernetes plugin are not kept: its
// own data is fresher and as near, so that a name that appears is never hidden by an old denial.
import type { Query, Reply, Serve } from '../chain.ts'
import { onReply } from '../chain.ts'
import type { Host } from '../host.ts'
import type { Instance, Part, Plugin } from '../plugin.ts'
import { RCODE, TYPE } from '../wire/codes.ts'
import type { ResourceRecord } from '../wire/message.ts'
import { longestZone } from '../zone-names.ts'
import type { CacheConfig, Limits } from './cache-config.ts'
import { parseCache } from './cache-config.ts'

const name = 'cache'
const uncachedPlugin = 'kubernetes'
/** The TTL of a message without records (dnsutil.MinimalTTL). */
const emptySeconds = 5

export const cache: Plugin = {
  name,
  parse(lines, block): Part {
    const config = parseCache(lines, block)
    return { create: (host) => new Cache(config, host) }
  },
}

type Kind = 'positive' | 'negative' | 'failure' | 'none'

interface Entry {
  readonly reply: Reply
  readonly storedMs: number
  readonly lifeMs: number
  hits: number
  lastHitMs: number
  refreshing: boolean
}

class Cache implements Instance {
  readonly #config: CacheConfig
  readonly #host: Host
  readonly #positive = new Map<string, Entry>()
  readonly #negative = new Map<string, Entry>()
  readonly #count: ReturnType<typeof cacheMetrics>

  constructor(config: CacheConfig, host: Host) {
    this.#config = config
    this.#host = host
    this.#count = cacheMetrics(host, config.zones.join(','))
  }

  readonly serve =
    (next: Serve): Serve =>
    (query) => {
      if (longestZone(this.#config.zones, query.name) === undefined) return next(query)
      this.#count.requests(query).add()
      const key = keyOf(query)
      const nowMs = this.#host.clock.monotonic()
      const entry = this.#find(key, nowMs)
      if (entry) return this.#hit(entry, { query, key, next })
      this.#count.misses(query).add()
      const stale = this.#config.stale && this.#staleEntry(key, nowMs)
      if (!stale) return onReply(next(query), (answered) => this.#keep(key, query, answered))
      return this.#serveStale(stale, { query, key, next })
    }

  stop(): void {
    this.#positive.clear()
    this.#negative.clear()
    this.#count.entries.forget()
  }

  /** A kept failure gives way to an answer that is still good. */
  #find(key: string, nowMs: number): Entry | undefined {
    const negative = this.#negative.get(key)
    const positive = this.#positive.get(key)
    const alive = (entry: Entry | undefined) => entry && nowMs - entry.storedMs < entry.lifeMs
    const failed = negative?.reply.rcode === RCODE.SERVFAIL
    if (alive(negative) && !(failed && alive(positive))) return negative
    return alive(positive) ? positive : undefined
  }

  #staleEntry(key: string, nowMs: number): Entry | undefined {
    const entry = this.#positive.get(key) ?? this.#negative.get(key)
    const { forMs } = this.#config.stale!
    return entry && nowMs - entry.storedMs < entry.lifeMs + forMs ? entry : undefined
  }

  #hit(entry: Entry, { query, key, next }: { query: Query; key: string; next: Serve }): Reply {
    const nowMs = this.#host.clock.monotonic()
    const kind = entry.reply.rcode === RCODE.NOERROR && entry.reply.answers.length > 0
    this.#count.hits(query, kind ? 'success' : 'denial').add()
    const leftMs = entry.lifeMs - (nowMs - entry.storedMs)
    const { prefetch } = this.#config
    if (prefetch) {
      entry.hits = nowMs - entry.lastHitMs < prefetch.withinMs ? entry.hits + 1 : 1
      entry.lastHitMs = nowMs
      if (entry.hits >= prefetch.hits && leftMs < entry.lifeMs * prefetch.share) {
        this.#count.prefetches(query).add()
        this.#refresh(entry, { query, key, next })
      }
    }
    return this.#fromEntry(entry, query, Math.floor(leftMs / 1000))
  }

  #serveStale(
    entry: Entry,
    { query, key, next }: { query: Query; key: string; next: Serve },
  ): Reply | Promise<Reply> {
    const stale = () => {
      this.#count.stale(query).add()
      return this.#fromEntry(entry, query, 0)
    }
    if (this.#config.stale!.mode === 'immediate') {
      this.#refresh(entry, { query, key, next })
      return stale()
    }
    return onReply(next(query), (answered) => {
      if (answered.rcode === RCODE.SERVFAIL) return stale()
      return this.#keep(key, query, answered)
    })
  }

  /** Once per entry, behind the client's back. */
  #refresh(entry: Entry, { query, key, next }: { query: Query; key: string; next: Serve }): void {
    if (entry.refreshing) return
    entry.refreshing = true
    const done = onReply(next(query), (answered) => {
      entry.refreshing = false
      if (answered.rcode !== RCODE.SERVFAIL) this.#keep(key, query, answered)
    })
    if (done instanceof Promise) done.catch(() => {})
  }

  #fromEntry(entry: Entry, query: Query, ttl: number): Reply {
    const { message, question } = query
    const original = entry.reply.answers[0]?.name
    const wantsAd = message.authenticData || message.edns?.dnssecOk === true
    const records = (list: readonly ResourceRecord[]) =>
      list.map((record) => ({
        ...record,
        // The owner in the case of this query, not of the one that was answered first.
        name: record.name.toLowerCase() === query.name && original ? question.name : record.name,
        ttl: this.#config.keepTtl ? record.ttl : ttl,
      }))
    return {
      ...entry.reply,
      authoritative: true,
      authenticData: entry.reply.authenticData && wantsAd,
      answers: records(entry.reply.answers),
      authorities: records(entry.reply.authorities),
      additionals: records(entry.reply.additionals),
      plugin: name,
    }
  }

  /** Stores what may be stored and returns the reply as this client gets it. */
  #keep(key: string, query: Query, answered: Reply): Reply {
    if (answered.silent) return answered
    const kind = kindOf(answered, query.question.type)
    const seconds = this.#lifeSeconds(answered, kind)
    if (kind !== 'none' && seconds > 0 && answered.plugin !== uncachedPlugin) {
      this.#store(key, { query, answered, kind, lifeMs: seconds * 1000 })
    }
    return this.#config.keepTtl ? answered : withTtl(answered, Math.floor(seconds))
  }

  #lifeSeconds(answered: Reply, kind: Kind): number {
    if (kind === 'failure') return this.#config.failureMs / 1000
    const { minSeconds, maxSeconds } =
      kind === 'negative' ? this.#config.negative : this.#config.positive
    return Math.min(Math.max(lowestTtl(answered), minSeconds), maxSeconds)
  }

  #store(
    key: string,
    {
      query,
      answered,
      kind,
      lifeMs,
    }: { query: Query; answered: Reply; kind: Kind; lifeMs: number },
  ): void {
    const positive = kind === 'positive'
    const limits: Limits = positive ? this.#config.positive : this.#config.negative
    if (longestZone(limits.disabled, query.name) !== undefined || limits.capacity === 0) return
    const entries = positive ? this.#positive : this.#negative
    if (entries.size >= limits.capacity && !entries.has(key)) {
      // The oldest goes: a Map lists its keys in the order they came.
      entries.delete(entries.keys().next().value!)
      this.#count.evictions(query, positive ? 'success' : 'denial').add()
    }
    const nowMs = this.#host.clock.monotonic()
    const { error: _, ...reply } = answered
    entries.delete(key)
    entries.set(key, {
      reply,
      storedMs: nowMs,
      lifeMs,
      hits: 0,
      lastHitMs: nowMs,
      refreshing: false,
    })
    if (positive) this.#negative.delete(key)
    this.#count.entries.set(query.server, {
      success: this.#positive.size,
      denial: this.#negative.size,
    })
  }
}

function keyOf({ name: owner, message, question }: Query): string {
  const flags = (message.edns?.dnssecOk ? 2 : 0) + (message.checkingDisabled ? 1 : 0)
  return `${owner} ${question.type} ${question.class} ${flags}`
}

function kindOf(answered: Reply, type: number): Kind {
  const { rcode, answers, authorities, truncated } = answered
  if (truncated || type === TYPE.AXFR || type === TYPE.IXFR) return 'none'
  if (rcode === RCODE.SERVFAIL || rcode === RCODE.NOTIMP) return 'failure'
  const hasSoa = authorities.some((record) => record.type === TYPE.SOA)
  if (rcode === RCODE.NXDOMAIN) return hasSoa ? 'negative' : 'none'
  if (rcode !== RCODE.NOERROR) return 'none'
  if (answers.some((record) => record.type === type || type === TYPE.ANY)) return 'positive'
  return hasSoa ? 'negative' : 'none'
}

function lowestTtl({ answers, authorities, additionals }: Reply): number {
  let lowest = Number.POSITIVE_INFINITY
  for (const section of [answers, authorities, additionals]) {
    for (const record of section) lowest = Math.min(lowest, record.ttl)
  }
  return lowest === Number.POSITIVE_INFINITY ? emptySeconds : lowest
}

function withTtl(answered: Reply, ttl: number): Reply {
  const same = (record: ResourceRecord) => record.ttl === ttl
  const { answers, authorities, additionals } = answered
  if (answers.every(same) && authorities.every(same) && additionals.every(same)) return answered
  const change = (records: readonly ResourceRecord[]) =>
    records.map((record) => ({ ...record, ttl }))
  return {
    ...answered,
    answers: change(answers),
    authorities: change(authorities),
    additionals: change(additionals),
  }
}

function cacheMetrics({ metrics }: Host, zones: string) {
  const view = ''
  const counter = (suffix: string, help: string) => {
    const family = metrics.counter({
      name: `coredns_cache_${suffix}_total`,
      help,
      labels: ['server', 'zones', 'view'],
    })
    return (query: Query) => family(query.server, zones, view)
  }
  const typed = (suffix: string, help: string) => {
    const family = metrics.counter({
      name: `coredns_cache_${suffix}_total`,
      help,
      labels: ['server', 'type', 'zones', 'view'],
    })
    return (query: Query, type: string) => family(query.server, type, zones, view)
  }
  const gauge = metrics.gauge({
    name: 'coredns_cache_entries',
    help: 'The number of elements in the cache.',
    labels: ['server', 'type', 'zones', 'view'],
  })
  return {
    requests: counter('requests', 'The count of cache requests.'),
    misses: counter(
      'misses',
      'The count of cache misses. Deprecated, derive misses from cache hits/requests counters.',
    ),
    prefetches: counter('prefetch', 'The number of times the cache has prefetched a cached item.'),
    stale: counter('served_stale', 'The number of requests served from stale cache entries.'),
    hits: typed('hits', 'The count of cache hits.'),
    evictions: typed('evictions', 'The count of cache evictions.'),
    entries: {
      set(server: string, sizes: Readonly<Record<string, number>>) {
        for (const [type, size] of Object.entries(sizes)) gauge.set(size, server, type, zones, view)
      },
      forget: () => gauge.clear(),
    },
  }
}
