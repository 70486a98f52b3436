// kubernetes: answers for the cluster zone and its reverse zones from the objects of the API.
import { answer } from '../answer.ts'
import { soaOf } from '../apex.ts'
import type { Query, Reply, Serve } from '../chain.ts'
import { onReply, reply, withQuestion } from '../chain.ts'
import type { ClusterConfig } from '../cluster.ts'
import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import {
  argumentOf,
  argumentsOf,
  durationMs,
  integer,
  onlyLine,
  unknownProperty,
  wrongArguments,
  zones,
  zonesOr,
} from '../directive.ts'
import type { Host } from '../host.ts'
import { pluginLog } from '../lines.ts'
import type { BlockFacts, Instance, Part, Plugin } from '../plugin.ts'
import { RCODE } from '../wire/codes.ts'
import { isReverseZone, longestZone } from '../zone-names.ts'
import type { ZoneAnswer, ZoneOptions, ZoneView } from '../zone-view.ts'

const name = 'kubernetes'
const defaultTtl = 5
const maxTtl = 3600
const defaultStartupTimeoutMs = 5000
const waitingLineMs = 500

interface Config {
  readonly zones: readonly string[]
  readonly options: ZoneOptions
  readonly cluster: ClusterConfig
  /** Zones whose missing names go on to the next plugin; empty: all; absent: none. */
  readonly fallthrough?: readonly string[]
  readonly startupTimeoutMs: number
}

type Draft = { -readonly [K in keyof Config]: Config[K] }

export const kubernetes: Plugin = {
  name,
  parse(lines, block): Part {
    const config = parseConfig(onlyLine(lines), block)
    return { create: (host) => createInstance(config, host) }
  },
}

function parseConfig(line: Line, block: BlockFacts): Config {
  const served = zonesOr(line, line.words.slice(1), block.zones)
  if (served.every(isReverseZone)) {
    throw new CorefileError(line, 'non-reverse zone name must be used')
  }
  const draft: Draft = {
    zones: served,
    options: {
      ttl: defaultTtl,
      pods: 'disabled',
      endpointPodNames: false,
      ignoreEmptyService: false,
      zonal: false,
    },
    cluster: { watchSlices: true, watchPods: false, podNames: false },
    startupTimeoutMs: defaultStartupTimeoutMs,
  }
  for (const property of line.block ?? []) {
    const read = properties[property.words[0]!]
    if (!read) throw unknownProperty(property)
    read(property, draft)
  }
  checkTogether(line, draft)
  return draft
}

const setOption = (draft: Draft, options: Partial<ZoneOptions>) => {
  draft.options = { ...draft.options, ...options }
}
const setCluster = (draft: Draft, cluster: Partial<ClusterConfig>) => {
  draft.cluster = { ...draft.cluster, ...cluster }
}

const properties: Readonly<Record<string, (line: Line, draft: Draft) => void>> = {
  endpoint: (line, draft) => {
    const [endpoint] = argumentsOf(line, 1, Number.POSITIVE_INFINITY)
    setCluster(draft, { endpoint: endpoint! })
  },
  tls: (line, draft) => {
    const [cert, key, ca] = argumentsOf(line, 3)
    setCluster(draft, { tls: { cert: cert!, key: key!, ca: ca! } })
  },
  kubeconfig: (line, draft) => {
    const [kubeconfig, context] = argumentsOf(line, 1, 2)
    setCluster(draft, { kubeconfig: kubeconfig!, ...(context ? { context } : {}) })
  },
  namespaces: (line, draft) => {
    const names = argumentsOf(line, 1, Number.POSITIVE_INFINITY)
    const all = [...(draft.options.namespaces ?? []), ...names.map((text) => text.toLowerCase())]
    setOption(draft, { namespaces: new Set(all) })
  },
  namespace_labels: (line, draft) => setCluster(draft, { namespaceLabels: selectorOf(line) }),
  labels: (line, draft) => setCluster(draft, { labels: selectorOf(line) }),
  pods: (line, draft) => {
    const mode = argumentOf(line)
    if (mode !== 'disabled' && mode !== 'insecure' && mode !== 'verified') {
      throw new CorefileError(
        line,
        `wrong value for pods: ${mode}, must be one of: disabled, verified, insecure`,
      )
    }
    setOption(draft, { pods: mode })
    setCluster(draft, { watchPods: mode === 'verified' })
  },
  endpoint_pod_names: (line, draft) => {
    argumentsOf(line, 0)
    setOption(draft, { endpointPodNames: true })
    setCluster(draft, { podNames: true })
  },
  ttl: (line, draft) => setOption(draft, { ttl: integer(line, argumentOf(line), { max: maxTtl }) }),
  noendpoints: (line, draft) => {
    argumentsOf(line, 0)
    setCluster(draft, { watchSlices: false })
  },
  fallthrough: (line, draft) => {
    draft.fallthrough = zones(line, line.words.slice(1))
  },
  ignore: (line, draft) => {
    const what = argumentOf(line)
    if (what !== 'empty_service')
      throw new CorefileError(line, `unable to parse ignore value: '${what}'`)
    setOption(draft, { ignoreEmptyService: true })
  },
  zonal: (line, draft) => {
    argumentsOf(line, 0)
    setOption(draft, { zonal: true })
  },
  startup_timeout: (line, draft) => {
    draft.startupTimeoutMs = durationMs(line, argumentOf(line))
  },
  multicluster: (line) => {
    throw new CorefileError(
      line,
      'multicluster is not supported: it is planned for a later version',
    )
  },
  apiserver_qps: checkNumber,
  apiserver_burst: checkNumber,
  apiserver_max_inflight: checkNumber,
}

/** Limits of a client that sends many requests; four watches do not come near them. */
function checkNumber(line: Line): void {
  if (!(Number(argumentOf(line)) >= 0)) {
    throw new CorefileError(line, `${line.words[0]} must be a non-negative number`)
  }
}

/** A label selector may hold spaces: "app in (a, b)". */
function selectorOf(line: Line): string {
  if (line.words.length < 2) throw wrongArguments(line)
  return line.words.slice(1).join(' ')
}

function checkTogether(line: Line, { options, cluster }: Draft): void {
  if (options.namespaces && cluster.namespaceLabels !== undefined) {
    throw new CorefileError(line, 'namespaces and namespace_labels cannot both be set')
  }
  if (options.zonal && !cluster.watchSlices) {
    throw new CorefileError(line, 'zonal cannot be used with noendpoints')
  }
}

function createInstance(config: Config, host: Host): Instance {
  const log = pluginLog(host.log, name)
  const source = host.clusters.acquire(config.cluster)
  const primaryOrigin = config.zones.find((zone) => !isReverseZone(zone)) ?? '.'
  const localAddresses = host.localAddresses()
  const views = new Map(
    config.zones.map((origin): [string, ZoneView] => [
      origin,
      {
        index: source.zone,
        options: config.options,
        origin,
        reverse: isReverseZone(origin),
        primaryOrigin,
        localAddresses,
      },
    ]),
  )
  const serve = (next: Serve) => (query: Query) => {
    const origin = longestZone(config.zones, query.name)
    if (origin === undefined) return next(query)
    const view = views.get(origin)!
    const { question } = query
    const result = answer(view, { name: question.name, lower: query.name, type: question.type })
    if (result.outcome !== 'missing') return answered(view, query, { result, host })
    if (fallsThrough(config, query.name)) return next(query)
    return negative(view, query, source.synced ? RCODE.NXDOMAIN : RCODE.SERVFAIL)
  }
  return {
    serve,
    async start() {
      await source.connected
      await waitForSync(source.whenSynced(), { timeoutMs: config.startupTimeoutMs, host, log })
    },
    ready: () => source.synced,
    freeze: () => source.freeze(),
    stop: () => source.release(),
  }
}

function fallsThrough({ fallthrough }: Config, queryName: string): boolean {
  if (fallthrough === undefined) return false
  return fallthrough.length === 0 || longestZone(fallthrough, queryName) !== undefined
}

function negative(view: ZoneView, query: Query, rcode: number): Reply {
  // The zone in the case of the query.
  const zone = query.question.name.slice(query.question.name.length - view.origin.length)
  return reply(name, { rcode, authoritative: true, authorities: [soaOf(view, zone)] })
}

function answered(
  view: ZoneView,
  query: Query,
  { result, host }: { result: ZoneAnswer; host: Host },
): Reply | Promise<Reply> {
  if (result.outcome === 'nodata') return negative(view, query, RCODE.NOERROR)
  const { answers, additionals, follow } = result
  if (follow === undefined) return reply(name, { authoritative: true, answers, additionals })
  const inner = host.lookup(withQuestion(query, { ...query.question, name: follow }))
  // A target that cannot be found is the client's to see: the alias itself is there (spec 1.5).
  return onReply(inner, (target) =>
    reply(name, {
      authoritative: true,
      truncated: target.truncated,
      answers: target.rcode === RCODE.NOERROR ? [...answers, ...target.answers] : answers,
      additionals,
    }),
  )
}

interface Waiting {
  readonly timeoutMs: number
  readonly host: Host
  readonly log: Host['log']
}

/** The listeners open once the zone is known, or after the timeout with SERVFAIL for what is not. */
async function waitForSync(synced: Promise<void>, waiting: Waiting): Promise<void> {
  const { host, log, timeoutMs } = waiting
  const abort = new AbortController()
  const announce = () => {
    if (abort.signal.aborted) return
    log.info('waiting for Kubernetes API before starting server')
    host.clock.after(waitingLineMs, announce)
  }
  host.clock.after(waitingLineMs, announce)
  const timedOut = host.clock.sleep(timeoutMs, abort.signal).then(
    () => true,
    () => false,
  )
  const late = await Promise.race([synced.then(() => false), timedOut])
  abort.abort()
  if (late) log.warning('starting server with unsynced Kubernetes API')
}
