// What the scheduler writes: bindings, why a Pod is not bound, and the end of Pods that make room.
import { findPodCondition } from '../api/core/pod-state.ts'
import { isReason } from '../api/machinery/status.ts'
import { pods } from '../api/resources.gen.ts'
import type { Binding, Pod } from '../api/types/core.gen.ts'
import type { Client } from '../client/client.ts'
import { createRecorder, type EventRecorder } from '../client/recorder.ts'
import { type Clock, formatTime } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { preemptionReason } from './preempt.ts'

interface WritesDeps {
  readonly client: Client
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

export class Writes {
  readonly #name: string
  readonly #deps: WritesDeps
  readonly #recorder: EventRecorder

  constructor(schedulerName: string, deps: WritesDeps) {
    this.#name = schedulerName
    this.#deps = deps
    this.#recorder = createRecorder({ component: schedulerName }, deps)
  }

  flush(): Promise<void> {
    return this.#recorder.flush()
  }

  async bind(pod: Pod, nodeName: string): Promise<void> {
    const { namespace, name, uid } = pod.metadata
    const binding: Binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, ...(namespace ? { namespace } : {}), ...(uid ? { uid } : {}) },
      target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
    }
    await this.#deps.client
      .resource(pods)
      .create(binding as unknown as Pod, { subresource: 'binding', signal: this.#deps.signal })
    this.#recorder.record({
      regarding: pod,
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${namespace}/${name} to ${nodeName}`,
      action: 'Binding',
    })
  }

  /** `promised`: the Node where room is being made for it. */
  refuse(pod: Pod, message: string, promised: string | undefined): Promise<void> {
    this.#recorder.record({
      regarding: pod,
      type: 'Warning',
      reason: 'FailedScheduling',
      message,
      action: 'Scheduling',
    })
    return this.#tell(pod, { reason: 'Unschedulable', message }, promised)
  }

  unpromise(pod: Pod): Promise<void> {
    return this.#patchStatus(pod, { nominatedNodeName: null })
  }

  tellGated(pod: Pod): Promise<void> {
    return this.#tell(pod, {
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
    })
  }

  async #tell(
    pod: Pod,
    told: { readonly reason: string; readonly message: string },
    nominatedNodeName?: string,
  ): Promise<void> {
    const old = findPodCondition(pod, 'PodScheduled')
    const isKnown =
      old?.status === 'False' && old.reason === told.reason && old.message === told.message
    if (isKnown && pod.status?.nominatedNodeName === nominatedNodeName) return
    const now = formatTime(this.#deps.clock.now())
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      ...told,
      lastTransitionTime: (old?.status === 'False' && old.lastTransitionTime) || now,
      ...(pod.metadata.generation === undefined
        ? {}
        : { observedGeneration: pod.metadata.generation }),
    }
    await this.#patchStatus(pod, {
      conditions: [condition],
      nominatedNodeName: nominatedNodeName ?? null,
    })
  }

  async evict(pod: Pod, nodeName: string, victims: readonly Pod[]): Promise<void> {
    for (const victim of victims.filter(({ metadata }) => !metadata.deletionTimestamp)) {
      const { namespace, name, uid } = victim.metadata
      await this.#patchStatus(victim, {
        conditions: [
          {
            type: 'DisruptionTarget',
            status: 'True',
            reason: preemptionReason,
            message: `${this.#name}: preempting to accommodate a higher priority pod`,
            lastTransitionTime: formatTime(this.#deps.clock.now()),
          },
        ],
      })
      await this.#deps.client
        .resource(pods)
        .delete(
          { namespace, name },
          { body: { preconditions: { uid } }, signal: this.#deps.signal },
        )
      this.#recorder.record({
        regarding: victim,
        type: 'Normal',
        reason: 'Preempted',
        message: `Preempted by pod ${pod.metadata.uid} on node ${nodeName}`,
        action: 'Preempting',
      })
    }
  }

  async #patchStatus(pod: Pod, status: object): Promise<void> {
    const { namespace, name, uid } = pod.metadata
    try {
      await this.#deps.client
        .resource(pods)
        .patch(
          { namespace, name },
          { type: 'strategic', body: { metadata: { uid }, status } },
          { subresource: 'status', signal: this.#deps.signal },
        )
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }
}
