// The probes of one running container: when each is due, what its results amount to.
import type { Container, Probe } from '../api/types/core.gen.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Unhealthy } from './pod-observed.ts'
import { type ProbeTarget, runProbe } from './probe.ts'
import type { ProbeOutcome } from './probe-outcome.ts'
import {
  countResult,
  initialProbeState,
  type ProbeKind,
  type ProbeState,
  type ProbeTiming,
  timingOf,
} from './probe-state.ts'

export interface ProberEvents {
  /** started, ready or unhealthy may be different now. */
  onChange(): void
  onProbeFailure(kind: ProbeKind, text: string): void
  onProbeWarning(kind: ProbeKind, text: string): void
}

export interface ProberDeps {
  readonly clock: Clock
  readonly userAgent: string
}

interface Worker {
  readonly kind: ProbeKind
  readonly probe: Probe
  readonly timing: ProbeTiming
  state: ProbeState
  timer: Timer | undefined
  stopped: boolean
  /** Until the first success a container is asked more often than every period. */
  eagerMs: number
}

const kinds: readonly ProbeKind[] = ['startup', 'liveness', 'readiness']
const firstEagerMs = 50
const maxEagerMs = 1000
/** A probe that cannot be made is tried again at once this often. */
const maxErrors = 3

/** One per container instance: a restart begins with fresh counts. */
export class ContainerProber {
  readonly #target: ProbeTarget
  readonly #events: ProberEvents
  readonly #deps: ProberDeps
  readonly #startedAtMs: number
  readonly #workers = new Map<ProbeKind, Worker>()
  #ended = false

  constructor(target: ProbeTarget, events: ProberEvents, deps: ProberDeps) {
    this.#target = target
    this.#events = events
    this.#deps = deps
    this.#startedAtMs = deps.clock.monotonic()
    for (const kind of kinds) {
      const probe = probeOf(target.container, kind)
      if (!probe) continue
      const state = initialProbeState(kind)
      const timing = timingOf(probe)
      const fresh = { timer: undefined, stopped: false, eagerMs: firstEagerMs }
      this.#workers.set(kind, { kind, probe, timing, state, ...fresh })
    }
    if (this.#workers.has('startup')) this.#begin('startup')
    else this.#beginOthers()
  }

  get started(): boolean {
    const startup = this.#workers.get('startup')
    return startup === undefined || startup.state.published === 'success'
  }

  get ready(): boolean {
    const readiness = this.#workers.get('readiness')
    return this.started && (readiness === undefined || readiness.state.published === 'success')
  }

  get unhealthy(): Unhealthy | undefined {
    for (const kind of ['startup', 'liveness'] as const) {
      const worker = this.#workers.get(kind)
      if (worker?.state.published !== 'failure') continue
      const name = this.#target.container.name
      const message = `Container ${name} failed ${kind} probe, will be restarted`
      const graceSeconds = worker.probe.terminationGracePeriodSeconds
      return { message, ...(graceSeconds === undefined ? {} : { graceSeconds }) }
    }
    return undefined
  }

  /** A Pod that ends is still asked whether it is ready, no longer whether it lives. */
  keepReadinessOnly(): void {
    for (const kind of ['startup', 'liveness'] as const) this.#halt(kind)
  }

  stop(): void {
    this.#ended = true
    for (const kind of kinds) this.#halt(kind)
  }

  #halt(kind: ProbeKind): void {
    const worker = this.#workers.get(kind)
    if (!worker) return
    worker.stopped = true
    worker.timer?.cancel()
  }

  #begin(kind: ProbeKind): void {
    const worker = this.#workers.get(kind)
    if (!worker || worker.stopped) return
    const age = this.#deps.clock.monotonic() - this.#startedAtMs
    this.#schedule(worker, Math.max(0, worker.timing.initialDelayMs - age))
  }

  #beginOthers(): void {
    this.#begin('liveness')
    this.#begin('readiness')
  }

  #schedule(worker: Worker, delayMs: number): void {
    worker.timer = this.#deps.clock.after(delayMs, () => void this.#tick(worker))
  }

  async #tick(worker: Worker): Promise<void> {
    const begunMs = this.#deps.clock.monotonic()
    const outcome = await this.#probe(worker)
    if (this.#ended || worker.stopped) return
    const early = outcome.result !== 'success' && this.#isEarly(worker)
    if (outcome.result !== 'error' && !early) this.#take(worker, outcome)
    const gaveUp = worker.kind !== 'readiness' && worker.state.published === 'failure'
    const finished = worker.kind === 'startup' && this.started
    if (this.#ended || worker.stopped || gaveUp || finished) return
    const spentMs = this.#deps.clock.monotonic() - begunMs
    this.#schedule(worker, Math.max(0, this.#pauseMs(worker, early) - spentMs))
  }

  /**
   * A server that is not up yet is asked again soon, so that its Pod is ready when it is and not a
   * period later. Such a failure says nothing that is not known: it is neither counted nor told.
   */
  #isEarly(worker: Worker): boolean {
    const age = this.#deps.clock.monotonic() - this.#startedAtMs
    const { initialDelayMs, periodMs } = worker.timing
    return (
      worker.kind === 'readiness' &&
      worker.state.last === 'unknown' &&
      age < initialDelayMs + periodMs
    )
  }

  #pauseMs(worker: Worker, early: boolean): number {
    const { periodMs } = worker.timing
    if (!early) return periodMs
    const pauseMs = worker.eagerMs
    worker.eagerMs = Math.min(pauseMs * 2, maxEagerMs)
    return Math.min(pauseMs, periodMs)
  }

  async #probe(worker: Worker): Promise<ProbeOutcome> {
    let outcome: ProbeOutcome = { result: 'error', text: '' }
    for (let attempt = 0; attempt < maxErrors && outcome.result === 'error'; attempt++) {
      const { clock, userAgent } = this.#deps
      const options = { timeoutMs: worker.timing.timeoutMs, clock, userAgent }
      outcome = await runProbe(worker.probe, this.#target, options)
    }
    return outcome
  }

  #take(worker: Worker, outcome: Exclude<ProbeOutcome, { result: 'error' }>): void {
    const before = worker.state.published
    worker.state = countResult(worker.state, outcome.result, worker.timing)
    if (outcome.result === 'failure') this.#events.onProbeFailure(worker.kind, outcome.text)
    else if (outcome.warning) this.#events.onProbeWarning(worker.kind, outcome.warning)
    if (worker.state.published === before) return
    // Whoever waited for the start is asked at once, not a period later.
    if (worker.kind === 'startup' && this.started) this.#beginOthers()
    this.#events.onChange()
  }
}

function probeOf(container: Container, kind: ProbeKind): Probe | undefined {
  if (kind === 'startup') return container.startupProbe
  return kind === 'liveness' ? container.livenessProbe : container.readinessProbe
}
