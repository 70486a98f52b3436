// What a Pod may be told about itself: fields by path, and its containers' resources.
import { parseQuantity } from '../api/machinery/quantity.ts'
import type { Container, Pod, ResourceFieldSelector } from '../api/types/core.gen.ts'

export interface PodFacts {
  readonly hostIPs: readonly string[]
  readonly podIPs: readonly string[]
  /** What a limit that is not set amounts to: cpu in cores, memory and storage in bytes. */
  readonly allocatable: Readonly<Record<string, string>>
}

/** Undefined for a path that is not offered. */
export function fieldValue(path: string, pod: Pod, facts: PodFacts): string | undefined {
  const subscript = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path)
  if (subscript)
    return pod.metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2]!] ?? ''
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name
    case 'metadata.namespace':
      return pod.metadata.namespace ?? ''
    case 'metadata.uid':
      return pod.metadata.uid ?? ''
    case 'metadata.labels':
      return formatMap(pod.metadata.labels)
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations)
    case 'spec.nodeName':
      return pod.spec.nodeName ?? ''
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? ''
    case 'status.hostIP':
      return facts.hostIPs[0] ?? ''
    case 'status.hostIPs':
      return facts.hostIPs.join(',')
    case 'status.podIP':
      return facts.podIPs[0] ?? ''
    case 'status.podIPs':
      return facts.podIPs.join(',')
    default:
      return undefined
  }
}

/** key="value" lines, sorted, as files of the downward API hold them. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n')
}

/** A resource of a container in units of the divisor, rounded up. Undefined for an unknown name. */
export function resourceValue(
  selector: ResourceFieldSelector,
  container: Container,
  facts: PodFacts,
): string | undefined {
  const [kind, name] = [
    selector.resource.split('.')[0],
    selector.resource.slice(selector.resource.indexOf('.') + 1),
  ]
  if ((kind !== 'limits' && kind !== 'requests') || name === '') return undefined
  const own = container.resources?.[kind]?.[name]
  const amount = own ?? (kind === 'limits' ? facts.allocatable[name] : undefined) ?? '0'
  const nanos = parseQuantity(amount) ?? 0n
  const given = parseQuantity(selector.divisor ?? 0) ?? 0n
  const divisor = given > 0n ? given : parseQuantity(1)!
  return String((nanos + divisor - 1n) / divisor)
}
