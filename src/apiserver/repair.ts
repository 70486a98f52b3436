// Puts ClusterIP rows and Services back in agreement, as upstream's repair loop: a Service without
// its IPAddress gets one, an IPAddress of ours without its Service goes.
import type { KubeObject } from '../api/machinery/resource.ts'
import { timeMs } from '../api/machinery/time.ts'
import { ipaddresses, services } from '../api/resources.gen.ts'
import type { Service } from '../api/types/core.gen.ts'
import type { IPAddress } from '../api/types/networking.gen.ts'
import { formatIp, parseIp } from '../lib/ip.ts'
import type { Write } from '../store/store.ts'
import { nodePortPrefix } from './claims.ts'
import type { WriterDeps } from './writer.ts'
import { ipAddressBytes } from './writer.ts'

const managedBy = 'ipaddress.kubernetes.io/managed-by'
const ours = 'ipallocator.k8s.io'
/** An address may stand alone this long: somebody may be about to use it. */
const leakedAfterMs = 60_000

interface Repair {
  readonly key: string
  /** What the row must still be; 0: nothing. */
  readonly revision: number
  readonly write: Write
}

/** One pass; to be repeated. Answers how much was put right. */
export async function repairClaims(deps: WriterDeps): Promise<number> {
  const repairs = [...missingAddresses(deps), ...strayAddresses(deps), ...strayPorts(deps)]
  for (const { key, revision, write } of repairs) {
    await deps.store.commit([{ key, modRevision: revision }], [write])
  }
  return repairs.length
}

const canonical = (text: string): string => {
  const ip = parseIp(text)
  return ip ? formatIp(ip) : text
}

function addressesOf({ spec }: Service): readonly string[] {
  if (spec.type === 'ExternalName') return []
  return (spec.clusterIPs ?? []).filter((address) => address !== 'None' && address !== '')
}

function* missingAddresses(deps: WriterDeps): Generator<Repair> {
  const { cache } = deps.servedOf(ipaddresses)
  for (const entry of deps.servedOf(services).cache.list('')) {
    for (const text of addressesOf(entry.object as Service)) {
      const address = canonical(text)
      const row = cache.get(address)
      if (row && parentKey(row.object as IPAddress) !== undefined) continue
      const key = cache.prefix + address
      const value = ipAddressBytes(deps, entry.object, address)
      yield { key, revision: row?.revision ?? 0, write: { type: 'put', key, value } }
    }
  }
}

/** "namespace/name" of the Service it stands for; undefined when it stands for none. */
function parentKey({ spec }: IPAddress): string | undefined {
  const parent = spec?.parentRef
  if (!parent || parent.resource !== 'services' || (parent.group ?? '') !== '') return undefined
  return `${parent.namespace}/${parent.name}`
}

function* strayAddresses(deps: WriterDeps): Generator<Repair> {
  const { cache } = deps.servedOf(ipaddresses)
  const found = deps.servedOf(services).cache
  for (const entry of cache.list('')) {
    if (entry.labels[managedBy] !== ours) continue
    const parent = parentKey(entry.object as IPAddress)
    const service = parent === undefined ? undefined : found.get(parent)?.object
    if (service && addressesOf(service as Service).some((text) => canonical(text) === entry.key)) {
      continue
    }
    const young = ageMs(entry.object, deps.clock.now()) < leakedAfterMs
    if (parent !== undefined && !service && young) continue
    const key = cache.prefix + entry.key
    yield { key, revision: entry.revision, write: { type: 'delete', key } }
  }
}

function ageMs(object: KubeObject, nowMs: number): number {
  return nowMs - (timeMs(object.metadata.creationTimestamp) ?? 0)
}

function* strayPorts(deps: WriterDeps): Generator<Repair> {
  const found = deps.servedOf(services).cache
  for (const entry of deps.cache.storage(nodePortPrefix).list('')) {
    const { namespace, name } = (entry.object as KubeObject).metadata
    const service = found.get(`${namespace}/${name}`)?.object as Service | undefined
    if (service && usesPort(service, Number(entry.key))) continue
    const key = nodePortPrefix + entry.key
    yield { key, revision: entry.revision, write: { type: 'delete', key } }
  }
}

const usesPort = ({ spec }: Service, port: number): boolean =>
  spec.healthCheckNodePort === port || (spec.ports ?? []).some(({ nodePort }) => nodePort === port)
