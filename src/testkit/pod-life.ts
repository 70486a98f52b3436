// A Pod's life without processes, as pure functions: the status a kubelet would report. Containers
// start at once, answer their probes when told to, and end as soon as they are asked to.
import { findPodCondition } from '../api/core/pod-state.ts'
import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from '../api/types/core.gen.ts'
import { formatTime } from '../lib/clock.ts'

/** What is known of a Pod on a node beyond its object. */
export interface PodFacts {
  readonly ips: readonly string[]
  readonly hostIPs: readonly string[]
  /** What its readiness probes find; undefined: what they would find without being told. */
  readonly ready: boolean | undefined
  /** The exit code of its containers, once they have ended for good. */
  readonly exitCode: number | undefined
  readonly restarts: number
  readonly nowMs: number
}

/** Ready as soon as it runs, unless a probe has to say so first. */
export const isReadyUntold = (pod: Pod): boolean =>
  pod.spec.containers.every(({ readinessProbe }) => readinessProbe === undefined)

export function statusOf(pod: Pod, facts: PodFacts): PodStatus {
  const now = formatTime(facts.nowMs)
  const startTime = pod.status?.startTime ?? now
  const ended = facts.exitCode !== undefined
  const containersReady = !ended && (facts.ready ?? isReadyUntold(pod))
  const init = pod.spec.initContainers ?? []
  const [hostIP] = facts.hostIPs
  const [podIP] = facts.ips
  return {
    phase: !ended ? 'Running' : facts.exitCode === 0 ? 'Succeeded' : 'Failed',
    conditions: conditionsOf(pod, { containersReady, ended, now }),
    ...(hostIP ? { hostIP, hostIPs: facts.hostIPs.map((ip) => ({ ip })) } : {}),
    ...(podIP ? { podIP, podIPs: facts.ips.map((ip) => ({ ip })) } : {}),
    startTime,
    ...(init.length > 0
      ? { initContainerStatuses: init.map((one) => initStatus(one, facts, startTime)) }
      : {}),
    containerStatuses: pod.spec.containers.map((container) =>
      containerStatus(container, {
        facts,
        ready: containersReady,
        state: ended
          ? terminated(facts.exitCode ?? 0, { pod, startTime, now })
          : running(startTime),
      }),
    ),
  }
}

interface ConditionFacts {
  readonly containersReady: boolean
  readonly ended: boolean
  readonly now: string
}

function conditionsOf(pod: Pod, { containersReady, ended, now }: ConditionFacts): PodCondition[] {
  const gates = pod.spec.readinessGates ?? []
  const open = gates.every(
    ({ conditionType }) => findPodCondition(pod, conditionType)?.status === 'True',
  )
  const notReady = ended
    ? { reason: 'PodCompleted' }
    : !containersReady
      ? { reason: 'ContainersNotReady' }
      : { reason: 'ReadinessGatesNotReady' }
  const condition = (type: string, holds: boolean, why = {}): PodCondition => {
    const status = holds ? 'True' : 'False'
    const before = findPodCondition(pod, type)
    const since = before?.status === status ? before.lastTransitionTime : undefined
    return { type, status, lastTransitionTime: since ?? now, ...(holds ? {} : why) }
  }
  return [
    condition('PodReadyToStartContainers', !ended),
    condition('Initialized', true),
    condition('Ready', containersReady && open, notReady),
    condition('ContainersReady', containersReady, notReady),
    condition('PodScheduled', true),
  ]
}

interface ContainerFacts {
  readonly facts: PodFacts
  readonly ready: boolean
  readonly state: ContainerState
}

function containerStatus(
  { name, image = '' }: Container,
  { facts, ready, state }: ContainerFacts,
): ContainerStatus {
  return {
    name,
    image,
    imageID: image,
    ready,
    started: state.running !== undefined,
    restartCount: facts.restarts,
    state,
  }
}

/** Sidecars run on; the others have done what they are for. */
function initStatus(container: Container, facts: PodFacts, startTime: string): ContainerStatus {
  const sidecar = container.restartPolicy === 'Always' && facts.exitCode === undefined
  const done = { exitCode: 0, reason: 'Completed', startedAt: startTime, finishedAt: startTime }
  const state = sidecar ? running(startTime) : { terminated: done }
  return { ...containerStatus(container, { facts, ready: true, state }), restartCount: 0 }
}

const running = (startedAt: string): ContainerState => ({ running: { startedAt } })

function terminated(
  exitCode: number,
  { pod, startTime, now }: { pod: Pod; startTime: string; now: string },
): ContainerState {
  const before = pod.status?.containerStatuses?.[0]?.state?.terminated
  const reason = exitCode === 0 ? 'Completed' : 'Error'
  const finishedAt = before?.finishedAt ?? now
  return { terminated: { exitCode, reason, startedAt: startTime, finishedAt } }
}

/** How long a Pod whose end was asked for still runs: its preStop sleep, at most its grace period. */
export function endsAfterMs(pod: Pod, nowMs: number): number {
  const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? 0
  const askedMs = Date.parse(pod.metadata.deletionTimestamp ?? '') - graceSeconds * 1000
  const sleeps = pod.spec.containers.map(({ lifecycle }) => lifecycle?.preStop?.sleep?.seconds ?? 0)
  const runsOnMs = Math.min(graceSeconds, Math.max(0, ...sleeps)) * 1000
  return Math.max(0, askedMs + runsOnMs - nowMs)
}
