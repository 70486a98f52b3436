// A Kubernetes control plane in memory: the real API server, controllers and scheduler on a memory
// store, Nodes without machines, and a clock that moves only when told. No socket is opened, no process
// started, no file written. Names and addresses repeat from run to run.
import { generateKeyPairSync } from 'node:crypto'
import type { KubeObject } from '../api/machinery/resource.ts'
import { isReason } from '../api/machinery/status.ts'
import { pods, serviceaccounts } from '../api/resources.gen.ts'
import type { Pod } from '../api/types/core.gen.ts'
import type { Apiserver } from '../apiserver/apiserver.ts'
import { startApiserver } from '../apiserver/apiserver.ts'
import type { ApiserverConfig } from '../apiserver/config.ts'
import type { Client } from '../client/client.ts'
import { createClient } from '../client/resource-client.ts'
import type { ControllersConfig } from '../controllers/controllers.ts'
import { startControllers } from '../controllers/controllers.ts'
import type { Component } from '../lib/component.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import type { Logger } from '../lib/log.ts'
import { silentLogger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { seededRandom } from '../lib/random.ts'
import { startScheduler } from '../scheduler/scheduler.ts'
import { openMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import type { FakeNodeConfig } from './fake-node.ts'
import { FakeNode } from './fake-node.ts'
import { applyObjects, parseManifest } from './manifests.ts'
import { Settler } from './settle.ts'

export interface TestClusterConfig {
  /** One Node "n1" unless said otherwise; none leaves Pods Pending. */
  readonly nodes?: readonly (string | NodeConfig)[]
  /** Pods and Services get IPv6 addresses too. */
  readonly dualStack?: boolean
  /** Other names and addresses, and another order of what has none. */
  readonly seed?: number
  /** False: an API and nothing that acts on it, to test a controller alone. */
  readonly controllers?: boolean
  readonly apiserver?: Partial<ApiserverConfig>
  readonly controllerManager?: Partial<ControllersConfig>
  readonly log?: Logger
}

export type NodeConfig = Pick<FakeNodeConfig, 'name'> & Partial<FakeNodeConfig>

export interface User {
  readonly name: string
  readonly groups?: readonly string[]
}

/** What components made by `startX(config, deps)` want, for those that a test adds itself. */
export interface TestDeps {
  readonly client: Client
  readonly clock: FakeClock
  readonly random: Random
  readonly log: Logger
}

export interface TestCluster extends TestDeps {
  readonly store: Store
  /** The API as somebody else sees it, with that user's rights. */
  clientFor(user: User): Client
  node(name: string): FakeNode
  /** Applies manifests, as YAML or objects, and waits for what follows from them. */
  apply(manifest: string | readonly KubeObject[], namespace?: string): Promise<KubeObject[]>
  /** What the readiness probes of a Pod ("namespace/name") find from now on. */
  setReady(pod: string, ready: boolean): Promise<void>
  /** Ends the containers of a Pod. */
  exit(pod: string, exitCode: number): Promise<void>
  /** Waits until nothing is written for a second of the cluster's time. */
  settle(): Promise<void>
  /** Lets time pass, timer by timer. */
  advance(byMs: number): Promise<void>
  stop(): Promise<void>
}

const administrators = 'system:masters'

/** Resolves when everything runs and has come to rest. */
export async function startTestCluster(config: TestClusterConfig = {}): Promise<TestCluster> {
  const clock = new FakeClock()
  const store = openMemoryStore()
  const random = seededRandom(config.seed ?? 1)
  const log = config.log ?? silentLogger
  const settler = new Settler({ clock, revision: () => store.revision() })
  const apiserver = await startApiserver(apiserverConfig(config), {
    store,
    clock,
    random,
    log,
    listen: noListener,
  })
  const clientFor = ({ name, groups = [] }: User): Client =>
    createClient(settler.watched(apiserver.transportFor({ name, groups })))
  const client = clientFor({ name: 'kubernetes-admin', groups: [administrators] })
  const deps = { client, clock, random, log }
  const nodes = nodesOf(config, { ...deps, clientFor })
  const parts = await startParts(config, { ...deps, clientFor, nodes })
  const cluster = assemble({ ...deps, store, clientFor }, { settler, nodes, parts, apiserver })
  await cluster.settle()
  await defaultAccount(cluster, config)
  return cluster
}

/** The API server's own door, without a port behind it. */
const noListener = async () => ({
  address: '127.0.0.1',
  port: 6443,
  adopt: () => {
    throw new Error('cannot adopt a listener: a cluster in memory has no port')
  },
  close: async () => {},
})

function apiserverConfig({ dualStack, apiserver }: TestClusterConfig): ApiserverConfig {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    bindAddress: '127.0.0.1',
    securePort: 0,
    tlsCert: '',
    tlsPrivateKey: '',
    serviceAccountSigningKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    serviceAccountIssuer: 'https://kubernetes.default.svc.cluster.local',
    serviceClusterIPRange: dualStack ? ['10.96.0.0/16', 'fd00:10:96::/112'] : ['10.96.0.0/16'],
    advertiseAddress: '192.168.50.2',
    ...apiserver,
  }
}

interface NodeDeps extends TestDeps {
  clientFor(user: User): Client
}

function nodesOf(config: TestClusterConfig, deps: NodeDeps): Map<string, FakeNode> {
  const wanted = (config.nodes ?? ['n1']).map((one) =>
    typeof one === 'string' ? { name: one } : one,
  )
  return new Map(
    wanted.map((own, index) => {
      const { name } = own
      const addresses = [`192.168.50.${index + 2}`]
      const podCIDRs = [
        `10.244.${index}.0/24`,
        ...(config.dualStack ? [`fd00:10:244:${index}::/64`] : []),
      ]
      const client = deps.clientFor({ name: `system:node:${name}`, groups: ['system:nodes'] })
      const node = new FakeNode(
        { addresses, podCIDRs, ...own },
        { ...deps, client, admin: deps.client },
      )
      return [name, node]
    }),
  )
}

interface PartDeps extends NodeDeps {
  readonly nodes: ReadonlyMap<string, FakeNode>
}

/** In the order in which they are to be stopped. */
async function startParts(config: TestClusterConfig, deps: PartDeps): Promise<Component[]> {
  for (const node of deps.nodes.values()) await node.start()
  const parts: Component[] = [...deps.nodes.values()]
  if (config.controllers === false) return parts
  const as = (name: string) => ({
    ...deps,
    client: deps.clientFor({ name, groups: [administrators] }),
  })
  const rootCA = 'a cluster in memory has no certificates\n'
  parts.push(
    await startScheduler({}, as('system:kube-scheduler')),
    await startControllers(
      { rootCA, ...config.controllerManager },
      as('system:kube-controller-manager'),
    ),
  )
  return parts
}

/** Pods are refused in a namespace without it, and nobody makes it where no controllers run. */
async function defaultAccount({ client }: TestCluster, config: TestClusterConfig): Promise<void> {
  if (config.controllers !== false) return
  const metadata = { namespace: 'default', name: 'default' }
  await client
    .resource(serviceaccounts)
    .create({ metadata })
    .catch((error: unknown) => {
      if (!isReason(error, 'AlreadyExists')) throw error
    })
}

interface Running {
  readonly settler: Settler
  readonly nodes: ReadonlyMap<string, FakeNode>
  readonly parts: readonly Component[]
  readonly apiserver: Apiserver
}

type Known = TestDeps & Pick<TestCluster, 'store' | 'clientFor'>

function assemble(known: Known, { settler, nodes, parts, apiserver }: Running): TestCluster {
  const { client, store } = known
  const node = (name: string): FakeNode => {
    const found = nodes.get(name)
    if (!found) throw new Error(`no node "${name}" in this cluster`)
    return found
  }
  const boundPod = async (key: string): Promise<{ pod: Pod; on: FakeNode }> => {
    const [namespace = '', name = ''] = key.split('/')
    const pod = await client.resource(pods).get({ namespace, name })
    if (!pod.spec.nodeName) throw new Error(`cannot reach pod "${key}": it is on no node`)
    return { pod, on: node(pod.spec.nodeName) }
  }
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    for (const part of parts) await part.stop()
    await apiserver.stop()
    await store.close()
  }
  return {
    ...known,
    node,
    apply: async (manifest, namespace = 'default') => {
      const objects = typeof manifest === 'string' ? parseManifest(manifest) : manifest
      const options = { namespace, fieldManager: 'testkit' }
      const applied = await applyObjects(client, objects, options)
      await settler.settle()
      return applied
    },
    setReady: async (key, ready) => {
      const { pod, on } = await boundPod(key)
      await on.setReady(pod, ready)
      await settler.settle()
    },
    exit: async (key, exitCode) => {
      const { pod, on } = await boundPod(key)
      await on.exit(pod, exitCode)
      await settler.settle()
    },
    settle: () => settler.settle(),
    advance: (byMs) => settler.advance(byMs),
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}
