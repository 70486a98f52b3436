// Service: a name and stable addresses for a set of Pods. Defaults, families, validation, claims
// and table live beside this file under service-*.ts.
import type { Kind } from '../machinery/kind.ts'
import { nameIsDns1035Label } from '../machinery/names.ts'
import { ipWarnings } from '../machinery/validation.ts'
import { endpoints, services } from '../resources.gen.ts'
import type { Service } from '../types/core.gen.ts'
import { validateServiceStatus } from './service-changes.ts'
import { claimService } from './service-claims.ts'
import {
  defaultService,
  dropTypeDependent,
  isHeadless,
  keepAllocated,
  normalizeClusterIPs,
} from './service-defaults.ts'
import { serviceColumns, serviceRow } from './service-table.ts'
import { validateService, validateServiceUpdate } from './service-validation.ts'

export const serviceKind: Kind<Service> = {
  resource: services,
  validateName: nameIsDns1035Label,
  createOnUpdate: true,
  deleteReturnsObject: true,
  defaults: defaultService,
  prepareForCreate: (service) => normalizeClusterIPs(service, undefined),
  prepareForUpdate(service, old) {
    keepAllocated(service, old)
    normalizeClusterIPs(service, old)
    dropTypeDependent(service, old)
  },
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  claim: claimService,
  warnings: serviceWarnings,
  subresources: { status: { validateUpdate: validateServiceStatus } },
  alsoDeletes: ({ metadata }) => [
    { resource: endpoints, namespace: metadata.namespace ?? '', name: metadata.name },
  ],
  columns: serviceColumns,
  row: serviceRow,
  fields: {
    'spec.clusterIP': ({ spec }) => spec.clusterIP ?? '',
    'spec.type': ({ spec }) => spec.type ?? '',
  },
}

function serviceWarnings(service: Service, old: Service | undefined): readonly string[] {
  const { spec, metadata } = service
  const added = (addresses: readonly string[] | undefined, before: readonly string[] | undefined) =>
    (addresses ?? []).map((address) => (before?.includes(address) ? '' : address))
  const warnings: string[] = []
  const addressList = (field: string, now?: readonly string[], before?: readonly string[]) => {
    for (const [index, address] of added(now, before).entries()) {
      if (address !== '') warnings.push(...ipWarnings(address, `spec.${field}[${index}]`))
    }
  }
  const hints = 'service.kubernetes.io/topology-aware-hints'
  if (metadata.annotations?.[hints] !== undefined) {
    warnings.push(
      `annotation ${hints} is deprecated, please use service.kubernetes.io/topology-mode instead`,
    )
  }
  if (isHeadless(service)) warnings.push(...headlessWarnings(service))
  addressList('clusterIPs', spec.clusterIPs, old?.spec.clusterIPs)
  addressList('externalIPs', spec.externalIPs, old?.spec.externalIPs)
  if (spec.loadBalancerIP) warnings.push(...ipWarnings(spec.loadBalancerIP, 'spec.loadBalancerIP'))
  if ((spec.externalIPs ?? []).length > 0) {
    warnings.push(
      'spec.externalIPs is deprecated and may no longer be implemented in some clusters',
    )
  }
  if (spec.type === 'ExternalName' && (spec.externalIPs ?? []).length > 0) {
    warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"')
  }
  if (spec.type !== 'ExternalName' && spec.externalName) {
    warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"')
  }
  if (spec.trafficDistribution === 'PreferClose') {
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
  }
  return warnings
}

function headlessWarnings({ spec }: Service): readonly string[] {
  return [
    ...(spec.loadBalancerIP ? ['spec.loadBalancerIP is ignored for headless services'] : []),
    ...((spec.externalIPs ?? []).length > 0
      ? ['spec.externalIPs is ignored for headless services']
      : []),
    ...(spec.sessionAffinity !== 'None'
      ? ['spec.SessionAffinity is ignored for headless services']
      : []),
  ]
}
