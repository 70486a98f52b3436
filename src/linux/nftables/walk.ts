// Follows one packet through a table, as the kernel would: for tests, and to explain what happens
// to a connection and by which rules. Pure; what the kernel draws or knows is handed in.
import { cidrContains, parseCidr, parseIp } from '../../lib/ip.ts'
import { isField, modulusOf } from './compile.ts'
import { formatMark } from './datatypes.ts'
import type { FieldName } from './fields.ts'
import {
  type Chain,
  concatSeparator,
  type HookName,
  type KeyPart,
  type MatchStatement,
  type Rule,
  type Statement,
  type Table,
  verdictTarget,
} from './objects.ts'
import { formatRule } from './text.ts'

export interface Packet {
  readonly saddr: string
  readonly daddr: string
  readonly protocol: string
  readonly sport: number
  readonly dport: number
  readonly mark?: number
  readonly iifname?: string
  readonly oifname?: string
  /** Conntrack's word on it. Default "new"; only such packets meet nat chains. */
  readonly state?: 'new' | 'established'
}

export interface WalkOptions {
  /** "node": sent by a process of this node. "outside": came in by an interface (a Pod's, too). */
  readonly from: 'node' | 'outside'
  readonly localAddresses: ReadonlySet<string>
  /** What `numgen random mod N` gives. Default: 0. */
  readonly draw?: (modulus: number) => number
}

export interface WalkStep {
  readonly chain: string
  /** The rule that did something, as `nft` prints it. */
  readonly rule: string
  /** "goto c-3", "dnat to 10.244.0.5 . 8080", "masquerade", "drop". */
  readonly effect: string
}

export interface WalkResult {
  readonly verdict: 'accept' | 'drop' | 'reject'
  /** As it left, or as it was when it was stopped. */
  readonly packet: Packet
  readonly isMasqueraded: boolean
  /** Where routing sent it after DNAT. */
  readonly to: 'node' | 'beyond'
  readonly path: readonly WalkStep[]
  /** Elements that rules added: set name, key, value. */
  readonly updates: readonly {
    readonly set: string
    readonly key: string
    readonly value: string
  }[]
}

type Outcome = 'accept' | 'drop' | 'reject'

export function walk(table: Table, packet: Packet, options: WalkOptions): WalkResult {
  const walker = new Walker(table, packet, options)
  const isLocal = () => options.localAddresses.has(walker.packet.daddr)
  const first: HookName = options.from === 'node' ? 'output' : 'prerouting'
  const verdict = walker.runHook(first)
  const to = isLocal() ? 'node' : 'beyond'
  const hooks: HookName[] =
    options.from === 'node'
      ? ['postrouting', ...(to === 'node' ? (['input'] as const) : [])]
      : to === 'node'
        ? ['input']
        : ['forward', 'postrouting']
  let outcome = verdict
  for (const hook of hooks) if (outcome === 'accept') outcome = walker.runHook(hook)
  return {
    verdict: outcome,
    packet: walker.packet,
    isMasqueraded: walker.isMasqueraded,
    to,
    path: walker.path,
    updates: walker.updates,
  }
}

class Walker {
  packet: Packet
  isMasqueraded = false
  readonly path: WalkStep[] = []
  readonly updates: { set: string; key: string; value: string }[] = []
  readonly #table: Table
  readonly #original: Packet
  readonly #options: WalkOptions

  constructor(table: Table, packet: Packet, options: WalkOptions) {
    this.#table = table
    this.#original = packet
    this.packet = packet
    this.#options = options
  }

  runHook(hook: HookName): Outcome {
    const chains = [...this.#table.chains.values()].filter(({ base }) => base?.hook === hook)
    chains.sort((one, other) => one.base!.priority - other.base!.priority)
    for (const chain of chains) {
      if (chain.base!.type === 'nat' && this.packet.state === 'established') continue
      const outcome = this.#runChain(chain)
      if (outcome === 'drop' || outcome === 'reject') return outcome
    }
    return 'accept'
  }

  /** Undefined: the end was reached, or a return. */
  #runChain(chain: Chain): Outcome | undefined {
    for (const rule of chain.rules) {
      const result = this.#runRule(chain, rule)
      if (result.type === 'done') return result.outcome
    }
    return undefined
  }

  /** "next": the rule did not match, or came back from a jump. */
  #runRule(chain: Chain, rule: Rule): { type: 'next' } | { type: 'done'; outcome?: Outcome } {
    const next = { type: 'next' } as const
    for (const statement of rule) {
      switch (statement.type) {
        case 'match':
          if (!this.#matches(statement)) return next
          break
        case 'lookup': {
          const isFound = this.#find(statement.set, this.#key(statement.key)) !== undefined
          if (isFound !== (statement.op === '==')) return next
          break
        }
        case 'setMark':
          this.#setMark(statement)
          this.#note(chain, rule, `mark ${formatMark(this.packet.mark ?? 0)}`)
          break
        case 'update':
          this.#update(statement)
          this.#note(chain, rule, `update @${statement.set}`)
          break
        case 'dnat': {
          const target = this.#find(statement.map, this.#key(statement.key))
          if (target === undefined) return next
          this.#note(chain, rule, `dnat to ${target}`)
          const [daddr, dport] = target.split(concatSeparator)
          this.packet = { ...this.packet, daddr: daddr!, dport: Number(dport) }
          return { type: 'done', outcome: 'accept' }
        }
        case 'vmap': {
          const verdict = this.#find(statement.map, this.#key(statement.key))
          if (verdict === undefined) return next
          return this.#follow(chain, rule, verdict)
        }
        case 'verdict':
          return this.#follow(chain, rule, statement.verdict)
        case 'masquerade':
          this.isMasqueraded = true
          this.#note(chain, rule, 'masquerade')
          return { type: 'done', outcome: 'accept' }
        case 'reject':
          this.#note(chain, rule, 'reject')
          return { type: 'done', outcome: 'reject' }
        case 'unknown':
          this.#note(chain, rule, 'not understood, passed over')
          return next
      }
    }
    return next
  }

  #follow(
    chain: Chain,
    rule: Rule,
    verdict: string,
  ): { type: 'next' } | { type: 'done'; outcome?: Outcome } {
    this.#note(chain, rule, verdict)
    if (verdict === 'return') return { type: 'done' }
    if (verdict === 'accept' || verdict === 'drop') return { type: 'done', outcome: verdict }
    const target = this.#table.chains.get(verdictTarget(verdict) ?? '')
    const outcome = target && this.#runChain(target)
    if (outcome) return { type: 'done', outcome }
    return verdict.startsWith('jump ') ? { type: 'next' } : { type: 'done' }
  }

  #note(chain: Chain, rule: Rule, effect: string): void {
    this.path.push({ chain: chain.name, rule: formatRule(rule, this.#table.family), effect })
  }

  #key(parts: readonly KeyPart[]): string[] {
    return parts.map((part) =>
      isField(part)
        ? this.#value(part)
        : formatMark((this.#options.draw ?? (() => 0))(modulusOf(part))),
    )
  }

  #find(set: string, key: readonly string[]): string | undefined {
    const elements = this.#table.elements.get(set)
    const exact = elements?.get(key.join(concatSeparator))
    if (exact !== undefined || !this.#table.sets.get(set)?.interval) return exact
    for (const [candidate, value] of elements ?? []) {
      const parts = candidate.split(concatSeparator)
      if (parts.every((part, index) => covers(part, key[index]!))) return value
    }
    return undefined
  }

  #value(field: FieldName): string {
    const { packet } = this
    switch (field) {
      case 'ip saddr':
      case 'ip6 saddr':
        return packet.saddr
      case 'ip daddr':
      case 'ip6 daddr':
        return packet.daddr
      case 'th sport':
        return String(packet.sport)
      case 'th dport':
        return String(packet.dport)
      case 'meta l4proto':
        return packet.protocol
      case 'meta mark':
        return formatMark(packet.mark ?? 0)
      case 'iifname':
        return this.#options.from === 'node' ? '' : (packet.iifname ?? '')
      case 'oifname':
        return packet.oifname ?? ''
      case 'ct state':
        return packet.state ?? 'new'
      case 'ct original ip daddr':
      case 'ct original ip6 daddr':
        return this.#original.daddr
      case 'ct original proto-dst':
        return String(this.#original.dport)
      case 'fib saddr type':
        return this.#options.localAddresses.has(packet.saddr) ? 'local' : 'unicast'
      case 'fib daddr type':
        return this.#options.localAddresses.has(packet.daddr) ? 'local' : 'unicast'
    }
  }

  #matches({ field, op, value, mask }: MatchStatement): boolean {
    const actual = this.#value(field)
    const isMatch =
      mask === undefined
        ? covers(value, actual)
        : (Number(actual) & Number(mask)) >>> 0 === Number(value)
    return isMatch === (op === '==')
  }

  #setMark({ op, bits }: Extract<Statement, { type: 'setMark' }>): void {
    const mark = this.packet.mark ?? 0
    this.packet = { ...this.packet, mark: (op === '|' ? mark | bits : mark ^ bits) >>> 0 }
  }

  #update({ set, key, value }: Extract<Statement, { type: 'update' }>): void {
    const text = (parts: readonly KeyPart[]) => this.#key(parts).join(concatSeparator)
    this.updates.push({ set, key: text(key), value: text(value) })
  }
}

/** A value, a prefix of addresses, or the beginning of a name. */
function covers(pattern: string, value: string): boolean {
  if (pattern === value) return true
  if (pattern.endsWith('*')) return value.startsWith(pattern.slice(0, -1))
  const cidr = pattern.includes('/') ? parseCidr(pattern) : undefined
  const ip = cidr && parseIp(value)
  return ip ? cidrContains(cidr, ip) : false
}
