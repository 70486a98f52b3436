// The status of a Pod as its observed containers give it: phase, conditions, container statuses.
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from '../api/types/core.gen.ts'
import { formatTime } from '../lib/clock.ts'
import { anyAppStarted, deadlineOf, initFailed, isComplete, isDone, policyOf } from './pod.ts'
import type { Instance, ObservedContainer, ObservedPod } from './pod-observed.ts'
import { type Condition, readinessCondition } from './readiness.ts'
import { formatDelay, isSidecar, mayRestart, restartDelayMs } from './restart.ts'

export interface StatusContext {
  readonly nowMs: number
  /** Scheme of container ids: "process". */
  readonly runtime: string
  readonly hostIPs: readonly string[]
}

export function podStatus(pod: Pod, observed: ObservedPod, context: StatusContext): PodStatus {
  const initStatuses = (pod.spec.initContainers ?? []).map((container) =>
    containerStatus(container, { pod, observed, context }),
  )
  const containerStatuses = pod.spec.containers
    .map((container) => containerStatus(container, { pod, observed, context }))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
  const { phase, reason, message } = phaseOf(pod, observed, context.nowMs)
  const facts = { pod, observed, phase, statuses: [...initStatuses, ...containerStatuses] }
  const podIPs = pod.spec.hostNetwork ? hostIPsOf(observed, context) : observed.sandbox.ips
  return {
    ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
    phase,
    conditions: conditionsOf(facts, context.nowMs),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(context.hostIPs[0] ? { hostIP: context.hostIPs[0] } : {}),
    hostIPs: context.hostIPs.map((ip) => ({ ip })),
    ...(podIPs[0] ? { podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) } : {}),
    startTime: formatTime(observed.startTimeMs),
    ...(initStatuses.length > 0 ? { initContainerStatuses: initStatuses } : {}),
    containerStatuses,
  }
}

function hostIPsOf(observed: ObservedPod, context: StatusContext): readonly string[] {
  return observed.sandbox.state === 'ready' ? context.hostIPs : []
}

type Phase = NonNullable<PodStatus['phase']>

interface PhaseResult {
  readonly phase: Phase
  readonly reason?: string | undefined
  readonly message?: string | undefined
}

/** A terminal phase is final, and appears only once every container has ended. */
export function phaseOf(pod: Pod, observed: ObservedPod, nowMs: number): PhaseResult {
  const known = pod.status?.phase
  if (known === 'Succeeded' || known === 'Failed') {
    return { phase: known, reason: pod.status?.reason, message: pod.status?.message }
  }
  if (observed.refusal) return { phase: 'Failed', ...observed.refusal }
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
  const active = all.some(({ name }) => isActive(observed.containers.get(name)))
  const expired = deadlineOf(pod, observed) <= nowMs
  if (expired && !active && observed.termination) {
    const message = 'Pod was active on the node longer than the specified deadline'
    return { phase: 'Failed', reason: 'DeadlineExceeded', message }
  }
  if (!active && (observed.termination || isDone(pod, observed))) {
    return { phase: allSucceeded(pod, observed) ? 'Succeeded' : 'Failed' }
  }
  return { phase: hasBegun(pod, observed) ? 'Running' : 'Pending' }
}

function isActive(seen: ObservedContainer | undefined): boolean {
  return seen?.state === 'running' || seen?.state === 'starting'
}

/** Sidecars do not count: they end when the others have. */
function allSucceeded(pod: Pod, observed: ObservedPod): boolean {
  if (initFailed(pod, observed)) return false
  return pod.spec.containers.every(
    ({ name }) => observed.containers.get(name)?.instance?.exit?.exitCode === 0,
  )
}

/** Running once initialised and every app container ran at least once, even if it now waits. */
function hasBegun(pod: Pod, observed: ObservedPod): boolean {
  return pod.spec.containers.every(({ name }) => {
    const seen = observed.containers.get(name)
    return (
      seen?.instance !== undefined &&
      !(seen.state === 'running' && seen.instance.postStart === 'running' && !seen.last)
    )
  })
}

interface Facts {
  readonly pod: Pod
  readonly observed: ObservedPod
  readonly phase: Phase
  readonly statuses: readonly ContainerStatus[]
}

function conditionsOf(facts: Facts, nowMs: number): PodCondition[] {
  const { pod } = facts
  const containersReady = containersReadyCondition(facts)
  const own: Condition[] = [
    { type: 'PodReadyToStartContainers', status: facts.observed.sandbox.state === 'ready' },
    initializedCondition(facts),
    readinessCondition(pod, containersReady),
    containersReady,
    { type: 'PodScheduled', status: true },
  ]
  return own.map((condition) => withTransition(condition, pod, nowMs))
}

/** The time stays while the status stays. */
function withTransition(condition: Condition, pod: Pod, nowMs: number): PodCondition {
  const before = pod.status?.conditions?.find(({ type }) => type === condition.type)
  const status = condition.status ? 'True' : 'False'
  const same = before?.status === status
  const since = same ? before?.lastTransitionTime : undefined
  return {
    type: condition.type,
    ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
    status,
    lastTransitionTime: since ?? formatTime(nowMs),
    ...(condition.reason ? { reason: condition.reason } : {}),
    ...(condition.message ? { message: condition.message } : {}),
  }
}

function initializedCondition(facts: Facts): Condition {
  const { pod, observed, phase } = facts
  const type = 'Initialized'
  if (phase === 'Succeeded') return { type, status: true, reason: 'PodCompleted' }
  if (anyAppStarted(pod, observed)) return { type, status: true }
  const incomplete = (pod.spec.initContainers ?? []).filter((container) => {
    const seen = observed.containers.get(container.name)
    return isSidecar(container) ? !seen?.started : !isComplete(seen)
  })
  if (incomplete.length === 0) return { type, status: true }
  const names = incomplete.map(({ name }) => name).join(' ')
  const message = `containers with incomplete status: [${names}]`
  return { type, status: false, reason: 'ContainersNotInitialized', message }
}

function containersReadyCondition({ pod, phase, statuses }: Facts): Condition {
  const type = 'ContainersReady'
  if (phase === 'Succeeded') return { type, status: false, reason: 'PodCompleted' }
  if (phase === 'Failed') return { type, status: false, reason: 'PodFailed' }
  const sidecars = (pod.spec.initContainers ?? []).filter(isSidecar)
  const counted = [...sidecars, ...pod.spec.containers]
  const unready = counted.filter(
    ({ name }) => !statuses.some((status) => status.name === name && status.ready),
  )
  if (unready.length === 0) return { type, status: true }
  const names = unready.map(({ name }) => name).join(' ')
  const message = `containers with unready status: [${names}]`
  return { type, status: false, reason: 'ContainersNotReady', message }
}

interface About {
  readonly pod: Pod
  readonly observed: ObservedPod
  readonly context: StatusContext
}

function containerStatus(container: Container, about: About): ContainerStatus {
  const { pod, observed, context } = about
  const seen = observed.containers.get(container.name)
  const { state, lastState } = statesOf(container, about)
  const instance = seen?.instance
  const isInit = (pod.spec.initContainers ?? []).includes(container)
  const oneShot = isInit && !isSidecar(container)
  const running = seen?.state === 'running' && instance?.postStart === 'done'
  const completed = isComplete(seen)
  return {
    name: container.name,
    state,
    lastState,
    ready: oneShot ? completed : running && seen.ready,
    restartCount: instance?.attempt ?? 0,
    image: container.image ?? '',
    imageID: instance?.imageID ?? '',
    ...(instance ? { containerID: `${context.runtime}://${instance.id}` } : {}),
    started: oneShot ? running : running && seen.started,
    ...(container.resources ? { resources: container.resources } : {}),
    ...(container.volumeMounts?.length ? { volumeMounts: volumeMountStatuses(container) } : {}),
  }
}

function volumeMountStatuses(container: Container) {
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => ({
    name,
    mountPath,
    ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
  }))
}

interface States {
  readonly state: ContainerState
  readonly lastState: ContainerState
}

function statesOf(container: Container, about: About): States {
  const { pod, observed, context } = about
  const seen = observed.containers.get(container.name)
  const instance = seen?.instance
  const reason = pod.spec.initContainers?.length ? 'PodInitializing' : 'ContainerCreating'
  const terminated = (one: Instance | undefined): ContainerState =>
    one?.exit ? { terminated: terminatedState(one, context.runtime) } : {}
  if (!seen || !instance) {
    const waiting = seen?.failure ? reasonOf(seen.failure) : { reason }
    return { state: { waiting }, lastState: {} }
  }
  if (!instance.exit) {
    const lastState = terminated(seen.last)
    if (instance.postStart === 'running') return { state: { waiting: { reason } }, lastState }
    return { state: { running: { startedAt: formatTime(instance.startedAtMs) } }, lastState }
  }
  if (seen.failure && !observed.termination) {
    return { state: { waiting: reasonOf(seen.failure) }, lastState: terminated(instance) }
  }
  if (seen.state === 'exited' && waitsToRestart(container, seen, about)) {
    return { state: { waiting: crashLoop(container, pod, seen) }, lastState: terminated(instance) }
  }
  return { state: terminated(instance), lastState: terminated(seen.last) }
}

function reasonOf(failure: { readonly reason: string; readonly message: string }) {
  return { reason: failure.reason, message: failure.message }
}

function waitsToRestart(container: Container, seen: ObservedContainer, about: About): boolean {
  const { pod, observed } = about
  if (observed.termination) return false
  const exit = seen.instance!.exit!
  const isInit = (pod.spec.initContainers ?? []).includes(container)
  if (isInit && !isSidecar(container) && anyAppStarted(pod, observed)) return false
  if (isInit && !isSidecar(container) && exit.exitCode === 0) return false
  const policy = isSidecar(container) ? 'Always' : policyOf(pod)
  return mayRestart(policy, exit) && restartDelayMs(seen.backoff, exit) > 0
}

function crashLoop(container: Container, pod: Pod, seen: ObservedContainer) {
  const { name, namespace = '', uid = '' } = pod.metadata
  const delay = formatDelay(restartDelayMs(seen.backoff, seen.instance!.exit!))
  const where = `container=${container.name} pod=${name}_${namespace}(${uid})`
  return { reason: 'CrashLoopBackOff', message: `back-off ${delay} restarting failed ${where}` }
}

function terminatedState(instance: Instance, runtime: string): ContainerStateTerminated {
  const exit = instance.exit!
  return {
    exitCode: exit.exitCode,
    ...(exit.signal === undefined ? {} : { signal: exit.signal }),
    reason: exit.reason ?? (exit.exitCode === 0 ? 'Completed' : 'Error'),
    ...(exit.message ? { message: exit.message } : {}),
    startedAt: formatTime(instance.startedAtMs),
    finishedAt: formatTime(exit.finishedAtMs),
    containerID: `${runtime}://${instance.id}`,
  }
}
