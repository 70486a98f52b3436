// What a Pod's worker has seen so far: the input of step() beside the Pod itself. Times are
// milliseconds since the epoch.

export interface ObservedPod {
  readonly startTimeMs: number
  /** Set when the node refused it; then nothing of it ever runs. */
  readonly refusal?: Reason
  /** Why its volumes cannot be mounted yet is in `volumes.failure`. */
  readonly volumes: { readonly state: 'none' | 'mounting' | 'mounted'; readonly retryAtMs?: number }
  readonly sandbox: ObservedSandbox
  readonly containers: ReadonlyMap<string, ObservedContainer>
  /** Set once it is ending, for whatever reason. */
  readonly termination?: Termination
  /** The object is no longer in the API. */
  readonly gone: boolean
  /** Everything of it was taken down. */
  readonly torndown: boolean
}

export interface Reason {
  readonly reason: string
  readonly message: string
}

export interface ObservedSandbox {
  readonly state: 'none' | 'starting' | 'ready'
  readonly ips: readonly string[]
  readonly retryAtMs?: number
}

export interface Termination {
  readonly sinceMs: number
  readonly graceSeconds: number
  /** The node itself ends: nothing is given more time than the grace. */
  readonly nodeEnds?: true
}

export interface ObservedContainer {
  /** Of the newest instance, or of the one being started. */
  readonly state: 'none' | 'starting' | 'running' | 'exited'
  /** The newest instance that ran. */
  readonly instance?: Instance
  /** The one before it. */
  readonly last?: Instance
  /** Why there is no newer one. */
  readonly failure?: StartFailure
  readonly backoff?: Backoff
  readonly stop?: Stopping
  /** What the probe workers say; without a probe, whether it runs. */
  readonly started: boolean
  readonly ready: boolean
  /** A liveness or startup probe gave it up. */
  readonly unhealthy?: Unhealthy
}

export interface Instance {
  /** Without the runtime's scheme. */
  readonly id: string
  readonly attempt: number
  readonly image: string
  readonly imageID: string
  readonly startedAtMs: number
  readonly postStart: 'running' | 'done'
  /** It ran in a sandbox that is gone: initialisation has to be done again. */
  readonly earlierSandbox?: true
  readonly exit?: Exit
}

export interface Exit {
  readonly exitCode: number
  readonly signal?: number
  readonly finishedAtMs: number
  /** Where it is not simply Completed or Error. */
  readonly reason?: string
  readonly message?: string
}

export interface StartFailure extends Reason {
  readonly retryAtMs: number
}

/** The pause that was due before the newest start, and when that was. */
export interface Backoff {
  readonly delayMs: number
  readonly sinceMs: number
}

export interface Stopping {
  readonly deadlineMs: number
  readonly preStop: 'running' | 'done'
  readonly signalledAtMs?: number
  readonly killedAtMs?: number
}

export interface Unhealthy {
  readonly message: string
  /** The probe's own, where it has one. */
  readonly graceSeconds?: number
}
