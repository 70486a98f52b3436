// The maps and sets of the data plane's table. Services live in their elements; there is no chain
// for a Service or an endpoint (docs/decisions/0060).
import type { DatatypeName } from '../linux/nftables/datatypes.ts'
import type { Family, SetDeclaration } from '../linux/nftables/objects.ts'

export type SetName = keyof ReturnType<typeof declareAll>

/** Records of affinity the kernel keeps at most; a full map would silently stop recording. */
const affinityRecords = 262_144

/** Raised when an older ruleset cannot be adopted by comparing it. Stands in the set "schema". */
export const schemaVersion = '1'

export function declareSets(family: Family): ReadonlyMap<SetName, SetDeclaration> {
  return new Map(Object.entries(declareAll(family)) as [SetName, SetDeclaration][])
}

function declareAll(family: Family) {
  const address: DatatypeName = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  /** What a client dials: address, protocol, port. NodePorts leave the address out. */
  const frontend: DatatypeName[] = [address, 'inet_proto', 'inet_service']
  const nodePort: DatatypeName[] = ['inet_proto', 'inet_service']
  const endpoint: DatatypeName[] = [address, 'inet_service']
  /** A slot is typed as a mark: host-endian like the number `numgen` draws, and listed by any nft. */
  const slots = (of: DatatypeName[]): DatatypeName[] => [...of, 'mark']
  const verdicts = (name: string, key: DatatypeName[], counter?: true): SetDeclaration => ({
    name,
    key,
    value: 'verdict',
    ...(counter && { counter }),
  })
  const endpoints = (name: string, of: DatatypeName[]): SetDeclaration => ({
    name,
    key: slots(of),
    value: endpoint,
    counter: true,
  })
  return {
    /** Frontend -> the chain that serves it. */
    svc: verdicts('svc', frontend, true),
    nport: verdicts('nport', nodePort, true),
    /** Slots of all usable endpoints, and of the local ones (policy Local). */
    ep: endpoints('ep', frontend),
    lep: endpoints('lep', frontend),
    npep: endpoints('npep', nodePort),
    nplep: endpoints('nplep', nodePort),
    /** Policy Local, but the client is on this node: the chain for all endpoints. */
    short: verdicts('short', frontend),
    npshort: verdicts('npshort', nodePort),
    /** Frontends nobody serves: drop or reject. */
    deny: verdicts('deny', frontend, true),
    npdeny: verdicts('npdeny', nodePort, true),
    'cluster-ips': { name: 'cluster-ips', key: [address] },
    'nodeport-ips': { name: 'nodeport-ips', key: [address] },
    /** An endpoint that dials its own Service. */
    hairpin: { name: 'hairpin', key: [address, address] },
    /** Frontends with source ranges; who may dial them. */
    'fw-dst': { name: 'fw-dst', key: frontend },
    'fw-allow': { name: 'fw-allow', key: [...frontend, address], interval: true },
    /** Session affinity: (client, frontend) -> endpoint, written by the kernel. */
    aff: {
      name: 'aff',
      key: [address, ...frontend],
      value: endpoint,
      dynamic: true,
      timeoutSeconds: 10_800,
      size: affinityRecords,
    },
    /** Frontends that record affinity. */
    affrec: verdicts('affrec', frontend),
    schema: { name: 'schema', key: ['inet_service'] },
  } as const satisfies Readonly<Record<string, SetDeclaration>>
}

/** Which sets hold slots: their last elements go a moment after the verdict that led to them. */
export const slotSets: ReadonlySet<string> = new Set(['ep', 'lep', 'npep', 'nplep'])
