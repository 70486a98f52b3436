// The shell of `explain`: fetches and asks what the three explanations need, once or again and
// again while it changes.

import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import {
  endpointslices,
  namespaces,
  pods,
  selfsubjectaccessreviews,
  selfsubjectreviews,
  services,
} from '../api/resources.gen.ts'
import type { SelfSubjectReview } from '../api/types/authentication.gen.ts'
import type { SelfSubjectAccessReview } from '../api/types/authorization.gen.ts'
import type { Namespace, Pod, Service } from '../api/types/core.gen.ts'
import type { EndpointSlice } from '../api/types/discovery.gen.ts'
import type { DoctorDeps } from './doctor.ts'
import { serviceNameLabel } from './endpoints.ts'
import { explainConnection } from './explain-connect.ts'
import { type Caller, explainRegistration } from './explain-register.ts'
import { explainLookup } from './explain-resolve.ts'
import { gather } from './gather.ts'
import { seeAnswersOf } from './gather-dns.ts'
import { seeKubelets, seeRules } from './gather-nodes.ts'
import { answerPredictor } from './predict-answer.ts'
import { nameIn, parseTarget, serviceOfName, type Target } from './question.ts'
import { candidateNames, guessLibc, type Libc, predictResolver } from './resolver.ts'
import { Sight } from './sight.ts'
import { type Asked, emptySnapshot } from './snapshot.ts'
import type { Explanation } from './steps.ts'
import { createView } from './view.ts'

export interface ExplainOptions {
  readonly namespace: string
  readonly clusterDomain?: string | undefined
  readonly libc?: Libc | undefined
}

/** There is nothing of that name to explain. */
export class NotThereError extends Error {}

const defaultDomain = 'cluster.local'

/** The six steps of a Service's registration; one step that waits when there is no such Service. */
export async function explainRegister(
  name: string,
  deps: DoctorDeps,
  { namespace, clusterDomain = defaultDomain }: ExplainOptions,
): Promise<Explanation> {
  const sight = new Sight(deps.client, deps.clock)
  const target: Target = { kind: 'service', name: nameIn(name, name) }
  const [snapshot, all, caller] = await Promise.all([
    gather({ namespace, all: false, target }, sight, { clusterDomain, probes: deps.probes }),
    sight.list(pods, 'pods', { namespace }),
    askCaller(namespace, deps),
  ])
  return explainRegistration({ snapshot, caller, pods: all })
}

async function askCaller(namespace: string, { client }: DoctorDeps): Promise<Caller | undefined> {
  try {
    const [review, access] = await Promise.all([
      client.resource(selfsubjectreviews).create({
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'SelfSubjectReview',
        metadata: { name: '' },
      } as SelfSubjectReview),
      client.resource(selfsubjectaccessreviews).create({
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        metadata: { name: '' },
        spec: {
          resourceAttributes: { namespace, verb: 'create', version: 'v1', resource: 'services' },
        },
      } as SelfSubjectAccessReview),
    ])
    const { username = '', groups = [] } = review.status?.userInfo ?? {}
    const { allowed = false, reason = '' } = access.status ?? {}
    return { username, groups, allowed, reason }
  } catch {
    // Servers before 1.28 do not know the first of them.
    return undefined
  }
}

/** Yields an explanation at once and after each change that something watched tells of. */
export async function* followRegister(
  name: string,
  deps: DoctorDeps,
  options: ExplainOptions & { readonly signal: AbortSignal },
): AsyncGenerator<Explanation> {
  const { signal, namespace } = options
  nameIn(name, name)
  const bell = new Bell()
  signal.addEventListener('abort', () => bell.ring(), { once: true })
  for (const [resource, selector] of [
    [services, { fieldSelector: `metadata.name=${name}` }],
    [endpointslices, { labelSelector: `${serviceNameLabel}=${name}` }],
    [pods, {}],
  ] as const) {
    void watchForever(resource as Resource, { namespace, ...selector }, { deps, signal, bell })
  }
  while (!signal.aborted) {
    yield await explainRegister(name, deps, options)
    // Rules and answers change without an event; and a change travels for a moment.
    const again = deps.clock.after(followMs, () => bell.ring())
    await bell.rung()
    again.cancel()
    await deps.clock.sleep(gatherMs)
  }
}

const followMs = 1000
const gatherMs = 50

/** Rung any number of times, heard once. */
class Bell {
  #isRung = false
  #listener: (() => void) | undefined

  ring(): void {
    this.#isRung = true
    this.#listener?.()
  }

  async rung(): Promise<void> {
    if (!this.#isRung) await new Promise<void>((resolve) => (this.#listener = resolve))
    this.#isRung = false
    this.#listener = undefined
  }
}

interface Watching {
  readonly deps: DoctorDeps
  readonly signal: AbortSignal
  readonly bell: Bell
}

async function watchForever(
  resource: Resource<KubeObject>,
  selector: { readonly namespace: string },
  { deps, signal, bell }: Watching,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of deps.client.resource(resource).watch({ ...selector, signal }))
        if (event.type !== 'BOOKMARK') bell.ring()
    } catch {
      // The watch ended, or may not be held: the second's beat goes on without it.
    }
    if (!signal.aborted) await deps.clock.sleep(followMs)
  }
}

/** The queries a Pod's resolver sends for a name, and their answers. Rejects with NotThereError. */
export async function explainResolve(
  podName: string,
  name: string,
  { deps, options }: { readonly deps: DoctorDeps; readonly options: ExplainOptions },
): Promise<Explanation> {
  const sight = new Sight(deps.client, deps.clock)
  const pod = await findPod(podName, options.namespace, sight)
  const [kubelets, dns] = await Promise.all([
    seeKubelets([pod], sight),
    sight.find(services, 'dns-pods', { namespace: 'kube-system', name: 'kube-dns' }),
  ])
  const kubelet = kubelets.get(pod.spec.nodeName ?? '')
  const domain = kubelet?.clusterDomain || (options.clusterDomain ?? defaultDomain)
  const clusterDNS = kubelet?.clusterDNS ?? dns?.spec.clusterIPs ?? []
  const resolver = predictResolver(pod, { clusterDNS, clusterDomain: domain })
  const libc = options.libc ?? guessLibc(pod.spec.containers[0]?.image ?? '')
  const candidates = candidateNames(name, resolver, libc)
  const [objects, answers] = await Promise.all([
    zoneObjects(candidates, domain, sight),
    seeAnswersOf(
      candidates.map((candidate) => ({ name: candidate, type: 'A' as const })),
      sight,
      deps.probes,
    ),
  ])
  return explainLookup({
    ...{ pod, name, libc, resolver, candidates, answers, clusterDNS },
    isConfigured: kubelet !== undefined,
    predict: answerPredictor(objects, domain),
    missed: sight.unseen.filter(({ fact }) => fact === 'dns-answers').map(({ detail }) => detail),
  })
}

async function findPod(name: string, namespace: string, sight: Sight): Promise<Pod> {
  const { name: bare } = parseTarget(name)
  const pod = await sight.find(pods, 'pods', { namespace, name: bare })
  if (!pod) throw new NotThereError(`there is no Pod "${bare}" in namespace ${namespace}`)
  return pod
}

/** Only the Services, slices and namespaces that the names could mean. */
async function zoneObjects(candidates: readonly string[], domain: string, sight: Sight) {
  const meant = new Map<string, { name: string; namespace: string }>()
  for (const candidate of candidates) {
    const service = candidate.endsWith(`.${domain}.`) ? serviceOfName(candidate, domain) : undefined
    if (service?.certain) meant.set(`${service.namespace}/${service.name}`, service)
  }
  const spaces = [...new Set([...meant.values()].map(({ namespace }) => namespace))]
  const [foundSpaces, found] = await Promise.all([
    Promise.all(spaces.map((name) => sight.find(namespaces, 'namespaces', { name }))),
    Promise.all([...meant.values()].map((key) => serviceAndSlices(key, sight))),
  ])
  return {
    namespaces: foundSpaces.filter((one): one is Namespace => one !== undefined),
    services: found.flatMap(({ service }) => service ?? []),
    endpointSlices: found.flatMap(({ slices }) => slices),
  }
}

async function serviceAndSlices(
  key: { readonly namespace: string; readonly name: string },
  sight: Sight,
): Promise<{ service: Service | undefined; slices: readonly EndpointSlice[] }> {
  const [service, slices] = await Promise.all([
    sight.find(services, 'services', key),
    sight.list(endpointslices, 'endpointslices', {
      namespace: key.namespace,
      labelSelector: `${serviceNameLabel}=${key.name}`,
    }),
  ])
  return { service, slices }
}

/** A packet's way from a Pod to "SERVICE:PORT", through the live rules. Rejects with NotThereError. */
export async function explainConnect(
  podName: string,
  to: string,
  { deps, options }: { readonly deps: DoctorDeps; readonly options: ExplainOptions },
): Promise<Explanation> {
  const sight = new Sight(deps.client, deps.clock)
  const { name, port } = parseTarget(to)
  const domain = options.clusterDomain ?? defaultDomain
  const meant = name.includes('.') ? serviceOfName(name, domain) : undefined
  const key = meant ?? { name, namespace: options.namespace }
  const [pod, { service, slices }] = await Promise.all([
    findPod(podName, options.namespace, sight),
    serviceAndSlices(key, sight),
  ])
  if (!service)
    throw new NotThereError(`there is no Service "${key.name}" in namespace ${key.namespace}`)
  const node = pod.spec.nodeName ?? ''
  const rules = await seeRules(node, service.spec.clusterIPs ?? [], sight)
  const family = service.spec.ipFamilies?.[0] ?? 'IPv4'
  const asked: Asked = { namespace: options.namespace, service: key }
  const view = createView({
    ...emptySnapshot,
    nowMs: deps.clock.now(),
    asked,
    clusterDomain: domain,
    services: [service],
    endpointSlices: slices,
  })
  return explainConnection({
    pod,
    view: view.serviceViews[0]!,
    port,
    table: rules?.tables.find((table) => table.family === family),
    missed: sight.unseen.filter(({ fact }) => fact === 'node-rules').map(({ detail }) => detail),
  })
}
