// Carries DNS queries of the node to the host's resolvers: the sockets that receive them were made
// in the node's namespace, the ones that send them on are made here, in the host's.
import type * as dgram from 'node:dgram'
import * as net from 'node:net'
import { resolversOf } from './host.ts'
import { relayConnections, relayDatagrams } from './relay.ts'

const dnsPort = 53

/** The first resolver named there now: the file may change while the cluster runs. */
function upstream(resolvConf: string): { address: string; port: number } | undefined {
  const address = resolversOf(resolvConf)[0]
  return address === undefined ? undefined : { address, port: dnsPort }
}

export function relayResolverUdp(socket: dgram.Socket, resolvConf: string): () => void {
  const end = relayDatagrams(socket, () => upstream(resolvConf), serverFailure)
  return () => {
    end()
    socket.close()
  }
}

const headerBytes = 12
const queryResponseBit = 0x80
const SERVFAIL = 2

/** The query as its own answer, so that nobody waits for a resolver that is not there (RFC 1035 4.1.1). */
function serverFailure(query: Buffer): Buffer | undefined {
  if (query.length < headerBytes || (query[2]! & queryResponseBit) !== 0) return undefined
  const answer = Buffer.from(query)
  answer[2]! |= queryResponseBit
  answer[3] = (answer[3]! & 0xf0) | SERVFAIL
  return answer
}

export function relayResolverTcp(server: net.Server, resolvConf: string): void {
  relayConnections(server, () => {
    const to = upstream(resolvConf)
    // Nothing listens on port 0: without a resolver the client sees a refused connection.
    return net.connect({ host: to?.address ?? '127.0.0.1', port: to?.port ?? 0 })
  })
}
