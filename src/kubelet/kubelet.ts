// The node agent: takes in the Pods bound to this node and runs each by a worker of its own.
import * as os from 'node:os'
import { gitVersion, kubernetesRelease } from '../api/machinery/version.ts'
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
import { admit } from './admit.ts'
import { ContainerLogs } from './container-logs.ts'
import type { ImageContext, ImageMapping, ImagePolicy } from './image.ts'
import { parseImageMap } from './image-map.ts'
import { readMachine } from './machine.ts'
import { createPodNetwork } from './network.ts'
import type { NodeFacts } from './node-facts.ts'
import type { NodeFactsForObject } from './node-object.ts'
import { NodeReporter } from './node-reporter.ts'
import { ObjectSource } from './object-source.ts'
import { PodWorker } from './pod-worker.ts'
import { createProcessRuntime } from './process-runtime/process-runtime.ts'
import { type ProgramConfig, programOf } from './program.ts'
import { parseResolvConf } from './resolvconf.ts'
import type { Runtime } from './runtime.ts'
import { type DebugPages, type KubeletServer, startServer } from './server.ts'
import { hasProgram, readHostFile, StateDirectory } from './state-directory.ts'
import { StatusWriter } from './status-writer.ts'

export interface KubeletConfig {
  readonly nodeName: string
  /** The node's InternalIP; with two address families two, separated by a comma. */
  readonly nodeIP: string
  /** As nodeIP. */
  readonly podCIDR: string
  readonly clusterDNS: readonly string[]
  readonly clusterDomain: string
  /** The file that Pods with dnsPolicy Default get their servers from. */
  readonly resolvConf: string
  readonly stateDir: string
  /** "logs" in stateDir unless given. */
  readonly logDir?: string
  readonly port: number
  readonly tls: { readonly cert: string; readonly key: string }
  /** Who signs the certificates of those who may call this kubelet. */
  readonly clientCA: string
  readonly imagePolicy: ImagePolicy
  readonly imageMap?: readonly ImageMapping[]
  readonly program: ProgramConfig
  /** One user for everything: what a user namespace without sub-uids has. */
  readonly rootless: boolean
  readonly mtu?: number
  readonly maxPods?: number
  readonly nodeLabels?: Readonly<Record<string, string>>
}

const runtimeVersion = '0.1.0'
const defaultMaxPods = 110
const defaultMtu = 1500

export interface KubeletDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Served under /debug to whoever may proxy to this node. */
  readonly debug?: DebugPages
}

export interface Kubelet extends Component {
  /** The port its server listens on. */
  readonly port: number
}

/** Pods are given this long when the node itself ends. */
const shutdownGraceSeconds = 1

export async function startKubelet(config: KubeletConfig, deps: KubeletDeps): Promise<Kubelet> {
  const kubelet = new NodeAgent(config, deps)
  await kubelet.start()
  return kubelet
}

class NodeAgent implements Kubelet {
  readonly name = 'kubelet'
  readonly #config: KubeletConfig
  readonly #deps: KubeletDeps
  readonly #directory: StateDirectory
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
  #reporter: NodeReporter | undefined
  #server: KubeletServer | undefined
  #stopped: Promise<void> | undefined

  constructor(config: KubeletConfig, deps: KubeletDeps) {
    this.#config = config
    this.#deps = deps
    const { client, clock, random, log } = deps
    const { stateDir, logDir, nodeName } = config
    this.#directory = new StateDirectory(stateDir, logDir)
    const network = {
      podCIDRs: config.podCIDR.split(','),
      nodeIPs: this.#nodeIPs,
      mtu: config.mtu ?? defaultMtu,
      file: `${stateDir}/ipam.json`,
    }
    this.#network = createPodNetwork(network, { clock })
    this.#runtime = createProcessRuntime(
      { directory: `${stateDir}/runtime`, version: runtimeVersion },
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
    this.#imageMap = config.imageMap ?? []
    const { imagePolicy: policy } = config
    this.#imageContext = { policy, program: programOf(config.program), hasProgram }
  }

  get port(): number {
    return this.#server?.port ?? this.#config.port
  }

  async start(): Promise<void> {
    this.#directory.open()
    this.#network.open()
    const runtime = this.#runtime.open()
    this.#server = await this.#serve()
    const { client, clock, log } = this.#deps
    const deps = { client, clock, log, recorder: this.#recorder }
    this.#reporter = new NodeReporter(this.#objectFacts(), deps)
    const registered = this.#reporter.register()
    const takeIn = this.#watch()
    await runtime
    takeIn()
    await registered
    await this.#reporter.start()
  }

  async ready(): Promise<void> {
    await this.#pods.whenSynced()
  }

  get #nodeIPs(): readonly string[] {
    return this.#config.nodeIP.split(',')
  }

  #nodeFacts(): NodeFacts {
    const { nodeName, clusterDNS, clusterDomain, resolvConf, rootless } = this.#config
    return {
      nodeName,
      nodeIPs: this.#nodeIPs,
      hostname: nodeName,
      clusterDNS: { servers: clusterDNS, domain: clusterDomain },
      resolvConf: parseResolvConf(readHostFile(resolvConf)),
      allocatable: { cpu: String(os.cpus().length), memory: String(os.totalmem()) },
      podsDirectory: this.#directory.pods,
      memoryDirectory: this.#directory.memory,
      logDirectory: this.#directory.logs,
      singleUser: rootless,
      kubernetesVersion: kubernetesRelease,
    }
  }

  #objectFacts(): NodeFactsForObject {
    const { nodeName, podCIDR, stateDir, maxPods = defaultMaxPods, nodeLabels = {} } = this.#config
    const machine = readMachine({
      storagePath: stateDir,
      kubeletVersion: gitVersion,
      runtimeVersion: `${this.#runtime.name}://${this.#runtime.version}`,
    })
    return {
      ...{ nodeName, hostname: nodeName, maxPods, labels: nodeLabels, machine },
      nodeIPs: this.#nodeIPs,
      podCIDRs: podCIDR.split(','),
      port: this.port,
    }
  }

  #serve(): Promise<KubeletServer> {
    const { port, tls, clientCA, nodeName } = this.#config
    const nodeIPs = this.#nodeIPs
    return startServer(
      { port, tls, clientCA, nodeIPs, nodeName, configz: configzOf(this.#config) },
      {
        client: this.#deps.client,
        clock: this.#deps.clock,
        log: this.#deps.log,
        logs: this.#logs,
        debug: this.#deps.debug,
        pods: () => [...this.#workers.values()],
      },
    )
  }

  /** Begins to watch; the function it returns lets the Pods in. */
  #watch(): () => void {
    const known = this.#informers.informer(services)
    const maps = this.#informers.informer(configmaps, {
      namespace: 'kube-system',
      fieldSelector: 'metadata.name=signpost-images',
    })
    this.#informers.start()
    const node = this.#nodeFacts()
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
    maps.subscribe(({ type, object }) => {
      void this.#readImageMap(type === 'deleted' ? {} : object.data)
    })
    const limits = { maxPods: this.#config.maxPods ?? defaultMaxPods }
    const make = (pod: Pod) => new PodWorker(pod, deps, admit(pod, this.#admitted(pod), limits))
    return () => {
      void this.#pods.whenSynced().then(() => {
        this.#directory.clearOrphans(new Set(this.#pods.list().map(({ metadata }) => metadata.uid)))
      })
      this.#pods.subscribe(({ type, object }) => {
        if (type === 'deleted') this.#gone(object)
        else this.#take(object, make)
      })
    }
  }

  #admitted(pod: Pod): readonly Pod[] {
    return [...this.#workers.values()]
      .filter((worker) => worker.uid !== pod.metadata.uid && !worker.over)
      .map((worker) => worker.pod)
  }

  async #readImageMap(data: Readonly<Record<string, string>> | undefined): Promise<void> {
    try {
      const own = await parseImageMap(data ?? {})
      this.#imageMap = [...own, ...(this.#config.imageMap ?? [])]
      for (const worker of this.#workers.values()) worker.imagesChanged()
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
    this.#directory.close()
  }
}

function isNamesake(one: Pod, other: Pod): boolean {
  const [a, b] = [one.metadata, other.metadata]
  return a.name === b.name && a.namespace === b.namespace
}

/** In the words of KubeletConfiguration. */
function configzOf(config: KubeletConfig): Readonly<Record<string, unknown>> {
  const { clusterDNS, clusterDomain, resolvConf, podCIDR, maxPods = defaultMaxPods } = config
  return { clusterDNS, clusterDomain, resolvConf, podCIDR, maxPods }
}
