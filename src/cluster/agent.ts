// The node's agent, inside the node's namespaces: node network, API listener, egress proxy,
// resolver relay, then kubelet and kube-proxy. It knows the cluster only through the API.
import * as dgram from 'node:dgram'
import * as fs from 'node:fs'
import * as net from 'node:net'
import * as path from 'node:path'
import type { Client } from '../client/client.ts'
import { createClient } from '../client/resource-client.ts'
import { createTransport } from '../client/transport.ts'
import { startKubelet } from '../kubelet/kubelet.ts'
import { systemClock } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import type { Logger } from '../lib/log.ts'
import { systemRandom } from '../lib/random.ts'
import { SystemError } from '../linux/ffi.ts'
import { openNftables } from '../linux/nftables/apply.ts'
import { addAddress, Routing, setLinkUp } from '../linux/rtnetlink.ts'
import { startProxy } from '../proxy/proxy.ts'
import { watchDns } from './dns-probe.ts'
import { serveEgress } from './egress.ts'
import type { AgentConfig, FromAgent, ToAgent } from './messages.ts'
import { rulePages } from './node-rules.ts'
import { relayConnections, relayDatagrams } from './relay.ts'

export type Handle = net.Server | dgram.Socket

export interface AgentChannel {
  /** Resolves once a handle has left this process and its copy here is closed. */
  send(message: FromAgent, handle?: Handle): Promise<void>
}

export interface Agent {
  receive(message: ToAgent, handle: Handle | undefined): void
  stop(): Promise<void>
}

const dnsPort = 53
const nodeTable = 'signpost-node'

/** Starts everything; resolves once the kubelet has registered the node and rules are in the kernel. */
export async function startAgent(
  config: AgentConfig,
  channel: AgentChannel,
  log: Logger,
): Promise<Agent> {
  bringUpNode(config.nodeIP)
  fs.rmSync(config.egressSocket, { force: true })
  const [egress] = await Promise.all([
    serveEgress(config.egressSocket),
    offerApiListener(config, channel),
    offerResolver(config, channel),
  ])
  const resolvConf = path.join(config.stateDir, 'resolv.conf')
  fs.mkdirSync(config.stateDir, { recursive: true, mode: 0o755 })
  fs.writeFileSync(resolvConf, `nameserver ${config.nodeIP}\n`)

  const common = { clock: systemClock, random: systemRandom }
  const proxy = await startProxy(
    {
      nodeName: config.nodeName,
      mode: 'auto',
      clusterCIDR: config.clusterCIDR,
      serviceCIDRs: [config.serviceCIDR],
    },
    {
      ...common,
      client: clientOf(config, 'kube-proxy', config.proxy),
      log: log.child({ component: 'kube-proxy' }),
    },
  )
  const kubelet = await startKubelet(
    {
      nodeName: config.nodeName,
      nodeIP: config.nodeIP,
      podCIDR: config.podCIDR,
      clusterDNS: [config.clusterDNS],
      clusterDomain: config.clusterDomain,
      stateDir: config.stateDir,
      port: config.kubeletPort,
      tls: config.kubeletServing,
      clientCA: config.ca,
      imagePolicy: config.imagePolicy,
      resolvConf,
      program: config.program,
      rootless: config.rootless,
    },
    {
      ...common,
      client: clientOf(config, 'kubelet', config.kubelet),
      log: log.child({ component: 'kubelet' }),
      debug: rulePages(proxy),
    },
  )
  await Promise.all([proxy.ready(), kubelet.ready()])
  void channel.send({ type: 'node-ready', proxyMode: proxy.mode })
  const probe = watchDns(
    config,
    (name, address) => void channel.send({ type: 'dns-answers', name, address }),
  )
  return assemble(config, { proxy, kubelet, egress, probe })
}

interface Parts {
  readonly proxy: Component
  readonly kubelet: Component
  readonly egress: net.Server
  readonly probe: { stop(): void }
}

function assemble(config: AgentConfig, parts: Parts): Agent {
  const ports = new Map<string, () => void>()
  return {
    receive(message, handle) {
      if (message.type === 'node-port' && handle) {
        ports.set(
          `${message.port}/${message.protocol}`,
          serveNodePort(config.nodeIP, message.port, handle),
        )
      }
      if (message.type === 'close-node-port') {
        const id = `${message.port}/${message.protocol}`
        ports.get(id)?.()
        ports.delete(id)
      }
    },
    async stop() {
      parts.probe.stop()
      await parts.kubelet.stop()
      await parts.proxy.stop()
      parts.egress.close()
      fs.rmSync(config.egressSocket, { force: true })
    },
  }
}

/** The namespace is new: its loopback is down, and the node's address is nowhere. */
function bringUpNode(nodeIP: string): void {
  // Of hairpin traffic: redirects would use up the allowance for ICMP errors that Pods wait for.
  for (const link of ['all', 'default']) {
    fs.writeFileSync(`/proc/sys/net/ipv4/conf/${link}/send_redirects`, '0')
  }
  const routing = new Routing()
  const loopback = routing.findLink('lo')!
  routing.run([setLinkUp(loopback.index)])
  routing.ensure(addAddress({ link: loopback.index, ip: nodeIP, prefixLength: 32 }))
  routing.close()
  trackConnections()
}

/**
 * A rule that asks for a connection's state makes the kernel track connections. It has to before
 * the first one is made: one that NAT comes upon in its middle is given a new port, and breaks.
 */
function trackConnections(): void {
  const chain = {
    name: 'track',
    base: { type: 'filter', hook: 'output', priority: 0 } as const,
    rules: [],
  }
  const rule = [
    { type: 'match', field: 'ct state', op: '==', value: 'new' },
    { type: 'verdict', verdict: 'accept' },
  ] as const
  try {
    const nftables = openNftables({ family: 'ip', name: nodeTable, owner: false })
    nftables.apply([
      { type: 'addTable' },
      { type: 'addChain', chain },
      { type: 'addRule', chain: chain.name, rule },
    ])
    nftables.close()
  } catch (error) {
    // Without nf_tables the proxy relays in user space, and nothing is tracked at all.
    if (!(error instanceof SystemError)) throw error
  }
}

function clientOf(
  config: AgentConfig,
  component: string,
  credentials: AgentConfig['kubelet'],
): Client {
  return createClient(
    createTransport({
      server: `https://${config.nodeIP}:${config.apiPort}`,
      ca: config.ca,
      ...credentials,
      userAgent: component,
    }),
  )
}

/** Made here, served by the API server's process: a socket keeps the namespace it was made in. */
function offerApiListener(config: AgentConfig, channel: AgentChannel): Promise<void> {
  return listen(config.nodeIP, config.apiPort).then((server) =>
    channel.send({ type: 'api-listener' }, server),
  )
}

async function offerResolver(config: AgentConfig, channel: AgentChannel): Promise<void> {
  const [server, socket] = await Promise.all([
    listen(config.nodeIP, dnsPort),
    bind(config.nodeIP, dnsPort),
  ])
  await Promise.all([
    channel.send({ type: 'resolver-tcp' }, server),
    channel.send({ type: 'resolver-udp' }, socket),
  ])
}

function listen(host: string, port: number): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', reject)
    server.listen({ host, port, backlog: 511 }, () => resolve(server))
  })
}

function bind(address: string, port: number): Promise<dgram.Socket> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4')
    socket.once('error', reject)
    socket.bind(port, address, () => resolve(socket))
  })
}

/** The host's listener, relayed to the same port of the node. */
function serveNodePort(nodeIP: string, port: number, handle: Handle): () => void {
  if (handle instanceof net.Server) {
    relayConnections(handle, () => net.connect({ host: nodeIP, port }))
    return () => handle.close()
  }
  const end = relayDatagrams(handle, () => ({ address: nodeIP, port }))
  return () => {
    end()
    handle.close()
  }
}
