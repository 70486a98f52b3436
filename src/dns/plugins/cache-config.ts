// The lines of the cache plugin.

import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import {
  argumentOf,
  argumentsOf,
  durationMs,
  integer,
  onlyLine,
  unknownProperty,
  zones,
  zonesOr,
} from '../directive.ts'
import type { BlockFacts } from '../plugin.ts'

export interface Limits {
  readonly capacity: number
  readonly maxSeconds: number
  readonly minSeconds: number
  /** Zones of which nothing of this kind is kept. */
  readonly disabled: readonly string[]
}

export interface CacheConfig {
  readonly zones: readonly string[]
  readonly positive: Limits
  readonly negative: Limits
  readonly failureMs: number
  readonly keepTtl: boolean
  readonly prefetch?: { readonly hits: number; readonly withinMs: number; readonly share: number }
  readonly stale?: { readonly forMs: number; readonly mode: 'immediate' | 'verify' }
}

const defaultCapacity = 9984
const maxFailureMs = 300_000

type Draft = { -readonly [K in keyof CacheConfig]: CacheConfig[K] }

export function parseCache(lines: readonly Line[], block: BlockFacts): CacheConfig {
  const line = onlyLine(lines)
  const args = line.words.slice(1)
  const ttl = /^\d+$/.test(args[0] ?? '') ? integer(line, args.shift()!, { min: 1 }) : undefined
  const limits = { capacity: defaultCapacity, minSeconds: 5, disabled: [] }
  const draft: Draft = {
    zones: zonesOr(line, args, block.zones),
    positive: { ...limits, maxSeconds: ttl ?? 3600 },
    negative: { ...limits, maxSeconds: ttl ?? 1800 },
    failureMs: 5000,
    keepTtl: false,
  }
  for (const property of line.block ?? []) {
    const read = properties[property.words[0]!]
    if (!read) throw unknownProperty(property)
    read(property, draft)
  }
  return draft
}

const limit = (key: 'positive' | 'negative') => (line: Line, draft: Draft) => {
  const [capacity, max, min] = argumentsOf(line, 1, 3).map((text) => integer(line, text))
  draft[key] = {
    ...draft[key],
    capacity: capacity!,
    ...(max === undefined ? {} : { maxSeconds: max }),
    ...(min === undefined ? {} : { minSeconds: min }),
  }
}

const properties: Readonly<Record<string, (line: Line, draft: Draft) => void>> = {
  success: limit('positive'),
  denial: limit('negative'),
  prefetch: (line, draft) => {
    const [hits, within = '1m', percent = '10%'] = argumentsOf(line, 1, 3)
    if (!percent.endsWith('%')) {
      throw new CorefileError(
        line,
        `last character of percentage should be '%', but is: ${percent}`,
      )
    }
    const share = integer(line, percent.slice(0, -1), { min: 10, max: 90 }) / 100
    draft.prefetch = { hits: integer(line, hits!), withinMs: durationMs(line, within), share }
  },
  serve_stale: (line, draft) => {
    const [time = '1h', mode = 'immediate', ...rest] = argumentsOf(line, 0, 4)
    if (mode !== 'immediate' && mode !== 'verify') {
      throw new CorefileError(line, `invalid value for serve_stale refresh mode: ${mode}`)
    }
    if (rest.length > 0) throw unknownProperty({ ...line, words: rest })
    draft.stale = { forMs: durationMs(line, time), mode }
  },
  servfail: (line, draft) => {
    const ms = durationMs(line, argumentOf(line))
    if (ms > maxFailureMs)
      throw new CorefileError(line, 'caching SERVFAIL responses over 5 minutes is not permitted')
    draft.failureMs = ms
  },
  disable: (line, draft) => {
    const [what, ...names] = argumentsOf(line, 1, Number.POSITIVE_INFINITY)
    if (what !== 'success' && what !== 'denial') {
      throw new CorefileError(line, `cache type for disable must be "success" or "denial"`)
    }
    const key = what === 'success' ? 'positive' : 'negative'
    const disabled = names.length === 0 ? draft.zones : zones(line, names)
    draft[key] = { ...draft[key], disabled: [...draft[key].disabled, ...disabled] }
  },
  keepttl: (line, draft) => {
    argumentsOf(line, 0)
    draft.keepTtl = true
  },
}
