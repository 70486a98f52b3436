// What proves a link good, in a few words and numbers: said only when nothing in it is broken and
// everything it hangs on was seen.
import type { Link } from './check.ts'
import { isLeaving, isPodReady } from './endpoints.ts'
import type { View } from './view.ts'
import { count, portText, some } from './words.ts'

/** Undefined: there was nothing to look at. */
export function proofOf(link: Link, view: View): string | undefined {
  switch (link) {
    case 'registration':
      return registration(view)
    case 'backends':
      return backends(view)
    case 'endpoints':
      return endpoints(view)
    case 'name':
      return name(view)
    case 'dns':
      return dns(view)
    case 'policy':
      return view.clients.length === 0
        ? undefined
        : `${count(view.networkPolicies.length, 'NetworkPolicy object')} looked at, none keeps a client from DNS`
    case 'proxy':
      return proxy(view)
    case 'traffic':
      return traffic(view)
  }
}

function registration({ askedService, services }: View): string | undefined {
  if (services.length === 0) return undefined
  if (!askedService) return count(services.length, 'Service')
  const { spec } = askedService.service
  if (spec.type === 'ExternalName')
    return `${askedService.key}: ExternalName for ${spec.externalName}`
  const ports = (spec.ports ?? []).map(portText).join(', ')
  return `${askedService.key}: ClusterIP ${spec.clusterIP}${ports === '' ? '' : `, ${ports}`}`
}

function backends({ podPorts }: View): string | undefined {
  const open = podPorts.filter(({ byAddress }) => byAddress === 'open')
  if (open.length === 0) return undefined
  return `${open.length} of ${podPorts.length} ports of Pods dialled accept connections`
}

function endpoints({ serviceViews }: View): string | undefined {
  const served = serviceViews.filter(({ service }) => service.spec.type !== 'ExternalName')
  if (served.length === 0) return undefined
  const usable = served.reduce((sum, one) => sum + one.usable.size, 0)
  const matching = served.reduce((sum, one) => sum + one.matching.length, 0)
  return `${count(usable, 'usable endpoint')}, ${count(matching, 'matching Pod')}`
}

function name({ dns: { answers }, asked, clients }: View): string | undefined {
  const good = answers.filter(({ rcode, addresses }) => rcode === 'NOERROR' && addresses.length > 0)
  if (good.length === 0)
    return asked.name === undefined && clients.length > 0
      ? `${count(clients.length, 'Pod')} asks the cluster DNS`
      : undefined
  const replicas = new Set(answers.map(({ pod }) => pod)).size
  const agreed = new Set(good.map(({ pod }) => pod)).size
  const { name: asking, addresses } = good[0]!
  return `${asking} is ${some(addresses)} from ${agreed} of ${count(replicas, 'replica')}, asked`
}

function dns({ dns: { service, pods } }: View): string | undefined {
  if (!service) return undefined
  const staying = pods.filter((pod) => !isLeaving(pod))
  const ready = staying.filter(isPodReady).length
  return `${service.metadata.name} ${service.spec.clusterIP}, ${ready} of ${count(staying.length, 'Pod')} ready`
}

function proxy({ nodeRules, serviceViews }: View): string | undefined {
  const withIP = serviceViews.filter(
    ({ service }) => service.spec.clusterIP !== undefined && service.spec.clusterIP !== 'None',
  )
  if (nodeRules.length === 0 || withIP.length === 0) return undefined
  return `rules of ${count(withIP.length, 'Service')} equal what the API wants on ${count(nodeRules.length, 'node')}`
}

function traffic({ serviceViews }: View): string | undefined {
  const local = serviceViews.filter(
    ({ service: { spec } }) =>
      spec.internalTrafficPolicy === 'Local' || spec.externalTrafficPolicy === 'Local',
  )
  return local.length === 0
    ? undefined
    : `${count(local.length, 'Service')} with policy Local, each with endpoints where they are needed`
}
