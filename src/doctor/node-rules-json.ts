// A node's live rules as they travel: what the node writes, and back into a Table.
import type { Chain, Elements, SetDeclaration } from '../linux/nftables/objects.ts'
import type { PlannerNode } from '../proxy/rules.ts'
import type { NodeRules } from './snapshot.ts'

interface Wire {
  readonly mode: string
  readonly healthy: boolean
  readonly tables: readonly {
    readonly family: 'IPv4' | 'IPv6'
    readonly name: string
    readonly node: PlannerNode
    readonly table?: {
      readonly sizes: Readonly<Record<string, number>>
      readonly sets: readonly SetDeclaration[]
      readonly chains: readonly Chain[]
      readonly elements: Readonly<Record<string, Readonly<Record<string, string>>>>
    }
  }[]
}

/** Undefined for an answer that is none: another kubelet's page, say. */
export function decodeNodeRules(node: string, text: string): NodeRules | undefined {
  const wire = parse(text)
  if (!wire) return undefined
  return {
    node,
    mode: wire.mode,
    healthy: wire.healthy,
    tables: wire.tables.map(({ family, name, node: planner, table }) => ({
      family,
      name,
      node: planner,
      frontends: table ? (table.sizes['svc'] ?? 0) + (table.sizes['deny'] ?? 0) : 0,
      table: table && {
        family: family === 'IPv4' ? 'ip' : 'ip6',
        name,
        sets: new Map(table.sets.map((set) => [set.name, set])),
        chains: new Map(table.chains.map((chain) => [chain.name, chain])),
        elements: new Map(
          Object.entries(table.elements).map(([set, elements]): [string, Elements] => [
            set,
            new Map(Object.entries(elements)),
          ]),
        ),
      },
    })),
  }
}

function parse(text: string): Wire | undefined {
  try {
    const value = JSON.parse(text) as Partial<Wire> | null
    return value && Array.isArray(value.tables) ? (value as Wire) : undefined
  } catch {
    return undefined
  }
}
