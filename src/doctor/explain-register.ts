// How a Service became a name that answers: the six steps of its registration, each from evidence.
import type { Pod, Service } from '../api/types/core.gen.ts'
import { membershipOf } from './endpoints.ts'
import { changedPaths, isObject } from './json-paths.ts'
import { nearMisses } from './near-miss.ts'
import { driftOf } from './rules.ts'
import type { NodeRules, Snapshot } from './snapshot.ts'
import type { Explanation, Step } from './steps.ts'
import { createView, quietSince, type ServiceView, type View } from './view.ts'
import { count, labelsText, portText, some } from './words.ts'

/** What the API says of whoever looks; absent where it says nothing. */
export interface Caller {
  readonly username: string
  readonly groups: readonly string[]
  /** May this caller create Services there, and by which rule. */
  readonly allowed: boolean
  readonly reason: string
}

export interface RegistrationFacts {
  readonly snapshot: Snapshot
  readonly caller: Caller | undefined
  /** All Pods of the namespace. */
  readonly pods: readonly Pod[]
}

export function explainRegistration({ snapshot, caller, pods }: RegistrationFacts): Explanation {
  const view = createView(snapshot)
  const { namespace, name } = snapshot.asked.service!
  const one = view.askedService
  const steps = one
    ? [
        posted(one.service),
        admitted(one.service, caller),
        addressed(one.service),
        sliced(one, pods),
        programmed(one, view),
        named(one, view),
      ]
    : [absent(namespace, name)]
  return {
    apiVersion: 'signpost.dev/v1alpha1',
    kind: 'RegistrationReport',
    subject: `Service ${namespace}/${name}`,
    steps,
  }
}

const absent = (namespace: string, name: string): Step => ({
  title: 'posted',
  state: 'waiting',
  lines: [`there is no Service "${name}" in ${namespace} yet`],
  command: `kubectl -n ${namespace} get service ${name}`,
})

function posted({ metadata }: Service): Step {
  const managers = (metadata.managedFields ?? []).map(
    ({ manager, operation, time, subresource }) =>
      `${operation} by field manager "${manager}"${subresource ? ` (${subresource})` : ''} at ${time}`,
  )
  return {
    title: 'posted',
    state: 'done',
    time: metadata.creationTimestamp,
    lines: [
      ...managers,
      `stored with uid ${metadata.uid}, now at resourceVersion ${metadata.resourceVersion}`,
      'the user who sent it is in the audit log alone; objects do not keep it',
    ],
    command: `kubectl -n ${metadata.namespace} get service ${metadata.name} --show-managed-fields -o yaml`,
  }
}

function admitted(service: Service, caller: Caller | undefined): Step {
  const { namespace } = service.metadata
  const rights = caller
    ? [
        `authenticated: you are ${caller.username} (${some(caller.groups)})`,
        `authorized: you may ${caller.allowed ? '' : 'not '}create services in ${namespace}: ${ruleOf(caller)}`,
      ]
    : ['who you are and what you may do could not be asked']
  return {
    title: 'authenticated, authorized, admitted',
    state: 'done',
    lines: [...rights, ...admissionLines(service)],
    command: `kubectl auth whoami; kubectl auth can-i create services -n ${namespace}`,
  }
}

/** The authorizer's own words name the binding and the role; one group needs neither. */
function ruleOf({ allowed, reason, groups }: Caller): string {
  if (reason !== '') return reason
  if (!allowed) return 'no rule allows it'
  return groups.includes('system:masters')
    ? 'the group system:masters may do everything, no rule is looked for'
    : 'the authorizer does not say by which rule'
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/** What the server made of what was sent, where kubectl apply left a copy of that. */
function admissionLines({ metadata, spec }: Service): string[] {
  const text = metadata.annotations?.[lastApplied]
  if (text === undefined)
    return [
      'admitted: what admission and defaults changed is not known; only kubectl apply leaves a copy of what was sent',
    ]
  const sent = parse(text)
  const changed = changedPaths(isObject(sent) ? sent['spec'] : undefined, spec, 'spec')
  return [
    changed.length === 0
      ? 'admitted: stored as it was sent'
      : `admitted: ${count(changed.length, 'field')} set by defaults, allocation and admission:`,
    ...changed.map(({ path, value }) => `  ${path}: ${JSON.stringify(value)}`),
  ]
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function addressed({ metadata, spec }: Service): Step {
  const ports = (spec.ports ?? []).map(portText)
  const command = `kubectl get ipaddress ${spec.clusterIP}`
  if (spec.type === 'ExternalName')
    return {
      title: 'address',
      state: 'done',
      lines: [`none: ExternalName is an alias for ${spec.externalName}`],
    }
  if (spec.clusterIP === 'None')
    return {
      title: 'address',
      state: 'done',
      lines: ['none: a headless Service answers with the addresses of its Pods'],
    }
  return {
    title: 'ClusterIP',
    state: spec.clusterIP ? 'done' : 'waiting',
    time: metadata.creationTimestamp,
    lines: [
      `${(spec.clusterIPs ?? []).join(', ')} (${(spec.ipFamilies ?? []).join(', ')}), claimed in the same commit`,
      `ports ${ports.join(', ')}`,
      ...(spec.ports ?? []).flatMap(({ nodePort, port }) =>
        nodePort ? [`node port ${nodePort} for port ${port}`] : [],
      ),
    ],
    command,
  }
}

function sliced(one: ServiceView, pods: readonly Pod[]): Step {
  const { service, slices, selector, usable } = one
  const { namespace, name } = service.metadata
  const command = `kubectl -n ${namespace} get endpointslices -l kubernetes.io/service-name=${name} -o wide`
  if (service.spec.type === 'ExternalName')
    return {
      title: 'EndpointSlices',
      state: 'done',
      lines: ['none: ExternalName has no endpoints'],
    }
  const changed = slices.map(
    ({ metadata }) =>
      metadata.annotations?.['endpoints.kubernetes.io/last-change-trigger-time'] ??
      metadata.creationTimestamp,
  )
  return {
    title: 'EndpointSlices',
    state: usable.size > 0 ? 'done' : 'waiting',
    time: changed.toSorted().at(-1),
    lines: [
      ...slices.map(
        ({ metadata, ports, endpoints }) =>
          `${metadata.name}: ${count((endpoints ?? []).length, 'endpoint')}, ports ${(ports ?? []).map((port) => `${port.name ?? ''}=${port.port}`).join(', ') || 'none'}`,
      ),
      ...(selector
        ? podLines(service, selector, pods)
        : ['no selector: its slices are made by hand']),
    ],
    command,
  }
}

const maxNearPods = 5

/** Each Pod that matches, and those that nearly do: in or out, and why. */
function podLines(
  service: Service,
  selector: Readonly<Record<string, string>>,
  pods: readonly Pod[],
): string[] {
  const isMatch = (pod: Pod): boolean =>
    Object.entries(selector).every(([key, value]) => pod.metadata.labels?.[key] === value)
  const matching = pods.filter(isMatch)
  const near = nearMisses(
    selector,
    pods.filter((pod) => !isMatch(pod)),
  ).slice(0, maxNearPods)
  return [
    `selector ${labelsText(selector)}: ${count(matching.length, 'Pod')} of ${pods.length} in the namespace`,
    ...matching.map((pod) => {
      const { isIn, why } = membershipOf(pod, service)
      return `  ${isIn ? 'in ' : 'out'} ${pod.metadata.name} ${pod.status?.podIP ?? '(no IP)'}: ${why}`
    }),
    ...near.map(({ pod, differences }) => `  out ${pod.metadata.name}: ${differences.join('; ')}`),
  ]
}

function programmed(one: ServiceView, view: View): Step {
  const { service, slices } = one
  const { clusterIP, type } = service.spec
  if (type === 'ExternalName' || clusterIP === 'None')
    return { title: 'network', state: 'done', lines: ['nothing to program: there is no ClusterIP'] }
  const missed = view.unseen.filter(({ fact }) => fact === 'node-rules').map(({ detail }) => detail)
  const states = view.nodeRules
    .filter(({ mode }) => mode === 'nftables')
    .map((rules) => nodeLines(rules, service, slices))
  const wrong = states.some(({ isRight }) => !isRight)
  // A change needs a moment to get there: that is waited for, not wrong.
  const isMoving = quietSince(one, view.nowMs) !== undefined
  return {
    title: 'network programmed',
    state: states.length === 0 ? 'unknown' : !wrong ? 'done' : isMoving ? 'waiting' : 'failed',
    lines: [...states.flatMap(({ lines }) => lines), ...missed],
    command: `kubectl get --raw '/api/v1/nodes/${view.nodeRules[0]?.node ?? 'NODE'}/proxy/debug/kube-proxy/rules?address=${clusterIP}'`,
  }
}

const shownMaps = ['svc', 'ep', 'lep', 'nport', 'npep', 'nplep', 'deny', 'npdeny']

function nodeLines(
  rules: NodeRules,
  service: Service,
  slices: ServiceView['slices'],
): { readonly isRight: boolean; readonly lines: string[] } {
  const drift = rules.tables.flatMap((table) => driftOf(service, slices, table))
  const addresses = service.spec.clusterIPs ?? []
  const nodePorts = (service.spec.ports ?? []).flatMap(({ nodePort }) => nodePort ?? [])
  const mine = (key: string): boolean => {
    const parts = key.split(' . ')
    return addresses.includes(parts[0]!) || nodePorts.includes(Number(parts[1]))
  }
  const live = rules.tables.flatMap(({ table }) =>
    shownMaps.flatMap((map) =>
      [...(table?.elements.get(map) ?? [])]
        .filter(([key]) => mine(key))
        .map(([key, value]) => `  ${map}: ${key} : ${value}`)
        .sort(),
    ),
  )
  const verdict =
    drift.length === 0
      ? 'the kernel has what the API wants'
      : drift.map(({ frontend, text }) => `${frontend}: ${text}`).join('; ')
  return { isRight: drift.length === 0, lines: [`node ${rules.node}: ${verdict}`, ...live] }
}

function named({ service }: ServiceView, view: View): Step {
  const { answers } = view.dns
  const missed = view.unseen
    .filter(({ fact }) => fact === 'dns-answers')
    .map(({ detail }) => detail)
  const lines = answers.map(
    ({ pod, name, type, rcode, addresses, error, ms }) =>
      `${pod}: ${name} ${type} ${error ?? `${rcode} ${some(addresses, 6)}`}${error ? '' : ` (${ms} ms)`}`,
  )
  const isAnswered = answers.length > 0 && answers.every(({ rcode }) => rcode === 'NOERROR')
  const { namespace, name } = service.metadata
  return {
    title: 'name answered',
    state: answers.length === 0 ? 'unknown' : isAnswered ? 'done' : 'failed',
    lines: lines.length > 0 ? stripTimes(lines) : missed,
    time: answers.length > 0 ? `${Math.max(...answers.map(({ ms }) => ms))} ms` : undefined,
    command: `kubectl -n kube-system port-forward service/kube-dns 5353:53 & dig @127.0.0.1 -p 5353 +tcp ${name}.${namespace}.svc.${view.clusterDomain}`,
  }
}

/** Times differ each time; they are told for the step. */
const stripTimes = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replace(/ \(\d+ ms\)$/, ''))
