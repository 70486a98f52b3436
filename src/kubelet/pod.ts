// The life of a Pod as a pure function: what was observed, and now, give what to do next.
// The worker (pod-worker.ts) carries the actions out and calls again whenever something changed,
// or at wakeAtMs. Nothing is remembered here; running it twice asks for the same.
import type { Container, Pod } from '../api/types/core.gen.ts'
import type { ObservedContainer, ObservedPod, Stopping } from './pod-observed.ts'
import { isSidecar, mayRestart, type RestartPolicy, restartDelayMs } from './restart.ts'

export type Action =
  | { readonly type: 'mountVolumes' }
  | { readonly type: 'startSandbox' }
  | { readonly type: 'start'; readonly container: string; readonly attempt: number }
  /** Stop accepting the Pod's life: the clock of its grace begins, or begins anew, shorter. */
  | { readonly type: 'terminate'; readonly graceSeconds: number }
  /** Begin to stop: say so, and run the preStop hook if there is one. */
  | {
      readonly type: 'stop'
      readonly container: string
      readonly message: string
      readonly deadlineMs: number
    }
  | { readonly type: 'signal'; readonly container: string; readonly signal: string }
  | { readonly type: 'kill'; readonly container: string }
  /** All containers have ended: report it, free everything, and let the object go. */
  | { readonly type: 'teardown' }

export interface Step {
  readonly actions: readonly Action[]
  /** Look again then, even if nothing happens. */
  readonly wakeAtMs?: number
}

/** Even without grace a program gets this long between the signal and the kill. */
const minKillDelayMs = 2000
const defaultGraceSeconds = 30

export function step(pod: Pod, observed: ObservedPod, nowMs: number): Step {
  const planner = new Planner(pod, observed, nowMs)
  if (observed.torndown) return planner.result()
  const ending = endingOf(pod, observed, nowMs)
  if (ending !== undefined || observed.termination) planner.terminate(ending)
  else planner.sync()
  return planner.result()
}

export interface Ending {
  readonly graceSeconds: number
}

/** Why a Pod must end, if it must; the shortest grace of all that apply. */
export function endingOf(pod: Pod, observed: ObservedPod, nowMs: number): Ending | undefined {
  const specGrace = pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds
  if (pod.metadata.deletionTimestamp !== undefined || observed.gone) {
    const grace = observed.gone ? 0 : (pod.metadata.deletionGracePeriodSeconds ?? specGrace)
    return { graceSeconds: Math.max(1, grace) }
  }
  if (observed.refusal || isTerminal(pod)) return { graceSeconds: 1 }
  if (isDone(pod, observed) || deadlineOf(pod, observed) <= nowMs)
    return { graceSeconds: specGrace }
  return undefined
}

/** A phase that is never left again. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

/** When activeDeadlineSeconds is over; Infinity without one. */
export function deadlineOf(pod: Pod, observed: ObservedPod): number {
  const seconds = pod.spec.activeDeadlineSeconds
  return seconds === undefined ? Number.POSITIVE_INFINITY : observed.startTimeMs + seconds * 1000
}

/** No container will run any more by itself: all ended for good, or initialisation failed. */
export function isDone(pod: Pod, observed: ObservedPod): boolean {
  if (initFailed(pod, observed)) return true
  const policy = policyOf(pod)
  return pod.spec.containers.every((container) => {
    const seen = observed.containers.get(container.name)
    return seen?.state === 'exited' && !mayRestart(policy, seen.instance!.exit!)
  })
}

/** A regular init container failed and may not be run again. */
export function initFailed(pod: Pod, observed: ObservedPod): boolean {
  if (policyOf(pod) !== 'Never' || anyAppStarted(pod, observed)) return false
  return (pod.spec.initContainers ?? []).some((container) => {
    const { exit, earlierSandbox } = observed.containers.get(container.name)?.instance ?? {}
    if (earlierSandbox) return false
    return !isSidecar(container) && exit !== undefined && exit.exitCode !== 0
  })
}

export function policyOf(pod: Pod): RestartPolicy {
  return pod.spec.restartPolicy ?? 'Always'
}

/** In this sandbox: initialisation is over then. */
export function anyAppStarted(pod: Pod, observed: ObservedPod): boolean {
  return pod.spec.containers.some(({ name }) => {
    const instance = observed.containers.get(name)?.instance
    return instance !== undefined && !instance.earlierSandbox
  })
}

/** Never started, and running whether or not its hook has returned. */
const unseen: ObservedContainer = { state: 'none', started: false, ready: false }

class Planner {
  readonly #pod: Pod
  readonly #observed: ObservedPod
  readonly #nowMs: number
  readonly #actions: Action[] = []
  #wakeAtMs = Number.POSITIVE_INFINITY

  constructor(pod: Pod, observed: ObservedPod, nowMs: number) {
    this.#pod = pod
    this.#observed = observed
    this.#nowMs = nowMs
  }

  result(): Step {
    const actions = this.#actions
    return Number.isFinite(this.#wakeAtMs) ? { actions, wakeAtMs: this.#wakeAtMs } : { actions }
  }

  #wakeAt(timeMs: number): void {
    if (timeMs < this.#wakeAtMs) this.#wakeAtMs = timeMs
  }

  #see(name: string): ObservedContainer {
    return this.#observed.containers.get(name) ?? unseen
  }

  /** True once the time has come; else it will be looked at then. */
  #due(timeMs: number | undefined): boolean {
    if (timeMs === undefined || timeMs <= this.#nowMs) return true
    this.#wakeAt(timeMs)
    return false
  }

  sync(): void {
    const { volumes, sandbox } = this.#observed
    this.#wakeAt(deadlineOf(this.#pod, this.#observed))
    if (volumes.state !== 'mounted') {
      if (volumes.state === 'none' && this.#due(volumes.retryAtMs))
        this.#do({ type: 'mountVolumes' })
      return
    }
    if (sandbox.state !== 'ready') {
      if (sandbox.state === 'none' && this.#due(sandbox.retryAtMs))
        this.#do({ type: 'startSandbox' })
      return
    }
    const initialized = this.#syncInit()
    if (initialized) this.#syncApps()
  }

  #do(action: Action): void {
    this.#actions.push(action)
  }

  /** In spec order; true when the app containers' turn has come. */
  #syncInit(): boolean {
    const appsBegan = anyAppStarted(this.#pod, this.#observed)
    for (const container of this.#pod.spec.initContainers ?? []) {
      const seen = this.#see(container.name)
      if (isSidecar(container)) {
        this.#syncContainer(container, 'Always')
        const up = seen.state === 'running' && seen.started && seen.instance!.postStart === 'done'
        if (!up && !appsBegan) return false
      } else if (!appsBegan && !isComplete(seen)) {
        const again = seen.instance?.earlierSandbox ? 'Always' : policyOf(this.#pod)
        this.#syncContainer(container, again)
        return false
      }
    }
    return true
  }

  /** Together, but a postStart hook that has not returned holds back those after it. */
  #syncApps(): void {
    for (const container of this.#pod.spec.containers) {
      this.#syncContainer(container, policyOf(this.#pod))
      const seen = this.#see(container.name)
      if (seen.state === 'running' && seen.instance!.postStart === 'running') return
      if (container.lifecycle?.postStart && seen.state === 'starting') return
      if (container.lifecycle?.postStart && seen.state === 'none' && !seen.failure) return
    }
  }

  #syncContainer(container: Container, policy: RestartPolicy): void {
    const seen = this.#see(container.name)
    if (seen.state === 'starting') return
    if (seen.state === 'running') this.#watchOver(container, seen)
    else if (seen.state === 'none') this.#start(container, seen, 0)
    else if (mayRestart(policy, seen.instance!.exit!)) this.#restart(container, seen)
  }

  #restart(container: Container, seen: ObservedContainer): void {
    const instance = seen.instance!
    const exit = instance.exit!
    // A new image is what somebody did about the crashes: it need not wait.
    const changed = container.image !== instance.image
    const pause = changed ? 0 : restartDelayMs(seen.backoff, exit)
    if (this.#due(exit.finishedAtMs + pause)) this.#start(container, seen, instance.attempt + 1)
  }

  #start(container: Container, seen: ObservedContainer, attempt: number): void {
    if (!this.#due(seen.failure?.retryAtMs)) return
    this.#do({ type: 'start', container: container.name, attempt })
  }

  #watchOver(container: Container, seen: ObservedContainer): void {
    const { unhealthy, stop } = seen
    if (stop) {
      this.#carryOnStopping(container, stop, true)
      return
    }
    const changed = container.image !== seen.instance!.image
    if (!unhealthy && !changed) return
    const specGrace = this.#pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds
    const message = unhealthy
      ? unhealthy.message
      : `Container ${container.name} definition changed, will be restarted`
    const graceSeconds = unhealthy?.graceSeconds ?? specGrace
    const deadlineMs = this.#nowMs + graceSeconds * 1000
    this.#do({ type: 'stop', container: container.name, message, deadlineMs })
  }

  terminate(ending: Ending | undefined): void {
    const { termination } = this.#observed
    if (ending && (!termination || ending.graceSeconds < termination.graceSeconds)) {
      this.#do({ type: 'terminate', graceSeconds: ending.graceSeconds })
      if (!termination) return
    }
    const deadlineMs = termination!.sinceMs + termination!.graceSeconds * 1000
    const active = this.#all().filter((container) => isActive(this.#see(container.name)))
    if (active.length === 0) {
      if (this.#quiet()) this.#do({ type: 'teardown' })
      return
    }
    for (const container of active) this.#terminateContainer(container, active, deadlineMs)
  }

  /** Nothing is being made that would have to be taken down again. */
  #quiet(): boolean {
    const { volumes, sandbox } = this.#observed
    return volumes.state !== 'mounting' && sandbox.state !== 'starting'
  }

  #all(): readonly Container[] {
    return [...(this.#pod.spec.initContainers ?? []), ...this.#pod.spec.containers]
  }

  #terminateContainer(
    container: Container,
    active: readonly Container[],
    deadlineMs: number,
  ): void {
    const seen = this.#see(container.name)
    if (seen.state === 'starting') return
    if (!seen.stop) {
      const message = `Stopping container ${container.name}`
      this.#do({ type: 'stop', container: container.name, message, deadlineMs })
      return
    }
    const stop = { ...seen.stop, deadlineMs: Math.min(deadlineMs, seen.stop.deadlineMs) }
    this.#carryOnStopping(container, stop, this.#itsTurn(container, active))
  }

  /** A sidecar waits for the app containers and for every sidecar after it. */
  #itsTurn(container: Container, active: readonly Container[]): boolean {
    const sidecars = (this.#pod.spec.initContainers ?? []).filter(isSidecar)
    const index = sidecars.indexOf(container)
    if (index < 0) return true
    return active.every(
      (other) =>
        other === container || (sidecars.indexOf(other) >= 0 && sidecars.indexOf(other) < index),
    )
  }

  #carryOnStopping(container: Container, stop: Stopping, itsTurn: boolean): void {
    const { deadlineMs } = stop
    const over = deadlineMs <= this.#nowMs
    if (stop.signalledAtMs === undefined) {
      if (over || (stop.preStop === 'done' && itsTurn)) {
        const signal = container.lifecycle?.stopSignal ?? 'SIGTERM'
        this.#do({ type: 'signal', container: container.name, signal })
      } else this.#wakeAt(deadlineMs)
      return
    }
    if (stop.killedAtMs !== undefined) return
    const minDelayMs = this.#observed.termination?.nodeEnds ? 0 : minKillDelayMs
    const killAtMs = Math.max(deadlineMs, stop.signalledAtMs + minDelayMs)
    if (this.#due(killAtMs)) this.#do({ type: 'kill', container: container.name })
  }
}

/** Of a regular init container: it has done its work in this sandbox. */
export function isComplete(seen: ObservedContainer | undefined): boolean {
  const { exit, earlierSandbox } = seen?.instance ?? {}
  return seen?.state === 'exited' && exit?.exitCode === 0 && !earlierSandbox
}

function isActive(seen: ObservedContainer): boolean {
  return seen.state === 'running' || seen.state === 'starting'
}
