// Gives every Node a block of the cluster's Pod addresses, one of each family.
import { nodes } from '../api/resources.gen.ts'
import type { Node } from '../api/types/core.gen.ts'
import type { Change, Controller } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { type Cidr, cidrSize, cidrsOverlap, formatCidr, parseCidr } from '../lib/ip.ts'

const prefixes = { IPv4: 24, IPv6: 64 } as const

/** `clusterCIDRs` are the Pod networks, the primary family first. */
export function nodeIpamController(options: {
  readonly clusterCIDRs: readonly string[]
}): Controller {
  const ranges = options.clusterCIDRs.map((text) => {
    const cidr = parseCidr(text)
    if (!cidr) throw new Error(`cannot give nodes addresses: "${text}" is not a CIDR`)
    return cidr
  })
  return {
    name: 'nodeipam',
    component: 'cidrAllocator',
    // One at a time: a block is free only as long as no other Node was given it.
    workers: 1,
    watches: [watching({ resource: nodes })],
    reconcile(key, snapshot) {
      const node = snapshot.of(nodes).get(key)
      if (!node || node.metadata.deletionTimestamp || node.spec.podCIDR) return { changes: [] }
      const taken = snapshot.of(nodes).list().flatMap(cidrsOf)
      const blocks = ranges.map((range) => freeBlock(range, taken))
      const found = blocks.filter((block) => block !== undefined)
      if (found.length < ranges.length) return exhausted(node)
      return { changes: [assignment(node, found.map(formatCidr))] }
    },
  }
}

const cidrsOf = ({ spec }: Node): readonly Cidr[] =>
  (spec.podCIDRs ?? []).map(parseCidr).filter((cidr) => cidr !== undefined)

/** The lowest block of the range that nobody has. */
export function freeBlock(range: Cidr, taken: readonly Cidr[]): Cidr | undefined {
  const prefix = Math.max(prefixes[range.family], range.prefix)
  const block = (base: bigint): Cidr => ({
    family: range.family,
    prefix,
    base,
    address: { family: range.family, value: base },
  })
  const step = cidrSize(block(range.base))
  const end = range.base + cidrSize(range)
  for (let base = range.base; base < end; base += step) {
    const candidate = block(base)
    if (!taken.some((other) => cidrsOverlap(other, candidate))) return candidate
  }
  return undefined
}

function assignment(node: Node, podCIDRs: readonly string[]): Change {
  const { name, uid } = node.metadata
  const body = { metadata: { uid }, spec: { podCIDR: podCIDRs[0], podCIDRs } }
  return { type: 'patch', resource: nodes, key: { name }, patch: { type: 'merge', body } }
}

const exhausted = (node: Node) => ({
  changes: [
    {
      type: 'event',
      event: {
        regarding: node,
        type: 'Warning',
        reason: 'CIDRNotAvailable',
        message: `Node ${node.metadata.name} status is now: CIDRNotAvailable`,
      },
    } as const,
  ],
  retry: `no free Pod CIDR for node "${node.metadata.name}"`,
})
