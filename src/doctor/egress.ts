// What NetworkPolicies let a Pod send: the objects' own meaning, whichever plugin enforces them.
import { selectorFromLabelSelector } from '../api/machinery/labels.ts'
import type { Namespace, Pod } from '../api/types/core.gen.ts'
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../api/types/networking.gen.ts'
import { cidrContains, parseCidr, parseIp } from '../lib/ip.ts'

export interface Destination {
  readonly pod: Pod
  readonly namespace: Namespace | undefined
  readonly protocol: 'TCP' | 'UDP'
  readonly port: number
}

/** The policies that restrict what the Pod sends; empty: it may send anything. */
export function egressPolicies(pod: Pod, policies: readonly NetworkPolicy[]): NetworkPolicy[] {
  // Pods in the node's network are outside of every policy.
  if (pod.spec.hostNetwork) return []
  return policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === pod.metadata.namespace &&
      (spec.policyTypes?.includes('Egress') ?? (spec.egress ?? []).length > 0) &&
      selectorFromLabelSelector(spec.podSelector ?? {}).matches(pod.metadata.labels),
  )
}

/** Policies add up: one rule of one of them is enough. */
export function allowsEgress(
  policies: readonly NetworkPolicy[],
  destination: Destination,
): boolean {
  return policies.some(({ metadata, spec }) =>
    (spec.egress ?? []).some(
      ({ to, ports }) =>
        matchesPorts(ports, destination) &&
        (!to ||
          to.length === 0 ||
          to.some((peer) => isPeer(peer, metadata.namespace, destination))),
    ),
  )
}

function matchesPorts(
  ports: readonly NetworkPolicyPort[] | undefined,
  destination: Destination,
): boolean {
  if (!ports || ports.length === 0) return true
  return ports.some(({ protocol = 'TCP', port, endPort }) => {
    if (protocol !== destination.protocol) return false
    if (port === undefined) return true
    if (typeof port === 'string') return namedPort(destination, port) === destination.port
    return destination.port >= port && destination.port <= (endPort ?? port)
  })
}

function namedPort({ pod, protocol }: Destination, name: string): number | undefined {
  return pod.spec.containers
    .flatMap(({ ports }) => ports ?? [])
    .find((port) => port.name === name && (port.protocol ?? 'TCP') === protocol)?.containerPort
}

function isPeer(
  { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer,
  policyNamespace: string | undefined,
  { pod, namespace }: Destination,
): boolean {
  if (ipBlock) return isInBlock(ipBlock, pod)
  const isNamespace = namespaceSelector
    ? selectorFromLabelSelector(namespaceSelector).matches(namespaceLabels(pod, namespace))
    : pod.metadata.namespace === policyNamespace
  return (
    isNamespace &&
    (!podSelector || selectorFromLabelSelector(podSelector).matches(pod.metadata.labels))
  )
}

/** The API server gives every namespace its name as a label; enough where it may not be read. */
function namespaceLabels(
  pod: Pod,
  namespace: Namespace | undefined,
): Readonly<Record<string, string>> {
  return {
    'kubernetes.io/metadata.name': pod.metadata.namespace ?? '',
    ...namespace?.metadata.labels,
  }
}

function isInBlock({ cidr, except }: NonNullable<NetworkPolicyPeer['ipBlock']>, pod: Pod): boolean {
  const ip = parseIp(pod.status?.podIP ?? '')
  if (!ip) return false
  const contains = (text: string): boolean => {
    const block = parseCidr(text)
    return block !== undefined && cidrContains(block, ip)
  }
  return contains(cidr) && !(except ?? []).some(contains)
}
