// The observed Pod while its worker changes it.

import type { Draft } from '../api/machinery/draft.ts'
import type { ContainerStatus, Pod } from '../api/types/core.gen.ts'
import type { Instance, ObservedContainer, ObservedPod } from './pod-observed.ts'

export interface PodState extends Draft<Omit<ObservedPod, 'containers'>> {
  readonly containers: Map<string, ObservedContainer>
}

const fresh: ObservedContainer = { state: 'none', started: false, ready: false }

/** What the API knows of an earlier life of the Pod on this node is where the new one begins. */
export function initialState(pod: Pod, nowMs: number): PodState {
  const containers = new Map<string, ObservedContainer>()
  const { initContainerStatuses = [], containerStatuses = [], startTime } = pod.status ?? {}
  for (const status of [...initContainerStatuses, ...containerStatuses]) {
    const instance = earlierInstance(status, nowMs)
    if (instance) containers.set(status.name, { ...fresh, state: 'exited', instance })
  }
  return {
    startTimeMs: startTime === undefined ? nowMs : Date.parse(startTime),
    volumes: { state: 'none' },
    sandbox: { state: 'none', ips: [] },
    containers,
    gone: false,
    torndown: false,
  }
}

/** Containers of this runtime do not outlive the agent: what ran then has ended, nobody knows how. */
function earlierInstance(status: ContainerStatus, nowMs: number): Instance | undefined {
  const id = status.containerID?.split('://')[1]
  const terminated = status.state?.terminated ?? status.lastState?.terminated
  const startedAt = status.state?.running?.startedAt ?? terminated?.startedAt
  if (id === undefined) return undefined
  const message = 'The container could not be located when the node agent was started again'
  const known = status.state?.running ? undefined : terminated
  return {
    id,
    attempt: status.restartCount,
    image: status.image,
    imageID: status.imageID,
    startedAtMs: startedAt === undefined ? nowMs : Date.parse(startedAt),
    postStart: 'done',
    earlierSandbox: true,
    exit: known
      ? {
          exitCode: known.exitCode,
          finishedAtMs: known.finishedAt === undefined ? nowMs : Date.parse(known.finishedAt),
          ...(known.reason ? { reason: known.reason } : {}),
          ...(known.message ? { message: known.message } : {}),
        }
      : { exitCode: 137, finishedAtMs: nowMs, reason: 'ContainerStatusUnknown', message },
  }
}

export function containerOf(state: PodState, name: string): ObservedContainer {
  return state.containers.get(name) ?? fresh
}

export function updateContainer(
  state: PodState,
  name: string,
  change: Partial<ObservedContainer>,
): void {
  state.containers.set(name, { ...containerOf(state, name), ...change })
}
