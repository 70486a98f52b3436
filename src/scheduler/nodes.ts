// What the scheduler knows of each Node: the Pods on it, those it has just assumed there included,
// and what they ask for, summed up as they come and go.

import { type Amounts, add, amounts, podRequests } from '../api/core/pod-requests.ts'
import { isPodFinished } from '../api/core/pod-state.ts'
import type { Node, Pod } from '../api/types/core.gen.ts'
import { keyOf } from '../client/informer.ts'

/** A Pod that asks for nothing still counts so much when Nodes are compared. */
export const scoringDefaults: Amounts = { cpu: 100, memory: 200 * 1024 * 1024 }

export interface NodeInfo {
  readonly node: Node
  readonly allocatable: Amounts
  readonly pods: ReadonlyMap<string, Pod>
  readonly requested: Amounts
  /** With scoringDefaults for what is not asked for. */
  readonly weighed: Amounts
}

/** All a decision is made from. */
export interface ClusterView {
  readonly nodes: readonly NodeInfo[]
  /** Whether any Pod on a Node refuses others by required anti-affinity. */
  readonly hasAntiAffinity: boolean
  readonly labelsOfNamespace: (name: string) => Readonly<Record<string, string>> | undefined
  /** Selectors of the Services and workloads a Pod belongs to, for spreading by default. */
  readonly groupsOf: (pod: Pod) => readonly ((pod: Pod) => boolean)[]
  /** Pods that wait for others to end on a Node. */
  readonly nominatedTo: (nodeName: string) => readonly Pod[]
}

export const priorityOf = (pod: Pod): number => pod.spec.priority ?? 0

class Info implements NodeInfo {
  node: Node
  allocatable: Amounts
  readonly pods = new Map<string, Pod>()
  readonly requested: Record<string, number> = {}
  readonly weighed: Record<string, number> = {}

  constructor(node: Node) {
    this.node = node
    this.allocatable = amounts(node.status?.allocatable)
  }

  setNode(node: Node): void {
    this.node = node
    this.allocatable = amounts(node.status?.allocatable)
  }

  put(key: string, pod: Pod): void {
    this.drop(key)
    this.pods.set(key, pod)
    this.#count(pod, 1)
  }

  drop(key: string): Pod | undefined {
    const pod = this.pods.get(key)
    if (!pod) return undefined
    this.pods.delete(key)
    this.#count(pod, -1)
    return pod
  }

  #count(pod: Pod, factor: number): void {
    add(this.requested, podRequests(pod), factor)
    add(this.weighed, podRequests(pod, scoringDefaults), factor)
  }
}

const refusesOthers = (pod: Pod): boolean =>
  (pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length ??
    0) > 0

/** Keeps NodeInfos current. Pods may be heard of before their Node is, and outlive it. */
export class NodeTable {
  readonly #infos = new Map<string, Info>()
  readonly #known = new Map<string, Node>()
  /** Pod key -> name of the Node it counts on. */
  readonly #places = new Map<string, string>()
  readonly #assumed = new Set<string>()
  #refusing = 0

  get size(): number {
    return this.#known.size
  }

  get hasAntiAffinity(): boolean {
    return this.#refusing > 0
  }

  /** Nodes that exist, in the order they came. */
  list(): readonly NodeInfo[] {
    return [...this.#known.keys()].map((name) => this.#infos.get(name)!)
  }

  putNode(node: Node): void {
    this.#known.set(node.metadata.name, node)
    const info = this.#infos.get(node.metadata.name)
    if (info) info.setNode(node)
    else this.#infos.set(node.metadata.name, new Info(node))
  }

  dropNode(name: string): void {
    this.#known.delete(name)
    if (this.#infos.get(name)?.pods.size === 0) this.#infos.delete(name)
  }

  /** The API's word on a Pod. Ends an assumption once it says where the Pod is. */
  putPod(pod: Pod): void {
    const key = keyOf(pod)
    if (isPodFinished(pod)) {
      this.dropPod(key)
    } else if (pod.spec.nodeName) {
      this.#assumed.delete(key)
      this.#place(key, pod, pod.spec.nodeName)
    }
  }

  dropPod(key: string): void {
    this.#assumed.delete(key)
    this.#remove(key)
  }

  /** Counts a Pod on a Node before the API knows, so that the next decision sees it. */
  assume(pod: Pod, nodeName: string): void {
    const key = keyOf(pod)
    this.#assumed.add(key)
    this.#place(key, { ...pod, spec: { ...pod.spec, nodeName } }, nodeName)
  }

  /** Takes an assumption back, unless the API has confirmed it. */
  forget(key: string): void {
    if (this.#assumed.delete(key)) this.#remove(key)
  }

  isAssumed(key: string): boolean {
    return this.#assumed.has(key)
  }

  #place(key: string, pod: Pod, nodeName: string): void {
    this.#remove(key)
    let info = this.#infos.get(nodeName)
    if (!info) {
      info = new Info({ metadata: { name: nodeName }, spec: {} })
      this.#infos.set(nodeName, info)
    }
    info.put(key, pod)
    this.#places.set(key, nodeName)
    if (refusesOthers(pod)) this.#refusing += 1
  }

  #remove(key: string): void {
    const place = this.#places.get(key)
    if (place === undefined) return
    this.#places.delete(key)
    const info = this.#infos.get(place)
    const pod = info?.drop(key)
    if (pod && refusesOthers(pod)) this.#refusing -= 1
    if (info?.pods.size === 0 && !this.#known.has(place)) this.#infos.delete(place)
  }
}
