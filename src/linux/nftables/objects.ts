// What an nftables table is made of, as data. A rule is a list of statements; an element's key and
// value are the text `nft` would print, which makes them comparable, readable and easy to test.
import type { DatatypeName } from './datatypes.ts'
import type { FieldName } from './fields.ts'

export type Family = 'ip' | 'ip6'

export interface Table {
  readonly family: Family
  readonly name: string
  readonly sets: ReadonlyMap<string, SetDeclaration>
  readonly chains: ReadonlyMap<string, Chain>
  /** Set name -> elements. Those of dynamic sets belong to the kernel and are not listed here. */
  readonly elements: ReadonlyMap<string, Elements>
}

/** Key -> value: "10.96.0.10 . tcp . 80" -> "goto c-3"; the value is "" in a set. */
export type Elements = ReadonlyMap<string, string>

export interface SetDeclaration {
  readonly name: string
  readonly key: readonly DatatypeName[]
  /** Absent: a set. "verdict": a verdict map. Else a map to these data. */
  readonly value?: 'verdict' | readonly DatatypeName[]
  /** Parts of a key may be prefixes ("10.0.0.0/8"). Needs a key of two parts or more. */
  readonly interval?: true
  /** Filled by rules (`update`), not by us. */
  readonly dynamic?: true
  readonly timeoutSeconds?: number
  readonly size?: number
  /** Every element counts the packets that found it. */
  readonly counter?: true
}

export interface Chain {
  readonly name: string
  readonly base?: BaseChain
  readonly rules: readonly Rule[]
}

export type HookName = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'

export interface BaseChain {
  readonly type: 'filter' | 'nat'
  readonly hook: HookName
  readonly priority: number
}

export type Rule = readonly Statement[]

/** One part of a concatenation: a field of the packet, or a number drawn for it. */
export type KeyPart = FieldName | `numgen random mod ${number}`

export type Statement =
  | MatchStatement
  /** `ip saddr . ip daddr @hairpin` */
  | {
      readonly type: 'lookup'
      readonly key: readonly KeyPart[]
      readonly set: string
      readonly op: '==' | '!='
    }
  /** `ip daddr . meta l4proto . th dport vmap @svc` */
  | { readonly type: 'vmap'; readonly key: readonly KeyPart[]; readonly map: string }
  /** `dnat ip to … map @ep`: goes on with the next rule when the map has no such key. */
  | { readonly type: 'dnat'; readonly key: readonly KeyPart[]; readonly map: string }
  /** `meta mark set meta mark | 0x00004000`; "^" flips the bits. */
  | { readonly type: 'setMark'; readonly op: '|' | '^'; readonly bits: number }
  | { readonly type: 'masquerade' }
  /** Port unreachable by ICMP, or a TCP reset (after matching TCP). */
  | { readonly type: 'reject'; readonly with?: 'tcp reset' }
  | UpdateStatement
  | { readonly type: 'verdict'; readonly verdict: Verdict }
  /** Read from the kernel and not of our making; such a rule cannot be written. */
  | { readonly type: 'unknown' }

export interface MatchStatement {
  readonly type: 'match'
  readonly field: FieldName
  readonly op: '==' | '!='
  /** As `nft` prints it: "10.0.0.0/8", "new", "tcp", "local"; "sp*" for a name's beginning. */
  readonly value: string
  /** Bits of the mark to compare; the value must lie within them. */
  readonly mask?: string
}

/** Adds or refreshes an element of a dynamic map; a live element keeps its value. */
export interface UpdateStatement {
  readonly type: 'update'
  readonly set: string
  readonly key: readonly KeyPart[]
  readonly value: readonly KeyPart[]
  readonly timeoutSeconds: number
}

/** "accept", "drop", "return", "goto CHAIN" or "jump CHAIN". */
export type Verdict = 'accept' | 'drop' | 'return' | `goto ${string}` | `jump ${string}`

/** A step of a transaction. All steps take effect at once, or none does. */
export type Operation =
  | { readonly type: 'addTable' }
  | { readonly type: 'deleteTable' }
  | { readonly type: 'addSet'; readonly set: SetDeclaration }
  | { readonly type: 'deleteSet'; readonly name: string }
  /** Without its rules. */
  | { readonly type: 'addChain'; readonly chain: Chain }
  | { readonly type: 'deleteChain'; readonly name: string }
  /** Deletes all rules of the chain. */
  | { readonly type: 'flushChain'; readonly name: string }
  | { readonly type: 'addRule'; readonly chain: string; readonly rule: Rule }
  | ElementOperation

export type ElementOperation =
  | {
      readonly type: 'addElement'
      readonly set: SetDeclaration
      readonly key: string
      readonly value: string
    }
  | { readonly type: 'deleteElement'; readonly set: SetDeclaration; readonly key: string }

/** Between the parts of a concatenation, in text. */
export const concatSeparator = ' . '

export function verdictTarget(verdict: string): string | undefined {
  return verdict.startsWith('goto ') || verdict.startsWith('jump ') ? verdict.slice(5) : undefined
}
