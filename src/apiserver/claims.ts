// What objects reserve of the cluster's shared numbers: ClusterIPs and node ports. Taken values are
// rows in the store, written in the commit of the object that takes them; what a request has taken
// but not yet committed is held here, so that no two requests try for the same one.
//
//   /registry/ipaddresses/10.96.0.7           the IPAddress object of a ClusterIP
//   /registry/ranges/nodeports/30080          the Service that has a node port
import type { ClaimResult, Claims, IPFamily } from '../api/machinery/claims.ts'
import type { KubeObject } from '../api/machinery/resource.ts'
import type { IPAddress, ServiceCIDR } from '../api/types/networking.gen.ts'
import type { Cidr } from '../lib/ip.ts'
import { formatIp, parseCidr, parseIp } from '../lib/ip.ts'
import type { Random } from '../lib/random.ts'
import type { Expectation, Write } from '../store/store.ts'
import type { Cache, StorageCache } from './cache.ts'

export interface ClaimsConfig {
  readonly nodePortRange: { readonly from: number; readonly to: number }
  readonly random: Random
}

export const ipAddressPrefix = '/registry/ipaddresses/'
export const serviceCidrPrefix = '/registry/servicecidrs/'
export const nodePortPrefix = '/registry/ranges/nodeports/'

/** The claims of one request; nothing of it lasts unless its writes are committed. */
export interface ClaimTransaction extends Claims {
  /** What must still be free. */
  expectations(): readonly Expectation[]
  /** The rows, once it is known whose they are. `ipAddress` gives the bytes of an IPAddress. */
  writes(owner: KubeObject, ipAddress: (address: string) => Uint8Array): readonly Write[]
  /** Whether anything was taken or given back. */
  readonly empty: boolean
  /** Ends the hold; to be called whatever came of the commit. */
  end(): void
}

export interface ClaimBook {
  begin(options: { readonly dryRun: boolean }): ClaimTransaction
}

export function createClaimBook(cache: Cache, config: ClaimsConfig): ClaimBook {
  const addresses = cache.storage(ipAddressPrefix)
  const cidrs = cache.storage(serviceCidrPrefix)
  const ports = cache.storage(nodePortPrefix)
  const heldAddresses = new Set<string>()
  const heldPorts = new Set<string>()
  const books = { addresses, cidrs, ports, heldAddresses, heldPorts, config }
  return { begin: ({ dryRun }) => new Transaction(books, dryRun) }
}

interface Books {
  readonly addresses: StorageCache
  readonly cidrs: StorageCache
  readonly ports: StorageCache
  readonly heldAddresses: Set<string>
  readonly heldPorts: Set<string>
  readonly config: ClaimsConfig
}

class Transaction implements ClaimTransaction {
  readonly #books: Books
  readonly #dryRun: boolean
  readonly #takenAddresses = new Set<string>()
  readonly #takenPorts = new Set<string>()
  readonly #releasedAddresses = new Set<string>()
  readonly #releasedPorts = new Set<string>()

  constructor(books: Books, dryRun: boolean) {
    this.#books = books
    this.#dryRun = dryRun
  }

  takeClusterIP(family: IPFamily, wanted?: string): ClaimResult<string> {
    const ranges = readyRanges(this.#books.cidrs, family)
    return wanted === undefined ? this.#anyAddress(ranges, family) : this.#address(ranges, wanted)
  }

  #address(ranges: readonly Cidr[], wanted: string): ClaimResult<string> {
    const ip = parseIp(wanted)
    const within = ip && ranges.some((range) => isUsable(range, ip.value))
    if (!ip || !within) {
      const message = 'the provided network does not match the current range'
      return { ok: false, reason: 'out-of-range', message }
    }
    const address = formatIp(ip)
    if (!this.#addressFree(address)) {
      return { ok: false, reason: 'taken', message: 'provided IP is already allocated' }
    }
    this.#take(address)
    // The object keeps the spelling its author chose; only the row is canonical.
    return { ok: true, value: wanted }
  }

  #anyAddress(ranges: readonly Cidr[], family: IPFamily): ClaimResult<string> {
    const [first] = ranges
    // Upstream's dry run does not look for a free one: it answers the base of the range.
    if (this.#dryRun && first) {
      return { ok: true, value: formatIp({ family, value: first.base }) }
    }
    for (const range of ranges) {
      for (const band of bandsOf(range)) {
        const found = this.#scan(band, family)
        if (found !== undefined) return this.#take(found)
      }
    }
    return { ok: false, reason: 'full', message: 'range is full' }
  }

  /** From a random place in the band upwards, then around. */
  #scan({ start, size }: Band, family: IPFamily): string | undefined {
    if (size <= 0n) return undefined
    const offset = randomBelow(size, this.#books.config.random)
    for (let step = 0n; step < size; step++) {
      const address = formatIp({ family, value: start + ((offset + step) % size) })
      if (this.#addressFree(address)) return address
    }
    return undefined
  }

  #addressFree(address: string): boolean {
    if (this.#books.heldAddresses.has(address)) return false
    return this.#books.addresses.get(address) === undefined || this.#releasedAddresses.has(address)
  }

  #take(address: string): ClaimResult<string> {
    this.#books.heldAddresses.add(address)
    this.#takenAddresses.add(address)
    return { ok: true, value: address }
  }

  releaseClusterIP(address: string): void {
    const ip = parseIp(address)
    const name = ip ? formatIp(ip) : address
    if (this.#takenAddresses.delete(name)) this.#books.heldAddresses.delete(name)
    else this.#releasedAddresses.add(name)
  }

  takeNodePort(wanted?: number): ClaimResult<number> {
    const { from, to } = this.#books.config.nodePortRange
    if (wanted === undefined) return this.#anyPort()
    if (wanted < from || wanted > to) {
      const message = `provided port is not in the valid range. The range of valid ports is ${from}-${to}`
      return { ok: false, reason: 'out-of-range', message }
    }
    if (!this.#portFree(wanted)) {
      return { ok: false, reason: 'taken', message: 'provided port is already allocated' }
    }
    return this.#takePort(wanted)
  }

  #anyPort(): ClaimResult<number> {
    const { from, to } = this.#books.config.nodePortRange
    const size = to - from + 1
    const band = size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128)
    const bands = [
      [from + band, size - band],
      [from, band],
    ] as const
    for (const [start, length] of bands) {
      const offset = Math.floor(this.#books.config.random.next() * length)
      for (let step = 0; step < length; step++) {
        const port = start + ((offset + step) % length)
        if (this.#portFree(port)) return this.#takePort(port)
      }
    }
    return { ok: false, reason: 'full', message: 'range is full' }
  }

  #portFree(port: number): boolean {
    const key = String(port)
    if (this.#books.heldPorts.has(key)) return false
    return this.#books.ports.get(key) === undefined || this.#releasedPorts.has(key)
  }

  #takePort(port: number): ClaimResult<number> {
    this.#books.heldPorts.add(String(port))
    this.#takenPorts.add(String(port))
    return { ok: true, value: port }
  }

  releaseNodePort(port: number): void {
    const key = String(port)
    if (this.#takenPorts.delete(key)) this.#books.heldPorts.delete(key)
    else this.#releasedPorts.add(key)
  }

  get empty(): boolean {
    return (
      this.#takenAddresses.size === 0 &&
      this.#takenPorts.size === 0 &&
      this.#releasedAddresses.size === 0 &&
      this.#releasedPorts.size === 0
    )
  }

  expectations(): readonly Expectation[] {
    const { addresses, ports } = this.#books
    const now = (storage: StorageCache, name: string) => ({
      key: storage.prefix + name,
      modRevision: storage.get(name)?.revision ?? 0,
    })
    return [
      ...[...this.#takenAddresses].map((name) => now(addresses, name)),
      ...[...this.#takenPorts].map((name) => now(ports, name)),
    ]
  }

  writes(owner: KubeObject, ipAddress: (address: string) => Uint8Array): readonly Write[] {
    const writes: Write[] = []
    for (const name of this.#releasedAddresses) {
      if (!this.#takenAddresses.has(name) && ownsAddress(this.#books.addresses, name, owner)) {
        writes.push({ type: 'delete', key: ipAddressPrefix + name })
      }
    }
    for (const name of this.#releasedPorts) {
      if (!this.#takenPorts.has(name)) writes.push({ type: 'delete', key: nodePortPrefix + name })
    }
    for (const name of this.#takenAddresses) {
      writes.push({ type: 'put', key: ipAddressPrefix + name, value: ipAddress(name) })
    }
    const { namespace, name: serviceName, uid } = owner.metadata
    const row = Buffer.from(JSON.stringify({ metadata: { name: serviceName, namespace, uid } }))
    for (const name of this.#takenPorts) {
      writes.push({ type: 'put', key: nodePortPrefix + name, value: row })
    }
    return writes
  }

  end(): void {
    for (const address of this.#takenAddresses) this.#books.heldAddresses.delete(address)
    for (const port of this.#takenPorts) this.#books.heldPorts.delete(port)
  }
}

/** An address that somebody else's IPAddress stands for is not ours to free. */
function ownsAddress(addresses: StorageCache, name: string, owner: KubeObject): boolean {
  const object = addresses.get(name)?.object as IPAddress | undefined
  const parent = object?.spec.parentRef
  return (
    parent?.resource === 'services' &&
    parent.name === owner.metadata.name &&
    parent.namespace === owner.metadata.namespace
  )
}

interface Band {
  readonly start: bigint
  readonly size: bigint
}

function firstAndLast(range: Cidr): { first: bigint; last: bigint } {
  const bits = BigInt((range.family === 'IPv4' ? 32 : 128) - range.prefix)
  const size = 1n << bits
  const last = range.base + size - 1n
  return { first: range.base + 1n, last: range.family === 'IPv4' ? last - 1n : last }
}

function isUsable(range: Cidr, value: bigint): boolean {
  const { first, last } = firstAndLast(range)
  return value >= first && value <= last
}

/** The upper band is for any address, the lower for those asked for by name; it comes last. */
function bandsOf(range: Cidr): Band[] {
  const bits = BigInt((range.family === 'IPv4' ? 32 : 128) - range.prefix)
  const size = 1n << bits
  const { first, last } = firstAndLast(range)
  const part = size / 16n
  const reserved = size <= 16n ? 0n : part < 16n ? 16n : part > 256n ? 256n : part
  const upper = first + reserved
  return [
    { start: upper, size: last - upper + 1n },
    { start: first, size: upper - first },
  ]
}

function randomBelow(limit: bigint, random: Random): bigint {
  const wide = BigInt(`0x${Buffer.from(random.bytes(16)).toString('hex')}`)
  return wide % limit
}

/** The CIDRs of a family that addresses may come from, the cluster's own first. */
function readyRanges(cidrs: StorageCache, family: IPFamily): Cidr[] {
  const ready: { cidr: Cidr; own: boolean }[] = []
  for (const entry of cidrs.list('')) {
    const object = entry.object as ServiceCIDR
    const condition = object.status?.conditions?.find(({ type }) => type === 'Ready')
    if (object.metadata.deletionTimestamp !== undefined || condition?.status !== 'True') continue
    for (const text of object.spec.cidrs ?? []) {
      const cidr = parseCidr(text)
      if (cidr?.family === family) ready.push({ cidr, own: entry.key === 'kubernetes' })
    }
  }
  return ready.sort((one, other) => Number(other.own) - Number(one.own)).map(({ cidr }) => cidr)
}
