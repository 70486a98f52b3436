// The API server, put together: store, cache, stages, handlers, and the port that serves them.
import type { Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { gitVersion } from '../api/machinery/version.ts'
import { flowschemas, prioritylevelconfigurations } from '../api/resources.gen.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Component } from '../lib/component.ts'
import { parseCidr } from '../lib/ip.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Store } from '../store/store.ts'
import type { AdmissionContext } from './admission/request.ts'
import { authenticationStage, createAuthenticator } from './authentication.ts'
import { authorizationStage } from './authorization.ts'
import { writeBootstrapObjects } from './bootstrap.ts'
import { Cache } from './cache.ts'
import { createClaimBook } from './claims.ts'
import type { ApiserverConfig } from './config.ts'
import { defaultNodePortRange } from './config.ts'
import { startDefinitions } from './custom/definitions.ts'
import type { Documents } from './documents.ts'
import { createDocuments } from './documents.ts'
import { sweepExpired } from './event-ttl.ts'
import type { HealthCheck } from './health.ts'
import { impersonationStage } from './impersonation.ts'
import { reconcileKubernetesService } from './kubernetes-service.ts'
import type { Listener } from './listener.ts'
import { openListener } from './listener.ts'
import { createMetrics } from './metrics.ts'
import type { Pipeline } from './pipeline.ts'
import { createPipeline } from './pipeline.ts'
import type { Authorizer } from './rbac/attributes.ts'
import { allow } from './rbac/attributes.ts'
import { authorizeMasters, createRbac, firstOf } from './rbac/authorizer.ts'
import { nodeRules } from './rbac/bootstrap.ts'
import { createNodeAuthorizer } from './rbac/node-authorizer.ts'
import { createReaders, nodeSource, rbacSource } from './readers.ts'
import type { RegistryDeps } from './registry.ts'
import { handleObjects } from './registry.ts'
import { repairClaims } from './repair.ts'
import { routerStage } from './router.ts'
import type { Served } from './served.ts'
import { createTokenIssuer } from './service-account-tokens.ts'
import type { Serving } from './serving.ts'
import { createServing } from './serving.ts'
import { createSpecials } from './specials.ts'
import { throttleStage } from './throttle.ts'
import type { LocalTransport } from './transport.ts'
import { localTransport } from './transport.ts'

export interface ApiserverDeps {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** How kubelets are reached; a plain TCP connection unless said otherwise. */
  readonly dial?: (host: string, port: number) => Promise<Duplex>
  /** Opens the port; one that opens none leaves transportFor() as the only way in. */
  readonly listen?: typeof openListener
}

export interface Apiserver extends Component {
  readonly address: string
  readonly port: number
  /** Serves the connections of a listener that another process opened. */
  adopt(server: NetServer): void
  /** The API in this process as one user, without a socket. */
  transportFor(user: {
    readonly name: string
    readonly uid?: string
    readonly groups?: readonly string[]
    readonly extra?: Readonly<Record<string, readonly string[]>>
  }): LocalTransport
}

/** Requests that still answer at stop() get so long. */
const stopGraceMs = 2000
const kubernetesServiceEveryMs = 10_000
const compactEveryMs = 300_000
const repairEveryMs = 180_000
const sweepEveryMs = 60_000

/** Resolves when the port is open, the caches are full and the cluster's first objects exist. */
export async function startApiserver(
  config: ApiserverConfig,
  deps: ApiserverDeps,
): Promise<Apiserver> {
  const core = createCore(config, deps)
  let storeWell = true
  await core.cache.start((error) => {
    storeWell = false
    deps.log.error('store ended its watch', { error })
  })
  const state = {
    get storeWell() {
      return storeWell
    },
    stopping: false,
  }
  const pipeline = createRequestPipeline(config, deps, { core, state })
  await writeBootstrapObjects({ config, deps: core.registry, served: core.serving.all() })
  const definitions = startDefinitions({
    ...core,
    log: deps.log,
    onServed: (customSchema) => core.documents.update(resourcesOf(core.serving), customSchema),
  })
  await definitions.ready()
  const listener = await (deps.listen ?? openListener)(config, pipeline).catch((error: unknown) => {
    core.cache.stop()
    throw error
  })
  core.address = () => `${listener.address}:${listener.port}`
  await reconcileKubernetesService(core.registry, config, listener.port).catch(async (error) => {
    definitions.stop()
    core.cache.stop()
    await listener.close(0)
    throw error
  })
  const endLoops = startLoops(config, deps, { core, port: listener.port })
  const stopLoops = () => {
    endLoops()
    definitions.stop()
  }
  return assemble({ deps, core, pipeline, listener, state, stopLoops })
}

interface Core {
  readonly cache: Cache
  readonly serving: Serving
  readonly registry: RegistryDeps
  readonly authorize: Authorizer
  readonly rbac: ReturnType<typeof createRbac>
  readonly documents: Documents
  address: () => string
}

const resourcesOf = (serving: Serving) => serving.all().map(({ resource }) => resource)

function createCore(config: ApiserverConfig, deps: ApiserverDeps): Core {
  const { store, clock, random } = deps
  const cache = new Cache(store)
  const serving = createServing(cache)
  const servedOf: Serving['stored'] = (resource) => serving.stored(resource)
  const roles = rbacSource(servedOf)
  const rbac = createRbac(roles)
  const authorize = createAuthorizer(config, serving, rbac)
  const nodePortRange = config.serviceNodePortRange ?? defaultNodePortRange
  const admission: AdmissionContext = {
    reader: createReaders(servedOf),
    findResource: (apiVersion, kind) =>
      serving.all().find((one) => one.apiVersion === apiVersion && one.resource.kind === kind)
        ?.resource,
    authorize,
    rbac,
    roles,
    clock,
    random,
  }
  const registry: RegistryDeps = {
    store,
    cache,
    clock,
    random,
    admission,
    servedOf,
    claims: createClaimBook(cache, { nodePortRange, random }),
    facts: {
      nodePortRange,
      serviceFamilies: config.serviceClusterIPRange.map((range) => familyOf(range)),
    },
  }
  const reachable = { address: () => '' }
  const documents = createDocuments(resourcesOf(serving), {
    gitVersion: config.gitVersion ?? gitVersion,
    serverAddress: () => reachable.address(),
  })
  return Object.assign(reachable, { cache, serving, registry, authorize, rbac, documents })
}

function familyOf(range: string): 'IPv4' | 'IPv6' {
  const cidr = parseCidr(range)
  if (!cidr) throw new Error(`cannot use service range "${range}": it is not a CIDR`)
  return cidr.family
}

function createAuthorizer(
  config: ApiserverConfig,
  serving: Serving,
  rbac: ReturnType<typeof createRbac>,
): Authorizer {
  const modes = config.authorizationMode ?? ['Node', 'RBAC']
  const authorizers: Authorizer[] = [authorizeMasters]
  for (const mode of modes) {
    if (mode === 'Node') {
      authorizers.push(
        createNodeAuthorizer(
          nodeSource((one) => serving.stored(one)),
          nodeRules(),
        ),
      )
    } else if (mode === 'RBAC') authorizers.push(rbac.authorize)
    else authorizers.push(() => allow(''))
  }
  return firstOf(authorizers)
}

interface State {
  readonly storeWell: boolean
  stopping: boolean
}

function createRequestPipeline(
  config: ApiserverConfig,
  deps: ApiserverDeps,
  { core, state }: { readonly core: Core; readonly state: State },
): Pipeline {
  const { clock, random, log } = deps
  const reader = core.registry.admission.reader
  const tokens = createTokenIssuer(config, {
    clock,
    random,
    reader: (plural) => reader(core.serving.stored({ group: '', plural }).resource),
  })
  const authenticator = createAuthenticator(config, tokens)
  const specials = createSpecials({ ...core, config, tokens, authenticator, log, dial: deps.dial })
  const metrics = createMetrics({ clock, served: () => core.serving.all() })
  const registry: RegistryDeps = {
    ...core.registry,
    onFrames: (served, count) => metrics.countFrames(served, count),
  }
  const router = routerStage({
    find: (group, version, plural) => core.serving.find(group, version, plural),
    documents: core.documents,
    checks: healthChecks(state),
    paths: { ...specials.paths, '/metrics': () => metrics.answer() },
    special: specials.find,
    objects: (request) => handleObjects(registry, request),
  })
  return createPipeline({
    stages: [
      metrics.stage,
      authenticationStage(authenticator),
      impersonationStage(core.authorize),
      throttleStage(config, clock),
      authorizationStage(core.authorize),
      router,
    ],
    random,
    log,
    commonHeaders: flowControlHeaders(core.serving),
  })
}

/** Clients warn when these are missing; they name the defaults that are stored. */
function flowControlHeaders(serving: Serving): () => Record<string, string> {
  const uidOf = (name: string, resource: typeof flowschemas | typeof prioritylevelconfigurations) =>
    serving.stored(resource).cache.get(name)?.object.metadata.uid ?? ''
  let headers: Record<string, string> | undefined
  return () => {
    if (headers) return headers
    const found = {
      'x-kubernetes-pf-flowschema-uid': uidOf('global-default', flowschemas),
      'x-kubernetes-pf-prioritylevel-uid': uidOf('global-default', prioritylevelconfigurations),
    }
    if (found['x-kubernetes-pf-flowschema-uid'] !== '') headers = found
    return found
  }
}

function healthChecks(state: State): HealthCheck[] {
  const always = (name: string): HealthCheck => ({ name, check: () => true })
  return [
    always('ping'),
    always('log'),
    { name: 'etcd', check: () => state.storeWell },
    { name: 'etcd-readiness', check: () => state.storeWell, readyOnly: true },
    { name: 'informer-sync', check: () => true, readyOnly: true },
    always('poststarthook/start-service-ip-repair-controllers'),
    always('poststarthook/bootstrap-controller'),
    always('poststarthook/rbac/bootstrap-roles'),
    always('poststarthook/apiservice-registration-controller'),
    always('autoregister-completion'),
    { name: 'shutdown', check: () => !state.stopping, readyOnly: true },
  ]
}

/** What is done again and again; returns how to end it. */
function startLoops(
  config: ApiserverConfig,
  deps: ApiserverDeps,
  { core, port }: { readonly core: Core; readonly port: number },
): () => void {
  const timers = new Map<() => Promise<void>, Timer>()
  let ended = false
  const every = (periodMs: number, run: () => Promise<void>) => {
    const next = (): void => {
      if (!ended) timers.set(run, deps.clock.after(periodMs, tick))
    }
    const tick = () => {
      run()
        .catch((error: unknown) => {
          if (!ended) deps.log.warn('periodic work failed', { error })
        })
        .finally(next)
    }
    next()
  }
  every(kubernetesServiceEveryMs, () => reconcileKubernetesService(core.registry, config, port))
  every(repairEveryMs, async () => {
    const count = await repairClaims(core.registry)
    if (count > 0) deps.log.warn('claims repaired', { count })
  })
  every(sweepEveryMs, () => sweepExpired(core.registry, core.serving.all(), ttlOf(config)))
  let before = core.cache.revision
  every(compactEveryMs, async () => {
    const to = before
    before = core.cache.revision
    await deps.store.compact(to)
    core.cache.trim(to)
  })
  return () => {
    ended = true
    for (const timer of timers.values()) timer.cancel()
  }
}

/** What --event-ttl says goes before what the kind says. */
const ttlOf =
  (config: ApiserverConfig) =>
  ({ kind }: Served): number | undefined =>
    kind.ttlSeconds === undefined ? undefined : (config.eventTtlSeconds ?? kind.ttlSeconds)

interface Parts {
  readonly deps: ApiserverDeps
  readonly core: Core
  readonly pipeline: Pipeline
  readonly listener: Listener
  readonly state: State
  readonly stopLoops: () => void
}

function assemble({ core, pipeline, listener, state, stopLoops }: Parts): Apiserver {
  let stopped: Promise<void> | undefined
  const stop = async () => {
    state.stopping = true
    stopLoops()
    const closing = listener.close(stopGraceMs)
    core.cache.stop()
    await closing
  }
  return {
    name: 'kube-apiserver',
    address: listener.address,
    port: listener.port,
    ready: () => Promise.resolve(),
    adopt: (server) => listener.adopt(server),
    transportFor: ({ name, uid = '', groups = [], extra = {} }) => {
      const all = groups.includes('system:authenticated')
        ? groups
        : [...groups, 'system:authenticated']
      return localTransport(pipeline, { name, uid, groups: all, extra })
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}
