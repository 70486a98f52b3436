// Fetches what a question needs, and no more: one Service costs a handful of small requests on a
// cluster of any size; only a scan lists namespaces.
import {
  endpointslices,
  namespaces,
  networkpolicies,
  pods,
  services,
} from '../api/resources.gen.ts'
import type { Namespace, Pod, Service } from '../api/types/core.gen.ts'
import { serviceNameLabel } from './endpoints.ts'
import { dnsNamespace, type Probes, seeAccess, seeDns } from './gather-dns.ts'
import { seeNodes } from './gather-nodes.ts'
import { seePodPorts } from './gather-ports.ts'
import { seeWorkloads } from './gather-workloads.ts'
import type { Question } from './question.ts'
import { nameIn, serviceOfName } from './question.ts'
import type { Sight } from './sight.ts'
import type { Asked, Snapshot } from './snapshot.ts'
import { labelsText } from './words.ts'

export interface GatherOptions {
  readonly clusterDomain: string
  /** Absent: nothing is dialled, only the API is read. */
  readonly probes?: Probes | undefined
}

/** Rejects when the API cannot be reached at all. */
export async function gather(
  question: Question,
  sight: Sight,
  options: GatherOptions,
): Promise<Snapshot> {
  const found = await understand(question, sight, options.clusterDomain)
  const { asked } = found
  const [objects, clients, namespaceList] = await Promise.all([
    seeObjects(found, sight),
    seeClients(found, sight),
    seeDnsNamespace(sight),
  ])
  const [policies, dns, onNodes, podPorts] = await Promise.all([
    seePolicies(asked, clients, { sight, all: question.all }),
    seeDns(
      { asked, service: objects.services[0], clients, clusterDomain: options.clusterDomain },
      sight,
      options.probes,
    ),
    seeNodes({ asked, clients, ...objects }, sight),
    seePodPorts({ asked, ...objects }, sight, options.probes),
  ])
  const access = await seeAccess(dns, sight)
  const snapshot: Snapshot = {
    nowMs: sight.clock.now(),
    asked,
    clusterDomain: options.clusterDomain,
    ...objects,
    clients,
    namespaces: namespaceList,
    networkPolicies: policies,
    ...onNodes,
    dns: { ...dns, access },
    podPorts,
    workloads: [],
    unseen: sight.unseen,
  }
  return { ...snapshot, workloads: await seeWorkloads(snapshot, sight) }
}

/** Policies may select the DNS Pods by the labels of their namespace. */
async function seeDnsNamespace(sight: Sight): Promise<readonly Namespace[]> {
  const space = await sight.find(namespaces, 'namespaces', { name: dnsNamespace })
  return space ? [space] : []
}

interface Understood {
  readonly asked: Asked
  readonly all: boolean
  /** Fetched already while it was found out what was meant. */
  readonly service?: Service | undefined
  readonly pod?: Pod | undefined
}

/** What the words mean in this cluster: a Service, a Pod, or a name. */
async function understand(
  { namespace, all, target, from }: Question,
  sight: Sight,
  clusterDomain: string,
): Promise<Understood> {
  const client = from === undefined ? undefined : objectKey(from, namespace)
  const base = { namespace, ...(client ? { client } : {}) }
  if (!target) return { asked: base, all }
  const { name, port } = target
  const withPort = { ...base, ...(port === undefined ? {} : { port }) }
  if (target.kind === 'pod') {
    const pod = await sight.find(pods, 'pods', { namespace, name })
    return { asked: { ...withPort, pod: { namespace, name } }, all, pod }
  }
  if (target.kind === 'name')
    return understandName(name, { asked: withPort, all, sight, clusterDomain })
  const asClient = client?.namespace ?? namespace
  const service = await sight.find(services, 'services', { namespace: asClient, name })
  if (!service && target.kind === 'any') {
    const pod = await sight.find(pods, 'pods', { namespace, name })
    if (pod) return { asked: { ...withPort, pod: { namespace, name } }, all, pod }
  }
  return {
    asked: { ...withPort, service: { namespace: asClient, name }, name },
    all,
    service,
  }
}

async function understandName(
  name: string,
  context: { asked: Asked; all: boolean; sight: Sight; clusterDomain: string },
): Promise<Understood> {
  const { asked, all, sight, clusterDomain } = context
  const meant = serviceOfName(name, clusterDomain)
  const key = meant && { namespace: meant.namespace, name: meant.name }
  const [service, space] = key
    ? await Promise.all([
        sight.find(services, 'services', key),
        meant.certain ? undefined : sight.find(namespaces, 'namespaces', { name: key.namespace }),
      ])
    : []
  // "github.com" is a Service's name only where there is a namespace "com".
  const isCluster =
    key !== undefined && (meant!.certain || service !== undefined || space !== undefined)
  return {
    asked: { ...asked, name, ...(isCluster ? { service: key } : { external: true }) },
    all,
    service,
  }
}

function objectKey(text: string, namespace: string): { namespace: string; name: string } {
  const [first = '', second] = text.replace(/^(pod|pods|po)\//, '').split('/')
  return second === undefined
    ? { namespace, name: nameIn(first, text) }
    : { namespace: nameIn(first, text), name: nameIn(second, text) }
}

type Objects = Pick<
  Snapshot,
  'services' | 'endpointSlices' | 'pods' | 'namesakes' | 'podsElsewhere'
>

async function seeObjects(found: Understood, sight: Sight): Promise<Objects> {
  const { asked, service } = found
  const nothing: Objects = {
    services: [],
    endpointSlices: [],
    pods: [],
    namesakes: [],
    podsElsewhere: [],
  }
  if (service) return seeService(service, sight)
  if (asked.service) return { ...nothing, namesakes: await seeNamesakes(asked.service, sight) }
  if (asked.external) return nothing
  if (asked.pod) return seeServicesOfPod(found.pod, sight)
  const scope = found.all ? {} : { namespace: asked.namespace }
  const [serviceList, slices, podList] = await Promise.all([
    sight.list(services, 'services', scope),
    sight.list(endpointslices, 'endpointslices', scope),
    sight.list(pods, 'pods', scope),
  ])
  return { ...nothing, services: serviceList, endpointSlices: slices, pods: podList }
}

async function seeService(service: Service, sight: Sight): Promise<Objects> {
  const { namespace = '', name } = service.metadata
  const selector = labelsText(service.spec.selector ?? {})
  const [slices, matching] = await Promise.all([
    sight.list(endpointslices, 'endpointslices', {
      namespace,
      labelSelector: `${serviceNameLabel}=${name}`,
    }),
    selector === ''
      ? Promise.resolve<readonly Pod[]>([])
      : sight.list(pods, 'pods', { namespace, labelSelector: selector }),
  ])
  const near =
    selector === '' || matching.length > 0
      ? { pods: matching, podsElsewhere: [] }
      : await seeNearPods(namespace, selector, sight)
  return { services: [service], endpointSlices: slices, ...near, namesakes: [] }
}

/** For a selector that matches nothing: the Pods beside it, and those it would match elsewhere. */
async function seeNearPods(
  namespace: string,
  selector: string,
  sight: Sight,
): Promise<Pick<Objects, 'pods' | 'podsElsewhere'>> {
  const [own, everywhere] = await Promise.all([
    sight.list(pods, 'pods', { namespace }),
    // Rights in one namespace suffice; this is only for the hint.
    sight.client
      .resource(pods)
      .list({ labelSelector: selector, limit: 50 })
      .catch(() => ({ items: [] })),
  ])
  return {
    pods: own,
    podsElsewhere: everywhere.items.filter(({ metadata }) => metadata.namespace !== namespace),
  }
}

async function seeNamesakes(
  { namespace, name }: { namespace: string; name: string },
  sight: Sight,
): Promise<readonly Service[]> {
  const [same, beside] = await Promise.all([
    sight.list(services, 'services', { fieldSelector: `metadata.name=${name}` }),
    sight.list(services, 'services', { namespace }),
  ])
  return [...same, ...beside]
}

async function seeServicesOfPod(pod: Pod | undefined, sight: Sight): Promise<Objects> {
  const { namespace = '', labels = {} } = pod?.metadata ?? {}
  if (!pod) return { services: [], endpointSlices: [], pods: [], namesakes: [], podsElsewhere: [] }
  const all = await sight.list(services, 'services', { namespace })
  const own = all.filter(({ spec }) => {
    const terms = Object.entries(spec.selector ?? {})
    return terms.length > 0 && terms.every(([key, value]) => labels[key] === value)
  })
  const seen = await Promise.all(own.map((service) => seeService(service, sight)))
  return {
    services: own,
    endpointSlices: seen.flatMap(({ endpointSlices }) => endpointSlices),
    pods: uniquePods([pod, ...seen.flatMap((one) => one.pods)]),
    namesakes: [],
    podsElsewhere: [],
  }
}

const uniquePods = (all: readonly Pod[]): Pod[] => [
  ...new Map(all.map((pod) => [`${pod.metadata.namespace}/${pod.metadata.name}`, pod])).values(),
]

async function seeClients({ asked, pod }: Understood, sight: Sight): Promise<readonly Pod[]> {
  if (asked.client) {
    const client = await sight.find(pods, 'pods', asked.client)
    if (!client)
      sight.miss(
        'pods',
        'not-applicable',
        `there is no Pod "${asked.client.namespace}/${asked.client.name}"`,
      )
    return client ? [client] : []
  }
  return pod ? [pod] : []
}

async function seePolicies(
  asked: Asked,
  clients: readonly Pod[],
  { sight, all }: { sight: Sight; all: boolean },
): Promise<Snapshot['networkPolicies']> {
  const isScan = !asked.service && !asked.pod && !asked.name
  if (isScan)
    return sight.list(networkpolicies, 'networkpolicies', all ? {} : { namespace: asked.namespace })
  const spaces = [...new Set(clients.map(({ metadata }) => metadata.namespace!))]
  const lists = await Promise.all(
    spaces.map((namespace) => sight.list(networkpolicies, 'networkpolicies', { namespace })),
  )
  return lists.flat()
}
