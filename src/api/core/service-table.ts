// How kubectl get shows a Service.
import { ageOf, columnsOf, labelsCell, orNone } from '../machinery/columns.ts'
import type { TableRow } from '../machinery/table.ts'
import type { Service, ServicePort } from '../types/core.gen.ts'

export const serviceColumns = columnsOf(
  'Name | Type | Cluster-IP | External-IP | Port(s) | Age | Selector?',
)

export function serviceRow(service: Service, nowMs: number): TableRow {
  const { metadata, spec } = service
  return {
    cells: [
      metadata.name,
      spec.type ?? '',
      spec.clusterIPs?.[0] ?? '<none>',
      externalIp(service),
      (spec.ports ?? []).map(portText).join(',') || '<none>',
      ageOf(service, nowMs),
      labelsCell(spec.selector),
    ],
  }
}

const portText = ({ port, nodePort, protocol }: ServicePort): string =>
  nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`

function externalIp({ spec, status }: Service): string {
  const given = spec.externalIPs ?? []
  switch (spec.type) {
    case 'ExternalName':
      return orNone(spec.externalName)
    case 'LoadBalancer': {
      const ingress = status?.loadBalancer?.ingress ?? []
      const balancers = ingress.map(({ ip, hostname }) => ip || hostname || '')
      // A set upstream, but of few items: kept in order of first mention.
      const all = [...new Set(balancers.filter((item) => item !== '')), ...given]
      return all.length > 0 ? all.join(',') : '<pending>'
    }
    default:
      return given.length > 0 ? given.join(',') : '<none>'
  }
}
