// One container of a Pod over all its instances: starts it, probes it, stops it, tells what became of it.
import { rm } from 'node:fs/promises'
import type { Container, Pod, Service } from '../api/types/core.gen.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { prepareContainer, type PreparedContainer, StartRefused } from './container-starter.ts'
import type { PodFacts } from './downward.ts'
import { runHook } from './hooks.ts'
import type { ImageContext } from './images.ts'
import type { ObjectHolder } from './object-source.ts'
import type { Exit, Instance, StartFailure } from './pod-observed.ts'
import { containerOf, type PodState, updateContainer } from './pod-state.ts'
import type { NodeFacts } from './pod-worker.ts'
import { ContainerProber } from './prober.ts'
import { nextBackoff, pullDelayMs } from './restart.ts'
import {
  type ContainerExit,
  type RunningContainer,
  type Runtime,
  RuntimeError,
  type Sandbox,
} from './runtime.ts'
import { terminationMessage } from './termination-message.ts'
import type { MountedVolumes } from './volumes.ts'

/** The Pod's worker as its containers see it. */
export interface ContainerHost {
  readonly state: PodState
  readonly node: NodeFacts
  readonly runtime: Runtime
  readonly clock: Clock
  readonly log: Logger
  readonly objects: ObjectHolder
  readonly directory: string
  pod(): Pod
  spec(name: string): Container | undefined
  sandbox(): Sandbox | undefined
  hostname(): string
  facts(): PodFacts
  podIP(): string
  volumes(): MountedVolumes
  images(): ImageContext
  services(): Promise<readonly Service[]>
  logPath(container: string, attempt: number): string
  changed(): void
  event(type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void
}

const retryMs = 10_000
/** Long enough to be seen, then the reason says that it is being waited. */
const pullErrorShownMs = 2000

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

  /** Paths of its logs: the newest instance's, or that of the one before. */
  logPath(previous: boolean): string | undefined {
    const { instance, last } = containerOf(this.#host.state, this.#name)
    const wanted = previous ? last : instance
    return wanted && this.#host.logPath(this.#name, wanted.attempt)
  }

  async start(attempt: number): Promise<void> {
    const host = this.#host
    const spec = host.spec(this.#name)
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
      volumes: host.volumes(),
      hostname: host.hostname(),
      directory: host.directory,
      logPath: host.logPath(this.#name, attempt),
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
    const instance = this.#instance(
      running.id,
      attempt,
      prepared.image.imageID,
      running.startedAtMs,
    )
    const postStart = spec.lifecycle?.postStart ? 'running' : 'done'
    state.containers.set(this.#name, {
      state: 'running',
      instance: { ...instance, postStart },
      ...(seen.instance
        ? { last: seen.instance, backoff: nextBackoff(seen.backoff, seen.instance, clock.now()) }
        : {}),
      started: false,
      ready: false,
    })
    this.#event('Normal', 'Started', `Container started`)
    void this.#removeOldLog(attempt - 2)
    void running.exited.then((exit) => this.#exited(running, instance, exit))
    if (postStart === 'running') void this.#postStart(spec, running)
    this.#probe(spec, running)
  }

  #startIn(sandbox: Sandbox | undefined, prepared: PreparedContainer): Promise<RunningContainer> {
    if (!sandbox) throw new RuntimeError('StartError', 'the pod sandbox is gone')
    return sandbox.start(prepared.config)
  }

  #instance(id: string, attempt: number, imageID: string, startedAtMs: number): Instance {
    const image = this.#host.spec(this.#name)?.image ?? ''
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
      const instance = this.#instance(id, attempt, '', nowMs)
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
    const { clock, node, podIP } = this.#host
    const isPlainInit =
      spec.restartPolicy !== 'Always' &&
      (this.#host.pod().spec.initContainers ?? []).some(({ name }) => name === this.#name)
    this.#prober?.stop()
    if (isPlainInit) return
    this.#prober = new ContainerProber(
      { container: spec, running, podIP: podIP() },
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
      { clock, userAgent: `kube-probe/${node.userAgentVersion}` },
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
    const { clock, node, podIP } = this.#host
    this.#hook = new AbortController()
    const target = { container: spec, running, podIP: podIP() }
    const userAgent = `kube-lifecycle/${node.userAgentVersion}`
    await runHook(handler, target, { clock, signal: this.#hook.signal, userAgent })
  }

  stop(message: string, deadlineMs: number): void {
    const { state, changed } = this.#host
    this.#event('Normal', 'Killing', message)
    const spec = this.#host.spec(this.#name)
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

  signal(signal: string): void {
    this.#hook?.abort()
    this.#markStop({ signalledAtMs: this.#host.clock.now() })
    this.#running?.signal(signal)
  }

  kill(): void {
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
    const { state, changed, logPath } = this.#host
    if (this.#running !== running) return
    this.#prober?.stop()
    this.#hook?.abort()
    const spec = this.#host.spec(this.#name)
    const files = {
      terminationLog: this.#prepared?.terminationLog ?? '',
      logPath: logPath(this.#name, instance.attempt),
    }
    const message = spec ? terminationMessage(spec, ended.exitCode, files) : ''
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

  /** No more probes; the Pod is being taken down. */
  end(): void {
    this.#prober?.stop()
    this.#hook?.abort()
  }

  async #removeOldLog(attempt: number): Promise<void> {
    if (attempt >= 0) await rm(this.#host.logPath(this.#name, attempt), { force: true })
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#host.event(type, reason, message, this.#name)
  }
}
