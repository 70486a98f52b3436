// T: policies that keep traffic on a node, where the node has nobody to give it to.
import type { Node } from '../../api/types/core.gen.ts'
import type { Check, Finding, Severity } from '../check.ts'
import { keyOfService } from '../check.ts'
import type { ServiceView, View } from '../view.ts'
import { count, json, serviceSubject, some } from '../words.ts'

const isNodeReady = ({ status }: Node): boolean =>
  status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false

/** Names of the nodes that have a usable endpoint. */
function servingNodes({ slices, usable }: ServiceView): Set<string> {
  const names = new Set<string>()
  for (const { endpoints } of slices) {
    for (const { addresses, nodeName } of endpoints ?? []) {
      if (nodeName !== undefined && addresses.some((ip) => usable.has(ip))) names.add(nodeName)
    }
  }
  return names
}

interface Split {
  readonly without: readonly string[]
  readonly serving: readonly string[]
}

function splitNodes(one: ServiceView, view: View): Split {
  const serving = servingNodes(one)
  const ready = view.nodes.filter(isNodeReady).map(({ metadata }) => metadata.name)
  return {
    without: ready.filter((name) => !serving.has(name)),
    serving: ready.filter((name) => serving.has(name)),
  }
}

export const externalLocal: Check = {
  id: 'T01',
  link: 'traffic',
  title: 'externalTrafficPolicy Local, and nodes without a local endpoint',
  severity: 'warn',
  confidence: 'proof',
  needs: ['services', 'endpointslices', 'nodes'],
  explains: [],
  page: {
    symptom: 'A NodePort answers on some nodes and hangs on the others.',
    decides:
      'The Service keeps external traffic on the node it came to, and a node that is Ready has no usable endpoint of it. With a load balancer that asks healthCheckNodePort this is how it is meant (info); where no node has one, nobody is served (error).',
    remedy:
      'externalTrafficPolicy Cluster, a DaemonSet, or a load balancer that asks the health check port.',
    sources: ['kubernetes/kubernetes#66354', 'kubernetes/kubernetes#99299'],
  },
  run: (view) =>
    view.serviceViews
      .filter(
        ({ service: { spec }, usable }) =>
          spec.externalTrafficPolicy === 'Local' &&
          (spec.type === 'NodePort' || spec.type === 'LoadBalancer') &&
          usable.size > 0,
      )
      .flatMap((one) => {
        const split = splitNodes(one, view)
        if (split.without.length === 0) return []
        const isAsked = one.service.spec.healthCheckNodePort !== undefined
        const severity = split.serving.length === 0 ? 'error' : isAsked ? 'info' : 'warn'
        return [localOnly(one, split, { field: 'externalTrafficPolicy', severity })]
      }),
}

export const internalLocal: Check = {
  id: 'T03',
  link: 'traffic',
  title: 'internalTrafficPolicy Local, and the client’s node has no endpoint',
  severity: 'error',
  confidence: 'proof',
  needs: ['services', 'endpointslices', 'nodes'],
  explains: [],
  page: {
    symptom: 'Connections to a ClusterIP hang on some nodes: their packets are dropped.',
    decides:
      'The Service keeps internal traffic on the client’s node, and that node has no usable endpoint. Without a client: no node has one (error), or some have none (info).',
    remedy: 'internalTrafficPolicy Cluster, or a DaemonSet.',
    sources: ['KEP-2086'],
  },
  run: (view) =>
    view.serviceViews
      .filter(
        ({ service: { spec }, usable }) =>
          spec.internalTrafficPolicy === 'Local' && spec.clusterIP !== 'None' && usable.size > 0,
      )
      .flatMap((one) => {
        const split = splitNodes(one, view)
        const node = view.asked.client ? view.clients[0]?.spec.nodeName : undefined
        if (split.without.length === 0 || (node !== undefined && split.serving.includes(node)))
          return []
        const isNobody = node !== undefined || split.serving.length === 0
        const without = node === undefined ? split.without : [node]
        return [
          localOnly(
            one,
            { ...split, without },
            { field: 'internalTrafficPolicy', severity: isNobody ? 'error' : 'info' },
          ),
        ]
      }),
}

function localOnly(
  { service, usable, settling }: ServiceView,
  { without, serving }: Split,
  { field, severity }: { readonly field: string; readonly severity: Severity },
): Finding {
  const { namespace, name } = service.metadata
  const where =
    serving.length === 0
      ? 'no node has one of its endpoints'
      : `only ${some(serving)} ${serving.length === 1 ? 'has' : 'have'} one; ${some(without)} ${without.length === 1 ? 'drops' : 'drop'} the traffic`
  return {
    subject: serviceSubject(service),
    message: `${field} is Local, and ${where}`,
    observed: `${count(usable.size, 'usable endpoint')}, on ${some(serving) || 'no node'}`,
    expected: `a usable endpoint on ${some(without)}`,
    evidence: [
      {
        command: `kubectl -n ${namespace} get endpointslices -l kubernetes.io/service-name=${name} -o jsonpath='{.items[*].endpoints[*].nodeName}'`,
        shows: serving.join(' ') || '(none)',
      },
    ],
    fix: {
      commands: [
        `kubectl -n ${namespace} patch service ${name} --type=merge -p ${json({ spec: { [field]: 'Cluster' } })}`,
      ],
      risk:
        field === 'externalTrafficPolicy'
          ? 'the server no longer sees the client’s address'
          : 'connections may then cross to another node',
    },
    affects: [keyOfService(service)],
    severity,
    settling,
  }
}
