// A whole cluster: what starts in which order, what is told of it, and how it ends.
//
//   store ─ API server ─┬─ controllers, scheduler      (this process, the host's network)
//                       └─ agent: kubelet, kube-proxy  (child, the node's namespaces)
//                            └─ Pods, two of them cluster DNS
import type * as dgram from 'node:dgram'
import * as net from 'node:net'
import * as path from 'node:path'
import type { Apiserver } from '../apiserver/apiserver.ts'
import type { Client } from '../client/client.ts'
import type { InformerFactory } from '../client/informer.ts'
import { systemClock } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import { deferred } from '../lib/deferred.ts'
import type { Logger } from '../lib/log.ts'
import { systemRandom } from '../lib/random.ts'
import type { Store } from '../store/store.ts'
import { StoreError } from '../store/store.ts'
import type { Access } from './access.ts'
import { writePrivateKubeconfig } from './access.ts'
import { createMissing, imageMapAccess, kubeletAccess } from './addons.ts'
import type { AgentProcess, Handle } from './agent-process.ts'
import { startAgentProcess } from './agent-process.ts'
import { apiserverConfig, nodeApiPort, pkiConfig } from './apiserver-config.ts'
import { ClusterError } from './cluster-error.ts'
import type * as components from './components.ts'
import type { ClusterConfig } from './config.ts'
import { dialEgress } from './egress.ts'
import type { AgentConfig, FromAgent } from './messages.ts'
import type { NodePorts } from './node-ports.ts'
import { publishNodePorts } from './node-ports.ts'
import type { Pki } from './pki.ts'
import { loadPkiAside } from './pki-aside.ts'
import { relayResolverTcp, relayResolverUdp } from './resolver-relay.ts'

type Components = typeof components

export type ClusterStep = 'apiserver' | 'controllers' | 'node' | 'proxy' | 'dns'

export interface ClusterDeps {
  readonly log: Logger
  /** Descriptor that the agent and what it starts write their logs to. */
  readonly logFd: number
  readonly program: AgentConfig['program']
  readonly verbose: boolean
  /** Told as each part comes up. */
  onStep(step: ClusterStep, detail: string): void
  /** The cluster cannot go on; it has to be stopped. */
  onFailure(error: Error): void
}

export interface Cluster extends Component {
  readonly access: Access
  readonly port: number
  readonly agentPid: number | undefined
  readonly client: Client
}

/** Starts a cluster; ready() resolves when cluster DNS answers. What had started is stopped again on failure. */
export async function startCluster(config: ClusterConfig, deps: ClusterDeps): Promise<Cluster> {
  const cluster = new RunningCluster(config, deps)
  try {
    await cluster.start()
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return cluster
}

class RunningCluster implements Cluster {
  readonly name = 'cluster'
  readonly #config: ClusterConfig
  readonly #deps: ClusterDeps
  /** What runs, in the order it was started; stopped from the last to the first. */
  readonly #running: Component[] = []
  /** Ends what serves the node's sockets; they go with the agent that made them. */
  readonly #closers: (() => void)[] = []
  #components!: Components
  #store: Store | undefined
  #apiserver: Apiserver | undefined
  #agent: AgentProcess | undefined
  #nodePorts: NodePorts | undefined
  #access: Access | undefined
  #client: Client | undefined
  #stopped: Promise<void> | undefined
  readonly #dnsAnswers = deferred()

  constructor(config: ClusterConfig, deps: ClusterDeps) {
    this.#config = config
    this.#deps = deps
  }

  get access(): Access {
    return this.#access!
  }

  get port(): number {
    return this.#apiserver!.port
  }

  get agentPid(): number | undefined {
    return this.#agent?.pid
  }

  get client(): Client {
    return this.#client!
  }

  ready(): Promise<void> {
    return this.#dnsAnswers.promise
  }

  async start(): Promise<void> {
    const { dataDir } = this.#config
    // The agent's process is made ready meanwhile; its API listener has to find the API server running.
    const agentConfig = deferred<AgentConfig>()
    this.#agent = this.#startAgent(agentConfig.promise)
    this.#running.push(this.#agent)
    this.#agent.ready().catch((error: Error) => this.#fail(error))
    const loadingPki = loadPkiAside(pkiConfig(this.#config, path.join(dataDir, 'pki')))
    // The heavy half of the program is loaded while certificates are issued and namespaces made.
    this.#components = await import('./components.ts')
    const [store, pki] = await Promise.all([
      openStore(this.#components, path.join(dataDir, 'store'), this.#config),
      loadingPki,
    ])
    this.#store = store
    await this.#startApiserver(store, pki)
    agentConfig.resolve(this.#agentConfig(pki))
    this.#client = this.#clientAs('system:kube-controller-manager', 'system:masters')
    await this.#startControllers(this.#client, pki)
  }

  async #startApiserver(store: Store, pki: Pki): Promise<void> {
    const egressSocket = this.#egressSocket()
    const apiserver = await this.#components
      .startApiserver(apiserverConfig(this.#config, pki), {
        store,
        clock: systemClock,
        random: systemRandom,
        log: this.#deps.log.child({ component: 'kube-apiserver' }),
        dial: (host, port) => dialEgress(egressSocket, host, port),
      })
      .catch((error: unknown) => {
        throw explainListen(error, this.#config)
      })
    this.#apiserver = apiserver
    this.#running.push(apiserver)
    await apiserver.ready()
    const server = `https://${this.#config.bindAddress}:${apiserver.port}`
    this.#access = { name: this.#config.contextName, server, ca: pki.ca.cert, admin: pki.admin }
    writePrivateKubeconfig(this.#config.dataDir, this.#access)
    this.#deps.onStep('apiserver', server)
  }

  async #startControllers(client: Client, pki: Pki): Promise<void> {
    const common = { clock: systemClock, random: systemRandom }
    const { log } = this.#deps
    const controllers = await this.#components.startControllers(
      { rootCA: this.access.ca, serviceAccountPrivateKey: pki.serviceAccountKey },
      { ...common, client, log: log.child({ component: 'kube-controller-manager' }) },
    )
    this.#running.push(controllers)
    const scheduler = await this.#components.startScheduler(
      {},
      {
        ...common,
        client: this.#clientAs('system:kube-scheduler'),
        log: log.child({ component: 'kube-scheduler' }),
      },
    )
    this.#running.push(scheduler)
    const informers = this.#components.createInformers({ ...common, client, log })
    this.#running.push(informersAsComponent(informers))
    await createMissing(client, [
      ...kubeletAccess(),
      ...imageMapAccess(),
      ...this.#components.dnsManifests({
        clusterIP: this.#config.clusterDNS,
        clusterDomain: this.#config.clusterDomain,
      }),
    ])
    this.#nodePorts = publishNodePorts({
      informers,
      agent: this.#agent!,
      log,
      address: this.#config.bindAddress,
    })
    informers.start()
    await Promise.all([controllers.ready(), scheduler.ready()])
    this.#deps.onStep('controllers', 'controllers and scheduler, in step with the API')
  }

  #clientAs(name: string, ...groups: string[]): Client {
    const user = { name, groups: [...groups, 'system:authenticated'] }
    return this.#components.createClient(this.#apiserver!.transportFor(user))
  }

  #egressSocket(): string {
    return path.join(this.#config.runtimeDir, 'egress.sock')
  }

  #startAgent(agentConfig: Promise<AgentConfig>): AgentProcess {
    return startAgentProcess(agentConfig, {
      rootless: this.#config.rootless,
      clock: systemClock,
      log: this.#deps.log,
      logFd: this.#deps.logFd,
      onMessage: (message, handle) => this.#receive(message, handle),
      onRestart: () => this.#closeListeners(),
    })
  }

  #agentConfig(pki: Pki): AgentConfig {
    const config = this.#config
    return {
      nodeName: config.nodeName,
      nodeIP: config.nodeIP,
      podCIDR: config.podCIDR,
      clusterCIDR: config.podCIDR,
      serviceCIDR: config.serviceClusterIPRange,
      clusterDNS: config.clusterDNS,
      clusterDomain: config.clusterDomain,
      kubeletPort: config.kubeletPort,
      apiPort: nodeApiPort,
      stateDir: path.join(config.dataDir, 'node'),
      egressSocket: this.#egressSocket(),
      rootless: config.rootless,
      imagePolicy: config.imagePolicy,
      program: this.#deps.program,
      ca: pki.ca.cert,
      kubelet: pki.kubelet,
      kubeletServing: pki.kubeletServing,
      proxy: pki.proxy,
      verbose: this.#deps.verbose,
    }
  }

  #receive(message: FromAgent, handle: Handle | undefined): void {
    switch (message.type) {
      case 'api-listener':
        this.#closers.push(() => handle?.close())
        this.#apiserver!.adopt(handle as net.Server)
        break
      case 'resolver-tcp':
        this.#closers.push(() => handle?.close())
        relayResolverTcp(handle as net.Server, this.#config.resolvConf)
        break
      case 'resolver-udp':
        this.#closers.push(relayResolverUdp(handle as dgram.Socket, this.#config.resolvConf))
        break
      case 'node-ready':
        this.#nodePorts?.reopen()
        this.#deps.onStep(
          'node',
          `${this.#config.nodeName}, ${this.#config.rootless ? 'rootless' : 'root'}, in namespaces of its own`,
        )
        this.#deps.onStep('proxy', message.proxyMode)
        break
      case 'dns-answers':
        this.#deps.onStep('dns', `${message.name} -> ${message.address}`)
        this.#dnsAnswers.resolve()
        break
      case 'failed':
      case 'hello':
    }
  }

  #fail(error: Error): void {
    this.#dnsAnswers.reject(error)
    this.#deps.onFailure(error)
  }

  #closeListeners(): void {
    for (const close of this.#closers.splice(0)) close()
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  async #stopAll(): Promise<void> {
    this.#nodePorts?.close()
    // The node first: its Pods end gracefully while the API still takes their last status.
    await this.#agent?.stop()
    this.#closeListeners()
    for (const component of this.#running.reverse()) await component.stop()
    await this.#store?.close()
  }
}

function informersAsComponent(informers: InformerFactory): Component {
  return { name: 'informers', ready: async () => {}, stop: async () => informers.stop() }
}

async function openStore(
  { openLmdbStore }: Components,
  directory: string,
  config: ClusterConfig,
): Promise<Store> {
  try {
    return await openLmdbStore({ directory, durability: config.durability })
  } catch (error) {
    if (error instanceof StoreError) {
      throw new ClusterError(`cannot open "${directory}": ${error.message}`, { cause: error })
    }
    throw error
  }
}

function explainListen(error: unknown, config: ClusterConfig): unknown {
  const { code, cause: inner } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException }
  return listenError(code ?? inner?.code, config) ?? error
}

function listenError(code: string | undefined, config: ClusterConfig): ClusterError | undefined {
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return undefined
  const cause = code === 'EADDRINUSE' ? 'it is taken by another process' : 'that needs more rights'
  return new ClusterError(
    `cannot listen on ${config.bindAddress}:${config.port}: ${cause}; choose another port with --port`,
  )
}
