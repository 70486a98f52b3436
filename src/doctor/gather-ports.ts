// Dials ports of Pods twice: at the Pod's address (from the API server, pods/proxy) and from within
// (pods/portforward). A port that only answers within is bound to the loopback address.
import type { Pod } from '../api/types/core.gen.ts'
import { isPodReady, targetPortOn } from './endpoints.ts'
import type { Probes } from './gather-dns.ts'
import type { Sight } from './sight.ts'
import type { Asked, PodPort, PortState, Snapshot } from './snapshot.ts'

const dialTimeoutMs = 800
const maxPorts = 24
const maxAtOnce = 5

type PortContext = Pick<Snapshot, 'services' | 'pods'> & { readonly asked: Asked }

export async function seePodPorts(
  context: PortContext,
  sight: Sight,
  probes: Probes | undefined,
): Promise<readonly PodPort[]> {
  if (!probes) return []
  const wanted = portsOf(context)
  const seen: PodPort[] = []
  const work = wanted.values()
  await Promise.all(
    Array.from({ length: maxAtOnce }, async () => {
      for (const one of work) seen.push(await dial(one, sight, probes))
    }),
  )
  return seen
}

interface Wanted {
  readonly pod: Pod
  readonly port: number
}

/** One ready Pod of each Service in a scan; up to three of a Service that was asked for. */
function portsOf({ services, pods, asked }: PortContext): Wanted[] {
  const perService = asked.service ? 3 : 1
  const found = new Map<string, Wanted>()
  for (const service of services) {
    const terms = Object.entries(service.spec.selector ?? {})
    if (terms.length === 0) continue
    const ready = pods.filter(
      (pod) =>
        pod.metadata.namespace === service.metadata.namespace &&
        terms.every(([key, value]) => pod.metadata.labels?.[key] === value) &&
        isPodReady(pod) &&
        pod.metadata.deletionTimestamp === undefined &&
        !pod.spec.hostNetwork,
    )
    for (const pod of ready.slice(0, perService)) {
      for (const port of service.spec.ports ?? []) {
        const number = targetPortOn(pod, port)
        if (number === undefined || (port.protocol ?? 'TCP') !== 'TCP') continue
        found.set(`${pod.metadata.namespace}/${pod.metadata.name}:${number}`, { pod, port: number })
      }
    }
  }
  return [...found.values()].slice(0, maxPorts)
}

async function dial({ pod, port }: Wanted, sight: Sight, probes: Probes): Promise<PodPort> {
  const { namespace = '', name } = pod.metadata
  const byAddress = await dialAddress({ namespace, name, port }, sight)
  // Only a refusal raises the question who would have been reached within.
  const byLoopback =
    byAddress === 'refused' ? await probes.dialLoopback({ namespace, name }, port) : 'unknown'
  return { pod: name, namespace, ip: pod.status?.podIP ?? '', port, byAddress, byLoopback }
}

async function dialAddress(
  { namespace, name, port }: { namespace: string; name: string; port: number },
  sight: Sight,
): Promise<PortState> {
  const answer = await sight.get(
    `/api/v1/namespaces/${namespace}/pods/${name}:${port}/proxy/`,
    dialTimeoutMs,
  )
  if (!answer) return 'unknown'
  if (answer.code === 403 && /pods\/proxy|"proxy"|cannot get resource/.test(answer.body)) {
    sight.miss(
      'pod-ports',
      'rbac',
      `you may not get pods/proxy in ${namespace}, so no port was dialled`,
    )
    return 'unknown'
  }
  const failed = answer.code >= 500 && /error trying to reach|dial tcp/.test(answer.body)
  if (!failed) return 'open'
  return /ECONNREFUSED|refused/.test(answer.body) ? 'refused' : 'unknown'
}
