// The Node object: what this machine offers, and that it is there.
import type { Node, NodeCondition, NodeStatus, NodeSystemInfo } from '../api/types/core.gen.ts'
import { formatTime } from '../lib/clock.ts'

export interface Machine {
  readonly cpus: number
  readonly memoryBytes: number
  readonly storageBytes: number
  readonly architecture: 'amd64' | 'arm64' | string
  readonly info: NodeSystemInfo
}

export interface NodeFactsForObject {
  readonly nodeName: string
  readonly nodeIPs: readonly string[]
  readonly hostname: string
  readonly maxPods: number
  readonly port: number
  readonly podCIDRs: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly machine: Machine
}

const starting: Readiness = { ready: false, causes: ['container runtime is not ready'] }
const notReadyTaint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const

/** With its capacity, so that the scheduler can weigh it as soon as it sees it. */
export function buildNode(facts: NodeFactsForObject, nowMs: number): Node {
  const [podCIDR] = facts.podCIDRs
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: facts.nodeName, labels: nodeLabels(facts) },
    spec: {
      ...(podCIDR ? { podCIDR, podCIDRs: facts.podCIDRs } : {}),
      // Nothing is scheduled here before the node has said that it is ready.
      taints: [notReadyTaint],
    },
    status: nodeStatus(facts, starting, { status: undefined, nowMs }),
  }
}

export function nodeLabels(facts: NodeFactsForObject): Record<string, string> {
  const { architecture } = facts.machine
  return {
    'beta.kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture,
    'kubernetes.io/hostname': facts.hostname,
    'kubernetes.io/os': 'linux',
    ...facts.labels,
  }
}

export interface Readiness {
  readonly ready: boolean
  /** Why not, for the condition's message. */
  readonly causes: readonly string[]
}

export function nodeStatus(
  facts: NodeFactsForObject,
  readiness: Readiness,
  before: { readonly status: NodeStatus | undefined; readonly nowMs: number },
): NodeStatus {
  const { machine } = facts
  const capacity = {
    cpu: String(machine.cpus),
    'ephemeral-storage': `${Math.floor(machine.storageBytes / 1024)}Ki`,
    memory: `${Math.floor(machine.memoryBytes / 1024)}Ki`,
    pods: String(facts.maxPods),
  }
  return {
    addresses: [
      ...facts.nodeIPs.map((address) => ({ type: 'InternalIP' as const, address })),
      { type: 'Hostname' as const, address: facts.hostname },
    ],
    capacity,
    allocatable: capacity,
    conditions: conditionsOf(readiness).map((condition) =>
      withTimes(condition, before.status, before.nowMs),
    ),
    daemonEndpoints: { kubeletEndpoint: { Port: facts.port } },
    nodeInfo: machine.info,
  }
}

interface Fact {
  readonly type: NodeCondition['type']
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

function conditionsOf(readiness: Readiness): readonly Fact[] {
  const fine = (type: string, reason: string, message: string): Fact => ({
    type: type as NodeCondition['type'],
    status: 'False',
    reason,
    message,
  })
  return [
    fine('MemoryPressure', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    fine('DiskPressure', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    fine('PIDPressure', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    readiness.ready
      ? {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          message: 'kubelet is posting ready status',
        }
      : {
          type: 'Ready',
          status: 'False',
          reason: 'KubeletNotReady',
          message: `[${readiness.causes.join(', ')}]`,
        },
  ]
}

function withTimes(fact: Fact, previous: NodeStatus | undefined, nowMs: number): NodeCondition {
  const now = formatTime(nowMs)
  const before = previous?.conditions?.find(({ type }) => type === fact.type)
  const same = before?.status === fact.status
  return {
    ...fact,
    lastHeartbeatTime: now,
    lastTransitionTime: (same ? before?.lastTransitionTime : undefined) ?? now,
  }
}
