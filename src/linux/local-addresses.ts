// The addresses of this network namespace, and word when they change.
import { existsSync } from 'node:fs'
import { formatIp, ipFromBytes } from '../lib/ip.ts'
import { listenNetlink, NETLINK_ROUTE, openNetlink } from './netlink.ts'
import { parseAttributes } from './netlink-message.ts'

const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_GETADDR = 22
const RTNLGRP_IPV4_IFADDR = 5
const RTNLGRP_IPV6_IFADDR = 9
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
/** struct ifaddrmsg: family, prefix length, flags, scope, index. */
const headerLength = 8
const RT_SCOPE_HOST = 254
const RT_SCOPE_LINK = 253

export interface LocalAddress {
  readonly ip: string
  readonly prefix: number
  /** "link" and "host" addresses are no source for packets that leave. */
  readonly scope: 'global' | 'link' | 'host'
}

/** False where IPv6 is not built in, or switched off at boot. */
export function hasIPv6(): boolean {
  return existsSync('/proc/net/if_inet6')
}

export function listLocalAddresses(): LocalAddress[] {
  const socket = openNetlink(NETLINK_ROUTE)
  try {
    return socket.dump(RTM_GETADDR, Buffer.alloc(headerLength)).flatMap(({ payload }) => {
      const attributes = parseAttributes(payload, headerLength)
      // On a point-to-point link ADDRESS is the other end and LOCAL is ours.
      const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS)
      if (!bytes) return []
      const scope =
        payload[3] === RT_SCOPE_HOST ? 'host' : payload[3] === RT_SCOPE_LINK ? 'link' : 'global'
      return [{ ip: formatIp(ipFromBytes(bytes)), prefix: payload[1]!, scope }]
    })
  } finally {
    socket.close()
  }
}

/** Calls back after addresses came or went; read the list anew then. */
export function watchLocalAddresses(onChange: () => void): { close(): void } {
  return listenNetlink(NETLINK_ROUTE, [RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR], {
    onMessages(messages) {
      if (messages.some(({ type }) => type === RTM_NEWADDR || type === RTM_DELADDR)) onChange()
    },
    onOverrun: onChange,
  })
}
