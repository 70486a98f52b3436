// A Node without a machine: Pods bound to it get addresses and run, and what a kubelet would tell the
// API is told, with a kubelet's rights. Its heartbeat follows the cluster's clock.

import { isPodFinished } from '../api/core/pod-state.ts'
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { leases, nodes, pods } from '../api/resources.gen.ts'
import type { Node, Pod, PodStatus } from '../api/types/core.gen.ts'
import type { Client } from '../client/client.ts'
import type { Change, Controller, Outcome } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { startController } from '../client/controller-shell.ts'
import type { InformerFactory, InformerOptions } from '../client/informer.ts'
import { createInformers } from '../client/informers.ts'
import { createRecorder } from '../client/recorder.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { formatMicroTime, formatTime } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import { semanticEqual } from '../lib/equal.ts'
import { cidrAddress, formatIp, parseCidr } from '../lib/ip.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { endsAfterMs, statusOf } from './pod-life.ts'

export interface FakeNodeConfig {
  readonly name: string
  /** IPv4 first; also the addresses of Pods on the host's network. */
  readonly addresses: readonly string[]
  readonly podCIDRs: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  readonly taints?: Node['spec']['taints']
  /** Allocatable beyond 8 CPUs, 16Gi and 110 Pods, or instead of them. */
  readonly capacity?: Readonly<Record<string, string>>
}

export interface FakeNodeDeps {
  /** As system:node:NAME. */
  readonly client: Client
  /** Makes and labels the Node; kubelets may not set every label. */
  readonly admin: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

const nodeInfo = {
  machineID: '',
  systemUUID: '',
  bootID: '',
  kernelVersion: 'none',
  osImage: 'none',
  containerRuntimeVersion: 'none://0',
  kubeletVersion: 'v1.36.2',
  kubeProxyVersion: '',
  operatingSystem: 'linux',
  architecture: 'amd64',
}
const heartbeatMs = 10_000
const leaseNamespace = 'kube-node-lease'
/** Of a Pod network the first address is the node's own. */
const firstPodHost = 2

export class FakeNode implements Component {
  readonly name: string
  readonly #config: FakeNodeConfig
  readonly #deps: FakeNodeDeps
  readonly #ips = new Map<string, readonly string[]>()
  readonly #ready = new Map<string, boolean>()
  readonly #exits = new Map<string, number>()
  readonly #restarts = new Map<string, number>()
  #nextHost = firstPodHost
  #since = ''
  #running: { stop(): Promise<void> } | undefined

  constructor(config: FakeNodeConfig, deps: FakeNodeDeps) {
    this.name = config.name
    this.#config = config
    this.#deps = deps
  }

  ready(): Promise<void> {
    return Promise.resolve()
  }

  /** Tells the API of the Node and takes its Pods; also after stop(), as a machine that comes back. */
  async start(): Promise<void> {
    if (this.#running) return
    const { clock } = this.#deps
    this.#since = formatTime(clock.now())
    await this.#putNode()
    const informers = createInformers(this.#deps)
    const controller = startController(this.#controller(), {
      ...this.#deps,
      informers: narrowed(informers, `spec.nodeName=${this.name}`),
      recorder: createRecorder({ component: 'kubelet', host: this.name }, this.#deps),
    })
    informers.start()
    let timer: Timer | undefined
    let beating = true
    const beat = async (): Promise<void> => {
      await this.#heartbeat().catch((error: unknown) => {
        this.#deps.log.debug('heartbeat failed', { node: this.name, error })
      })
      if (beating) timer = clock.after(heartbeatMs, () => void beat())
    }
    await beat()
    this.#running = {
      stop: async () => {
        beating = false
        timer?.cancel()
        await controller.stop()
        informers.stop()
      },
    }
  }

  /** Falls silent, as a machine that lost its power: the Node object stays. */
  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.stop()
  }

  /** What the readiness probes of a Pod find from now on. */
  async setReady(pod: Pod, ready: boolean): Promise<void> {
    this.#ready.set(uidOf(pod), ready)
    await this.#report(pod)
  }

  /** Ends all containers of a Pod; they are started again if its restart policy says so. */
  async exit(pod: Pod, exitCode: number): Promise<void> {
    const uid = uidOf(pod)
    const { restartPolicy = 'Always' } = pod.spec
    const again = restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && exitCode !== 0)
    if (again) this.#restarts.set(uid, (this.#restarts.get(uid) ?? 0) + 1)
    else this.#exits.set(uid, exitCode)
    await this.#report(pod)
  }

  async #report(pod: Pod): Promise<void> {
    const { namespace, name } = pod.metadata
    const status = this.#statusOf(pod, this.#deps.clock.now())
    const patch = statusPatch(pod, status)
    await this.#deps.client
      .resource(pods)
      .patch({ namespace, name }, patch, { subresource: 'status' })
  }

  #controller(): Controller {
    return {
      name: `fake-node-${this.name}`,
      watches: [watching<Pod>({ resource: pods })],
      workers: 4,
      reconcile: (key, snapshot, { nowMs }) => {
        const pod = snapshot.of(pods).get(key)
        return pod ? this.#reconcile(pod, nowMs) : { changes: [] }
      },
    }
  }

  #reconcile(pod: Pod, nowMs: number): Outcome {
    if (!pod.metadata.deletionTimestamp) return { changes: this.#changeOf(pod, nowMs) }
    const remainsMs = endsAfterMs(pod, nowMs)
    if (remainsMs > 0 && !isPodFinished(pod)) {
      return { changes: this.#changeOf(pod, nowMs), requeueAfterMs: remainsMs }
    }
    const uid = uidOf(pod)
    if (!this.#exits.has(uid)) this.#exits.set(uid, 0)
    const gone: Change = {
      type: 'delete',
      resource: pods,
      key: keyOfPod(pod),
      options: { gracePeriodSeconds: 0, preconditions: { uid } },
    }
    return { changes: [...this.#changeOf(pod, nowMs), gone] }
  }

  #changeOf(pod: Pod, nowMs: number): readonly Change[] {
    if (isPodFinished(pod)) return []
    const status = this.#statusOf(pod, nowMs)
    const before = pod.status ?? {}
    const own = Object.fromEntries(
      Object.keys(status).map((field) => [field, before[field as keyof PodStatus]]),
    )
    const others = (before.conditions ?? []).filter(
      ({ type }) => !status.conditions?.some((condition) => condition.type === type),
    )
    const wanted = { ...status, conditions: [...(status.conditions ?? []), ...others] }
    if (semanticEqual(sorted(own), sorted(wanted))) return []
    const patch = statusPatch(pod, status)
    return [{ type: 'patch', resource: pods, key: keyOfPod(pod), patch, subresource: 'status' }]
  }

  #statusOf(pod: Pod, nowMs: number): PodStatus {
    const uid = uidOf(pod)
    return statusOf(pod, {
      ips: this.#ipsOf(pod),
      hostIPs: this.#config.addresses,
      ready: this.#ready.get(uid),
      exitCode: this.#exits.get(uid),
      restarts: this.#restarts.get(uid) ?? 0,
      nowMs,
    })
  }

  #ipsOf(pod: Pod): readonly string[] {
    if (pod.spec.hostNetwork) return this.#config.addresses
    const uid = uidOf(pod)
    const known = this.#ips.get(uid)
    if (known) return known
    const host = this.#nextHost++
    const ips = this.#config.podCIDRs.map((cidr) => hostOf(cidr, host))
    this.#ips.set(uid, ips)
    return ips
  }

  async #putNode(): Promise<void> {
    const { admin } = this.#deps
    const found = await admin
      .resource(nodes)
      .get({ name: this.name })
      .catch(() => undefined)
    if (!found) await admin.resource(nodes).create(nodeOf(this.#config))
  }

  async #heartbeat(): Promise<void> {
    const { client, clock } = this.#deps
    const nowMs = clock.now()
    const status = nodeStatus(this.#config, { now: formatTime(nowMs), since: this.#since })
    await client
      .resource(nodes)
      .patch(
        { name: this.name },
        { type: 'strategic', body: { status } },
        { subresource: 'status' },
      )
    const spec = {
      holderIdentity: this.name,
      leaseDurationSeconds: 40,
      renewTime: formatMicroTime(nowMs),
    }
    const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', spec }
    await client
      .resource(leases)
      .patch({ namespace: leaseNamespace, name: this.name }, { type: 'merge', body })
      .catch(() =>
        client
          .resource(leases)
          .create({ metadata: { namespace: leaseNamespace, name: this.name }, spec }),
      )
  }
}

/** Informers that see a part of what there is. */
function narrowed(inner: InformerFactory, fieldSelector: string): InformerFactory {
  return {
    informer: <T extends KubeObject>(resource: Resource<T>, options: InformerOptions<T> = {}) =>
      inner.informer(resource, { ...options, fieldSelector }),
    start: () => inner.start(),
    stop: () => inner.stop(),
  }
}

function nodeOf({ name, podCIDRs, labels, taints }: FakeNodeConfig): Node {
  const own = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' }
  const [podCIDR] = podCIDRs
  return {
    metadata: { name, labels: { ...own, ...labels } },
    spec: { ...(podCIDR ? { podCIDR, podCIDRs } : {}), ...(taints ? { taints } : {}) },
  }
}

function nodeStatus(
  config: FakeNodeConfig,
  { now, since }: { readonly now: string; readonly since: string },
): Node['status'] {
  const allocatable = { cpu: '8', memory: '16Gi', pods: '110', ...config.capacity }
  const condition = (type: string, status: string, reason: string) => ({
    type: type as 'Ready',
    status,
    reason,
    lastHeartbeatTime: now,
    lastTransitionTime: since,
  })
  return {
    nodeInfo,
    capacity: allocatable,
    allocatable,
    addresses: [
      ...config.addresses.map((address) => ({ type: 'InternalIP' as const, address })),
      { type: 'Hostname' as const, address: config.name },
    ],
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID'),
      condition('Ready', 'True', 'KubeletReady'),
    ],
  }
}

const statusPatch = (pod: Pod, status: PodStatus) => ({
  type: 'strategic' as const,
  body: { metadata: { uid: uidOf(pod) }, status },
})

const uidOf = (pod: Pod): string => pod.metadata.uid ?? ''
const keyOfPod = ({ metadata: { namespace, name } }: Pod) => ({ namespace, name })

function hostOf(text: string, host: number): string {
  const cidr = parseCidr(text)
  if (!cidr) throw new Error(`cannot use Pod network "${text}": it is not a CIDR`)
  return formatIp(cidrAddress(cidr, BigInt(host)))
}

const sorted = (status: PodStatus): PodStatus => ({
  ...status,
  conditions: [...(status.conditions ?? [])].sort((one, other) =>
    one.type < other.type ? -1 : one.type > other.type ? 1 : 0,
  ),
})
