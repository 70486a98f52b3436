// ServiceCIDR and IPAddress: the ranges ClusterIPs come from, and the addresses taken from them.
import { parseCidr } from '../../lib/ip.ts'
import { ageOf, columnsOf } from '../machinery/columns.ts'
import { invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { dns1123LabelProblems, pathSegmentProblems } from '../machinery/names.ts'
import {
  canonicalIpProblems,
  cidrBlock,
  type Errors,
  forEach,
  immutable,
  invalids,
  none,
} from '../machinery/validation.ts'
import { ipaddresses, servicecidrs } from '../resources.gen.ts'
import type { IPAddress, ParentReference, ServiceCIDR } from '../types/networking.gen.ts'

const maxCidrs = 2

export const serviceCIDRKind: Kind<ServiceCIDR> = {
  resource: servicecidrs,
  validate: validateServiceCIDR,
  validateUpdate: validateServiceCIDRUpdate,
  subresources: { status: {} },
  columns: columnsOf('Name | CIDRs | Age'),
  row: (cidr, nowMs) => ({
    cells: [cidr.metadata.name, (cidr.spec?.cidrs ?? []).join(','), ageOf(cidr, nowMs)],
  }),
}

function validateServiceCIDR({ spec }: ServiceCIDR): Errors {
  const cidrs = spec?.cidrs ?? []
  const field = 'spec.cidrs'
  if (cidrs.length === 0) return [required(field, 'at least one CIDR required')]
  if (cidrs.length > maxCidrs) {
    return [invalid(field, { CIDRs: cidrs }, `may only hold up to ${maxCidrs} values`)]
  }
  const broken = forEach(cidrs, field, cidrBlock)
  const families = new Set(cidrs.map((cidr) => parseCidr(cidr)?.family))
  const oneEach =
    'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64'
  return broken.length === 0 && families.size < cidrs.length
    ? [invalid(field, cidrs, oneEach)]
    : broken
}

/** A second family may join; what is there stays. */
function validateServiceCIDRUpdate(cidr: ServiceCIDR, old: ServiceCIDR): Errors {
  const before = old.spec?.cidrs ?? []
  const now = cidr.spec?.cidrs ?? []
  const kept = before.flatMap((block, index) =>
    immutable([now[index] ?? '', block], `spec.cidrs[${index}]`),
  )
  return now.length === before.length ? kept : [...kept, ...validateServiceCIDR(cidr)]
}

export const ipAddressKind: Kind<IPAddress> = {
  resource: ipaddresses,
  validateName: canonicalIpProblems,
  validate: ({ spec }) => validateParent(spec?.parentRef, 'spec.parentRef'),
  validateUpdate: ({ spec }, { spec: old }) => [
    ...validateParent(spec?.parentRef, 'spec.parentRef'),
    ...immutable([spec?.parentRef, old?.parentRef], 'spec.parentRef', goParent(spec?.parentRef)),
  ],
  columns: columnsOf('Name | ParentRef'),
  row: ({ metadata, spec }) => ({ cells: [metadata.name, parentCell(spec?.parentRef)] }),
}

const goParent = (parent: ParentReference | undefined) =>
  parent
    ? {
        Group: parent.group ?? '',
        Resource: parent.resource ?? '',
        Namespace: parent.namespace ?? '',
        Name: parent.name ?? '',
      }
    : null

function validateParent(parent: ParentReference | undefined, field: string): Errors {
  if (!parent) return [required(field)]
  const { group, resource, namespace, name } = parent
  const segment = (value: string | undefined, at: string) =>
    value ? invalids(at, value, pathSegmentProblems(value)) : [required(at)]
  return [
    ...(group ? invalids(`${field}.group`, group, nameIsGroup(group)) : none),
    ...segment(resource, `${field}.resource`),
    ...segment(name, `${field}.name`),
    ...(namespace
      ? invalids(`${field}.namespace`, namespace, pathSegmentProblems(namespace))
      : none),
  ]
}

const nameIsGroup = (group: string): readonly string[] =>
  group.split('.').flatMap((label) => dns1123LabelProblems(label))

/** "services/default/web", as kubectl can take it back. */
function parentCell(parent: ParentReference | undefined): string {
  if (!parent) return '<none>'
  const resource = parent.group ? `${parent.resource}.${parent.group}` : (parent.resource ?? '')
  return [resource, parent.namespace, parent.name].filter((part) => part).join('/')
}
