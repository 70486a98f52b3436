// What a node's proxy should have in its maps for a Service, planned as the proxy plans it, and how
// the live table differs. Pure.
import type { Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import type { Table } from '../linux/nftables/objects.ts'
import { planService, slotText } from '../proxy/plan.ts'
import { ownerOfSlice, servicePorts } from '../proxy/serviceports.ts'
import type { NodeTable } from './snapshot.ts'

export interface Drift {
  /** "10.96.0.20 . tcp . 80", for NodePorts "tcp . 30080". */
  readonly frontend: string
  readonly kind: 'missing' | 'surplus' | 'different'
  /** In words: "sends to 10.244.1.9:8080, which is no endpoint". */
  readonly text: string
}

/** Maps from frontend to verdict; each beside the set that holds its slots. */
const dispatch = [
  ['svc', 'ep'],
  ['nport', 'npep'],
] as const
const denials = ['deny', 'npdeny'] as const
const localSlots = ['lep', 'nplep'] as const

/** Empty when the node does what the API wants for this Service. */
export function driftOf(
  service: Service,
  slices: readonly EndpointSlice[],
  live: NodeTable,
): Drift[] {
  const { family, node, table } = live
  // Proxies do not see slices of headless Services and of host names.
  const seen = slices.filter((slice) => ownerOfSlice(slice) !== undefined)
  const ports = servicePorts(service, seen, { family, nodeName: node.topology.name })
  if (ports.length === 0) return []
  const plan = planService(ports, {
    config: node.config,
    node: node.topology,
    owns: ({ class: kind }) => kind === 'ClusterIP' || kind === 'NodePort',
    slots: (_set, _frontend, wanted) => wanted,
  })
  const wanted = (set: string): ReadonlyMap<string, string> =>
    (plan.elements as ReadonlyMap<string, ReadonlyMap<string, string>>).get(set) ?? new Map()
  const has = (set: string): ReadonlyMap<string, string> =>
    table?.elements.get(set) ?? new Map<string, string>()
  const frontends = new Set(plan.ports.flatMap((port) => port.frontends.map(({ key }) => key)))
  return [...frontends].flatMap((frontend) => {
    const slots = [...dispatch.map(([, set]) => set), ...localSlots]
    const verdicts = [...dispatch.map(([set]) => set), ...denials]
    return (
      compareVerdicts(frontend, verdicts, { wanted, has }) ??
      compareSlots(frontend, slots, { wanted, has }) ??
      []
    )
  })
}

type Lookup = (set: string) => ReadonlyMap<string, string>

function compareVerdicts(
  frontend: string,
  sets: readonly string[],
  { wanted, has }: { wanted: Lookup; has: Lookup },
): Drift[] | undefined {
  for (const set of sets) {
    const want = wanted(set).get(frontend)
    const got = has(set).get(frontend)
    if (want === got) continue
    if (got === undefined)
      return [{ frontend, kind: 'missing', text: `map ${set} has no entry, it should say ${want}` }]
    const extra = endpointsAt(has, frontend)
    const sends = extra.length > 0 ? `, sends to ${extra.join(', ')}` : ''
    return [
      {
        frontend,
        kind: want === undefined ? 'surplus' : 'different',
        text: `map ${set} says ${got}${sends}; it should ${want === undefined ? 'have no entry' : `say ${want}`}`,
      },
    ]
  }
  return undefined
}

function compareSlots(
  frontend: string,
  sets: readonly string[],
  { wanted, has }: { wanted: Lookup; has: Lookup },
): Drift[] | undefined {
  for (const set of sets) {
    const want = slotsOf(wanted(set), frontend)
    // Slots behind those counted are left for a moment after a change; no packet reaches them.
    const got = slotsOf(has(set), frontend).slice(0, want.length)
    const stale = got.filter((endpoint) => !want.includes(endpoint))
    const absent = want.filter((endpoint) => !got.includes(endpoint))
    if (stale.length === 0 && absent.length === 0) continue
    const parts = [
      ...(stale.length > 0
        ? [`sends to ${stale.map(dotted).join(', ')}, no endpoint any more`]
        : []),
      ...(absent.length > 0 ? [`never sends to ${absent.map(dotted).join(', ')}`] : []),
    ]
    return [{ frontend, kind: 'different', text: parts.join('; ') }]
  }
  return undefined
}

function endpointsAt(has: Lookup, frontend: string): string[] {
  return [...dispatch.map(([, set]) => set), ...localSlots].flatMap((set) =>
    slotsOf(has(set), frontend).map(dotted),
  )
}

function slotsOf(elements: ReadonlyMap<string, string>, frontend: string): string[] {
  const found: string[] = []
  for (let index = 0; ; index++) {
    const endpoint = elements.get(`${frontend} . ${slotText(index)}`)
    if (endpoint === undefined) return found
    found.push(endpoint)
  }
}

/** "10.244.0.5 . 8080" as "10.244.0.5:8080". */
export const dotted = (endpoint: string): string => endpoint.replaceAll(' . ', ':')

/** Whether packets meet the maps at all: a nat chain hooked in front of routing looks into svc. */
export function isHooked(table: Table | undefined): boolean {
  if (!table) return false
  return [...table.chains.values()].some(
    ({ base, rules }) =>
      base?.type === 'nat' &&
      base.hook === 'prerouting' &&
      rules.some((rule) => rule.some((one) => one.type === 'vmap' && one.map === 'svc')),
  )
}
