// Tells the API of this node: registers it, keeps its lease, and says when it is ready.

import { isReason } from '../api/machinery/status.ts'
import { leases, nodes } from '../api/resources.gen.ts'
import type { Lease } from '../api/types/coordination.gen.ts'
import type { Node } from '../api/types/core.gen.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/recorder.ts'
import { type Clock, formatMicroTime } from '../lib/clock.ts'
import { semanticEqual } from '../lib/equal.ts'
import type { Logger } from '../lib/log.ts'
import {
  buildNode,
  type NodeFactsForObject,
  nodeLabels,
  nodeStatus,
  type Readiness,
} from './node-object.ts'

const leaseNamespace = 'kube-node-lease'
const leaseSeconds = 40
const renewMs = 10_000
const evaluateMs = 10_000
/** Even unchanged, the status is written this often. */
const reportMs = 300_000
const firstRetryMs = 200
const maxRetryMs = 7_000

export interface NodeReporterDeps {
  readonly client: Client
  readonly clock: Clock
  readonly log: Logger
  readonly recorder: EventRecorder
}

export class NodeReporter {
  readonly #facts: NodeFactsForObject
  readonly #deps: NodeReporterDeps
  readonly #abort = new AbortController()
  #node: Node | undefined
  #lease: Lease | undefined
  #writtenAtMs = Number.NEGATIVE_INFINITY

  constructor(facts: NodeFactsForObject, deps: NodeReporterDeps) {
    this.#facts = facts
    this.#deps = deps
  }

  /** The object is there, not yet ready. */
  register(): Promise<void> {
    return this.#retry('register the node', () => this.#register())
  }

  /** After register(): says that the node is ready, and goes on saying so. */
  async start(): Promise<void> {
    await this.#retry('write the node status', () => this.report())
    void this.#every(evaluateMs, 'write the node status', () => this.report())
    void this.#renewForEver()
  }

  async #renewForEver(): Promise<void> {
    await this.#retry('renew the node lease', () => this.#renew())
    await this.#every(renewMs, 'renew the node lease', () => this.#renew())
  }

  stop(): void {
    this.#abort.abort(new Error('node reporter stopped'))
  }

  async #every(periodMs: number, what: string, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      await this.#deps.clock.sleep(periodMs, signal).catch(() => {})
      if (!signal.aborted) await this.#retry(what, work)
    }
  }

  async #retry(what: string, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#abort
    for (let delayMs = firstRetryMs; !signal.aborted; delayMs = Math.min(delayMs * 2, maxRetryMs)) {
      try {
        await work()
        return
      } catch (error) {
        if (signal.aborted) return
        this.#deps.log.warn(`cannot ${what}`, { node: this.#facts.nodeName, error })
        await this.#deps.clock.sleep(delayMs, signal).catch(() => {})
      }
    }
  }

  /** A node of this name that is there already keeps what users gave it. */
  async #register(): Promise<void> {
    const client = this.#deps.client.resource(nodes)
    const wanted = buildNode(this.#facts, this.#deps.clock.now())
    try {
      this.#node = await client.create(wanted)
      this.#event('Normal', 'Starting', 'Starting kubelet.')
      return
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
    }
    const key = { name: this.#facts.nodeName }
    const existing = await client.get(key)
    const spec = existing.spec?.podCIDR ? {} : { spec: wanted.spec }
    const body = { metadata: { labels: nodeLabels(this.#facts) }, ...spec }
    this.#node = await client.patch(key, { type: 'merge', body })
    this.#event('Normal', 'Starting', 'Starting kubelet.')
    const before = existing.status?.nodeInfo?.bootID
    const { bootID } = this.#facts.machine.info
    if (before && before !== bootID) {
      const message = `Node ${key.name} has been rebooted, boot id: ${bootID}`
      this.#event('Warning', 'Rebooted', message)
    }
  }

  /** Writes the status if it changed, or if it was not written for long. */
  async report(): Promise<void> {
    const { clock, client } = this.#deps
    const previous = this.#node?.status
    const readiness: Readiness = { ready: true, causes: [] }
    const status = nodeStatus(this.#facts, readiness, { status: previous, nowMs: clock.now() })
    const same = semanticEqual(withoutHeartbeats(previous), withoutHeartbeats(status))
    if (same && clock.monotonic() - this.#writtenAtMs < reportMs) return
    const wasReady = previous?.conditions?.find(({ type }) => type === 'Ready')?.status
    this.#node = await client
      .resource(nodes)
      .patch(
        { name: this.#facts.nodeName },
        { type: 'strategic', body: { status } },
        { subresource: 'status' },
      )
    this.#writtenAtMs = clock.monotonic()
    if ((wasReady === 'True') === readiness.ready) return
    const reason = readiness.ready ? 'NodeReady' : 'NodeNotReady'
    const message = `Node ${this.#facts.nodeName} status is now: ${reason}`
    this.#event('Normal', reason, message)
  }

  async #renew(): Promise<void> {
    const client = this.#deps.client.resource(leases)
    const { nodeName } = this.#facts
    const renewTime = formatMicroTime(this.#deps.clock.now())
    if (this.#lease) {
      try {
        this.#lease = await client.update({
          ...this.#lease,
          spec: { ...this.#lease.spec, renewTime },
        })
        return
      } catch (error) {
        this.#lease = undefined
        if (!isReason(error, 'Conflict') && !isReason(error, 'NotFound')) throw error
      }
    }
    const key = { namespace: leaseNamespace, name: nodeName }
    const spec = { holderIdentity: nodeName, leaseDurationSeconds: leaseSeconds, renewTime }
    try {
      this.#lease = await client.patch(key, { type: 'merge', body: { spec } })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      const uid = this.#node?.metadata.uid ?? ''
      const owner = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid }
      const metadata = { ...key, ownerReferences: [owner] }
      this.#lease = await client.create({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata,
        spec,
      })
    }
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const name = this.#facts.nodeName
    // Upstream's node events name the node where a UID belongs; `kubectl describe` looks for that.
    const regarding = { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name } }
    this.#deps.recorder.record({ regarding, type, reason, message })
  }
}

function withoutHeartbeats(status: Node['status']): unknown {
  if (!status) return undefined
  const { addresses, capacity, allocatable, daemonEndpoints, nodeInfo } = status
  const conditions = status.conditions
    ?.filter(({ type }) => /^(Ready|MemoryPressure|DiskPressure|PIDPressure)$/.test(type))
    .map(({ lastHeartbeatTime: _heartbeat, ...rest }) => rest)
    .sort((one, other) => (one.type < other.type ? -1 : 1))
  return { addresses, capacity, allocatable, daemonEndpoints, nodeInfo, conditions }
}
