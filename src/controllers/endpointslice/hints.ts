// Hints by spec.trafficDistribution: each ready endpoint is for its own zone, or its own node.
import type { Endpoint, EndpointHints, EndpointSlice } from '../../api/types/discovery.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'
import type { SliceChanges } from './pack.ts'

export type TrafficDistribution = 'PreferClose' | 'PreferSameZone' | 'PreferSameNode'

/** Undefined for values this version does not know; they mean nothing. */
export function trafficDistribution(value: string | undefined): TrafficDistribution | undefined {
  return value === 'PreferClose' || value === 'PreferSameZone' || value === 'PreferSameNode'
    ? value
    : undefined
}

/** Slices to write, and the ones nothing has to be written to. */
export interface Hinting extends Pick<SliceChanges, 'create' | 'update'> {
  readonly unchanged: readonly EndpointSlice[]
}

/** Gives slices about to be written their hints and adds those that carry wrong ones. */
export function hintByDistribution(slices: Hinting, distribution: TrafficDistribution): Hinting {
  const wrong = (slice: EndpointSlice) =>
    slice.endpoints?.some(
      (endpoint) =>
        endpoint.conditions?.ready === true &&
        !semanticEqual(endpoint.hints, ownHints(endpoint, distribution)),
    ) ?? false
  return rewrite(slices, wrong, (endpoint) =>
    endpoint.conditions?.ready === true
      ? withHints(endpoint, ownHints(endpoint, distribution))
      : endpoint,
  )
}

export function removeHints(slices: Hinting): Hinting {
  const hinted = (slice: EndpointSlice) => slice.endpoints?.some(({ hints }) => hints) ?? false
  return rewrite(slices, hinted, (endpoint) => withHints(endpoint, undefined))
}

function rewrite(
  slices: Hinting,
  mustChange: (slice: EndpointSlice) => boolean,
  change: (endpoint: Endpoint) => Endpoint,
): Hinting {
  const apply = (slice: EndpointSlice): EndpointSlice => ({
    ...slice,
    endpoints: (slice.endpoints ?? []).map(change),
  })
  return {
    create: slices.create.map(apply),
    update: [...slices.update, ...slices.unchanged.filter(mustChange)].map(apply),
    unchanged: slices.unchanged.filter((slice) => !mustChange(slice)),
  }
}

function ownHints(
  endpoint: Endpoint,
  distribution: TrafficDistribution,
): EndpointHints | undefined {
  const forZones = endpoint.zone === undefined ? undefined : [{ name: endpoint.zone }]
  const forNodes =
    endpoint.nodeName === undefined || distribution !== 'PreferSameNode'
      ? undefined
      : [{ name: endpoint.nodeName }]
  if (!forZones && !forNodes) return undefined
  return { ...(forZones ? { forZones } : {}), ...(forNodes ? { forNodes } : {}) }
}

export function withHints(endpoint: Endpoint, hints: EndpointHints | undefined): Endpoint {
  const { hints: _, ...rest } = endpoint
  return hints ? { ...rest, hints } : rest
}
