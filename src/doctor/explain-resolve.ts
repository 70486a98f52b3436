// What a Pod's resolver does with a name: its resolv.conf, the queries it sends in order, and each
// answer, predicted from the objects and asked of a DNS Pod.
import type { Pod } from '../api/types/core.gen.ts'
import { effectivePolicy, type Libc, type Lookup, type ResolverConfig } from './resolver.ts'
import type { DnsAnswer } from './snapshot.ts'
import type { Explanation, Step } from './steps.ts'
import { count, some } from './words.ts'

export interface LookupFacts {
  readonly pod: Pod
  readonly name: string
  readonly libc: Libc
  readonly resolver: ResolverConfig
  /** Whether the kubelet told its configuration; else it is assumed from the DNS Service. */
  readonly isConfigured: boolean
  readonly clusterDNS: readonly string[]
  /** Absolute names in the order in which they are tried. */
  readonly candidates: readonly string[]
  predict(name: string, type: 'A' | 'AAAA'): Lookup | undefined
  readonly answers: readonly DnsAnswer[]
  readonly missed: readonly string[]
}

export function explainLookup(facts: LookupFacts): Explanation {
  const { pod, name } = facts
  return {
    apiVersion: 'signpost.dev/v1alpha1',
    kind: 'LookupReport',
    subject: `${name}, as Pod ${pod.metadata.namespace}/${pod.metadata.name} asks it`,
    steps: [configured(facts), listed(facts), ...queries(facts)],
  }
}

function configured({ pod, resolver, isConfigured }: LookupFacts): Step {
  const { namespace, name } = pod.metadata
  const source = {
    cluster: `dnsPolicy ${pod.spec.dnsPolicy ?? 'ClusterFirst'}: the cluster DNS`,
    node: `dnsPolicy ${pod.spec.dnsPolicy}: the node's own file, which the API does not show`,
    pod: 'dnsPolicy None: what dnsConfig says',
  }[resolver.source]
  return {
    title: 'resolv.conf',
    state: resolver.source === 'node' ? 'unknown' : 'done',
    lines: [
      source,
      ...resolver.nameservers.map((server) => `nameserver ${server}`),
      ...(resolver.searches.length > 0 ? [`search ${resolver.searches.join(' ')}`] : []),
      ...(resolver.options.length > 0 ? [`options ${resolver.options.join(' ')}`] : []),
      ...(isConfigured || effectivePolicy(pod) !== 'ClusterFirst'
        ? []
        : ['predicted: the kubelet does not show its configuration to you']),
    ],
    command: `kubectl -n ${namespace} exec ${name} -- cat /etc/resolv.conf`,
  }
}

function listed({ name, libc, resolver, candidates }: LookupFacts): Step {
  const dots = name.replace(/\.$/, '').split('.').length - 1
  const why = name.endsWith('.')
    ? 'it ends with a dot: asked as it stands'
    : `${count(dots, 'dot')}, ndots:${resolver.ndots}: ${dots >= resolver.ndots ? 'asked as it stands first' : 'the search list comes first'}`
  return {
    title: `what ${libc} will ask`,
    state: 'done',
    lines: [why, ...candidates.map((candidate) => `${candidate} A, AAAA`)],
  }
}

function queries(facts: LookupFacts): Step[] {
  const steps: Step[] = []
  for (const name of facts.candidates) {
    const predicted = facts.predict(name, 'A')
    const asked = facts.answers.filter((answer) => answer.name === name && answer.type === 'A')
    steps.push(queryStep(name, { predicted, asked }, facts.missed))
    const answer = asked.find(({ rcode }) => rcode !== undefined)
    const rcode = answer?.rcode ?? predicted?.rcode
    const addresses = answer?.addresses ?? predicted?.addresses ?? []
    if (rcode === 'NOERROR' && addresses.length > 0) break
    if (facts.libc === 'musl' && rcode !== undefined && rcode !== 'NXDOMAIN') break
  }
  return steps
}

function queryStep(
  name: string,
  { predicted, asked }: { predicted: Lookup | undefined; asked: readonly DnsAnswer[] },
  missed: readonly string[],
): Step {
  const lines = asked.map(
    ({ pod, rcode, addresses, error }) =>
      `${pod}: ${error ?? `${rcode} ${some(addresses, 6)}`.trimEnd()}`,
  )
  const good = asked.find(({ rcode, addresses }) => rcode === 'NOERROR' && addresses.length > 0)
  const isAgreed =
    predicted === undefined ||
    asked.every(
      ({ rcode, addresses }) => rcode === undefined || sameAnswer(predicted, { rcode, addresses }),
    )
  const foretold = predicted
    ? `the API says: ${predicted.rcode} ${some(predicted.addresses, 6)}`.trimEnd()
    : 'outside the cluster domain: upstream resolvers decide'
  return {
    title: name,
    state: !isAgreed ? 'failed' : asked.length === 0 ? 'unknown' : good ? 'done' : 'waiting',
    time: asked.length > 0 ? `${Math.max(...asked.map(({ ms }) => ms))} ms` : undefined,
    lines: [foretold, ...lines, ...(asked.length === 0 ? missed : [])],
  }
}

function sameAnswer(
  predicted: Lookup,
  { rcode, addresses }: { rcode: string; addresses: readonly string[] },
): boolean {
  return (
    predicted.rcode === rcode &&
    predicted.addresses.toSorted().join() === addresses.toSorted().join()
  )
}
