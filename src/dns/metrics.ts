// Counters, gauges and histograms in Prometheus' text form. Series are found once and then cost an
// addition per query, which is why this is not a general registry.

export interface Counter {
  add(value?: number): void
}

export interface Histogram {
  observe(value: number): void
}

type Kind = 'counter' | 'gauge' | 'histogram'

export interface Definition {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
}

interface Series {
  readonly labels: string
  render(family: string): string
}

/** Series of one family above this are not kept: label values come from queries. */
const maxSeries = 2000

class Family<T extends Series> {
  readonly definition: Definition
  readonly kind: Kind
  readonly #series = new Map<string, T>()
  readonly #create: (labels: string) => T

  constructor(definition: Definition, kind: Kind, create: (labels: string) => T) {
    this.definition = definition
    this.kind = kind
    this.#create = create
  }

  with(values: readonly string[]): T {
    const key = values.length === 1 ? values[0]! : values.join('\u0000')
    const known = this.#series.get(key)
    if (known) return known
    const names = this.definition.labels ?? []
    const labels = names.map((name, i) => `${name}="${escape(values[i] ?? '')}"`).join(',')
    const series = this.#create(labels)
    if (this.#series.size < maxSeries) this.#series.set(key, series)
    return series
  }

  clear(): void {
    this.#series.clear()
  }

  render(): string {
    const { name, help } = this.definition
    const lines = [...this.#series.values()].map((series) => series.render(name))
    if (lines.length === 0) return ''
    return `# HELP ${name} ${help}\n# TYPE ${name} ${this.kind}\n${lines.join('')}`
  }
}

const escape = (value: string) =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

const braced = (labels: string) => (labels === '' ? '' : `{${labels}}`)

class NumberSeries implements Series, Counter {
  readonly labels: string
  #value = 0

  constructor(labels: string) {
    this.labels = labels
  }

  add(value = 1): void {
    this.#value += value
  }

  set(value: number): void {
    this.#value = value
  }

  render(family: string): string {
    return `${family}${braced(this.labels)} ${this.#value}\n`
  }
}

class HistogramSeries implements Series, Histogram {
  readonly labels: string
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #sum = 0
  #count = 0

  constructor(labels: string, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length)
  }

  observe(value: number): void {
    this.#sum += value
    this.#count++
    for (let index = 0; index < this.#bounds.length; index++) {
      if (value <= this.#bounds[index]!) {
        this.#counts[index]!++
        return
      }
    }
  }

  render(family: string): string {
    const comma = this.labels === '' ? '' : ','
    let seen = 0
    let text = ''
    for (const [index, bound] of this.#bounds.entries()) {
      seen += this.#counts[index]!
      text += `${family}_bucket{${this.labels}${comma}le="${formatBound(bound)}"} ${seen}\n`
    }
    text += `${family}_bucket{${this.labels}${comma}le="+Inf"} ${this.#count}\n`
    text += `${family}_sum${braced(this.labels)} ${this.#sum}\n`
    return `${text}${family}_count${braced(this.labels)} ${this.#count}\n`
  }
}

/** As Go's %g spells it: 16000 is "16000", 0.00025 is "0.00025". */
const formatBound = (bound: number) => String(bound)

export const durationBuckets = Array.from({ length: 16 }, (_, k) => 0.00025 * 2 ** k)
export const sizeBuckets = [
  0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3,
]
export const programmingBuckets = Array.from({ length: 20 }, (_, k) => 0.001 * 2 ** k)

export class Metrics {
  readonly #families = new Map<string, Family<Series>>()
  readonly #collectors = new Set<() => void>()

  /** Asking again for a name gives the same family. */
  counter(definition: Definition): (...labels: string[]) => Counter {
    const family = this.#family(definition, 'counter', (labels) => new NumberSeries(labels))
    return (...labels) => family.with(labels)
  }

  gauge(definition: Definition): { set(value: number, ...labels: string[]): void; clear(): void } {
    const family = this.#family(definition, 'gauge', (labels) => new NumberSeries(labels))
    return {
      set: (value, ...labels) => family.with(labels).set(value),
      clear: () => family.clear(),
    }
  }

  histogram(definition: Definition, bounds: readonly number[]): (...labels: string[]) => Histogram {
    const create = (labels: string) => new HistogramSeries(labels, bounds)
    const family = this.#family(definition, 'histogram', create)
    return (...labels) => family.with(labels)
  }

  /** Called before each scrape, to set gauges. Returns how to stop it. */
  onScrape(collect: () => void): () => void {
    this.#collectors.add(collect)
    return () => this.#collectors.delete(collect)
  }

  render(): string {
    for (const collect of this.#collectors) collect()
    const names = [...this.#families.keys()].sort()
    return names.map((name) => this.#families.get(name)!.render()).join('')
  }

  #family<T extends Series>(
    definition: Definition,
    kind: Kind,
    create: (labels: string) => T,
  ): Family<T> {
    const known = this.#families.get(definition.name)
    if (known) return known as unknown as Family<T>
    const family = new Family(definition, kind, create)
    this.#families.set(definition.name, family as unknown as Family<Series>)
    return family
  }
}
