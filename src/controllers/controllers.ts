// The door of this room: which controllers there are, and how they are started together.

import type { Client } from '../client/client.ts'
import type { Controller, Live, Watch } from '../client/controller.ts'
import { startController } from '../client/controller-shell.ts'
import { createInformers } from '../client/informers.ts'
import { createRecorder, type EventRecorder } from '../client/recorder.ts'
import type { Clock } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { clusterRoleAggregationController } from './clusterrole-aggregation.ts'
import { cronJobController } from './cronjob/cronjob.ts'
import { daemonSetController } from './daemonset/daemonset.ts'
import { deploymentController } from './deployment/deployment.ts'
import { type Discovered, discoverResources } from './discovery.ts'
import { disruptionController } from './disruption.ts'
import { endpointsController } from './endpoints/endpoints.ts'
import { endpointSliceController } from './endpointslice/endpointslice.ts'
import { endpointSliceMirroringController } from './endpointslicemirroring.ts'
import { resourceKey, startGarbageCollector } from './garbagecollector/garbagecollector.ts'
import { horizontalPodAutoscalerController } from './horizontalpodautoscaler.ts'
import { jobController, ttlAfterFinishedController } from './job/job.ts'
import { namespaceController } from './namespace/namespace.ts'
import { nodeIpamController } from './node-ipam.ts'
import { nodeLifecycleController } from './nodelifecycle/nodelifecycle.ts'
import { podGcController } from './podgc.ts'
import { replicaSetController, replicationControllerController } from './replicaset/replicaset.ts'
import { resourceQuotaController } from './resourcequota.ts'
import { rootCAPublisher } from './root-ca-publisher.ts'
import { serviceAccountTokenController, signerOf } from './service-account-tokens.ts'
import { serviceAccountController } from './serviceaccount.ts'
import { serviceCIDRController } from './servicecidr.ts'
import { statefulSetController } from './statefulset/statefulset.ts'
import { taintEvictionController } from './taint-eviction.ts'

/** Named after kube-controller-manager's flags; what is absent has Kubernetes' default. */
export interface ControllersConfig {
  /** PEM of the authority that signed the API server's certificate. */
  readonly rootCA: string
  /** PEM of the key that signs ServiceAccount tokens; without it token Secrets are not filled. */
  readonly serviceAccountPrivateKey?: string
  /** Pod networks to give Nodes their share of; without it Nodes have to bring their own. */
  readonly clusterCIDRs?: readonly string[]
  readonly maxEndpointsPerSlice?: number
  readonly nodeMonitorPeriodMs?: number
  readonly nodeMonitorGracePeriodMs?: number
  readonly nodeStartupGracePeriodMs?: number
  /** Nodes a second. */
  readonly nodeEvictionRate?: number
  readonly secondaryNodeEvictionRate?: number
  readonly largeClusterSizeThreshold?: number
  readonly unhealthyZoneThreshold?: number
  readonly terminatedPodGcThreshold?: number
  readonly horizontalPodAutoscalerSyncPeriodMs?: number
}

export interface ControllersDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** One line for each controller; the garbage collector is apart, as it watches everything. */
export function allControllers(
  config: ControllersConfig,
  discover: (live: Live) => Promise<Discovered>,
): readonly Controller[] {
  const tokenKey = config.serviceAccountPrivateKey
  return [
    endpointSliceController({
      maxEndpointsPerSlice: config.maxEndpointsPerSlice ?? 100,
      workers: 5,
    }),
    endpointsController({ workers: 5 }),
    endpointSliceMirroringController({ maxEndpointsPerSubset: 1000, workers: 5 }),
    deploymentController({ workers: 5 }),
    replicaSetController({ workers: 5 }),
    replicationControllerController({ workers: 5 }),
    statefulSetController({ workers: 5 }),
    daemonSetController({ workers: 2 }),
    jobController({ workers: 5 }),
    ttlAfterFinishedController(),
    cronJobController({ workers: 5 }),
    disruptionController(),
    horizontalPodAutoscalerController({
      discover,
      workers: 5,
      syncPeriodMs: config.horizontalPodAutoscalerSyncPeriodMs ?? 15_000,
    }),
    namespaceController({ discover, workers: 10 }),
    resourceQuotaController({ discover, workers: 5, resyncMs: 300_000 }),
    serviceCIDRController(),
    clusterRoleAggregationController(),
    serviceAccountController(),
    rootCAPublisher({ rootCA: config.rootCA }),
    ...(tokenKey
      ? [serviceAccountTokenController({ rootCA: config.rootCA, sign: signerOf(tokenKey) })]
      : []),
    nodeLifecycleController({
      monitorPeriodMs: config.nodeMonitorPeriodMs ?? 5000,
      gracePeriodMs: config.nodeMonitorGracePeriodMs ?? 50_000,
      startupGracePeriodMs: config.nodeStartupGracePeriodMs ?? 60_000,
      rates: {
        normal: config.nodeEvictionRate ?? 0.1,
        reduced: config.secondaryNodeEvictionRate ?? 0.01,
        largeZone: config.largeClusterSizeThreshold ?? 50,
        unhealthyShare: config.unhealthyZoneThreshold ?? 0.55,
      },
    }),
    taintEvictionController({ workers: 8 }),
    podGcController({
      periodMs: 20_000,
      quarantineMs: 40_000,
      finishedLimit: config.terminatedPodGcThreshold ?? 12_500,
    }),
    ...(config.clusterCIDRs ? [nodeIpamController({ clusterCIDRs: config.clusterCIDRs })] : []),
  ]
}

/** Starts all controllers on one set of informers. Ready when all have seen what there is. */
export async function startControllers(
  config: ControllersConfig,
  deps: ControllersDeps,
): Promise<Component> {
  const informers = createInformers(deps)
  const discover = sharedDiscovery(deps.client)
  const recorders: EventRecorder[] = []
  const recorderFor = (component: string): EventRecorder => {
    const recorder = createRecorder({ component }, deps)
    recorders.push(recorder)
    return recorder
  }
  const controllers = allControllers(config, ({ signal }) => discover(signal))
  const running: Component[] = controllers.map((controller) =>
    startController(controller, {
      ...deps,
      informers,
      recorder: recorderFor(controller.component ?? controller.name),
    }),
  )
  running.push(
    startGarbageCollector(
      { workers: 20, resyncMs: 30_000, sharedResources: watchedBy(controllers) },
      { ...deps, informers, recorder: recorderFor('garbage-collector-controller'), discover },
    ),
  )
  informers.start()
  return {
    name: 'kube-controller-manager',
    async ready() {
      await Promise.all(running.map((component) => component.ready()))
    },
    async stop() {
      await Promise.all(running.map((component) => component.stop()))
      informers.stop()
      await Promise.all(recorders.map((recorder) => recorder.flush()))
    },
  }
}

const watchedBy = (controllers: readonly Controller[]): ReadonlySet<string> =>
  new Set(
    controllers.flatMap(({ watches }) =>
      (watches as readonly unknown[] as readonly Watch[]).map(({ resource }) =>
        resourceKey(resource),
      ),
    ),
  )

/** Many ask at the same time; none is given an answer from before it asked, but for that. */
function sharedDiscovery(client: Client): (signal?: AbortSignal) => Promise<Discovered> {
  let asking: Promise<Discovered> | undefined
  return (signal) => {
    asking ??= discoverResources(client, signal).finally(() => {
      asking = undefined
    })
    return asking
  }
}
