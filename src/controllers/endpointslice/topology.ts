// Hints by the topology-mode annotation (Auto): endpoints are shared out over zones in proportion
// to the CPU of their Nodes, unless a zone would be overloaded by more than a fifth.
import { quantityMillis } from '../../api/machinery/quantity.ts'
import type { Node, Service } from '../../api/types/core.gen.ts'
import type { Endpoint, EndpointSlice } from '../../api/types/discovery.gen.ts'
import { zoneLabel } from './endpoint.ts'
import { type Hinting, withHints } from './hints.ts'

const overload = 1.2

/** Share of the CPU of all Ready workers, by zone; undefined when Nodes do not tell enough. */
export type ZoneRatios = ReadonlyMap<string, number>

export function wantsAutoHints(service: Service): boolean {
  const annotations = service.metadata.annotations ?? {}
  const mode =
    annotations['service.kubernetes.io/topology-aware-hints'] ??
    annotations['service.kubernetes.io/topology-mode']
  return mode === 'Auto' || mode === 'auto'
}

export function zoneRatios(nodes: readonly Node[]): ZoneRatios | undefined {
  const cpus = new Map<string, number>()
  let total = 0
  for (const node of nodes) {
    const labels = node.metadata.labels ?? {}
    const isControlPlane =
      'node-role.kubernetes.io/control-plane' in labels ||
      'node-role.kubernetes.io/master' in labels
    if (isControlPlane || !isNodeReady(node)) continue
    const zone = labels[zoneLabel]
    const cpu = cpuOf(node)
    if (!zone || cpu === 0) return undefined
    total += cpu
    cpus.set(zone, (cpus.get(zone) ?? 0) + cpu)
  }
  if (cpus.size < 2) return undefined
  return new Map([...cpus].map(([zone, cpu]) => [zone, cpu / total]))
}

/** Whether a change of this Node may change the ratios. */
export function topologyChanged(old: Node, node: Node): boolean {
  const facts = (of: Node) =>
    `${isNodeReady(of)}|${of.metadata.labels?.[zoneLabel] ?? ''}|${cpuOf(of)}`
  return facts(old) !== facts(node)
}

const cpuOf = (node: Node): number => quantityMillis(node.status?.allocatable?.['cpu'] ?? 0)

const isNodeReady = (node: Node): boolean =>
  node.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'

interface Allocation {
  readonly minimum: number
  readonly maximum: number
  readonly target: number
}

/** How many of `count` endpoints each zone should get, or why that cannot be said. */
export function allocate(
  count: number,
  ratios: ZoneRatios | undefined,
): ReadonlyMap<string, Allocation> | string {
  if (!ratios) {
    return 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes'
  }
  const sizes = `(${count} endpoints, ${ratios.size} zones)`
  if (ratios.size > count) return `Insufficient number of endpoints ${sizes}`
  const minimums = [...ratios].map(([zone, ratio]) => {
    const minimum = Math.ceil(count * ratio * (1 / overload))
    return { zone, minimum, target: Math.max(count * ratio, minimum) }
  })
  const spare = count - minimums.reduce((sum, { minimum }) => sum + minimum, 0)
  if (spare < 0) {
    return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${sizes}`
  }
  return new Map(
    minimums.map(({ zone, minimum, target }) => [
      zone,
      { minimum, target, maximum: minimum + spare },
    ]),
  )
}

/** The slices with hints, or the reason why there are none (they are to be removed then). */
export function hintByTopology(
  slices: Hinting,
  ratios: ZoneRatios | undefined,
): Hinting | { readonly disabled: string } {
  const all = [...slices.create, ...slices.update, ...slices.unchanged]
  const allocations = allocate(
    all.reduce((sum, slice) => sum + readyCount(slice), 0),
    ratios,
  )
  if (typeof allocations === 'string') return { disabled: allocations }
  const hinted = new Map<string, number>()
  const unchanged = slices.unchanged.filter((slice) => keepsHints(slice, hinted, allocations))
  const update = [
    ...slices.update,
    ...slices.unchanged.filter((slice) => !unchanged.includes(slice)),
  ]
  for (const endpoint of [...slices.create, ...update].flatMap((slice) => slice.endpoints ?? [])) {
    if (!isReady(endpoint)) continue
    if (!endpoint.zone) return { disabled: 'One or more endpoints do not have a zone specified' }
    add(hinted, endpoint.zone, 1)
  }
  const moves = givingAndReceiving(allocations, hinted)
  const assign = (slice: EndpointSlice): EndpointSlice => ({
    ...slice,
    endpoints: (slice.endpoints ?? []).map((endpoint) => hintZone(endpoint, moves)),
  })
  return { create: slices.create.map(assign), update: update.map(assign), unchanged }
}

/** Whether some zone is short of endpoints, judged by the hints that slices carry now. */
export function isOverloaded(
  slices: readonly EndpointSlice[],
  ratios: ZoneRatios | undefined,
): boolean {
  const hinted = new Map<string, number>()
  for (const endpoint of slices.flatMap((slice) => slice.endpoints ?? [])) {
    for (const { name } of endpoint.hints?.forZones ?? []) add(hinted, name, 1)
  }
  if (hinted.size === 0) return false
  if (!ratios) return true
  const total = [...hinted.values()].reduce((sum, count) => sum + count, 0)
  return [...ratios].some(
    ([zone, ratio]) => (hinted.get(zone) ?? -1) < Math.ceil(total * ratio * (1 / overload)),
  )
}

const isReady = (endpoint: Endpoint): boolean => endpoint.conditions?.ready === true

const readyCount = (slice: EndpointSlice): number => (slice.endpoints ?? []).filter(isReady).length

const add = (counts: Map<string, number>, zone: string, by: number): void => {
  counts.set(zone, (counts.get(zone) ?? 0) + by)
}

/** Adds the slice's hints to `hinted` if all of them may stay. */
function keepsHints(
  slice: EndpointSlice,
  hinted: Map<string, number>,
  allocations: ReadonlyMap<string, Allocation>,
): boolean {
  const own = new Map<string, number>()
  for (const endpoint of (slice.endpoints ?? []).filter(isReady)) {
    const zones = endpoint.hints?.forZones ?? []
    if (zones.length === 0 || zones.some(({ name }) => !allocations.has(name))) return false
    for (const { name } of zones) add(own, name, 1)
  }
  for (const [zone, count] of own) {
    if (count + (hinted.get(zone) ?? 0) > (allocations.get(zone)?.maximum ?? 0)) return false
  }
  for (const [zone, count] of own) add(hinted, zone, count)
  return true
}

interface Moves {
  readonly giving: Map<string, number>
  readonly receiving: Map<string, number>
}

/** One endpoint at a time from the zone with most too many to the one with most too few. */
function givingAndReceiving(
  allocations: ReadonlyMap<string, Allocation>,
  hinted: ReadonlyMap<string, number>,
): Moves {
  const surplus = new Map<string, number>()
  const deficit = new Map<string, number>()
  for (const [zone, { target }] of allocations) {
    const over = (hinted.get(zone) ?? 0) - target
    if (over > 0) surplus.set(zone, over)
    else if (over < 0) deficit.set(zone, -over)
  }
  const moves: Moves = { giving: new Map(), receiving: new Map() }
  for (;;) {
    const [from, give] = most(surplus)
    const [to, receive] = most(deficit)
    if (!from || !to || (give < 1 && receive < 1) || give < 0.5 || receive < 0.5) return moves
    add(moves.giving, from, 1)
    add(surplus, from, -1)
    add(moves.receiving, to, 1)
    add(deficit, to, -1)
  }
}

function most(zones: ReadonlyMap<string, number>): readonly [string | undefined, number] {
  let best: string | undefined
  let count = 0
  for (const [zone, amount] of zones) {
    if (amount > count) {
      best = zone
      count = amount
    }
  }
  return [best, count]
}

/** Takes one move out of `moves` if the endpoint's zone has some to give. */
function hintZone(endpoint: Endpoint, { giving, receiving }: Moves): Endpoint {
  if (!isReady(endpoint) || !endpoint.zone) return endpoint
  const to = (giving.get(endpoint.zone) ?? 0) > 0 ? firstLeft(receiving) : undefined
  if (to !== undefined) {
    add(giving, endpoint.zone, -1)
    add(receiving, to, -1)
  }
  return withHints(endpoint, { forZones: [{ name: to ?? endpoint.zone }] })
}

function firstLeft(zones: ReadonlyMap<string, number>): string | undefined {
  for (const [zone, count] of zones) if (count > 0) return zone
  return undefined
}
