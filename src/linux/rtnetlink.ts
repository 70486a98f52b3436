// Links, addresses and routes through rtnetlink, so that no `ip` program is needed.
// A Routing works in the network namespace it was opened in, wherever the thread goes later.
import { isIPv6 } from 'node:net'
import { ipToBytes, parseIp } from '../lib/ip.ts'
import { SystemError } from './ffi.ts'
import { NETLINK_ROUTE, type NetlinkRequest, type NetlinkSocket, openNetlink } from './netlink.ts'
import {
  attributeText,
  NetlinkWriter,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  parseAttributes,
} from './netlink-message.ts'

const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_NEWADDR = 20
const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25

const IFF_UP = 1
const IFLA_ADDRESS = 1
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_LINKINFO = 18
const IFLA_NET_NS_FD = 28
const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const VETH_INFO_PEER = 1
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_FLAGS = 8
const IFA_F_NODAD = 2
const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_PREFSRC = 7
const RTA_METRICS = 8
const RTAX_MTU = 2
const RTN_UNICAST = 1
const RTPROT_STATIC = 4
const RT_TABLE_MAIN = 254

/** Where an address or route holds: everywhere, on this link only, on this host only. */
export const scopes = { universe: 0, link: 253, host: 254 } as const
export type RouteScope = keyof typeof scopes

export interface Link {
  readonly index: number
  readonly name: string
  readonly up: boolean
  readonly mtu: number
}

export interface VethRequest {
  readonly name: string
  readonly peerName: string
  /** The descriptor of the network namespace the peer is born in. */
  readonly peerNetns: number
  /** Of the peer, as in "0a:58:0a:f4:00:02". */
  readonly peerMac: string
  readonly mtu: number
}

export interface AddressRequest {
  readonly link: number
  readonly ip: string
  readonly prefixLength: number
  readonly scope?: RouteScope
}

export interface RouteRequest {
  readonly link: number
  /** Absent: the default route. */
  readonly destination?: { readonly ip: string; readonly prefixLength: number }
  readonly gateway?: string
  /** The source address of packets that this host sends there. */
  readonly source?: string
  readonly scope?: RouteScope
  readonly mtu?: number
  /** Of the default route, which names no address; "IPv4" unless told. */
  readonly family?: 'IPv4' | 'IPv6'
}

/** Requests are collected by the caller and sent at once; the first that fails is thrown. */
export class Routing {
  readonly #socket: NetlinkSocket

  constructor(socket: NetlinkSocket = openNetlink(NETLINK_ROUTE)) {
    this.#socket = socket
  }

  run(requests: readonly NetlinkRequest[]): void {
    this.#socket.requests(requests)
  }

  /** As run(), where what is already there is what was wanted. */
  ensure(request: NetlinkRequest): void {
    try {
      this.#socket.requests([request])
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'EEXIST')) throw error
    }
  }

  /** False when the kernel refused it. */
  attempt(request: NetlinkRequest): boolean {
    try {
      this.#socket.requests([request])
      return true
    } catch (error) {
      if (error instanceof SystemError) return false
      throw error
    }
  }

  links(): Link[] {
    const messages = this.#socket.dump(RTM_GETLINK, linkHeader(0, 0, 0))
    return messages.map((message) => parseLink(message.payload))
  }

  findLink(name: string): Link | undefined {
    const writer = new NetlinkWriter(64)
    writer.raw(linkHeader(0, 0, 0))
    writer.string(IFLA_IFNAME, name)
    try {
      const [message] = this.#socket.request(RTM_GETLINK, 0, writer.bytes)
      return message && parseLink(message.payload)
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ENODEV') return undefined
      throw error
    }
  }

  /** Its routes and its peer go with it. False when there was none. */
  deleteLink(name: string): boolean {
    const writer = new NetlinkWriter(64)
    writer.raw(linkHeader(0, 0, 0))
    writer.string(IFLA_IFNAME, name)
    try {
      this.#socket.request(RTM_DELLINK, 0, writer.bytes)
      return true
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ENODEV') return false
      throw error
    }
  }

  close(): void {
    this.#socket.close()
  }
}

function parseLink(payload: Buffer): Link {
  const attributes = parseAttributes(payload, 16)
  return {
    index: payload.readInt32LE(4),
    name: attributeText(attributes.get(IFLA_IFNAME)),
    up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    mtu: attributes.get(IFLA_MTU)?.readUInt32LE(0) ?? 0,
  }
}

/** Both ends are born down: with IFF_UP in the same message the kernel answers ENOTCONN. */
export function addVeth(veth: VethRequest): NetlinkRequest {
  const writer = new NetlinkWriter(256)
  writer.raw(linkHeader(0, 0, 0))
  writer.string(IFLA_IFNAME, veth.name)
  writer.u32(IFLA_MTU, veth.mtu)
  const info = writer.beginNest(IFLA_LINKINFO)
  writer.string(IFLA_INFO_KIND, 'veth')
  const data = writer.beginNest(IFLA_INFO_DATA)
  const peer = writer.beginNest(VETH_INFO_PEER)
  writer.raw(linkHeader(0, 0, 0))
  writer.string(IFLA_IFNAME, veth.peerName)
  writer.attribute(IFLA_ADDRESS, macBytes(veth.peerMac))
  writer.u32(IFLA_MTU, veth.mtu)
  writer.u32(IFLA_NET_NS_FD, veth.peerNetns)
  writer.endNest(peer)
  writer.endNest(data)
  writer.endNest(info)
  return request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, writer)
}

export function setLinkUp(link: number): NetlinkRequest {
  const writer = new NetlinkWriter(32)
  writer.raw(linkHeader(link, IFF_UP, IFF_UP))
  return request(RTM_NEWLINK, 0, writer)
}

export function addAddress(address: AddressRequest): NetlinkRequest {
  return request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, addressMessage(address))
}

/** Replaces a route to the same destination. */
export function addRoute(route: RouteRequest): NetlinkRequest {
  return request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, routeMessage(route))
}

export function deleteRoute(route: RouteRequest): NetlinkRequest {
  return request(RTM_DELROUTE, 0, routeMessage(route))
}

function request(type: number, flags: number, writer: NetlinkWriter): NetlinkRequest {
  return { type, flags, payload: Buffer.from(writer.bytes) }
}

/** struct ifinfomsg */
function linkHeader(index: number, flags: number, change: number): Buffer {
  const header = Buffer.alloc(16)
  header.writeInt32LE(index, 4)
  header.writeUInt32LE(flags, 8)
  header.writeUInt32LE(change, 12)
  return header
}

/** struct ifaddrmsg and its attributes */
function addressMessage(address: AddressRequest): NetlinkWriter {
  const bytes = ipBytes(address.ip)
  const header = Buffer.alloc(8)
  header[0] = familyOf(address.ip)
  header[1] = address.prefixLength
  header[3] = scopes[address.scope ?? 'universe']
  header.writeUInt32LE(address.link, 4)
  const writer = new NetlinkWriter(64)
  writer.raw(header)
  writer.attribute(IFA_LOCAL, bytes)
  writer.attribute(IFA_ADDRESS, bytes)
  if (isIPv6(address.ip)) writer.u32(IFA_FLAGS, IFA_F_NODAD)
  return writer
}

/** struct rtmsg and its attributes */
function routeMessage(route: RouteRequest): NetlinkWriter {
  const example = route.destination?.ip ?? route.gateway
  const family = example ? familyOf(example) : route.family === 'IPv6' ? AF_INET6 : AF_INET
  const header = Buffer.alloc(12)
  header[0] = family
  header[1] = route.destination?.prefixLength ?? 0
  header[4] = RT_TABLE_MAIN
  header[5] = RTPROT_STATIC
  header[6] = scopes[route.scope ?? 'universe']
  header[7] = RTN_UNICAST
  const writer = new NetlinkWriter(96)
  writer.raw(header)
  if (route.destination) writer.attribute(RTA_DST, ipBytes(route.destination.ip))
  if (route.gateway) writer.attribute(RTA_GATEWAY, ipBytes(route.gateway))
  if (route.source) writer.attribute(RTA_PREFSRC, ipBytes(route.source))
  writer.u32(RTA_OIF, route.link)
  if (route.mtu !== undefined) {
    const metrics = writer.beginNest(RTA_METRICS)
    writer.u32(RTAX_MTU, route.mtu)
    writer.endNest(metrics)
  }
  return writer
}

const AF_INET = 2
const AF_INET6 = 10

function familyOf(ip: string): number {
  return isIPv6(ip) ? AF_INET6 : AF_INET
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}

function ipBytes(text: string): Uint8Array {
  const ip = parseIp(text)
  if (!ip) throw new TypeError(`cannot use address "${text}": it is not an IP address`)
  return ipToBytes(ip)
}
