// What the kernel remembers and should forget: UDP flows to endpoints that are gone, and affinity
// records of endpoints that must not be used any more. Both decide by state, never by event. Pure.
import type { ConntrackEntry } from '../linux/conntrack.ts'
import type { ElementRecord } from '../linux/nftables/element-codec.ts'
import type { PlannedPort } from './plan.ts'
import type { ServiceChange } from './rules.ts'
import { endpointKey, type ServicePort } from './serviceports.ts'

/** Frontend key -> the endpoints its flows may stay with. */
export type ServedFrontends = ReadonlyMap<string, ReadonlySet<string>>

/** Every UDP frontend of the given ports. An endpoint that still serves keeps its flows. */
export function udpFrontends(ports: Iterable<PlannedPort>): Map<string, ReadonlySet<string>> {
  const served = new Map<string, ReadonlySet<string>>()
  for (const { port, frontends } of ports) {
    if (port.protocol !== 'udp') continue
    const serving = new Set(port.endpoints.filter((one) => one.serving).map(endpointKey))
    for (const { key } of frontends) served.set(key, serving)
  }
  return served
}

/** Frontends that ended with this change: flows to them have nowhere to go. */
export function endedUdpFrontends({ before, after }: ServiceChange): string[] {
  const left = udpFrontends(after?.ports ?? [])
  return [...udpFrontends(before?.ports ?? []).keys()].filter((key) => !left.has(key))
}

/** True when UDP flows may have become stale: worth looking through the connection table. */
export function touchesUdp({ before, after }: ServiceChange): boolean {
  const now = udpFrontends(after?.ports ?? [])
  const then = udpFrontends(before?.ports ?? [])
  if (now.size !== then.size) return true
  for (const [key, serving] of now) {
    const known = then.get(key)
    if (!known || known.size !== serving.size) return true
    for (const endpoint of known) if (!serving.has(endpoint)) return true
  }
  return false
}

/**
 * Flows to a frontend of ours whose answers come from nobody that serves it: its endpoint is gone
 * (spec 1.12 a, b, c), or it began before there were rules and was never translated (d).
 */
export function staleFlows(
  entries: readonly ConntrackEntry[],
  served: ServedFrontends,
  nodePortAddresses: ReadonlySet<string>,
): ConntrackEntry[] {
  return entries.filter(({ original, reply }) => {
    const { destinationIP, destinationPort } = original
    const endpoints =
      served.get(`${destinationIP} . udp . ${destinationPort}`) ??
      (nodePortAddresses.has(destinationIP) ? served.get(`udp . ${destinationPort}`) : undefined)
    if (!endpoints) return false
    return !endpoints.has(endpointKey({ ip: reply.sourceIP, port: reply.sourcePort }))
  })
}

/** True when an endpoint left a port with affinity, or its affinity ended. */
export function touchesAffinity({ before, after }: ServiceChange): boolean {
  return (before?.ports ?? []).some(({ port, choice }) => {
    if (port.affinitySeconds === undefined) return false
    const successor = after?.ports.find((one) => isSamePort(one.port, port))
    if (successor?.port.affinitySeconds === undefined) return true
    const usable = usableKeys(successor)
    return [...choice.cluster, ...choice.local].some((one) => !usable.has(endpointKey(one)))
  })
}

/** Records ("client . frontend" -> endpoint) that name an endpoint their frontend does not use. */
export function staleAffinity(
  records: readonly ElementRecord[],
  ports: Iterable<PlannedPort>,
  localAddresses: readonly string[],
): string[] {
  const usable = new Map<string, ReadonlySet<string>>()
  for (const planned of ports) {
    if (planned.port.affinitySeconds === undefined) continue
    const endpoints = usableKeys(planned)
    for (const { class: kind, key } of planned.frontends) {
      if (kind !== 'NodePort') usable.set(key, endpoints)
      else for (const ip of localAddresses) usable.set(`${ip} . ${key}`, endpoints)
    }
  }
  return records
    .filter(({ key, value }) => !usable.get(key.slice(key.indexOf(' . ') + 3))?.has(value))
    .map(({ key }) => key)
}

function usableKeys({ choice }: PlannedPort): ReadonlySet<string> {
  return new Set([...choice.cluster, ...choice.local].map(endpointKey))
}

function isSamePort(one: ServicePort, other: ServicePort): boolean {
  return one.portName === other.portName && one.protocol === other.protocol
}
