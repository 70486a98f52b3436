// The node agent: takes in the Pods bound to this node and runs each by a worker of its own.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import * as os from 'node:os'
import { configmaps, pods, services } from '../api/resources.gen.ts'
import type { Pod } from '../api/types/core.gen.ts'
import type { Client } from '../client/client.ts'
import type { Informer, InformerFactory } from '../client/informer.ts'
import { createInformers } from '../client/informers.ts'
import { createRecorder, type EventRecorder } from '../client/recorder.ts'
import type { Clock } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { inUserNamespace, mountsBelow, mountTmpfs, unmount } from '../linux/mount.ts'
import { admit } from './admit.ts'
import { ContainerLogs } from './container-logs.ts'
import { defaultPath, type ImageContext, type ImageMapping, type ImagePolicy } from './images.ts'
import { parseImageMap } from './image-map.ts'
import { readMachine } from './machine.ts'
import { createPodNetwork } from './network.ts'
import type { NodeFactsForObject } from './node-object.ts'
import { NodeReporter } from './node-reporter.ts'
import { ObjectSource } from './object-source.ts'
import { type NodeFacts, PodWorker } from './pod-worker.ts'
import { createProcessRuntime } from './process-runtime/process-runtime.ts'
import { type ProgramConfig, programOf } from './program.ts'
import { parseResolvConf } from './resolvconf.ts'
import type { Runtime } from './runtime.ts'
import { startServer, type KubeletServer } from './server.ts'
import { StatusWriter } from './status-writer.ts'

export interface KubeletConfig {
  readonly nodeName: string
  /** The first is the node's InternalIP; one per address family. */
  readonly nodeIPs: readonly string[]
  readonly podCIDRs: readonly string[]
  readonly mtu: number
  readonly clusterDNS: readonly string[]
  readonly clusterDomain: string
  /** The text of the resolv.conf that Pods with dnsPolicy Default get. */
  readonly resolvConf: string
  readonly stateDir: string
  readonly logDir: string
  readonly port: number
  readonly tls: { readonly cert: string; readonly key: string }
  /** Who signs the certificates of those who may call this kubelet. */
  readonly clientCA: string
  readonly imagePolicy: ImagePolicy
  readonly imageMap: readonly ImageMapping[]
  readonly program: ProgramConfig
  readonly maxPods: number
  readonly nodeLabels: Readonly<Record<string, string>>
  /** As in nodeInfo: "v1.36.2+signpost". */
  readonly version: string
}

export interface KubeletDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface Kubelet extends Component {
  /** The port its server listens on. */
  readonly port: number
}

/** Pods are given this long when the node itself ends. */
const shutdownGraceSeconds = 2

export async function startKubelet(config: KubeletConfig, deps: KubeletDeps): Promise<Kubelet> {
  const kubelet = new NodeAgent(config, deps)
  await kubelet.start()
  return kubelet
}

class NodeAgent implements Kubelet {
  readonly name = 'kubelet'
  readonly #config: KubeletConfig
  readonly #deps: KubeletDeps
  readonly #runtime: Runtime
  readonly #network: ReturnType<typeof createPodNetwork>
  readonly #informers: InformerFactory
  readonly #pods: Informer<Pod>
  readonly #objects: ObjectSource
  readonly #recorder: EventRecorder
  readonly #status: StatusWriter
  readonly #logs = new ContainerLogs()
  readonly #workers = new Map<string, PodWorker>()
  /** Pods whose namespace and name an older one still has, by UID. */
  readonly #waiting = new Map<string, Pod>()
  readonly #imageContext: Omit<ImageContext, 'map'>
  #imageMap: readonly ImageMapping[]
  #node: NodeFacts | undefined
  #reporter: NodeReporter | undefined
  #server: KubeletServer | undefined
  #stopped: Promise<void> | undefined

  constructor(config: KubeletConfig, deps: KubeletDeps) {
    this.#config = config
    this.#deps = deps
    const { client, clock, random, log } = deps
    const { podCIDRs, nodeIPs, mtu, stateDir, nodeName } = config
    this.#network = createPodNetwork(
      { podCIDRs, nodeIPs, mtu, file: `${stateDir}/ipam.json` },
      { clock },
    )
    this.#runtime = createProcessRuntime(
      { directory: `${stateDir}/runtime`, version: config.version.replace(/^v/, '') },
      { network: this.#network, clock, random, onLog: (writer) => this.#logs.add(writer) },
    )
    const makeInformers = () => createInformers({ client, clock, random, log })
    this.#informers = makeInformers()
    this.#objects = new ObjectSource(makeInformers)
    this.#pods = this.#informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` })
    this.#recorder = createRecorder(
      { component: 'kubelet', host: nodeName },
      { client, clock, log },
    )
    this.#status = new StatusWriter({ client, clock, log })
    this.#imageMap = config.imageMap
    const { imagePolicy: policy } = config
    this.#imageContext = { policy, program: programOf(config.program), hasProgram }
  }

  get port(): number {
    return this.#server?.port ?? this.#config.port
  }

  async start(): Promise<void> {
    const { stateDir, logDir } = this.#config
    for (const directory of [this.#podsDirectory, logDir, this.#memoryDirectory]) {
      mkdirSync(directory, { recursive: true, mode: 0o755 })
    }
    for (const target of mountsBelow(stateDir)) unmount(target)
    mountTmpfs(this.#memoryDirectory, 'mode=0755')
    this.#network.open()
    await this.#runtime.open()
    this.#node = this.#nodeFacts()
    this.#server = await this.#serve()
    this.#watch()
    this.#reporter = new NodeReporter(this.#objectFacts(), {
      ...{ client: this.#deps.client, clock: this.#deps.clock, log: this.#deps.log },
      recorder: this.#recorder,
      readiness: () => ({ ready: true, causes: [] }),
    })
    await this.#reporter.start()
  }

  async ready(): Promise<void> {
    await this.#pods.whenSynced()
  }

  get #podsDirectory(): string {
    return `${this.#config.stateDir}/pods`
  }

  get #memoryDirectory(): string {
    return `${this.#config.stateDir}/memory`
  }

  #nodeFacts(): NodeFacts {
    const { config } = { config: this.#config }
    return {
      nodeName: config.nodeName,
      nodeIPs: config.nodeIPs,
      hostname: config.nodeName,
      clusterDNS: { servers: config.clusterDNS, domain: config.clusterDomain },
      resolvConf: parseResolvConf(config.resolvConf),
      allocatable: { cpu: String(os.cpus().length), memory: String(os.totalmem()) },
      podsDirectory: this.#podsDirectory,
      memoryDirectory: this.#memoryDirectory,
      logDirectory: config.logDir,
      singleUser: inUserNamespace(),
      userAgentVersion: /^v?(\d+\.\d+)/.exec(config.version)?.[1] ?? '',
    }
  }

  #objectFacts(): NodeFactsForObject {
    const { nodeName, nodeIPs, maxPods, podCIDRs, nodeLabels, version, stateDir } = this.#config
    const runtimeVersion = `${this.#runtime.name}://${this.#runtime.version}`
    const machine = readMachine({ storagePath: stateDir, kubeletVersion: version, runtimeVersion })
    const labels = nodeLabels
    return {
      nodeName,
      nodeIPs,
      hostname: nodeName,
      maxPods,
      port: this.port,
      podCIDRs,
      labels,
      machine,
    }
  }

  #serve(): Promise<KubeletServer> {
    const { port, tls, clientCA, nodeIPs, nodeName } = this.#config
    return startServer(
      { port, tls, clientCA, nodeIPs, nodeName },
      {
        client: this.#deps.client,
        clock: this.#deps.clock,
        log: this.#deps.log,
        logs: this.#logs,
        pods: () => [...this.#workers.values()],
      },
    )
  }

  #watch(): void {
    const known = this.#informers.informer(services)
    const maps = this.#informers.informer(configmaps, {
      namespace: 'kube-system',
      fieldSelector: 'metadata.name=signpost-images',
    })
    this.#informers.start()
    const node = this.#node!
    const deps = {
      ...this.#deps,
      runtime: this.#runtime,
      recorder: this.#recorder,
      status: this.#status,
      objects: this.#objects,
      node,
      images: (): ImageContext => ({ ...this.#imageContext, map: this.#imageMap }),
      services: async () => {
        await known.whenSynced()
        return known.list()
      },
    }
    maps.subscribe(
      ({ type, object }) => void this.#readImageMap(type === 'deleted' ? {} : object.data),
    )
    void this.#pods.whenSynced().then(() => this.#clearOrphans())
    this.#pods.subscribe(({ type, object }) => {
      if (type === 'deleted') this.#gone(object)
      else
        this.#take(
          object,
          (pod) => new PodWorker(pod, deps, admit(pod, this.#admitted(pod), this.#config)),
        )
    })
  }

  #admitted(pod: Pod): readonly Pod[] {
    return [...this.#workers.values()]
      .filter((worker) => worker.uid !== pod.metadata.uid && !worker.over)
      .map((worker) => worker.pod)
  }

  async #readImageMap(data: Readonly<Record<string, string>> | undefined): Promise<void> {
    try {
      const own = await parseImageMap(data ?? {})
      this.#imageMap = [...own, ...this.#config.imageMap]
    } catch (error) {
      this.#deps.log.warn('cannot read the image map', {
        configmap: 'kube-system/signpost-images',
        error,
      })
    }
  }

  #take(pod: Pod, make: (pod: Pod) => PodWorker): void {
    const uid = pod.metadata.uid ?? ''
    const worker = this.#workers.get(uid)
    if (worker) {
      worker.update(pod)
      return
    }
    if (this.#waiting.has(uid)) {
      this.#waiting.set(uid, pod)
      return
    }
    const older = [...this.#workers.values()].find((other) => isNamesake(other.pod, pod))
    if (!older) {
      this.#adopt(make(pod))
      return
    }
    // The name is free only once everything of the older Pod is gone.
    older.gone()
    this.#waiting.set(uid, pod)
    void older.done.then(() => {
      const newest = this.#waiting.get(uid)
      this.#waiting.delete(uid)
      if (newest && !this.#stopped) this.#take(newest, make)
    })
  }

  #adopt(worker: PodWorker): void {
    this.#workers.set(worker.uid, worker)
    void worker.done.then(() => this.#workers.delete(worker.uid))
  }

  #gone(pod: Pod): void {
    const uid = pod.metadata.uid ?? ''
    this.#waiting.delete(uid)
    this.#workers.get(uid)?.gone()
  }

  /** What an earlier run left of Pods that no longer exist. */
  #clearOrphans(): void {
    const alive = new Set(this.#pods.list().map((pod) => pod.metadata.uid))
    for (const uid of readdirSync(this.#podsDirectory)) {
      if (!alive.has(uid)) rmSync(`${this.#podsDirectory}/${uid}`, { recursive: true, force: true })
    }
    const logs = `${this.#config.logDir}/pods`
    for (const name of existsSync(logs) ? readdirSync(logs) : []) {
      const uid = name.slice(name.lastIndexOf('_') + 1)
      if (!alive.has(uid)) rmSync(`${logs}/${name}`, { recursive: true, force: true })
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#reporter?.stop()
    this.#status.stop()
    this.#informers.stop()
    await this.#server?.stop()
    await Promise.all(
      [...this.#workers.values()].map((worker) => worker.stop(shutdownGraceSeconds)),
    )
    this.#objects.close()
    await this.#runtime.close()
    this.#network.close()
    for (const target of mountsBelow(this.#config.stateDir)) unmount(target)
  }
}

function isNamesake(one: Pod, other: Pod): boolean {
  const [a, b] = [one.metadata, other.metadata]
  return a.name === b.name && a.namespace === b.namespace
}

function hasProgram(name: string): boolean {
  if (name.includes('/')) return existsSync(name)
  return defaultPath.split(':').some((directory) => existsSync(`${directory}/${name}`))
}
