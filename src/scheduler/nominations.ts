// Pods that were promised a Node where others are ending for them. Until they are bound, Pods that
// are no more important do not get that room.
import type { Pod } from '../api/types/core.gen.ts'
import { keyOf } from '../client/informer.ts'
import { type ClusterView, type NodeInfo, NodeTable, priorityOf } from './nodes.ts'

export class Nominations {
  readonly #promises = new Map<string, { readonly pod: Pod; readonly nodeName: string }>()

  put(pod: Pod, nodeName: string): void {
    this.#promises.set(keyOf(pod), { pod, nodeName })
  }

  drop(key: string): void {
    this.#promises.delete(key)
  }

  on(nodeName: string): readonly Pod[] {
    if (this.#promises.size === 0) return []
    return [...this.#promises.values()]
      .filter((promise) => promise.nodeName === nodeName)
      .map(({ pod }) => pod)
  }
}

/** The view as if those who go first were on the Node already; undefined where there are none. */
export function withNominated(
  pod: Pod,
  info: NodeInfo,
  view: ClusterView,
): { readonly info: NodeInfo; readonly view: ClusterView } | undefined {
  const { name } = info.node.metadata
  const first = view
    .nominatedTo(name)
    .filter((other) => keyOf(other) !== keyOf(pod) && priorityOf(other) >= priorityOf(pod))
  if (first.length === 0) return undefined
  const table = new NodeTable()
  table.putNode(info.node)
  for (const other of info.pods.values()) table.putPod(other)
  for (const other of first) table.assume(other, name)
  const [crowded] = table.list()
  const nodes = view.nodes.map((each) => (each.node === info.node ? crowded! : each))
  const hasAntiAffinity = view.hasAntiAffinity || table.hasAntiAffinity
  return { info: crowded!, view: { ...view, nodes, hasAntiAffinity } }
}
