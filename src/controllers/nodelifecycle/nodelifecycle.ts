// The node lifecycle controller: notices Nodes that went silent, turns their Pods not ready in
// the same pass, and taints Nodes by their conditions.
import { isPodReady } from '../../api/core/pod-state.ts'
import { leases, nodes, pods } from '../../api/resources.gen.ts'
import type { Node, Pod } from '../../api/types/core.gen.ts'
import type { Change, Changes, Controller, Snapshot } from '../../client/controller.ts'
import { watching } from '../../client/controller.ts'
import { formatTime } from '../../lib/clock.ts'
import { podIndexes } from '../indexes.ts'
import { remembering } from '../memory.ts'
import { type Heard, hear, readyOf, silentConditions } from './health.ts'
import { desiredTaints, type EvictionRates, evictionAllowed } from './taints.ts'

export interface NodeLifecycleOptions {
  readonly monitorPeriodMs: number
  readonly gracePeriodMs: number
  /** For a Node that never told its status. */
  readonly startupGracePeriodMs: number
  readonly rates: EvictionRates
}

const leaseNamespace = 'kube-node-lease'

export function nodeLifecycleController(options: NodeLifecycleOptions): Controller {
  return remembering<Heard>({
    name: 'nodelifecycle',
    component: 'node-controller',
    watches: [
      watching({ resource: nodes }),
      watching({
        resource: leases,
        keys: ({ metadata }) => (metadata.namespace === leaseNamespace ? [metadata.name] : []),
      }),
      watching({ resource: pods, indexes: podIndexes, keys: () => [] }),
    ],
    reconcile(key, snapshot, { nowMs, memory }) {
      const node = snapshot.of(nodes).get(key)
      if (!node) return { outcome: { changes: [] }, memory: undefined }
      const lease = snapshot.of(leases).get(`${leaseNamespace}/${key}`)
      const heard = hear(node, lease, { before: memory, nowMs })
      const patienceMs = readyOf(node) ? options.gracePeriodMs : options.startupGracePeriodMs
      const isSilent = nowMs - heard.atMs > patienceMs
      const conditions = isSilent ? silentConditions(node, nowMs) : undefined
      const changes = conditions
        ? silence(node, { conditions, snapshot, nowMs })
        : taint(node, { snapshot, rates: options.rates, nowMs })
      return {
        outcome: { changes, requeueAfterMs: options.monitorPeriodMs },
        memory: heard,
      }
    },
  })
}

/** Pods first: should one fail, the Node is not told Unknown yet and all is tried again. */
function silence(
  node: Node,
  seen: {
    readonly conditions: NonNullable<Node['status']>['conditions']
    readonly snapshot: Snapshot
    readonly nowMs: number
  },
): Changes {
  const { name } = node.metadata
  const ready = seen.snapshot.of(pods).byIndex('node', name).filter(isPodReady)
  const object: Node = { ...node, status: { ...node.status, conditions: seen.conditions } }
  const wasReady = readyOf(node)?.status === 'True'
  return [
    ...(ready.length > 0 ? [ready.map((pod) => notReady(pod, seen.nowMs))] : []),
    {
      type: 'update',
      resource: nodes,
      object,
      subresource: 'status',
      ...(wasReady
        ? {
            done: {
              regarding: node,
              type: 'Normal',
              reason: 'NodeNotReady',
              message: `Node ${name} status is now: NodeNotReady`,
            },
          }
        : {}),
    },
  ]
}

function notReady(pod: Pod, nowMs: number): Change {
  const { namespace, name, uid } = pod.metadata
  const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: formatTime(nowMs) }]
  return {
    type: 'patch',
    resource: pods,
    key: { namespace, name },
    patch: { type: 'strategic', body: { metadata: { uid }, status: { conditions } } },
    subresource: 'status',
    done: { regarding: pod, type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' },
  }
}

function taint(
  node: Node,
  seen: { readonly snapshot: Snapshot; readonly rates: EvictionRates; readonly nowMs: number },
): readonly Change[] {
  const isDown = readyOf(node) !== undefined && readyOf(node)?.status !== 'True'
  const may = isDown
    ? evictionAllowed(node, seen.snapshot.of(nodes).list(), seen)
    : { evict: false, clear: true }
  const taints = desiredTaints(node, { ...may, nowMs: seen.nowMs })
  if (!taints) return []
  const { name, uid, resourceVersion } = node.metadata
  const body = { metadata: { uid, resourceVersion }, spec: { taints } }
  return [{ type: 'patch', resource: nodes, key: { name }, patch: { type: 'merge', body } }]
}
