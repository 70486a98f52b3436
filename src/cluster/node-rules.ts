// The node's live rules, read from its kernel for whoever asks: what doctor compares with the API.
// Read anew each time and beside the proxy, so that the answer is the kernel's and not a belief.

import type { IPFamily } from '../lib/ip.ts'
import { openNftables } from '../linux/nftables/apply.ts'
import type { Table } from '../linux/nftables/objects.ts'
import type { Proxy } from '../proxy/proxy.ts'

/** Below /debug of the kubelet's server. */
const rulesPath = '/kube-proxy/rules'
const families: readonly IPFamily[] = ['IPv4', 'IPv6']

/**
 * GET /debug/kube-proxy/rules?address=IP: with addresses, only elements whose key begins with one,
 * and those of NodePorts, which have none.
 */
export function rulePages(proxy: Proxy) {
  return (path: string, query: URLSearchParams): unknown =>
    path === rulesPath ? describeRules(proxy, query.getAll('address')) : undefined
}

function describeRules(proxy: Proxy, addresses: readonly string[]): unknown {
  const tables = families.flatMap((family) => {
    const planner = proxy.planner(family)
    if (!planner) return []
    const { config } = planner.node
    const table = readLive(config.family, config.tableName)
    const described = table && { table: describeTable(table, addresses) }
    return [{ family, name: config.tableName, node: planner.node, ...described }]
  })
  return { mode: proxy.mode, healthy: proxy.isHealthy, tables }
}

/** On a socket of our own that never writes: the table stays the proxy's. */
function readLive(family: Table['family'], name: string): Table | undefined {
  const nftables = openNftables({ family, name, owner: false })
  try {
    return nftables.read()
  } finally {
    nftables.close()
  }
}

function describeTable(table: Table, addresses: readonly string[]): unknown {
  const wanted = (set: string, key: string): boolean =>
    addresses.length === 0 ||
    !hasAddress(table, set) ||
    addresses.includes(key.split(' ', 1)[0] ?? '')
  return {
    sets: [...table.sets.values()],
    chains: [...table.chains.values()],
    /** Of each set as a whole, whatever was asked for. */
    sizes: Object.fromEntries([...table.elements].map(([set, { size }]) => [set, size])),
    elements: Object.fromEntries(
      [...table.elements].map(([set, elements]) => [
        set,
        Object.fromEntries([...elements].filter(([key]) => wanted(set, key))),
      ]),
    ),
  }
}

/** Their keys begin with addresses too, but not with those that clients dial. */
const ownAddresses: ReadonlySet<string> = new Set(['hairpin', 'nodeport-ips'])

function hasAddress(table: Table, set: string): boolean {
  const first = table.sets.get(set)?.key[0]
  return !ownAddresses.has(set) && (first === 'ipv4_addr' || first === 'ipv6_addr')
}
