// The lines of the forward plugin: where queries go, and how.

import type { Line } from '../corefile.ts'
import { CorefileError } from '../corefile.ts'
import {
  argumentOf,
  argumentsOf,
  durationMs,
  integer,
  unknownProperty,
  wrongArguments,
  zones,
} from '../directive.ts'
import type { BlockFacts } from '../plugin.ts'
import type { UpstreamAddress } from '../upstream.ts'
import { parseAddress } from '../wire/address.ts'
import { parseRcode } from '../wire/codes.ts'

export type Policy = 'random' | 'round_robin' | 'sequential'

export interface ForwardConfig {
  readonly line: Line
  readonly from: readonly string[]
  readonly to: readonly Target[]
  readonly except: readonly string[]
  readonly forceTcp: boolean
  readonly preferUdp: boolean
  readonly expireMs: number
  /** 0: no limit, for both. */
  readonly maxAgeMs: number
  readonly maxIdle: number
  readonly maxFails: number
  readonly healthCheck: HealthCheck
  readonly policy: Policy
  readonly readTimeoutMs: number
  /** 0: no limit. */
  readonly maxConcurrent: number
  readonly maxAttempts?: number
  readonly tls: { readonly cert?: string; readonly key?: string; readonly ca?: string }
  readonly tlsServerName?: string
  readonly next: ReadonlySet<number>
  readonly nextOnNodata: boolean
  readonly failover: ReadonlySet<number>
  readonly failFast: boolean
}

export interface HealthCheck {
  readonly intervalMs: number
  readonly recursionDesired: boolean
  readonly domain: string
}

/** An address, or a resolv.conf that names some. */
export type Target = UpstreamAddress | { readonly file: string }

const maxTargets = 15

type Draft = { -readonly [K in keyof ForwardConfig]: ForwardConfig[K] }

export function parseForward(line: Line, block: BlockFacts): ForwardConfig {
  const [from, ...to] = argumentsOf(line, 2, Number.POSITIVE_INFINITY)
  if (to.length > maxTargets) {
    throw new CorefileError(line, `more than ${maxTargets} TOs configured: ${to.length}`)
  }
  const draft: Draft = {
    line,
    from: from === '' ? block.zones : zones(line, [from!]),
    to: to.map((text) => parseTarget(line, text)),
    except: [],
    forceTcp: false,
    preferUdp: false,
    expireMs: 10_000,
    maxAgeMs: 0,
    maxIdle: 0,
    maxFails: 2,
    healthCheck: { intervalMs: 500, recursionDesired: true, domain: '.' },
    policy: 'random',
    readTimeoutMs: 2000,
    maxConcurrent: 0,
    tls: {},
    next: new Set(),
    nextOnNodata: false,
    failover: new Set(),
    failFast: false,
  }
  for (const property of line.block ?? []) {
    const read = properties[property.words[0]!]
    if (!read) throw unknownProperty(property)
    read(property, draft)
  }
  return draft
}

function parseTarget(line: Line, text: string): Target {
  const [, scheme, rest = ''] = /^(?:([a-z0-9]+):\/\/)?(.*)$/i.exec(text) ?? []
  if (scheme !== undefined && scheme !== 'dns' && scheme !== 'tls') {
    throw new CorefileError(line, `forwarding to '${scheme}://' is not supported`)
  }
  if (scheme === undefined && rest.startsWith('/')) return { file: rest }
  const [address = '', serverName] = rest.split('%')
  const found = splitHostPort(address, scheme === 'tls' ? 853 : 53)
  if (!found) throw new CorefileError(line, `not an IP address or file: '${text}'`)
  if (scheme !== 'tls') return found
  return { ...found, tls: serverName ? { serverName } : {} }
}

/** "192.0.2.1", "192.0.2.1:5353", "fd00::1", "[fd00::1]:5353". */
export function splitHostPort(
  text: string,
  defaultPort: number,
): { address: string; port: number } | undefined {
  if (parseAddress(text)) return { address: text, port: defaultPort }
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? []
  const address = bracketed ?? plain ?? ''
  if (!parseAddress(address) || Number(port) > 65_535) return undefined
  return { address, port: Number(port) }
}

function rcodes(line: Line): ReadonlySet<number> {
  if (line.words.length < 2) throw wrongArguments(line)
  return new Set(
    line.words.slice(1).map((text) => {
      const rcode = parseRcode(text)
      if (rcode === undefined) throw new CorefileError(line, `${text} is not a valid rcode`)
      return rcode
    }),
  )
}

const flag =
  (key: 'forceTcp' | 'preferUdp' | 'nextOnNodata' | 'failFast') => (line: Line, draft: Draft) => {
    argumentsOf(line, 0)
    draft[key] = true
  }

const properties: Readonly<Record<string, (line: Line, draft: Draft) => void>> = {
  except: (line, draft) => {
    if (line.words.length < 2) throw wrongArguments(line)
    draft.except = [...draft.except, ...zones(line, line.words.slice(1))]
  },
  force_tcp: flag('forceTcp'),
  prefer_udp: flag('preferUdp'),
  next_on_nodata: flag('nextOnNodata'),
  failfast_all_unhealthy_upstreams: flag('failFast'),
  expire: (line, draft) => {
    draft.expireMs = durationMs(line, argumentOf(line))
  },
  max_age: (line, draft) => {
    draft.maxAgeMs = durationMs(line, argumentOf(line))
  },
  max_idle_conns: (line, draft) => {
    draft.maxIdle = integer(line, argumentOf(line))
  },
  max_fails: (line, draft) => {
    draft.maxFails = integer(line, argumentOf(line))
  },
  max_connect_attempts: (line, draft) => {
    draft.maxAttempts = integer(line, argumentOf(line))
  },
  health_check: (line, draft) => {
    draft.healthCheck = parseHealthCheck(line)
  },
  policy: (line, draft) => {
    const policy = argumentOf(line)
    if (policy !== 'random' && policy !== 'round_robin' && policy !== 'sequential') {
      throw new CorefileError(line, `unknown policy '${policy}'`)
    }
    draft.policy = policy
  },
  read_timeout: (line, draft) => {
    draft.readTimeoutMs = durationMs(line, argumentOf(line))
  },
  max_concurrent: (line, draft) => {
    draft.maxConcurrent = integer(line, argumentOf(line))
  },
  tls: (line, draft) => {
    const args = argumentsOf(line, 0, 3)
    if (args.length === 1) draft.tls = { ca: args[0]! }
    else if (args.length > 1) {
      draft.tls = { cert: args[0]!, key: args[1]!, ...(args[2] ? { ca: args[2] } : {}) }
    }
  },
  tls_servername: (line, draft) => {
    draft.tlsServerName = argumentOf(line)
  },
  next: (line, draft) => {
    draft.next = rcodes(line)
  },
  failover: (line, draft) => {
    draft.failover = rcodes(line)
  },
}

function parseHealthCheck(line: Line): HealthCheck {
  const [interval, ...rest] = argumentsOf(line, 1, 4)
  let recursionDesired = true
  let domain = '.'
  for (let index = 0; index < rest.length; index++) {
    if (rest[index] === 'no_rec') recursionDesired = false
    else if (rest[index] === 'domain' && rest[index + 1] !== undefined) {
      domain = zones(line, [rest[++index]!])[0]!
    } else throw new CorefileError(line, `health_check: unknown option ${rest[index]}`)
  }
  return { intervalMs: durationMs(line, interval!), recursionDesired, domain }
}
