// Looks at the cluster DNS: its Service and Pods, what they say of themselves, what they may read,
// and what each replica answers when it is asked.

import { StatusError } from '../api/machinery/status.ts'
import { endpointslices, pods, services, subjectaccessreviews } from '../api/resources.gen.ts'
import type { SubjectAccessReview } from '../api/types/authorization.gen.ts'
import type { Pod, Service } from '../api/types/core.gen.ts'
import { foreignSearches, wildcardProbe } from './dns-names.ts'
import { isLeaving, isPodReady, serviceNameLabel } from './endpoints.ts'
import { type DnsQuestion, ProbeError, type Probes } from './probe.ts'
import { candidateNames, predictResolver } from './resolver.ts'
import type { Sight } from './sight.ts'
import {
  type AccessSeen,
  type Asked,
  type DnsAnswer,
  type DnsSeen,
  emptyDns,
  type HttpSeen,
} from './snapshot.ts'

export type { Probes } from './probe.ts'

export const dnsNamespace = 'kube-system'
/** The name stays, whatever serves (kubernetes.io: DNS for Services and Pods). */
export const dnsServiceName = 'kube-dns'
const dnsLabel = 'k8s-app=kube-dns'
const readyPort = 8181
const maxReplicas = 5
const logLines = 20

interface DnsContext {
  readonly asked: Asked
  readonly service: Service | undefined
  readonly clients: readonly Pod[]
  readonly clusterDomain: string
}

export async function seeDns(
  context: DnsContext,
  sight: Sight,
  probes: Probes | undefined,
): Promise<DnsSeen> {
  const place = { namespace: dnsNamespace }
  const [service, labelled, slices] = await Promise.all([
    sight.find(services, 'dns-pods', { ...place, name: dnsServiceName }),
    sight.list(pods, 'dns-pods', { ...place, labelSelector: dnsLabel }),
    sight.list(endpointslices, 'dns-pods', {
      ...place,
      labelSelector: `${serviceNameLabel}=${dnsServiceName}`,
    }),
  ])
  const replicas = labelled.filter(({ status }) => status?.phase !== 'Failed')
  const running = replicas
    .filter(({ status, metadata }) => status?.podIP && metadata.deletionTimestamp === undefined)
    .slice(0, maxReplicas)
  const [ready, logs, answers] = await Promise.all([
    seeReady(running, sight),
    seeLogs(replicas, sight),
    seeAnswers(running.filter(isPodReady), questionsFor(context, service), { sight, probes }),
  ])
  return {
    ...emptyDns,
    service,
    endpointSlices: slices,
    pods: replicas,
    ready,
    logs,
    answers,
  }
}

/** The same questions to every DNS Pod that is ready. */
export async function seeAnswersOf(
  questions: readonly DnsQuestion[],
  sight: Sight,
  probes: Probes | undefined,
): Promise<readonly DnsAnswer[]> {
  const place = { namespace: dnsNamespace, labelSelector: dnsLabel }
  const replicas = (await sight.list(pods, 'dns-pods', place)).filter(isPodReady)
  return seeAnswers(replicas.slice(0, maxReplicas), questions, { sight, probes })
}

async function seeReady(
  replicas: readonly Pod[],
  sight: Sight,
): Promise<ReadonlyMap<string, HttpSeen>> {
  const seen = new Map<string, HttpSeen>()
  // A Pod that is Ready has said so itself a moment ago: only the others are asked why.
  const unready = replicas.filter((pod) => !isPodReady(pod))
  await Promise.all(
    unready.map(async ({ metadata: { name } }) => {
      const path = `/api/v1/namespaces/${dnsNamespace}/pods/${name}:${readyPort}/proxy/ready`
      const answer = await sight.get(path)
      if (answer?.code === 403)
        sight.miss('dns-ready', 'rbac', `you may not get pods/proxy in ${dnsNamespace}`)
      else if (answer) seen.set(name, answer)
    }),
  )
  return seen
}

/** Of those that crashed or are not ready; healthy servers' logs are nobody's business. */
async function seeLogs(
  replicas: readonly Pod[],
  sight: Sight,
): Promise<ReadonlyMap<string, string>> {
  const logs = new Map<string, string>()
  const troubled = replicas.filter(
    (pod) => !isPodReady(pod) && !isLeaving(pod) && pod.spec.nodeName !== undefined,
  )
  await Promise.all(
    troubled.slice(0, maxReplicas).map(async (pod) => {
      const { name } = pod.metadata
      const base = `/api/v1/namespaces/${dnsNamespace}/pods/${name}/log?tailLines=${logLines}`
      const crashed = (pod.status?.containerStatuses ?? []).some(
        ({ lastState }) => lastState?.terminated,
      )
      const paths = crashed ? [`${base}&previous=true`, base] : [base]
      const texts = await Promise.all(paths.map((path) => sight.get(path)))
      if (texts.some((one) => one?.code === 403))
        sight.miss('dns-logs', 'rbac', `you may not get pods/log in ${dnsNamespace}`)
      logs.set(name, texts.map((one) => (one?.code === 200 ? one.body : '')).join(''))
    }),
  )
  return logs
}

export function questionsFor(
  { asked, service, clients, clusterDomain }: DnsContext,
  dns: Service | undefined,
): readonly DnsQuestion[] {
  const names = new Set<string>()
  if (service) {
    const { namespace, name } = service.metadata
    names.add(`${name}.${namespace}.svc.${clusterDomain}.`)
  }
  if (asked.external && asked.name !== undefined) {
    names.add(`${asked.name.replace(/\.$/, '')}.`)
    for (const client of clients) {
      const clusterDNS = [dns?.spec.clusterIP ?? '']
      const resolver = predictResolver(client, { clusterDNS, clusterDomain })
      for (const name of candidateNames(asked.name, resolver, 'glibc')) names.add(name)
    }
  }
  for (const suffix of foreignSearches(clients, clusterDomain)) names.add(wildcardProbe(suffix))
  if (names.size === 0) names.add(`kubernetes.default.svc.${clusterDomain}.`)
  return [...names].map((name) => ({ name, type: 'A' }))
}

async function seeAnswers(
  replicas: readonly Pod[],
  questions: readonly DnsQuestion[],
  { sight, probes }: { readonly sight: Sight; readonly probes: Probes | undefined },
): Promise<readonly DnsAnswer[]> {
  if (!probes) {
    sight.miss('dns-answers', 'no-probe', 'no DNS server was asked')
    return []
  }
  const all = await Promise.all(
    replicas.map(async ({ metadata: { name } }) => {
      try {
        return await probes.askDns({ namespace: dnsNamespace, name }, questions)
      } catch (error) {
        if (!(error instanceof ProbeError)) throw error
        if (error.code === 'forbidden') {
          const grant = `kubectl -n ${dnsNamespace} create role signpost-doctor --verb=create --resource=pods/portforward`
          sight.miss(
            'dns-answers',
            'rbac',
            `you may not create pods/portforward in ${dnsNamespace}; it needs: ${grant}`,
          )
          return []
        }
        if (error.code !== 'refused') sight.miss('dns-answers', 'timeout', error.message)
        return questions.map((question) => ({
          pod: name,
          ...question,
          addresses: [],
          error: error.message,
          ms: 0,
        }))
      }
    }),
  )
  return all.flat()
}

/** What the kubernetes plugin has to list and watch. */
const needed: readonly (readonly [group: string, resource: string])[] = [
  ['', 'services'],
  ['', 'namespaces'],
  ['discovery.k8s.io', 'endpointslices'],
]

/** Asks the API, as kubectl auth can-i --as does, whether the DNS server may read what it serves. */
export async function seeAccess(dns: DnsSeen, sight: Sight): Promise<readonly AccessSeen[]> {
  const account = dns.pods[0]?.spec.serviceAccountName
  if (account === undefined) return []
  const serviceAccount = `system:serviceaccount:${dnsNamespace}:${account}`
  const wanted = needed.flatMap(([group, resource]) =>
    ['list', 'watch'].map((verb) => ({ group, resource, verb })),
  )
  try {
    return await Promise.all(
      wanted.map(async (attributes) => {
        const review = await sight.client
          .resource(subjectaccessreviews)
          .create(reviewOf(serviceAccount, attributes))
        const { allowed = false, reason = '' } = review.status ?? {}
        return { serviceAccount, ...attributes, allowed, reason }
      }),
    )
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    // Answers prove more than rights do: it is only missed where there are none.
    if (!dns.answers.some(({ rcode }) => rcode === 'NOERROR'))
      sight.miss('dns-access', 'rbac', `you may not create subjectaccessreviews: ${error.message}`)
    return []
  }
}

function reviewOf(
  user: string,
  attributes: { readonly group: string; readonly resource: string; readonly verb: string },
): SubjectAccessReview {
  const groups = [
    'system:serviceaccounts',
    `system:serviceaccounts:${dnsNamespace}`,
    'system:authenticated',
  ]
  return {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: { name: '' },
    spec: { user, groups, resourceAttributes: attributes },
  }
}
