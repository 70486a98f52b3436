// Which endpoints of a service port get new connections on this node: traffic policies, topology
// hints, and the terminating ones when nothing better is left. Pure.
import type { Endpoint, ServicePort } from './serviceports.ts'

export interface NodeTopology {
  readonly name: string
  /** Label topology.kubernetes.io/zone. */
  readonly topologyZone?: string | undefined
}

export interface Choice {
  /** For traffic under policy Cluster, and for what starts on this node. */
  readonly cluster: readonly Endpoint[]
  /** For traffic under policy Local. */
  readonly local: readonly Endpoint[]
  /** Somewhere an endpoint could serve: then no local one means DROP, not REJECT. */
  readonly anyEndpoints: boolean
  readonly hints: HintUse
}

export interface HintUse {
  /** The hints that chose `cluster`. */
  readonly mode: 'node' | 'zone' | 'none'
  /** Why hints that were given are not in force, for `explain`. */
  readonly ignored?: string
}

export function chooseEndpoints(port: ServicePort, node: NodeTopology): Choice {
  const { endpoints } = port
  const ready = endpoints.filter((endpoint) => endpoint.ready)
  const draining = endpoints.filter(isDraining)
  const hinted = applyHints(ready, node)
  // Hints never reach the fallback: whoever still serves is better than nobody.
  const cluster = hinted.endpoints.length > 0 ? hinted.endpoints : draining
  const localReady = ready.filter(({ isLocal }) => isLocal)
  const local = localReady.length > 0 ? localReady : draining.filter(({ isLocal }) => isLocal)
  return { cluster, local, anyEndpoints: cluster.length > 0, hints: hinted.use }
}

/** Terminating but still serving: good for when no ready endpoint is left. */
function isDraining({ ready, serving, terminating }: Endpoint): boolean {
  return !ready && serving && terminating
}

function applyHints(
  ready: readonly Endpoint[],
  node: NodeTopology,
): { endpoints: readonly Endpoint[]; use: HintUse } {
  const isGiven = ready.some(({ zoneHints, nodeHints }) => zoneHints ?? nodeHints)
  if (!isGiven) return { endpoints: ready, use: { mode: 'none' } }
  const forNode = ready.filter(({ nodeHints }) => nodeHints?.includes(node.name))
  if (ready.every(({ nodeHints }) => nodeHints) && forNode.length > 0)
    return { endpoints: forNode, use: { mode: 'node' } }
  const unhinted = ready.find(({ zoneHints }) => !zoneHints)
  const { topologyZone } = node
  const inZone = ready.filter(
    ({ zoneHints }) => topologyZone !== undefined && zoneHints?.includes(topologyZone),
  )
  if (!unhinted && inZone.length > 0) return { endpoints: inZone, use: { mode: 'zone' } }
  return {
    endpoints: ready,
    use: { mode: 'none', ignored: reasonAgainstZones(unhinted, topologyZone) },
  }
}

function reasonAgainstZones(unhinted: Endpoint | undefined, zone: string | undefined): string {
  if (unhinted) return `endpoint ${unhinted.ip} has no forZones hint`
  if (zone === undefined) return 'the node has no label topology.kubernetes.io/zone'
  return `no endpoint is hinted for zone "${zone}"`
}
