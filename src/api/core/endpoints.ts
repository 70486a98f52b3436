// Endpoints: the older, one-object form of EndpointSlices. Deprecated, but still read by many.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { dns1123LabelProblems, dns1123SubdomainProblems } from '../machinery/names.ts'
import {
  type Errors,
  forEach,
  invalids,
  ipAddress,
  none,
  nonSpecialIp,
  oneOf,
  portNumber,
  sameValue,
} from '../machinery/validation.ts'
import { endpoints } from '../resources.gen.ts'
import type { EndpointAddress, EndpointPort, EndpointSubset, Endpoints } from '../types/core.gen.ts'
import { repackSubsets } from './endpoints-repack.ts'
import { appProtocol, protocols } from './service-validation.ts'

export const endpointsKind: Kind<Endpoints> = {
  resource: endpoints,
  createOnUpdate: true,
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  defaults: defaultEndpoints,
  validate: (object) => validateSubsets(object.subsets, 'subsets'),
  validateUpdate(object, old) {
    // Subsets that did not change are not judged again: older servers took more.
    return sameValue(object.subsets, old.subsets)
      ? none
      : validateSubsets(object.subsets, 'subsets')
  },
  canonicalize(object) {
    if ((object.subsets ?? []).length > 0) object.subsets = repackSubsets(object.subsets!)
  },
  columns: columnsOf('Name | Endpoints | Age'),
  row: (object, nowMs) => ({
    cells: [object.metadata.name, endpointsCell(object), ageOf(object, nowMs)],
  }),
}

function defaultEndpoints(object: Draft<Endpoints>): void {
  for (const { ports } of object.subsets ?? []) {
    for (const port of ports ?? []) port.protocol ||= 'TCP'
  }
}

const validateSubsets = (subsets: readonly EndpointSubset[] | undefined, field: string): Errors =>
  forEach(subsets, field, (subset, at) => {
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset
    return [
      ...(addresses.length + notReadyAddresses.length === 0
        ? [required(at, 'must specify `addresses` or `notReadyAddresses`')]
        : none),
      ...forEach(addresses, `${at}.addresses`, validateAddress),
      ...forEach(notReadyAddresses, `${at}.notReadyAddresses`, validateAddress),
      ...forEach(ports, `${at}.ports`, (port, path) => validatePort(port, path, ports.length > 1)),
    ]
  })

/** Both checks speak up about what is no address at all, as upstream's do. */
const validateAddress = ({ ip, hostname, nodeName }: EndpointAddress, field: string): Errors => [
  ...ipAddress(ip, `${field}.ip`),
  ...(hostname ? invalids(`${field}.hostname`, hostname, dns1123LabelProblems(hostname)) : none),
  ...(nodeName === undefined
    ? none
    : invalids(`${field}.nodeName`, nodeName, dns1123SubdomainProblems(nodeName))),
  ...nonSpecialIp(ip, `${field}.ip`),
]

const validatePort = (port: EndpointPort, field: string, named: boolean): Errors => [
  ...(port.name
    ? invalids(`${field}.name`, port.name, dns1123LabelProblems(port.name))
    : named
      ? [required(`${field}.name`)]
      : none),
  ...portNumber(port.port, `${field}.port`),
  ...(port.protocol
    ? oneOf(port.protocol, `${field}.protocol`, protocols)
    : [required(`${field}.protocol`)]),
  ...appProtocol(port.appProtocol, `${field}.appProtocol`),
]

const shown = 3

/** The first three "ip:port" of all subsets. */
function endpointsCell({ subsets }: Endpoints): string {
  const all = (subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => bracketed(ip))
      : ports.flatMap(({ port }) => addresses.map(({ ip }) => `${bracketed(ip)}:${port}`)),
  )
  if (all.length === 0) return '<none>'
  const first = all.slice(0, shown).join(',')
  return all.length > shown ? `${first} + ${all.length - shown} more...` : first
}

const bracketed = (ip: string): string => (ip.includes(':') ? `[${ip}]` : ip)
