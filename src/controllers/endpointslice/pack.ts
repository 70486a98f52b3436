// Which slices change so that they hold the desired endpoints with few writes: existing slices
// keep their endpoints, changed ones are filled up first, nothing is ever rebalanced.
import type { Endpoint, EndpointSlice } from '../../api/types/discovery.gen.ts'
import { endpointKey, sameEndpoint } from './endpoint.ts'

export interface SliceChanges {
  readonly create: readonly EndpointSlice[]
  readonly update: readonly EndpointSlice[]
  readonly delete: readonly EndpointSlice[]
}

export interface Packing {
  /** Slices of one address type and one list of ports, all owned by the Service. */
  readonly existing: readonly EndpointSlice[]
  /** By endpointKey(). */
  readonly desired: ReadonlyMap<string, Endpoint>
  readonly maxEndpoints: number
  /** A slice for this group that does not exist yet, without endpoints. */
  readonly fresh: EndpointSlice
  /** The slice with the labels it should have, or undefined if it has them. */
  readonly relabel: (slice: EndpointSlice) => EndpointSlice | undefined
}

/** A slice being filled; `source` is what it is made from. */
interface Open {
  readonly source: EndpointSlice
  readonly endpoints: Endpoint[]
}

/** Decides for one group of slices. */
export function packGroup(packing: Packing): SliceChanges {
  const left = new Map(packing.desired)
  const { changed, unchanged, emptied } = keepDesired(packing, left)
  const rest = [...left.values()]
  fillFullestFirst(changed, rest, packing.maxEndpoints)
  const created: Open[] = []
  while (rest.length > 0) {
    const roomy =
      rest.length < packing.maxEndpoints
        ? closestToFull(unchanged, rest.length, packing.maxEndpoints)
        : undefined
    const open: Open = roomy
      ? { source: roomy, endpoints: [...(roomy.endpoints ?? [])] }
      : { source: packing.fresh, endpoints: [] }
    open.endpoints.push(...rest.splice(0, packing.maxEndpoints - open.endpoints.length))
    if (roomy) {
      unchanged.splice(unchanged.indexOf(roomy), 1)
      changed.push(open)
    } else {
      created.push(open)
    }
  }
  return { create: created.map(close), update: changed.map(close), delete: emptied }
}

/** Sorts existing slices by what happens to them; takes the endpoints they keep out of `left`. */
function keepDesired(packing: Packing, left: Map<string, Endpoint>) {
  const changed: Open[] = []
  const unchanged: EndpointSlice[] = []
  const emptied: EndpointSlice[] = []
  for (const slice of packing.existing) {
    const existing = slice.endpoints ?? []
    const kept: Endpoint[] = []
    let updated = false
    for (const endpoint of existing) {
      const key = endpointKey(endpoint)
      const wanted = left.get(key)
      if (!wanted) continue
      kept.push(wanted)
      updated ||= !sameEndpoint(wanted, endpoint)
      left.delete(key)
    }
    const relabelled = packing.relabel(slice)
    const touched = updated || kept.length !== existing.length
    if (touched && kept.length === 0) emptied.push(slice)
    else if (touched) changed.push({ source: relabelled ?? slice, endpoints: kept })
    else if (relabelled) changed.push({ source: relabelled, endpoints: kept })
    else unchanged.push(slice)
  }
  return { changed, unchanged, emptied }
}

function fillFullestFirst(slices: readonly Open[], rest: Endpoint[], maxEndpoints: number): void {
  const fullestFirst = [...slices].sort((a, b) => b.endpoints.length - a.endpoints.length)
  for (const slice of fullestFirst) {
    const room = maxEndpoints - slice.endpoints.length
    if (room > 0) slice.endpoints.push(...rest.splice(0, room))
  }
}

/** The slice that gets fullest when `count` endpoints go into it, if any has room for all. */
function closestToFull(
  slices: readonly EndpointSlice[],
  count: number,
  maxEndpoints: number,
): EndpointSlice | undefined {
  let best: EndpointSlice | undefined
  let least = maxEndpoints
  for (const slice of slices) {
    const room = maxEndpoints - count - (slice.endpoints?.length ?? 0)
    if (room >= 0 && room < least) {
      best = slice
      least = room
    }
  }
  return best
}

const close = ({ source, endpoints }: Open): EndpointSlice => ({ ...source, endpoints })

/**
 * Lets slices that would be deleted take the place of those that would be created, so that
 * consumers see an update under an old name. Only slices that `mayReuse`.
 */
export function reuseDeleted(
  changes: SliceChanges,
  mayReuse: (deleted: EndpointSlice, created: EndpointSlice) => boolean,
): SliceChanges {
  const create = [...changes.create]
  const update = [...changes.update]
  const remove: EndpointSlice[] = []
  for (const slice of changes.delete) {
    const last = create.at(-1)
    if (last && mayReuse(slice, last)) {
      create.pop()
      update.push({ ...last, metadata: { ...last.metadata, ...identityOf(slice) } })
    } else {
      remove.push(slice)
    }
  }
  return { create, update, delete: remove }
}

/** What must stay when one slice replaces another under its name. */
function identityOf(slice: EndpointSlice) {
  const { name, generateName, uid, resourceVersion, generation, creationTimestamp } = slice.metadata
  return { name, generateName, uid, resourceVersion, generation, creationTimestamp }
}
