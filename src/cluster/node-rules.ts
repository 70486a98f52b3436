// The node's live rules, read from its kernel for whoever asks: what doctor compares with the API.
// Read anew each time and beside the proxy, so that the answer is the kernel's and not a belief.
import { openNftables } from '../linux/nftables/apply.ts'
import type { Table } from '../linux/nftables/objects.ts'
import type { IPFamily } from '../lib/ip.ts'
import type { Proxy } from '../proxy/proxy.ts'

/** Below /debug of the kubelet's server. */
const rulesPath = '/kube-proxy/rules'
const families: readonly IPFamily[] = ['IPv4', 'IPv6']

/**
 * GET /debug/kube-proxy/rules?address=IP: with addresses, only elements whose key begins with one,
 * and those of NodePorts, which have none.
 */
export function ruleDebugPages(proxy: () => Proxy | undefined) {
  return (path: string, query: URLSearchParams): unknown => {
    const running = proxy()
    if (path !== rulesPath || !running) return undefined
    return describeRules(running, query.getAll('address'))
  }
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
    elements: Object.fromEntries(
      [...table.elements].map(([set, elements]) => [
        set,
        Object.fromEntries([...elements].filter(([key]) => wanted(set, key))),
      ]),
    ),
  }
}

/** Whether the set's keys begin with what a client dials. Hairpin pairs begin with endpoints. */
function hasAddress(table: Table, set: string): boolean {
  const first = table.sets.get(set)?.key[0]
  return set !== 'hairpin' && (first === 'ipv4_addr' || first === 'ipv6_addr')
}
