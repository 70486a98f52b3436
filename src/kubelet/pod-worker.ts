// One Pod's life on this node: asks step() what to do, does it, and reports what came of it.
// Everything that takes time runs beside it and comes back through #changed().
import { configmaps, secrets } from '../api/resources.gen.ts'
import type { Pod, PodStatus, Service } from '../api/types/core.gen.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/recorder.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { type ContainerHost, ContainerWorker, type PodEvent } from './container-worker.ts'
import type { PodFacts } from './downward.ts'
import { buildHosts, hostnameOf } from './hosts.ts'
import type { ImageContext } from './image.ts'
import type { NodeFacts } from './node-facts.ts'
import type { ObjectHolder, ObjectSource } from './object-source.ts'
import { type Action, isTerminal, step } from './pod.ts'
import { deletePod } from './pod-deletion.ts'
import { PodFiles, readNodeHosts } from './pod-files.ts'
import type { Reason } from './pod-observed.ts'
import { initialState, type PodState } from './pod-state.ts'
import { podStatus } from './pod-status.ts'
import { PodTokens } from './pod-token.ts'
import { buildResolvConf, formatResolvConf } from './resolvconf.ts'
import { mountDelayMs } from './restart.ts'
import type { Runtime, Sandbox } from './runtime.ts'
import type { StatusWriter } from './status-writer.ts'
import { type FileSources } from './volume-files.ts'
import { PodVolumes } from './volumes.ts'

export interface WorkerDeps {
  readonly client: Client
  readonly random: Random
  readonly runtime: Runtime
  readonly clock: Clock
  readonly log: Logger
  readonly recorder: EventRecorder
  readonly status: StatusWriter
  readonly objects: ObjectSource
  readonly node: NodeFacts
  images(): ImageContext
  /** The Services a Pod may see, once they are known. */
  services(): Promise<readonly Service[]>
}

const retryMs = 10_000

export class PodWorker {
  readonly uid: string
  /** Resolves when nothing of the Pod is left on the node. */
  readonly done: Promise<void>
  readonly #deps: WorkerDeps
  readonly #state: PodState
  readonly #objects: ObjectHolder
  readonly #files: PodFiles
  readonly #volumes: PodVolumes
  readonly #tokens: PodTokens
  readonly #containers = new Map<string, ContainerWorker>()
  readonly #warned = new Set<string>()
  #resolveDone: () => void = () => {}
  #pod: Pod
  #sandbox: Sandbox | undefined
  #status: PodStatus | undefined
  #timer: Timer | undefined
  #queued = false
  #finished = false
  #tearing = false
  #stopping = false
  #mountFailures = 0

  constructor(pod: Pod, deps: WorkerDeps, refusal?: Reason) {
    this.#pod = pod
    this.#deps = deps
    this.uid = pod.metadata.uid ?? ''
    this.#state = initialState(pod, deps.clock.now())
    if (refusal) this.#state.refusal = refusal
    this.#objects = deps.objects.holder(() => this.#objectsChanged())
    this.#files = new PodFiles(pod, deps.node)
    const { client, clock, random } = deps
    const onDue = () => void this.#refreshVolumes()
    this.#tokens = new PodTokens(pod, { client, clock, random, onDue })
    const place = {
      directory: `${this.#files.directory}/volumes`,
      memory: `${deps.node.memoryDirectory}/${this.uid}`,
    }
    this.#volumes = new PodVolumes(place, this.#fileSources())
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve
    })
    this.#changed()
  }

  get pod(): Pod {
    return this.#pod
  }

  /** Nothing of it runs any more; only its object and its logs are left. */
  get over(): boolean {
    return this.#state.torndown
  }

  get sandbox(): Sandbox | undefined {
    return this.#sandbox
  }

  get status(): PodStatus | undefined {
    return this.#status
  }

  container(name: string): ContainerWorker | undefined {
    return this.#containers.get(name)
  }

  update(pod: Pod): void {
    const labelsChanged = pod.metadata.labels !== this.#pod.metadata.labels
    this.#pod = pod
    if (labelsChanged) void this.#refreshVolumes()
    this.#changed()
  }

  /** The object is no longer in the API. */
  gone(): void {
    this.#state.gone = true
    this.#changed()
  }

  /**
   * Ends it because the node ends. The API is not told: the Pod is not over, and its containers
   * are started again when the node comes back.
   */
  stop(graceSeconds: number): Promise<void> {
    this.#stopping = true
    const sinceMs = this.#deps.clock.now()
    const { termination } = this.#state
    const left = termination
      ? termination.graceSeconds - (sinceMs - termination.sinceMs) / 1000
      : graceSeconds
    this.#terminate(Math.max(0, Math.min(graceSeconds, left)), { nodeEnds: true })
    return this.done
  }

  #changed(): void {
    if (this.#queued) return
    this.#queued = true
    queueMicrotask(() => {
      this.#queued = false
      this.#run()
    })
  }

  #run(): void {
    this.#timer?.cancel()
    const { clock } = this.#deps
    this.#readProbes()
    const { actions, wakeAtMs } = step(this.#podAsKnown(), this.#state, clock.now())
    for (const action of actions) this.#do(action)
    this.#report()
    if (wakeAtMs !== undefined) {
      this.#timer = clock.after(Math.max(1, wakeAtMs - clock.now()), () => this.#changed())
    }
    if (this.#state.torndown) void this.#finish()
  }

  #readProbes(): void {
    for (const worker of this.#containers.values()) worker.readProbes()
  }

  /** The API's Pod with what this worker has said since: its own conditions and phase count. */
  #podAsKnown(): Pod {
    const own = this.#status
    if (!own) return this.#pod
    const types = new Set(own.conditions?.map(({ type }) => type))
    const foreign = this.#pod.status?.conditions?.filter(({ type }) => !types.has(type)) ?? []
    const conditions = [...(own.conditions ?? []), ...foreign]
    const { phase, reason, message } = own
    return { ...this.#pod, status: { ...this.#pod.status, phase, reason, message, conditions } }
  }

  #report(): void {
    // A Pod that was over before this agent saw it keeps the status it has.
    if (this.#stopping || (!this.#status && isTerminal(this.#pod))) return
    const { node, runtime, clock, status } = this.#deps
    const context = { nowMs: clock.now(), runtime: runtime.name, hostIPs: node.nodeIPs }
    this.#status = podStatus(this.#podAsKnown(), this.#state, context)
    if (!this.#state.gone) status.set(this.#pod, this.#status)
  }

  #do(action: Action): void {
    if (action.type === 'mountVolumes') void this.#mountVolumes()
    else if (action.type === 'startSandbox') void this.#startSandbox()
    else if (action.type === 'start') void this.#start(action.container, action.attempt)
    else if (action.type === 'terminate') this.#terminate(action.graceSeconds)
    else if (action.type === 'teardown') void this.#teardown()
    else this.#containers.get(action.container)?.end(action)
  }

  #terminate(graceSeconds: number, why: { readonly nodeEnds?: true } = {}): void {
    this.#state.termination = { sinceMs: this.#deps.clock.now(), graceSeconds, ...why }
    for (const worker of this.#containers.values()) worker.keepReadinessOnly()
    this.#changed()
  }

  async #mountVolumes(): Promise<void> {
    this.#state.volumes = { state: 'mounting' }
    try {
      await this.#volumes.mount(this.#pod)
      this.#state.volumes = { state: 'mounted' }
      this.#mountFailures = 0
    } catch (error) {
      // Often it is a matter of a moment: after a start the API may not know yet that this Pod is ours.
      const retryAtMs = this.#deps.clock.now() + mountDelayMs(++this.#mountFailures)
      this.#state.volumes = { state: 'none', retryAtMs }
      this.event({ type: 'Warning', reason: 'FailedMount', message: messageOf(error) })
    }
    this.#changed()
  }

  async #startSandbox(): Promise<void> {
    const { runtime, node, clock } = this.#deps
    this.#state.sandbox = { ...this.#state.sandbox, state: 'starting' }
    try {
      const hostname = this.#hostname()
      this.#sandbox = await runtime.startSandbox({
        podUID: this.uid,
        hostname,
        hostNetwork: this.#pod.spec.hostNetwork ?? false,
        shareProcessNamespace: this.#pod.spec.shareProcessNamespace ?? false,
      })
      this.#state.sandbox = { state: 'ready', ips: [...this.#sandbox.ips] }
      this.#writeFiles(node)
    } catch (error) {
      this.#state.sandbox = {
        ...this.#state.sandbox,
        state: 'none',
        retryAtMs: clock.now() + retryMs,
      }
      this.event({ type: 'Warning', reason: 'FailedCreatePodSandBox', message: messageOf(error) })
    }
    this.#changed()
  }

  #hostname(): string {
    if (this.#pod.spec.hostNetwork) return this.#deps.node.hostname
    const result = hostnameOf(this.#pod, this.#deps.node.clusterDNS.domain)
    if ('error' in result) throw new Error(result.error)
    return result.hostname
  }

  /** Kept for the Pod's life: every container of it sees the same files. */
  #writeFiles(node: NodeFacts): void {
    const { conf, warnings } = buildResolvConf(this.#pod, node.clusterDNS, node.resolvConf)
    for (const { reason, message } of warnings) this.event({ type: 'Warning', reason, message })
    const hosts = buildHosts(this.#pod, {
      podIPs: this.#podIPs(),
      clusterDomain: node.clusterDNS.domain,
      ...(this.#pod.spec.hostNetwork ? { nodeHosts: readNodeHosts() } : {}),
    })
    this.#files.writeNetworkFiles({ hosts, resolvConf: formatResolvConf(conf) })
  }

  #podIPs(): readonly string[] {
    return this.#pod.spec.hostNetwork ? this.#deps.node.nodeIPs : this.#state.sandbox.ips
  }

  async #start(name: string, attempt: number): Promise<void> {
    let worker = this.#containers.get(name)
    if (!worker) {
      worker = new ContainerWorker(name, this.#host())
      this.#containers.set(name, worker)
    }
    await worker.start(attempt)
  }

  #host(): ContainerHost {
    const { node, clock, images, services } = this.#deps
    return {
      ...{ node, clock, images, services, state: this.#state, objects: this.#objects },
      ...{ files: this.#files, volumes: this.#volumes },
      pod: () => this.#pod,
      sandbox: () => this.#sandbox,
      hostname: () => this.#hostname(),
      facts: () => this.#facts(),
      changed: () => this.#changed(),
      event: (event) => this.event(event),
    }
  }

  #facts(): PodFacts {
    const { node } = this.#deps
    return { hostIPs: node.nodeIPs, podIPs: this.#podIPs(), allocatable: node.allocatable }
  }

  #fileSources(): FileSources {
    const namespace = this.#pod.metadata.namespace ?? ''
    const facts = () => this.#facts()
    return {
      get facts() {
        return facts()
      },
      configMap: (name) => this.#objects.get(configmaps, namespace, name),
      secret: (name) => this.#objects.get(secrets, namespace, name),
      token: (audience, seconds) => this.#tokens.get(audience, seconds),
    }
  }

  /** Whatever waited for an object may go on at once. */
  #objectsChanged(): void {
    if (this.#state.volumes.state === 'none') this.#state.volumes = { state: 'none' }
    this.#retryNow(/^CreateContainerConfigError$/)
    void this.#refreshVolumes()
  }

  /** Images may be found now that were not. */
  imagesChanged(): void {
    this.#retryNow(/^(ErrImage|ImagePull)/)
  }

  #retryNow(reasons: RegExp): void {
    const retryAtMs = this.#deps.clock.now()
    for (const [name, seen] of this.#state.containers) {
      if (!seen.failure || !reasons.test(seen.failure.reason)) continue
      this.#state.containers.set(name, { ...seen, failure: { ...seen.failure, retryAtMs } })
    }
    this.#changed()
  }

  async #refreshVolumes(): Promise<void> {
    if (this.#state.volumes.state !== 'mounted' || this.#state.torndown) return
    try {
      await this.#volumes.refresh(this.#pod)
    } catch (error) {
      this.#deps.log.warn('cannot refresh volumes', { pod: this.key, error })
    }
  }

  get key(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`
  }

  /** Told once a Pod where repeating it would say nothing new. */
  event({ type, reason, message, container }: PodEvent): void {
    if (reason === 'ImageSubstituted') {
      if (this.#warned.has(message)) return
      this.#warned.add(message)
    }
    const regarding = { apiVersion: 'v1', kind: 'Pod', ...this.#pod }
    const isInit = this.#pod.spec.initContainers?.some(({ name }) => name === container)
    const field = isInit ? 'spec.initContainers' : 'spec.containers'
    const fieldPath = container === undefined ? {} : { fieldPath: `${field}{${container}}` }
    this.#deps.recorder.record({ regarding, type, reason, message, ...fieldPath })
  }

  /** The final status is in the API before the Pod's address and files go. */
  async #teardown(): Promise<void> {
    if (this.#tearing) return
    this.#tearing = true
    this.#report()
    for (const worker of this.#containers.values()) worker.close()
    this.#tokens.stop()
    if (!this.#stopping) await this.#deps.status.flush(this.uid)
    try {
      await this.#sandbox?.remove()
      await this.#volumes.unmount()
    } catch (error) {
      this.#deps.log.error('cannot take a pod down', { pod: this.key, error })
    }
    this.#files.removeTerminationLogs()
    this.#objects.close()
    this.#state.sandbox = { ...this.#state.sandbox, state: 'none' }
    this.#state.torndown = true
    this.#changed()
  }

  /** A finished Pod stays, with its logs, until its object is deleted. */
  async #finish(): Promise<void> {
    if (this.#stopping) {
      this.#resolveDone()
      return
    }
    const deleted = this.#pod.metadata.deletionTimestamp !== undefined
    if (this.#finished || (!deleted && !this.#state.gone)) return
    this.#finished = true
    await this.#deps.status.flush(this.uid)
    await this.#files.remove()
    if (!this.#state.gone) await deletePod(this.#pod, this.#deps)
    this.#deps.status.forget(this.uid)
    this.#resolveDone()
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
