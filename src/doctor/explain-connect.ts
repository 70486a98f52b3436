// The way of a packet from a Pod to a Service's endpoint, walked through the live rules of its node.
import type { Pod, Service } from '../api/types/core.gen.ts'
import { type WalkResult, walk } from '../linux/nftables/walk.ts'
import type { NodeTable } from './snapshot.ts'
import type { Explanation, Step } from './steps.ts'
import type { ServiceView } from './view.ts'
import { count, portText, some } from './words.ts'

export interface ConnectionFacts {
  readonly pod: Pod
  readonly view: ServiceView
  readonly port: number | string | undefined
  /** The live table of the Pod's node for the Service's family; absent where it was not seen. */
  readonly table: NodeTable | undefined
  readonly missed: readonly string[]
}

type Port = NonNullable<Service['spec']['ports']>[number]

/** Any of those a kernel would choose. */
const sourcePort = 40_000
const maxEndpoints = 64

export function explainConnection(facts: ConnectionFacts): Explanation {
  const { pod, view, port } = facts
  const { namespace, name } = pod.metadata
  const chosen = choosePort(view.service, port)
  return {
    apiVersion: 'signpost.dev/v1alpha1',
    kind: 'ConnectionReport',
    subject: `Pod ${namespace}/${name} to ${view.key}${port === undefined ? '' : `:${port}`}`,
    steps: [dialled(view, port, chosen), ...(chosen ? ways(facts, chosen) : [])],
  }
}

function choosePort({ spec }: Service, wanted: number | string | undefined): Port | undefined {
  const ports = spec.ports ?? []
  if (wanted === undefined) return ports[0]
  return ports.find(({ port, name }) => port === wanted || name === wanted)
}

function dialled(
  { service, usable }: ServiceView,
  wanted: number | string | undefined,
  chosen: Port | undefined,
): Step {
  const { spec, metadata } = service
  const served = (spec.ports ?? []).map(portText).join(', ') || 'no port'
  const address =
    spec.type === 'ExternalName'
      ? `an alias for ${spec.externalName}: no rule has a part in it`
      : spec.clusterIP === 'None'
        ? 'headless: the client dials a Pod itself, no rule has a part in it'
        : `ClusterIP ${spec.clusterIP}, ${count(usable.size, 'usable endpoint')}`
  return {
    title: 'what is dialled',
    state: chosen || spec.type === 'ExternalName' ? 'done' : 'failed',
    lines: [
      address,
      chosen ? `port ${portText(chosen)}` : `port ${wanted} is not served; it serves ${served}`,
    ],
    command: `kubectl -n ${metadata.namespace} get service ${metadata.name} -o wide`,
  }
}

function ways(facts: ConnectionFacts, port: Port): Step[] {
  const { clusterIP, type } = facts.view.service.spec
  if (type === 'ExternalName' || clusterIP === undefined || clusterIP === 'None') return []
  const { table, missed } = facts
  if (!table?.table) return [{ title: 'rules of the node', state: 'unknown', lines: [...missed] }]
  const results = walks(facts, port, table)
  return [wayStep(results[0]!), arrivals(results, facts)]
}

/** One walk for each endpoint that the dice may choose. */
function walks(
  { pod, view }: ConnectionFacts,
  port: Port,
  { table, node }: NodeTable,
): WalkResult[] {
  const packet = {
    saddr: pod.status?.podIP ?? '',
    daddr: view.service.spec.clusterIP!,
    protocol: (port.protocol ?? 'TCP').toLowerCase(),
    sport: sourcePort,
    dport: port.port,
  }
  let sides = 1
  const at = (draw: number): WalkResult =>
    walk(table!, packet, {
      from: pod.spec.hostNetwork ? 'node' : 'outside',
      localAddresses: new Set(node.config.localAddresses),
      draw: (modulus) => {
        sides = Math.max(sides, modulus)
        return draw % modulus
      },
    })
  const results = [at(0)]
  for (let draw = 1; draw < Math.min(sides, maxEndpoints); draw++) results.push(at(draw))
  return results
}

function wayStep({ path, verdict, isMasqueraded }: WalkResult): Step {
  return {
    title: 'through the rules',
    state: verdict === 'accept' ? 'done' : 'failed',
    lines: [
      ...path.map(({ chain, rule, effect }) => `${chain}: ${rule}  → ${effect}`),
      ...(isMasqueraded ? ['the server sees the node as the client (masqueraded)'] : []),
      ...(path.length === 0 ? ['no rule has anything to do with it'] : []),
    ],
  }
}

function arrivals(results: readonly WalkResult[], { view, pod }: ConnectionFacts): Step {
  const { verdict } = results[0]!
  if (verdict !== 'accept')
    return {
      title: 'end',
      state: 'failed',
      lines: [
        verdict === 'reject'
          ? 'refused at once: nobody serves it'
          : 'dropped without a word: the client waits until it gives up',
      ],
    }
  const targets = [...new Set(results.map(({ packet }) => `${packet.daddr}:${packet.dport}`))]
  const isServed = results.every(({ packet }) => packet.daddr !== view.service.spec.clusterIP)
  const known = targets.filter((target) => view.usable.has(target.replace(/:\d+$/, '')))
  const strange = targets.filter((target) => !known.includes(target))
  const own = pod.status?.podIP
  return {
    title: 'to one of',
    state: isServed && strange.length === 0 ? 'done' : 'failed',
    lines: [
      ...known.map(
        (target) => `${target}${own && target.startsWith(`${own}:`) ? ' (the Pod itself)' : ''}`,
      ),
      ...(isServed ? [] : ['no rule replaces the ClusterIP: the packet leaves for nowhere']),
      ...(isServed && strange.length > 0
        ? [`${some(strange)}: no usable endpoint of the Service`]
        : []),
    ],
  }
}
