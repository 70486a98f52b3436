// X: are the rules in each node's kernel, and are they what the API wants?
import type { Check, Finding, Fix } from '../check.ts'
import { keyOfService } from '../check.ts'
import { type Drift, driftOf, isHooked } from '../rules.ts'
import type { NodeRules, NodeTable } from '../snapshot.ts'
import { quietSince, type ServiceView, type View } from '../view.ts'
import { serviceSubject } from '../words.ts'

const rulesCommand = (node: string, address?: string): string =>
  `kubectl get --raw '/api/v1/nodes/${node}/proxy/debug/kube-proxy/rules${address ? `?address=${address}` : ''}'`

/** Only Signpost's own nodes show their rules, so its own way to restart a proxy is right. */
const restart: Fix = {
  commands: ['signpost down', 'signpost up --detach'],
  risk: 'the cluster is away for a few seconds and its Pods start anew; its data stays',
}

/** In other modes there are no tables, and nothing is said of them. */
const readable = (view: View): readonly NodeRules[] =>
  view.nodeRules.filter(({ mode }) => mode === 'nftables')

export const proxyWithoutRules: Check = {
  id: 'X03',
  link: 'proxy',
  title: 'The proxy reports healthy and its rules are not there',
  severity: 'error',
  confidence: 'proof',
  needs: ['node-rules'],
  explains: ['X04', 'D05', 'D02'],
  page: {
    symptom: 'No ClusterIP answers on one node; its proxy and its Pods look healthy.',
    decides:
      'The node’s kernel has no table of the proxy, or none of its chains is hooked, or no frontend is in it, though every cluster has the Service default/kubernetes.',
    remedy: 'See the proxy’s log on that node, then restart it.',
    sources: ['kubernetes/kubernetes#142068', 'kubernetes/kubernetes#136786'],
  },
  run: (view) =>
    readable(view).flatMap((rules) => {
      const main = rules.tables.find(({ family }) => family === 'IPv4') ?? rules.tables[0]
      const what = main ? absence(main) : 'no table was opened'
      return what === undefined ? [] : [withoutRules(rules, main, { what, view })]
    }),
}

function absence({ table, frontends, name }: NodeTable): string | undefined {
  if (!table) return `there is no table "${name}"`
  if (!isHooked(table)) return `no chain of table "${name}" is hooked before routing`
  return frontends === 0 ? `table "${name}" has no frontend at all` : undefined
}

function withoutRules(
  { node, healthy }: NodeRules,
  table: NodeTable | undefined,
  { what, view }: { readonly what: string; readonly view: View },
): Finding {
  return {
    subject: { kind: 'Node', name: node },
    message: `${node} reports ${healthy ? 'healthy' : 'unhealthy'}, but its rules are not loaded: ${what}`,
    observed: what,
    expected: 'a table with the Service default/kubernetes in it',
    evidence: [
      { command: rulesCommand(node), shows: what },
      {
        command: `nft list table ${table?.node.config.family ?? 'ip'} ${table?.name ?? ''} # on ${node}`,
        shows: what,
      },
    ],
    fix: restart,
    affects: [`node/${node}`, 'dns', ...view.services.map(keyOfService)],
  }
}

export const rulesDrifted: Check = {
  id: 'X04',
  link: 'proxy',
  title: 'A node’s rules are not what the API wants',
  severity: 'error',
  confidence: 'proof',
  needs: ['services', 'endpointslices', 'node-rules'],
  explains: ['D16'],
  page: {
    symptom: 'A Service works from one node and not from another, or goes to Pods that are gone.',
    decides:
      'The elements of the node’s table for the Service, read from its kernel, differ from those planned from the Service and its EndpointSlices; and none of these has changed in the last three seconds.',
    remedy: 'Restart that node’s proxy; see why it does not hear of changes.',
    sources: ['kubernetes/kubernetes#47589', 'kubernetes/kubernetes#28674'],
  },
  run: (view) => readable(view).flatMap((rules) => drifted(rules, view)),
}

const shownServices = 3

function drifted(rules: NodeRules, view: View): Finding[] {
  const found: { one: ServiceView; drift: Drift; table: NodeTable }[] = []
  for (const one of view.serviceViews) {
    for (const table of rules.tables) {
      const [drift] = driftOf(one.service, one.slices, table)
      if (drift) found.push({ one, drift, table })
    }
  }
  return found.slice(0, shownServices).map(({ one, drift, table }, index) => {
    const more = found.length - shownServices
    const rest = index === 0 && more > 0 ? ` (and ${more} more Services)` : ''
    const { clusterIP } = one.service.spec
    const set = /map (\S+)/.exec(drift.text)?.[1] ?? 'ep'
    return {
      subject: serviceSubject(one.service),
      message: `node ${rules.node}: ${drift.frontend.replaceAll(' . ', ' ')}: ${drift.text}${rest}`,
      observed: drift.text,
      expected: 'what the Service and its EndpointSlices say',
      evidence: [
        { command: rulesCommand(rules.node, clusterIP), shows: drift.text },
        {
          command: `nft list map ${table.node.config.family} ${table.name} ${set} # on ${rules.node}`,
          shows: drift.text,
        },
        {
          command: `kubectl -n ${one.service.metadata.namespace} get endpointslices -l kubernetes.io/service-name=${one.service.metadata.name}`,
          shows: [...one.usable].join(', ') || 'no usable endpoint',
        },
        {
          command: `kubectl -n kube-node-lease get lease ${rules.node} -o jsonpath='{.spec.renewTime}'`,
          shows: 'whether the node still reaches the API',
        },
      ],
      fix: restart,
      affects: [keyOfService(one.service), `node/${rules.node}`],
      settling: quietSince(one, view.nowMs),
    }
  })
}
