// The one stored form of Endpoints' subsets: each address once for each set of ports.
// Upstream counterpart: pkg/api/v1/endpoints RepackSubsets, without its hash-ordered output.
import type { Draft } from '../machinery/draft.ts'
import type { EndpointAddress, EndpointPort, EndpointSubset } from '../types/core.gen.ts'

type Subset = Draft<EndpointSubset>
type Address = Draft<EndpointAddress>

interface Slot {
  readonly ports: Draft<EndpointPort>[]
  readonly ready: Map<string, Address>
  readonly notReady: Map<string, Address>
}

const keyOf = (address: EndpointAddress): string => `${address.ip} ${address.targetRef?.uid ?? ''}`

const portsKey = (ports: readonly EndpointPort[]): string =>
  JSON.stringify(
    ports
      .map(({ name, port, protocol, appProtocol }) => [name, port, protocol, appProtocol])
      .sort(),
  )

/** Subsets with equal ports become one; an address that is both ready and not is not ready. */
export function repackSubsets(subsets: readonly Subset[]): Subset[] {
  const slots = new Map<string, Slot>()
  for (const { addresses, notReadyAddresses, ports = [] } of subsets) {
    const key = portsKey(ports as EndpointPort[])
    const slot = slots.get(key) ?? { ports, ready: new Map(), notReady: new Map() }
    slots.set(key, slot)
    for (const address of notReadyAddresses ?? [])
      slot.notReady.set(keyOf(address as EndpointAddress), address)
    for (const address of addresses ?? [])
      slot.ready.set(keyOf(address as EndpointAddress), address)
  }
  return [...slots.values()].map(({ ports, ready, notReady }) => {
    for (const key of notReady.keys()) ready.delete(key)
    return {
      ...(ready.size > 0 ? { addresses: [...ready.values()] } : {}),
      ...(notReady.size > 0 ? { notReadyAddresses: [...notReady.values()] } : {}),
      ...(ports.length > 0 ? { ports } : {}),
    }
  })
}
