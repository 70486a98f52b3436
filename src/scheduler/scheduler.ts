// The scheduler: gives each Pod without a Node one it fits on. Decisions are made one after the
// other on what is known and assumed; binding happens in the background.
//
//   informers -> queue -> fit -> score -> assume ──> bind ──> forget, if it failed
//                  ^        └─ no Node: condition, event, preemption
//                  └── back-off, or something changed in the cluster
import { setMaxListeners } from 'node:events'
import { findPodCondition, isPodFinished } from '../api/core/pod-state.ts'
import { selectorFromLabelSelector } from '../api/machinery/labels.ts'
import { isReason } from '../api/machinery/status.ts'
import {
  namespaces,
  nodes,
  pods,
  replicasets,
  services,
  statefulsets,
} from '../api/resources.gen.ts'
import type { Node, Pod } from '../api/types/core.gen.ts'
import type { Client } from '../client/client.ts'
import type { Informer, InformerFactory } from '../client/informer.ts'
import { keyOf } from '../client/informer.ts'
import { createInformers } from '../client/informers.ts'
import type { Clock } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import { semanticEqual } from '../lib/equal.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { type Fit, fit, unfitMessage } from './fit.ts'
import { type ClusterView, type NodeInfo, NodeTable, priorityOf } from './nodes.ts'
import { Nominations } from './nominations.ts'
import { preempt } from './preempt.ts'
import { SchedulingQueue, type Waiting } from './queue.ts'
import { choose } from './score.ts'
import { Writes } from './writes.ts'

export interface SchedulerConfig {
  /** Pods with this schedulerName are taken; "default-scheduler" if absent. */
  readonly schedulerName?: string
}

export interface SchedulerDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** Bindings under way at once; also what lets other work in between decisions. */
const maxBindings = 64
/** Up to so many Nodes all are looked at; of more, a share of at least so many. */
const smallCluster = 100
const leastShare = 5

export async function startScheduler(
  config: SchedulerConfig,
  deps: SchedulerDeps,
): Promise<Component> {
  const scheduler = new Scheduler(config.schedulerName ?? 'default-scheduler', deps)
  const running = scheduler.run()
  return {
    name: 'kube-scheduler',
    ready: () => scheduler.ready(),
    async stop() {
      scheduler.stop()
      await running
    },
  }
}

class Scheduler {
  readonly #name: string
  readonly #deps: SchedulerDeps
  readonly #abort = new AbortController()
  readonly #factory: InformerFactory
  readonly #writes: Writes
  readonly #queue: SchedulingQueue
  readonly #table = new NodeTable()
  readonly #nominations = new Nominations()
  readonly #bindings = new Set<Promise<void>>()
  readonly #pods: Informer<Pod>
  readonly #nodes: Informer<Node>
  readonly #lookups
  #start = 0

  constructor(name: string, deps: SchedulerDeps) {
    this.#name = name
    this.#deps = deps
    // Every request under way listens for the end.
    setMaxListeners(0, this.#abort.signal)
    this.#factory = createInformers(deps)
    this.#writes = new Writes(name, { ...deps, signal: this.#abort.signal })
    this.#queue = new SchedulingQueue(deps.clock)
    this.#pods = this.#factory.informer(pods)
    this.#nodes = this.#factory.informer(nodes)
    this.#lookups = {
      namespaces: this.#factory.informer(namespaces),
      services: this.#factory.informer(services),
      replicasets: this.#factory.informer(replicasets),
      statefulsets: this.#factory.informer(statefulsets),
    }
  }

  async ready(): Promise<void> {
    const informers = [this.#pods, this.#nodes, ...Object.values(this.#lookups)]
    await Promise.all(informers.map((informer) => informer.whenSynced()))
  }

  stop(): void {
    this.#abort.abort(new Error('scheduler stopped'))
    this.#queue.close()
    this.#factory.stop()
  }

  async run(): Promise<void> {
    this.#factory.start()
    const stopped = new Promise<void>((resolve) => {
      this.#abort.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([this.ready(), stopped])
    if (this.#abort.signal.aborted) return
    const unsubscribe = [
      this.#nodes.subscribe(({ type, object, old }) => this.#onNode(type, object, old)),
      this.#pods.subscribe(({ type, object, old }) => this.#onPod(type, object, old)),
    ]
    for (;;) {
      const waiting = await this.#queue.take()
      if (!waiting) break
      this.#scheduleOne(waiting)
      if (this.#bindings.size >= maxBindings) await Promise.race(this.#bindings)
    }
    for (const end of unsubscribe) end()
    await Promise.all(this.#bindings)
    await this.#writes.flush()
  }

  #onNode(type: 'added' | 'updated' | 'deleted', node: Node, old: Node | undefined): void {
    if (type === 'deleted') {
      this.#table.dropNode(node.metadata.name)
      return
    }
    this.#table.putNode(node)
    if (!old || mayTakeMore(old, node)) this.#queue.move()
  }

  #onPod(type: 'added' | 'updated' | 'deleted', pod: Pod, old: Pod | undefined): void {
    const key = keyOf(pod)
    if (type === 'deleted') {
      this.#nominations.drop(key)
      this.#queue.remove(key)
      this.#table.dropPod(key)
      if (pod.spec.nodeName) this.#queue.move()
      return
    }
    // Another Pod of that name by now: the old one gave its place up.
    if (old && old.metadata.uid !== pod.metadata.uid) this.#onPod('deleted', old, undefined)
    const promised = pod.spec.nodeName ? undefined : pod.status?.nominatedNodeName
    if (promised) this.#nominations.put(pod, promised)
    else this.#nominations.drop(key)
    if (pod.spec.nodeName) {
      this.#queue.remove(key)
      this.#table.putPod(pod)
      if (isPodFinished(pod) && !(old && isPodFinished(old))) this.#queue.move()
      else if (!old?.spec.nodeName) this.#queue.move(caresForOthers)
      return
    }
    if (pod.spec.schedulerName !== this.#name || pod.metadata.deletionTimestamp) {
      this.#queue.remove(key)
      return
    }
    if (pod.spec.schedulingGates?.length) {
      this.#queue.remove(key)
      if (!findPodCondition(pod, 'PodScheduled')) this.#inBackground(this.#writes.tellGated(pod))
      return
    }
    if (!this.#table.isAssumed(key))
      this.#queue.put(
        pod,
        !old ||
          !semanticEqual(old.spec, pod.spec) ||
          !semanticEqual(old.metadata.labels, pod.metadata.labels),
      )
  }

  #scheduleOne(waiting: Waiting): void {
    const { pod } = waiting
    const view = this.#view()
    const found = fit(pod, view, enoughOf(view.nodes.length))
    if (view.nodes.length > smallCluster) {
      this.#start = (this.#start + found.feasible.length + found.refused.size) % view.nodes.length
    }
    const chosen = choose(pod, found.feasible, { view, random: this.#deps.random })
    if (!chosen) {
      this.#inBackground(this.#refuse(waiting, view, found))
      return
    }
    this.#table.assume(pod, chosen.node.metadata.name)
    this.#nominations.drop(waiting.key)
    this.#inBackground(this.#bind(waiting, pod, chosen.node.metadata.name))
  }

  #view(): ClusterView {
    const all = this.#table.list()
    const listed: readonly NodeInfo[] =
      all.length > smallCluster ? [...all.slice(this.#start), ...all.slice(0, this.#start)] : all
    return {
      nodes: listed,
      hasAntiAffinity: this.#table.hasAntiAffinity,
      labelsOfNamespace: (name) => this.#lookups.namespaces.get(name)?.metadata.labels,
      groupsOf: (pod) => this.#groupsOf(pod),
      nominatedTo: (nodeName) => this.#nominations.on(nodeName),
    }
  }

  #groupsOf(pod: Pod): readonly ((pod: Pod) => boolean)[] {
    const { namespace } = pod.metadata
    const ofServices = this.#lookups.services
      .list(namespace)
      .map(({ spec }) => Object.entries(spec.selector ?? {}))
      .filter((pairs) => pairs.length > 0)
      .map(
        (pairs) => (other: Pod) =>
          pairs.every(([key, value]) => other.metadata.labels?.[key] === value),
      )
    const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller)
    const key = `${namespace}/${owner?.name}`
    const workload =
      owner?.kind === 'ReplicaSet'
        ? this.#lookups.replicasets.get(key)
        : owner?.kind === 'StatefulSet'
          ? this.#lookups.statefulsets.get(key)
          : undefined
    const selector = workload && selectorFromLabelSelector(workload.spec.selector)
    const ofWorkload = selector ? [(other: Pod) => selector.matches(other.metadata.labels)] : []
    return [...ofServices.filter((isMember) => isMember(pod)), ...ofWorkload]
  }

  #inBackground(work: Promise<void>): void {
    const settled = work
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted)
          this.#deps.log.warn('cannot write scheduling result', { error })
      })
      .finally(() => this.#bindings.delete(settled))
    this.#bindings.add(settled)
  }

  async #bind(waiting: Waiting, pod: Pod, nodeName: string): Promise<void> {
    try {
      await this.#writes.bind(pod, nodeName)
    } catch (error) {
      this.#table.forget(waiting.key)
      if (isReason(error, 'NotFound')) this.#queue.remove(waiting.key)
      this.#queue.failed(waiting, true)
      throw error
    }
  }

  async #refuse(waiting: Waiting, view: ClusterView, { refused }: Fit): Promise<void> {
    const { pod } = waiting
    const outcome = preempt(pod, view, refused)
    const preemption =
      outcome.type === 'found' ? `0/${view.nodes.length} nodes are available.` : outcome.message
    const message = unfitMessage(view.nodes.length, refused, preemption)
    // At once: the next decision must not give the room away.
    if (outcome.type === 'found') this.#nominations.put(pod, outcome.node)
    this.#queue.failed(waiting)
    const promised =
      outcome.type === 'found'
        ? outcome.node
        : outcome.type === 'waiting'
          ? pod.status?.nominatedNodeName
          : undefined
    await this.#writes.refuse(pod, message, promised)
    if (outcome.type !== 'found') return
    await this.#writes.evict(pod, outcome.node, outcome.victims)
    await this.#unpromise(pod, outcome.node)
  }

  /** Those who counted on the Node and are less important look for another. */
  async #unpromise(pod: Pod, nodeName: string): Promise<void> {
    for (const other of this.#nominations.on(nodeName)) {
      if (priorityOf(other) >= priorityOf(pod)) continue
      this.#nominations.drop(keyOf(other))
      await this.#writes.unpromise(other)
      this.#queue.put(other, true)
    }
  }
}

/** Whether a Node changed in a way that may let a Pod fit. Heartbeats do not. */
const mayTakeMore = (old: Node, node: Node): boolean =>
  !semanticEqual(old.metadata.labels, node.metadata.labels) ||
  !semanticEqual(old.spec, node.spec) ||
  !semanticEqual(old.status?.allocatable, node.status?.allocatable)

/** Whether it matters to a Pod that another one was placed. */
const caresForOthers = ({ spec }: Pod): boolean =>
  Boolean(
    spec.affinity?.podAffinity ||
      spec.affinity?.podAntiAffinity ||
      spec.topologySpreadConstraints?.length,
  )

/** How many feasible Nodes are enough to choose from. */
export function enoughOf(count: number): number {
  if (count <= smallCluster) return Number.POSITIVE_INFINITY
  const share = Math.max(leastShare, 50 - Math.trunc(count / 125))
  return Math.max(smallCluster, Math.trunc((count * share) / 100))
}
