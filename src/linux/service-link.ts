// A link that leads nowhere and the routes over it. Addresses that exist only in rules need a route
// all the same: without one, connect() fails before any rule is asked, and Pods hear "network
// unreachable" where the rules would have refused or dropped (docs/decisions/0062).
import { writeFileSync } from 'node:fs'
import { formatIp, ipToBytes, parseCidr } from '../lib/ip.ts'
import { SystemError } from './ffi.ts'
import { NETLINK_ROUTE, openNetlink } from './netlink.ts'
import { NetlinkWriter, NLM_F_CREATE, NLM_F_EXCL } from './netlink-message.ts'
import { addRoute, Routing, setLinkUp } from './rtnetlink.ts'

const RTM_NEWLINK = 16
const IFLA_IFNAME = 3
const IFLA_LINKINFO = 18
const IFLA_INFO_KIND = 1
/** struct ifinfomsg */
const linkHeaderLength = 16

export interface ServiceRoute {
  /** "10.96.0.0/16" */
  readonly cidr: string
  /** The source of packets this node itself sends there; left out until it is an address of ours. */
  readonly source?: string | undefined
}

/**
 * Makes the link, if need be, and the routes. A bridge without ports: unlike `lo` it lets the
 * rules' answers through, and unlike `dummy` every kernel with containers has it.
 */
export function ensureServiceRoutes(name: string, routes: readonly ServiceRoute[]): void {
  const socket = openNetlink(NETLINK_ROUTE)
  const routing = new Routing(socket)
  try {
    routing.ensure({
      type: RTM_NEWLINK,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      payload: bridgeMessage(name),
    })
    const link = routing.findLink(name)
    if (!link) return
    routing.run([setLinkUp(link.index)])
    for (const { cidr, source } of routes) {
      const parsed = parseCidr(cidr)
      if (!parsed) continue
      const ip = formatIp({ family: parsed.family, value: parsed.base })
      const destination = { ip, prefixLength: parsed.prefix }
      addRouteFrom(routing, { link: link.index, destination }, source)
    }
  } finally {
    socket.close()
  }
}

/** The kernel refuses a source that is not one of its addresses yet. */
function addRouteFrom(
  routing: Routing,
  route: Parameters<typeof addRoute>[0],
  source: string | undefined,
): void {
  if (source !== undefined) {
    try {
      return routing.run([addRoute({ ...route, source })])
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'EINVAL')) throw error
    }
  }
  routing.run([addRoute(route)])
}

function bridgeMessage(name: string): Uint8Array {
  const writer = new NetlinkWriter(128)
  writer.raw(new Uint8Array(linkHeaderLength))
  writer.string(IFLA_IFNAME, name)
  const info = writer.beginNest(IFLA_LINKINFO)
  writer.string(IFLA_INFO_KIND, 'bridge')
  writer.endNest(info)
  return Uint8Array.from(writer.bytes)
}

/** The routes go with the link. */
export function removeServiceLink(name: string): void {
  const socket = openNetlink(NETLINK_ROUTE)
  try {
    new Routing(socket).deleteLink(name)
  } finally {
    socket.close()
  }
}

const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTA_DST = 1
const RTA_OIF = 4
const RT_TABLE_LOCAL = 255
const RT_SCOPE_HOST = 254
const RTN_LOCAL = 2
const loopback = 1

/** Makes every address of the blocks one of this host's own, so that sockets can be bound to it. */
export function ensureLocalRoutes(cidrs: readonly string[]): void {
  // IPv6 takes a local route for delivery, but not for bind().
  if (cidrs.some((cidr) => cidr.includes(':')))
    writeFileSync('/proc/sys/net/ipv6/ip_nonlocal_bind', '1')
  const socket = openNetlink(NETLINK_ROUTE)
  try {
    for (const cidr of cidrs) {
      const payload = localRouteMessage(cidr)
      if (payload) new Routing(socket).ensure({ type: RTM_NEWROUTE, flags: createOnly, payload })
    }
  } finally {
    socket.close()
  }
}

export function removeLocalRoutes(cidrs: readonly string[]): void {
  const socket = openNetlink(NETLINK_ROUTE)
  try {
    for (const cidr of cidrs) {
      const payload = localRouteMessage(cidr)
      if (payload) socket.request(RTM_DELROUTE, 0, payload)
    }
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'ESRCH')) throw error
  } finally {
    socket.close()
  }
}

const createOnly = NLM_F_CREATE | NLM_F_EXCL

function localRouteMessage(cidr: string): Uint8Array | undefined {
  const parsed = parseCidr(cidr)
  if (!parsed) return undefined
  const { family, base, prefix } = parsed
  const header = new Uint8Array(12)
  header.set([
    family === 'IPv4' ? 2 : 10,
    prefix,
    0,
    0,
    RT_TABLE_LOCAL,
    4,
    RT_SCOPE_HOST,
    RTN_LOCAL,
  ])
  const writer = new NetlinkWriter(64)
  writer.raw(header)
  writer.attribute(RTA_DST, ipToBytes({ family, value: base }))
  writer.u32(RTA_OIF, loopback)
  return Uint8Array.from(writer.bytes)
}
