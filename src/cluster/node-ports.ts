// NodePorts on the host: listens on 127.0.0.1 for each one that a Service has, and gives the
// listening socket to the node's agent, which passes connections to the port inside.
import * as dgram from 'node:dgram'
import * as net from 'node:net'
import { services } from '../api/resources.gen.ts'
import type { Service } from '../api/types/core.gen.ts'
import type { InformerFactory } from '../client/informer.ts'
import { keyOf } from '../client/informer.ts'
import type { Logger } from '../lib/log.ts'
import type { AgentProcess } from './agent-process.ts'

type Protocol = 'TCP' | 'UDP'

export interface NodePorts {
  /** The agent is a new process: it has to be given every port again. */
  reopen(): void
  close(): void
}

export interface NodePortDeps {
  readonly informers: InformerFactory
  readonly agent: AgentProcess
  readonly log: Logger
  readonly address: string
}

export function publishNodePorts(deps: NodePortDeps): NodePorts {
  /** "30080/TCP" -> Services that have it; a port is closed with the last of them. */
  const open = new Map<string, Set<string>>()

  const listen = (id: string) => {
    const { port, protocol } = parsePort(id)
    const listening =
      protocol === 'TCP' ? listenTcp(deps.address, port) : listenUdp(deps.address, port)
    listening.then(
      (handle) => {
        if (open.has(id)) deps.agent.send({ type: 'node-port', port, protocol }, handle)
        else handle.close()
      },
      (error: Error) =>
        deps.log.warn('cannot open node port on the host', {
          port,
          protocol,
          address: deps.address,
          error,
        }),
    )
  }

  const add = (id: string, service: string) => {
    const users = open.get(id)
    if (users) users.add(service)
    else {
      open.set(id, new Set([service]))
      listen(id)
    }
  }

  const remove = (id: string, service: string) => {
    const users = open.get(id)
    users?.delete(service)
    if (!users || users.size > 0) return
    open.delete(id)
    deps.agent.send({ type: 'close-node-port', ...parsePort(id) })
  }

  const unsubscribe = deps.informers.informer(services).subscribe(({ type, object, old }) => {
    const key = keyOf(object)
    const now = type === 'deleted' ? [] : nodePortsOf(object)
    const before = type === 'deleted' ? nodePortsOf(object) : old ? nodePortsOf(old) : []
    for (const id of now) add(id, key)
    for (const id of before) if (!now.includes(id)) remove(id, key)
  })

  return {
    reopen: () => {
      for (const id of open.keys()) listen(id)
    },
    close: unsubscribe,
  }
}

function nodePortsOf(service: Service): string[] {
  return (service.spec.ports ?? [])
    .filter((port) => port.nodePort && port.protocol !== 'SCTP')
    .map((port) => `${port.nodePort}/${port.protocol ?? 'TCP'}`)
}

function parsePort(id: string): { port: number; protocol: Protocol } {
  const [port, protocol] = id.split('/') as [string, Protocol]
  return { port: Number(port), protocol }
}

function listenTcp(address: string, port: number): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer({ pauseOnConnect: true })
    server.once('error', reject)
    server.listen(port, address, () => resolve(server))
  })
}

function listenUdp(address: string, port: number): Promise<dgram.Socket> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.once('error', reject)
    socket.bind(port, address, () => resolve(socket))
  })
}
