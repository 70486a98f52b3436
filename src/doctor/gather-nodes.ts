// Looks at nodes: the live rules of each proxy and the kubelet's configuration, over the API
// server's node proxy. A kubelet that shows no rules is no fault: it is told as unknown.
import { nodes } from '../api/resources.gen.ts'
import type { Node, Pod, Service } from '../api/types/core.gen.ts'
import { decodeNodeRules } from './node-rules-json.ts'
import type { Sight } from './sight.ts'
import type { Asked, KubeletConfiguration, NodeRules, Snapshot } from './snapshot.ts'

/** More nodes than this are sampled: those of the client and of the endpoints first. */
const maxNodes = 10
const rulesPath = '/debug/kube-proxy/rules'

type NodeContext = Pick<Snapshot, 'clients' | 'services' | 'endpointSlices'> & {
  readonly asked: Asked
}
type NodesSeen = Pick<Snapshot, 'nodes' | 'nodeRules' | 'kubelets'>

export async function seeNodes(context: NodeContext, sight: Sight): Promise<NodesSeen> {
  const withIP = context.services.filter(hasClusterIP)
  const names = new Set(context.clients.flatMap(({ spec }) => spec.nodeName ?? []))
  const hasLocal = withIP.some(isLocal)
  const all = withIP.length > 0 ? await listNodes(hasLocal, sight) : []
  for (const { metadata } of all) if (names.size < maxNodes) names.add(metadata.name)
  const chosen = [...names].slice(0, maxNodes)
  const addresses = context.asked.service ? withIP.flatMap(({ spec }) => spec.clusterIPs ?? []) : []
  const [rules, kubelets] = await Promise.all([
    withIP.length > 0 ? Promise.all(chosen.map((name) => seeRules(name, addresses, sight))) : [],
    seeKubelets(context.clients, sight),
  ])
  return {
    nodes: all,
    nodeRules: rules.flatMap((one) => one ?? []),
    kubelets,
  }
}

const hasClusterIP = ({ spec }: Service): boolean =>
  spec.type !== 'ExternalName' &&
  spec.clusterIP !== undefined &&
  spec.clusterIP !== '' &&
  spec.clusterIP !== 'None'

const isLocal = ({ spec }: Service): boolean =>
  spec.internalTrafficPolicy === 'Local' || spec.externalTrafficPolicy === 'Local'

async function listNodes(every: boolean, sight: Sight): Promise<readonly Node[]> {
  if (every) return sight.list(nodes, 'nodes')
  try {
    return (await sight.client.resource(nodes).list({ limit: maxNodes })).items
  } catch {
    sight.miss('node-rules', 'rbac', 'you may not list nodes, so no live rules were read')
    return []
  }
}

/** Undefined, and noted, where the node does not show them. */
export async function seeRules(
  node: string,
  addresses: readonly string[],
  sight: Sight,
): Promise<NodeRules | undefined> {
  const query = addresses.map((ip) => `address=${encodeURIComponent(ip)}`).join('&')
  const path = `/api/v1/nodes/${node}/proxy${rulesPath}${query === '' ? '' : `?${query}`}`
  const answer = await sight.get(path)
  if (answer?.code === 200) {
    const rules = decodeNodeRules(node, answer.body)
    if (rules) return rules
  }
  if (answer?.code === 403)
    sight.miss('node-rules', 'rbac', 'you may not get nodes/proxy, so no live rules were read')
  else if (answer === undefined) sight.miss('node-rules', 'timeout', `node ${node} did not answer`)
  else
    sight.miss(
      'node-rules',
      'unknown-implementation',
      `the kubelet of node ${node} does not show the proxy's rules (HTTP ${answer.code})`,
    )
  return undefined
}

/** What kubelets tell of themselves, by node; those that do not are missed. */
export async function seeKubelets(
  clients: readonly Pod[],
  sight: Sight,
): Promise<ReadonlyMap<string, KubeletConfiguration>> {
  const found = new Map<string, KubeletConfiguration>()
  const names = [...new Set(clients.flatMap(({ spec }) => spec.nodeName ?? []))]
  await Promise.all(
    names.slice(0, maxNodes).map(async (name) => {
      const answer = await sight.get(`/api/v1/nodes/${name}/proxy/configz`)
      const config = answer?.code === 200 ? configOf(answer.body) : undefined
      if (config) found.set(name, config)
      else
        sight.miss(
          'kubelet-config',
          answer?.code === 403 ? 'rbac' : 'unknown-implementation',
          `the kubelet of node ${name} does not show its configuration to you; its DNS is predicted`,
        )
    }),
  )
  return found
}

function configOf(body: string): KubeletConfiguration | undefined {
  try {
    const { kubeletconfig } = JSON.parse(body) as {
      kubeletconfig?: { clusterDNS?: string[]; clusterDomain?: string }
    }
    if (!kubeletconfig?.clusterDNS) return undefined
    const { clusterDNS, clusterDomain = '' } = kubeletconfig
    return { clusterDNS, clusterDomain }
  } catch {
    return undefined
  }
}
