// Carries DNS queries of the node to the host's resolvers: the sockets that receive them were made
// in the node's namespace, the ones that send them on are made here, in the host's.
import type * as dgram from 'node:dgram'
import * as net from 'node:net'
import { hostResolvers } from './host.ts'
import { relayConnections, relayDatagrams } from './relay.ts'

const dnsPort = 53

/** The host's first resolver now: its resolv.conf may change while the cluster runs. */
function upstream(): { address: string; port: number } | undefined {
  const address = hostResolvers()[0]
  return address === undefined ? undefined : { address, port: dnsPort }
}

export function relayResolverUdp(socket: dgram.Socket): () => void {
  return relayDatagrams(socket, upstream)
}

export function relayResolverTcp(server: net.Server): void {
  relayConnections(server, () => {
    const to = upstream()
    // Nothing listens on port 0: the client sees a refused connection, as it should without a resolver.
    return net.connect({ host: to?.address ?? '127.0.0.1', port: to?.port ?? 0 })
  })
}
