// A Pod carries the zone and region of its node as labels, so that what runs in it can read them
// without the right to read Nodes. Bindings go another way and ask for the labels themselves.
import { nodes, pods } from '../../api/resources.gen.ts'
import type { Node } from '../../api/types/core.gen.ts'
import { objectOf } from './refuse.ts'
import type { AdmissionPlugin } from './request.ts'

const copied = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region']

export const podTopologyLabels: AdmissionPlugin = {
  name: 'PodTopologyLabels',
  operations: ['CREATE'],
  resources: ['pods'],
  admit(request, { reader }) {
    const pod = objectOf(request, pods)
    const { nodeName } = pod.spec ?? {}
    if (!nodeName) return undefined
    const labels = topologyLabelsOf(reader(nodes).get(nodeName))
    if (Object.keys(labels).length === 0) return undefined
    pod.metadata.labels = { ...pod.metadata.labels, ...labels }
    return undefined
  },
}

/** None for a node that is not there (yet): that is no reason to refuse its Pods. */
export function topologyLabelsOf(node: Node | undefined): Readonly<Record<string, string>> {
  const labels = node?.metadata.labels ?? {}
  return Object.fromEntries(
    copied.flatMap((name) => (name in labels ? [[name, labels[name]!]] : [])),
  )
}
