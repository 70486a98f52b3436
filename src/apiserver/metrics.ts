// /metrics: counts kept as plain numbers while requests run, put into Prometheus' form when asked.
import type { Registry } from 'prom-client'
import type { Clock } from '../lib/clock.ts'
import type { Answer } from './call.ts'
import type { Exchange, Stage } from './pipeline.ts'
import type { Served } from './served.ts'

/** Upper bounds in seconds, as upstream's request durations. */
const buckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45,
  60,
]

interface Durations {
  readonly counts: number[]
  sum: number
  count: number
}

export interface Metrics {
  readonly stage: Stage
  countFrames(served: Served, count: number): void
  answer(): Promise<Answer>
}

export interface MetricsDeps {
  readonly clock: Clock
  readonly served: () => readonly Served[]
}

type Labels = Readonly<Record<string, string>>

/** Label sets by their text, so that counting costs one look-up. */
class Family<Value> {
  readonly #values = new Map<string, { readonly labels: Labels; value: Value }>()
  readonly #fresh: () => Value

  constructor(fresh: () => Value) {
    this.#fresh = fresh
  }

  at(id: string, labels: () => Labels): { value: Value } {
    let found = this.#values.get(id)
    if (!found) this.#values.set(id, (found = { labels: labels(), value: this.#fresh() }))
    return found
  }

  all(): Iterable<{ readonly labels: Labels; value: Value }> {
    return this.#values.values()
  }
}

export function createMetrics(deps: MetricsDeps): Metrics {
  const requests = new Family(() => 0)
  const durations = new Family<Durations>(() => ({
    counts: buckets.map(() => 0),
    sum: 0,
    count: 0,
  }))
  const frames = new Family(() => 0)
  const inflight = { mutating: 0, readOnly: 0 }
  const stage: Stage = (exchange) => {
    const startMs = deps.clock.monotonic()
    const kind = isMutating(exchange) ? 'mutating' : 'readOnly'
    inflight[kind]++
    exchange.onDone.push((code) => {
      inflight[kind]--
      const labels = requestLabels(exchange)
      const id = Object.values(labels).join('\0')
      requests.at(`${id}\0${code}`, () => ({ ...labels, code: String(code) })).value++
      if (exchange.info.verb === 'watch') return
      observe(durations.at(id, () => labels).value, (deps.clock.monotonic() - startMs) / 1000)
    })
    return undefined
  }
  const countFrames = ({ resource }: Served, count: number) => {
    const { group, version, kind } = resource
    frames.at(`${group}/${version}/${kind}`, () => ({ group, version, kind })).value += count
  }
  const lines = () => [
    ...counter('apiserver_request_total', requests),
    ...histogram('apiserver_request_duration_seconds', durations),
    ...counter('apiserver_watch_events_total', frames),
    '# TYPE apiserver_current_inflight_requests gauge',
    ...Object.entries(inflight).map(
      ([kind, value]) => `apiserver_current_inflight_requests{request_kind="${kind}"} ${value}`,
    ),
    ...storedObjects(deps.served()),
  ]
  let figures: Promise<Registry> | undefined
  const answer = async () => {
    figures ??= collectProcess()
    return textAnswer(`${lines().join('\n')}\n${await (await figures).metrics()}`)
  }
  return { stage, countFrames, answer }
}

const isMutating = ({ info }: Exchange): boolean =>
  info.isResource && !['get', 'list', 'watch'].includes(info.verb)

function requestLabels({ info, call }: Exchange): Labels {
  const { group, version, resource, subresource, namespace, name, verb } = info
  const scope = name !== '' ? 'resource' : namespace !== '' ? 'namespace' : 'cluster'
  const dryRun = call.search.includes('dryRun') ? 'All' : ''
  const shown = info.isResource ? verb.toUpperCase() : call.method
  return {
    verb: shown,
    group,
    version,
    resource,
    subresource,
    scope,
    dry_run: dryRun,
    component: 'apiserver',
  }
}

function observe(into: Durations, seconds: number): void {
  const index = buckets.findIndex((bound) => seconds <= bound)
  if (index >= 0) into.counts[index]!++
  into.sum += seconds
  into.count++
}

const escaped = (text: string) =>
  text.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`))

function format(name: string, labels: Labels, value: number): string {
  const text = Object.entries(labels).map(([key, label]) => `${key}="${escaped(label)}"`)
  return `${name}{${text.join(',')}} ${value}`
}

function counter(name: string, family: Family<number>): string[] {
  return [
    `# TYPE ${name} counter`,
    ...[...family.all()].map(({ labels, value }) => format(name, labels, value)),
  ]
}

function histogram(name: string, family: Family<Durations>): string[] {
  const lines = [`# TYPE ${name} histogram`]
  for (const { labels, value } of family.all()) {
    let below = 0
    buckets.forEach((bound, index) => {
      below += value.counts[index]!
      lines.push(format(`${name}_bucket`, { ...labels, le: String(bound) }, below))
    })
    lines.push(format(`${name}_bucket`, { ...labels, le: '+Inf' }, value.count))
    lines.push(
      format(`${name}_sum`, labels, value.sum),
      format(`${name}_count`, labels, value.count),
    )
  }
  return lines
}

function storedObjects(served: readonly Served[]): string[] {
  const name = 'apiserver_storage_objects'
  const own = served.filter((one) => one.stored === one && one.resource.verbs.includes('list'))
  return [
    `# TYPE ${name} gauge`,
    ...own.map(({ resource, cache }) => {
      const shown = resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
      return format(name, { resource: shown }, cache.entries.size)
    }),
  ]
}

/** Process figures come from prom-client, loaded when somebody first asks. */
async function collectProcess(): Promise<Registry> {
  const { Registry: Fresh, collectDefaultMetrics } = await import('prom-client')
  const register = new Fresh()
  collectDefaultMetrics({ register })
  return register
}

function textAnswer(text: string): Answer {
  return {
    code: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    body: [Buffer.from(text)],
  }
}
