// One container of a Pod over all its instances: starts it, probes it, stops it, tells what became of it.
import type { Container, Pod, Service } from '../api/types/core.gen.ts'
import type { Clock } from '../lib/clock.ts'
import { type PreparedContainer, prepareContainer, StartRefused } from './container-starter.ts'
import type { PodFacts } from './downward.ts'
import { runHook } from './hooks.ts'
import type { ImageContext } from './image.ts'
import type { NodeFacts } from './node-facts.ts'
import type { ObjectHolder } from './object-source.ts'
import type { Action } from './pod.ts'
import { type PodFiles, readTail } from './pod-files.ts'
import type { Exit, Instance, StartFailure } from './pod-observed.ts'
import { containerOf, type PodState, updateContainer } from './pod-state.ts'
import { ContainerProber } from './prober.ts'
import { nextBackoff, pullDelayMs } from './restart.ts'
import { type ContainerExit, type RunningContainer, RuntimeError, type Sandbox } from './runtime.ts'
import { maxFallbackBytes, maxMessageBytes, terminationMessage } from './termination-message.ts'
import type { PodVolumes } from './volumes.ts'

export interface PodEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  /** Absent: it is about the Pod as a whole. */
  readonly container?: string
}

/** The Pod's worker as its containers see it. */
export interface ContainerHost {
  readonly state: PodState
  readonly node: NodeFacts
  readonly clock: Clock
  readonly objects: ObjectHolder
  readonly files: PodFiles
  readonly volumes: PodVolumes
  pod(): Pod
  sandbox(): Sandbox | undefined
  hostname(): string
  facts(): PodFacts
  images(): ImageContext
  services(): Promise<readonly Service[]>
  changed(): void
  event(event: PodEvent): void
}

const retryMs = 10_000
/** Long enough to be seen, then the reason says that it is being waited. */
const pullErrorShownMs = 2000

type EndAction = Extract<Action, { readonly type: 'stop' | 'signal' | 'kill' }>

export class ContainerWorker {
  readonly #name: string
  readonly #host: ContainerHost
  #running: RunningContainer | undefined
  #prober: ContainerProber | undefined
  #prepared: PreparedContainer | undefined
  #hook: AbortController | undefined
  #pullFailures = 0

  constructor(name: string, host: ContainerHost) {
    this.#name = name
    this.#host = host
  }

  get running(): RunningContainer | undefined {
    return containerOf(this.#host.state, this.#name).state === 'running' ? this.#running : undefined
  }

  #spec(): Container | undefined {
    const { initContainers = [], containers } = this.#host.pod().spec
    return [...containers, ...initContainers].find(({ name }) => name === this.#name)
  }

  #podIP(): string {
    return this.#host.facts().podIPs[0] ?? '127.0.0.1'
  }

  /** Paths of its logs: the newest instance's, or that of the one before. */
  logPath(previous: boolean): string | undefined {
    const { instance, last } = containerOf(this.#host.state, this.#name)
    const wanted = previous ? last : instance
    return wanted && this.#host.files.logPath(this.#name, wanted.attempt)
  }

  async start(attempt: number): Promise<void> {
    const host = this.#host
    const spec = this.#spec()
    if (!spec) return
    updateContainer(host.state, this.#name, { state: 'starting' })
    try {
      const prepared = await this.#prepare(spec, attempt)
      await this.#launch(spec, prepared, attempt)
    } catch (error) {
      this.#failed(error, spec, attempt)
    }
    host.changed()
  }

  async #prepare(spec: Container, attempt: number): Promise<PreparedContainer> {
    const host = this.#host
    const prepared = await prepareContainer(spec, attempt, {
      pod: host.pod(),
      facts: host.facts(),
      images: host.images(),
      services: await host.services(),
      objects: host.objects,
      volumes: host.volumes.mounted,
      hostname: host.hostname(),
      files: host.files,
      singleUser: host.node.singleUser,
    })
    this.#pullFailures = 0
    const { image, ignoredUser } = prepared
    if (image.substitution) this.#event('Normal', 'ImageSubstituted', image.substitution)
    if (ignoredUser !== undefined) {
      const message = `User ${ignoredUser} is ignored: this node runs in a user namespace with one user`
      this.#event('Warning', 'UserIgnored', message)
    }
    const present = `Container image "${spec.image}" already present on machine`
    this.#event('Normal', 'Pulled', present)
    return prepared
  }

  async #launch(spec: Container, prepared: PreparedContainer, attempt: number): Promise<void> {
    const { state, sandbox, clock } = this.#host
    const before = this.#running
    const running = await this.#startIn(sandbox(), prepared)
    this.#event('Normal', 'Created', `Container created`)
    this.#running = running
    this.#prepared = prepared
    void before?.remove()
    const seen = containerOf(state, this.#name)
    const { imageID } = prepared.image
    const from = { imageID, id: running.id, atMs: running.startedAtMs }
    const instance = this.#instance(attempt, from)
    const postStart = spec.lifecycle?.postStart ? 'running' : 'done'
    const backoff = seen.instance && nextBackoff(seen.backoff, seen.instance, clock.now())
    state.containers.set(this.#name, {
      state: 'running',
      instance: { ...instance, postStart },
      ...(seen.instance ? { last: seen.instance } : {}),
      ...(backoff ? { backoff } : {}),
      started: false,
      ready: false,
    })
    this.#event('Normal', 'Started', `Container started`)
    void this.#host.files.removeLog(this.#name, attempt - 2)
    void running.exited.then((exit) => this.#exited(running, instance, exit))
    if (postStart === 'running') void this.#postStart(spec, running)
    this.#probe(spec, running)
  }

  #startIn(sandbox: Sandbox | undefined, prepared: PreparedContainer): Promise<RunningContainer> {
    if (!sandbox) throw new RuntimeError('StartError', 'the pod sandbox is gone')
    return sandbox.start(prepared.config)
  }

  #instance(attempt: number, from: { imageID: string; id: string; atMs: number }): Instance {
    const image = this.#spec()?.image ?? ''
    const { imageID, id, atMs: startedAtMs } = from
    return { id, attempt, image, imageID, startedAtMs, postStart: 'done' }
  }

  #failed(error: unknown, spec: Container, attempt: number): void {
    const { state, clock, pod } = this.#host
    const seen = containerOf(state, this.#name)
    const nowMs = clock.now()
    const message = error instanceof Error ? error.message : String(error)
    this.#event('Warning', 'Failed', `Error: ${message}`)
    if (error instanceof RuntimeError && error.code === 'StartError') {
      // The container was there and its command was not: it counts as an instance that ended.
      const id = `${pod().metadata.uid?.replaceAll('-', '')}${attempt.toString(16).padStart(32, '0')}`
      const instance = this.#instance(attempt, { imageID: '', id, atMs: nowMs })
      const exit = { exitCode: 128, finishedAtMs: nowMs, reason: 'StartError', message }
      const backoff = seen.instance ? nextBackoff(seen.backoff, seen.instance, nowMs) : undefined
      state.containers.set(this.#name, {
        ...{ state: 'exited', started: false, ready: false, instance: { ...instance, exit } },
        ...(seen.instance ? { last: seen.instance } : {}),
        ...(backoff ? { backoff } : {}),
      })
      return
    }
    const reason = error instanceof StartRefused ? error.reason : 'CreateContainerError'
    const isPull = reason === 'ErrImagePull'
    const retryAtMs = nowMs + (isPull ? pullDelayMs(++this.#pullFailures) : retryMs)
    const back = seen.instance ? 'exited' : 'none'
    updateContainer(state, this.#name, { state: back, failure: { reason, message, retryAtMs } })
    if (isPull) this.#showPullBackOff(spec, { reason, message, retryAtMs })
  }

  #showPullBackOff(spec: Container, failure: StartFailure): void {
    const { clock, state, changed } = this.#host
    clock.after(pullErrorShownMs, () => {
      const seen = containerOf(state, this.#name)
      if (seen.failure?.retryAtMs !== failure.retryAtMs || seen.state === 'starting') return
      const message = `Back-off pulling image "${spec.image}": ErrImagePull: ${failure.message}`
      this.#event('Normal', 'BackOff', `Back-off pulling image "${spec.image}"`)
      updateContainer(state, this.#name, {
        failure: { ...failure, reason: 'ImagePullBackOff', message },
      })
      changed()
    })
  }

  #probe(spec: Container, running: RunningContainer): void {
    const { clock, node } = this.#host
    const isPlainInit =
      spec.restartPolicy !== 'Always' &&
      (this.#host.pod().spec.initContainers ?? []).some(({ name }) => name === this.#name)
    this.#prober?.stop()
    if (isPlainInit) return
    this.#prober = new ContainerProber(
      { container: spec, running, podIP: this.#podIP() },
      {
        onChange: () => this.#host.changed(),
        onProbeFailure: (kind, text) => {
          const title = kind[0]!.toUpperCase() + kind.slice(1)
          this.#event('Warning', 'Unhealthy', `${title} probe failed: ${text}`)
        },
        onProbeWarning: (kind, text) => {
          const title = kind[0]!.toUpperCase() + kind.slice(1)
          this.#event('Warning', 'ProbeWarning', `${title} probe warning: ${text}`)
        },
      },
      { clock, userAgent: `kube-probe/${node.kubernetesVersion}` },
    )
  }

  /** Copies what the probes say into the Pod's observed state. */
  readProbes(): void {
    const { state } = this.#host
    const prober = this.#prober
    if (!prober || containerOf(state, this.#name).state !== 'running') return
    const { started, ready, unhealthy } = prober
    updateContainer(state, this.#name, { started, ready, ...(unhealthy ? { unhealthy } : {}) })
  }

  keepReadinessOnly(): void {
    this.#prober?.keepReadinessOnly()
  }

  async #postStart(spec: Container, running: RunningContainer): Promise<void> {
    const { state, changed } = this.#host
    try {
      await this.#runHook(spec.lifecycle!.postStart!, spec, running)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      this.#event('Warning', 'FailedPostStartHook', `PostStartHook failed: ${message}`)
      running.signal('SIGKILL')
    }
    const { instance } = containerOf(state, this.#name)
    if (instance?.id !== running.id) return
    updateContainer(state, this.#name, { instance: { ...instance, postStart: 'done' } })
    changed()
  }

  async #runHook(
    handler: NonNullable<NonNullable<Container['lifecycle']>['preStop']>,
    spec: Container,
    running: RunningContainer,
  ): Promise<void> {
    const { clock, node } = this.#host
    this.#hook = new AbortController()
    const target = { container: spec, running, podIP: this.#podIP() }
    const userAgent = `kube-lifecycle/${node.kubernetesVersion}`
    await runHook(handler, target, { clock, signal: this.#hook.signal, userAgent })
  }

  #stop(message: string, deadlineMs: number): void {
    const { state, changed } = this.#host
    this.#event('Normal', 'Killing', message)
    const spec = this.#spec()
    const running = this.#running
    const handler = spec?.lifecycle?.preStop
    const preStop = handler && running ? 'running' : 'done'
    updateContainer(state, this.#name, { stop: { deadlineMs, preStop } })
    changed()
    if (!spec || !handler || !running) return
    void this.#runHook(handler, spec, running)
      .catch((error: Error) => {
        if (error.name === 'AbortError') return
        this.#event('Warning', 'FailedPreStopHook', `PreStopHook failed: ${error.message}`)
      })
      .then(() => {
        const { stop } = containerOf(state, this.#name)
        if (stop) updateContainer(state, this.#name, { stop: { ...stop, preStop: 'done' } })
        changed()
      })
  }

  #signal(signal: string): void {
    this.#hook?.abort()
    this.#markStop({ signalledAtMs: this.#host.clock.now() })
    this.#running?.signal(signal)
  }

  #kill(): void {
    this.#markStop({ killedAtMs: this.#host.clock.now() })
    this.#running?.signal('SIGKILL')
  }

  #markStop(change: { signalledAtMs: number } | { killedAtMs: number }): void {
    const { state, changed } = this.#host
    const { stop } = containerOf(state, this.#name)
    if (stop) updateContainer(state, this.#name, { stop: { ...stop, ...change } })
    changed()
  }

  #exited(running: RunningContainer, instance: Instance, ended: ContainerExit): void {
    const { state, changed, files } = this.#host
    if (this.#running !== running) return
    this.#prober?.stop()
    this.#hook?.abort()
    const spec = this.#spec()
    const words = {
      own: readTail(this.#prepared?.terminationLog ?? '', maxMessageBytes),
      log: () => readTail(files.logPath(this.#name, instance.attempt), maxFallbackBytes),
    }
    const message = spec ? terminationMessage(spec, ended.exitCode, words) : ''
    const exit: Exit = { ...ended, ...(message === '' ? {} : { message }) }
    const { stop: _stop, unhealthy: _unhealthy, ...seen } = containerOf(state, this.#name)
    state.containers.set(this.#name, {
      ...seen,
      ...{ state: 'exited', started: false, ready: false },
      instance: { ...seen.instance!, postStart: 'done', exit },
    })
    this.#announceBackOff(spec)
    changed()
  }

  #announceBackOff(spec: Container | undefined): void {
    const { state, pod } = this.#host
    const { backoff } = containerOf(state, this.#name)
    if (!backoff || !spec || state.termination || pod().spec.restartPolicy === 'Never') return
    const { name, namespace, uid } = pod().metadata
    const where = `container ${this.#name} in pod ${name}_${namespace}(${uid})`
    this.#event('Warning', 'BackOff', `Back-off restarting failed ${where}`)
  }

  /** One step on the way to its end. */
  end(action: EndAction): void {
    if (action.type === 'stop') this.#stop(action.message, action.deadlineMs)
    else if (action.type === 'signal') this.#signal(action.signal)
    else this.#kill()
  }

  /** No more probes; the Pod is being taken down. */
  close(): void {
    this.#prober?.stop()
    this.#hook?.abort()
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#host.event({ type, reason, message, container: this.#name })
  }
}
