// The Pod network of one node: a routed veth for each Pod, and which address is whose.
//
//   node netns                                          Pod netns
//   nodeIP/32 on lo                                     eth0  podIP/32
//   sp<uid> 169.254.1.1/32 scope link  <── veth ──>     169.254.1.1 dev eth0 scope link
//   podIP/32 dev sp<uid> src nodeIP                     default via 169.254.1.1
//
// No bridge: traffic between two Pods of a node is routed, so it passes the Service rules both
// ways. `scope link` keeps 169.254.1.1 from being chosen as a source, also by masquerade.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { familyOf, ipToBytes, parseIp } from '../lib/ip.ts'
import { inNetns } from '../linux/netns.ts'
import {
  addAddress,
  addRoute,
  addVeth,
  deleteRoute,
  type RouteRequest,
  Routing,
  setLinkUp,
} from '../linux/rtnetlink.ts'
import { nextAddress } from './ipam.ts'

/** CNI's verbs. */
export interface PodNetwork {
  /** Readies the node's own side; once, before the first add. */
  open(): void
  /** Gives the Pod an address and a link into its network namespace. Throws when none is free. */
  add(podUID: string, netns: number): readonly string[]
  /** Whether the Pod's link is there. */
  check(podUID: string): boolean
  /**
   * Takes the route away at once; the link goes with the Pod's namespace. The address is not given
   * out again for a while. Unknown Pods are no error.
   */
  del(podUID: string): void
  close(): void
}

export interface PodNetworkConfig {
  /** One per address family. */
  readonly podCIDRs: readonly string[]
  /** As podCIDRs; the source of what the node sends to its Pods. */
  readonly nodeIPs: readonly string[]
  readonly mtu: number
  /** Where allocations are kept. */
  readonly file: string
}

const gatewayV4 = '169.254.1.1'
const gatewayV6 = 'fe80::1'
/** UDP flows to a Pod that is gone may still be in the connection table. */
const restMs = 5000
const linkPrefix = 'sp'

interface Allocations {
  readonly last: Record<string, string>
  readonly pods: Record<string, readonly string[]>
}

export function createPodNetwork(config: PodNetworkConfig, deps: { clock: Clock }): PodNetwork {
  return new RoutedNetwork(config, deps.clock)
}

/** "sp" and ten digits of the UID: fits the 15 characters that Linux allows. */
export function linkName(podUID: string): string {
  return `${linkPrefix}${podUID.replaceAll('-', '').slice(0, 10)}`
}

/** Follows from the address, so that a neighbour entry stays right when an address comes back. */
export function macOf(ip: string): string {
  const parsed = parseIp(ip)
  if (!parsed) throw new TypeError(`cannot derive a MAC from "${ip}"`)
  const tail = [...ipToBytes(parsed)].slice(-4)
  return ['0a', '58', ...tail.map((byte) => byte.toString(16).padStart(2, '0'))].join(':')
}

/** A Pod's namespace, and a conversation with the kernel inside it. */
interface PodEnd {
  readonly netns: number
  readonly inside: Routing
}

class RoutedNetwork implements PodNetwork {
  readonly #config: PodNetworkConfig
  readonly #clock: Clock
  readonly #resting = new Set<string>()
  #allocations: Allocations = { last: {}, pods: {} }
  #routing: Routing | undefined

  constructor(config: PodNetworkConfig, clock: Clock) {
    this.#config = config
    this.#clock = clock
  }

  open(): void {
    const routing = new Routing()
    this.#routing = routing
    const loopback = routing.findLink('lo')!
    routing.run([setLinkUp(loopback.index)])
    for (const ip of this.#config.nodeIPs) {
      routing.ensure(addAddress({ link: loopback.index, ip, prefixLength: hostPrefix(ip) }))
    }
    writeSysctl('net/ipv4/ip_forward', '1')
    if (this.#hasFamily('IPv6')) writeSysctl('net/ipv6/conf/all/forwarding', '1')
    this.#load()
  }

  add(podUID: string, netns: number): readonly string[] {
    const ips = this.#allocate(podUID)
    const inside = inNetns(netns, () => new Routing())
    try {
      this.#connect(podUID, ips, { netns, inside })
    } catch (error) {
      this.del(podUID)
      throw error
    } finally {
      inside.close()
    }
    return ips
  }

  #connect(podUID: string, ips: readonly string[], pod: PodEnd): void {
    const { netns, inside } = pod
    const name = linkName(podUID)
    const { mtu } = this.#config
    const outside = this.#open
    inNetns(netns, () => this.#podSysctls())
    const peerMac = macOf(ips[0]!)
    outside.run([addVeth({ name, peerName: 'eth0', peerNetns: netns, peerMac, mtu })])
    const nodeEnd = outside.findLink(name)!.index
    const podEnd = inside.findLink('eth0')!.index
    inside.run([
      setLinkUp(inside.findLink('lo')!.index),
      ...ips.map((ip) => addAddress({ link: podEnd, ip, prefixLength: hostPrefix(ip) })),
      setLinkUp(podEnd),
    ])
    outside.run([
      ...ips.map((ip) => gatewayAddress(nodeEnd, ip)),
      setLinkUp(nodeEnd),
      ...ips.map((ip) => addRoute(this.#routeTo(ip, nodeEnd))),
    ])
    inside.run(ips.flatMap((ip) => defaultRoutes(podEnd, ip)))
  }

  #routeTo(ip: string, link: number): RouteRequest {
    const source = this.#config.nodeIPs.find((nodeIP) => familyOf(nodeIP) === familyOf(ip))
    return {
      link,
      destination: { ip, prefixLength: hostPrefix(ip) },
      ...(source === undefined ? {} : { source }),
      ...(familyOf(ip) === 'IPv4' ? { scope: 'link' } : {}),
    }
  }

  /** Inside the Pod: ports below 1024 for everybody, ping for everybody, IPv6 only if it has one. */
  #podSysctls(): void {
    writeSysctl('net/ipv4/ip_unprivileged_port_start', '0')
    writeSysctl('net/ipv4/ping_group_range', '0 2147483647')
    if (this.#hasFamily('IPv6')) return
    writeSysctl('net/ipv6/conf/default/disable_ipv6', '1')
    writeSysctl('net/ipv6/conf/all/disable_ipv6', '1')
  }

  #hasFamily(family: 'IPv4' | 'IPv6'): boolean {
    return this.#config.podCIDRs.some((cidr) => familyOf(cidr.split('/')[0]!) === family)
  }

  check(podUID: string): boolean {
    return this.#open.findLink(linkName(podUID)) !== undefined
  }

  /** Deleting a link waits for the kernel (30 ms each); a namespace that ends takes it along, in bulk. */
  del(podUID: string): void {
    const ips = this.#allocations.pods[podUID]
    if (!ips) return
    delete this.#allocations.pods[podUID]
    this.#save()
    const link = this.#open.findLink(linkName(podUID))
    if (link) for (const ip of ips) this.#open.attempt(deleteRoute(this.#routeTo(ip, link.index)))
    for (const ip of ips) this.#resting.add(ip)
    this.#clock.after(restMs, () => {
      for (const ip of ips) this.#resting.delete(ip)
    })
  }

  close(): void {
    this.#routing?.close()
    this.#routing = undefined
  }

  get #open(): Routing {
    if (!this.#routing) throw new Error('cannot change the Pod network: it is not open')
    return this.#routing
  }

  /** The address is on disk before it is used: after a crash it is not given to another Pod. */
  #allocate(podUID: string): readonly string[] {
    const known = this.#allocations.pods[podUID]
    if (known) return known
    const taken = new Set([...Object.values(this.#allocations.pods).flat(), ...this.#resting])
    const ips = this.#config.podCIDRs.map((cidr) => {
      const ip = nextAddress(cidr, taken, this.#allocations.last[cidr])
      if (ip === undefined) throw new Error(`no IP addresses available in range set: ${cidr}`)
      this.#allocations.last[cidr] = ip
      return ip
    })
    this.#allocations.pods[podUID] = ips
    this.#save()
    return ips
  }

  /** Allocations of an earlier run count only as far as their links are still there. */
  #load(): void {
    const links = new Set(this.#open.links().map((link) => link.name))
    const stored = readAllocations(this.#config.file)
    const alive = Object.entries(stored.pods).filter(([uid]) => links.has(linkName(uid)))
    this.#allocations = { last: stored.last, pods: Object.fromEntries(alive) }
  }

  #save(): void {
    const { file } = this.#config
    writeFileSync(`${file}.new`, JSON.stringify(this.#allocations))
    renameSync(`${file}.new`, file)
  }
}

function readAllocations(file: string): Allocations {
  mkdirSync(dirname(file), { recursive: true })
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Allocations
  } catch {
    return { last: {}, pods: {} }
  }
}

function hostPrefix(ip: string): number {
  return familyOf(ip) === 'IPv6' ? 128 : 32
}

/** IPv6 wants a link-local prefix to take the gateway for a neighbour. */
function gatewayAddress(link: number, podIP: string) {
  return familyOf(podIP) === 'IPv6'
    ? addAddress({ link, ip: gatewayV6, prefixLength: 64, scope: 'link' })
    : addAddress({ link, ip: gatewayV4, prefixLength: 32, scope: 'link' })
}

function defaultRoutes(link: number, podIP: string) {
  if (familyOf(podIP) === 'IPv6') return [addRoute({ link, gateway: gatewayV6 })]
  const neighbour = { ip: gatewayV4, prefixLength: 32 }
  return [
    addRoute({ link, destination: neighbour, scope: 'link' }),
    addRoute({ link, gateway: gatewayV4 }),
  ]
}

/** Some are missing in older kernels or refused in a user namespace; none is worth failing for. */
function writeSysctl(name: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/${name}`, value)
  } catch {
    return
  }
}
