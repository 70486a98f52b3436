// Endpoints subsets in their one normal form: ports that the same addresses serve stand together,
// everything is sorted, and no address is both ready and not ready.
import type { EndpointAddress, EndpointPort, EndpointSubset } from '../../api/types/core.gen.ts'

/** Upstream's limit of what one Endpoints object holds. */
export const maxAddresses = 1000

interface PortUse {
  readonly port: EndpointPort | undefined
  /** By address; not ready wins over ready. */
  readonly addresses: Map<string, { readonly address: EndpointAddress; ready: boolean }>
}

export function repackSubsets(subsets: readonly EndpointSubset[]): readonly EndpointSubset[] {
  const uses = new Map<string, PortUse>()
  for (const subset of subsets) {
    for (const port of subset.ports?.length ? subset.ports : [undefined]) {
      const key = port ? portText(port) : ''
      const use = uses.get(key) ?? { port, addresses: new Map() }
      uses.set(key, use)
      for (const address of subset.addresses ?? []) note(use, address, true)
      for (const address of subset.notReadyAddresses ?? []) note(use, address, false)
    }
  }
  const groups = new Map<string, PortUse[]>()
  for (const use of uses.values()) {
    const key = [...use.addresses]
      .map(([address, { ready }]) => `${address}|${ready}`)
      .sort()
      .join()
    groups.set(key, [...(groups.get(key) ?? []), use])
  }
  return [...groups]
    .sort(([one], [other]) => compare(one, other))
    .filter(([key]) => key !== '')
    .map(([, group]) => subsetOf(group))
}

function note(use: PortUse, address: EndpointAddress, ready: boolean): void {
  const key = `${address.ip}|${address.targetRef?.uid ?? ''}`
  const known = use.addresses.get(key)
  if (!known) use.addresses.set(key, { address, ready })
  else if (!ready) known.ready = false
}

function subsetOf(uses: readonly PortUse[]): EndpointSubset {
  const all = [...(uses[0]?.addresses.values() ?? [])].sort((one, other) =>
    compare(addressText(one.address), addressText(other.address)),
  )
  const addresses = all.filter(({ ready }) => ready).map(({ address }) => address)
  const notReadyAddresses = all.filter(({ ready }) => !ready).map(({ address }) => address)
  const ports = uses
    .map(({ port }) => port)
    .filter((port) => port !== undefined)
    .sort((one, other) => compare(portText(one), portText(other)))
  return {
    ...(addresses.length > 0 ? { addresses } : {}),
    ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
    ...(ports.length > 0 ? { ports } : {}),
  }
}

const portText = (port: EndpointPort): string =>
  JSON.stringify([port.name ?? '', port.protocol ?? 'TCP', port.port, port.appProtocol ?? ''])

const addressText = (address: EndpointAddress): string =>
  `${address.ip}|${address.targetRef?.uid ?? ''}`

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

/** Ready addresses stay before others; what is over the limit is shared out over the subsets. */
export function truncateSubsets(subsets: readonly EndpointSubset[]): {
  readonly subsets: readonly EndpointSubset[]
  readonly truncated: boolean
} {
  const ready = count(subsets, 'addresses')
  const notReady = count(subsets, 'notReadyAddresses')
  if (ready + notReady <= maxAddresses) return { subsets, truncated: false }
  const readyLeft = Math.min(ready, maxAddresses)
  const shareReady = sharing(subsets.length, ready, readyLeft)
  const shareNotReady = sharing(subsets.length, notReady, maxAddresses - readyLeft)
  const cut = subsets.map(({ addresses = [], notReadyAddresses = [], ports }) => ({
    addresses: addresses.slice(0, shareReady(addresses.length)),
    notReadyAddresses: notReadyAddresses.slice(0, shareNotReady(notReadyAddresses.length)),
    ports,
  }))
  return {
    subsets: cut.filter((subset) => subset.addresses.length + subset.notReadyAddresses.length > 0),
    truncated: true,
  }
}

/** Of `room` places for `total`, how many each of `count` lists gets; the last takes the rest. */
function sharing(count: number, total: number, room: number): (length: number) => number {
  let left = room
  let lists = count
  return (length) => {
    lists -= 1
    const share = lists === 0 ? left : Math.min(left, Math.ceil((length / total) * room))
    const taken = Math.min(share, length)
    left -= taken
    return taken
  }
}

const count = (subsets: readonly EndpointSubset[], list: 'addresses' | 'notReadyAddresses') =>
  subsets.reduce((sum, subset) => sum + (subset[list]?.length ?? 0), 0)
