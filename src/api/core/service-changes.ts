// Which changes of a Service are refused: addresses and families once set, and a wrong status.
import { isIp } from '../../lib/ip.ts'
import { forbidden, invalid } from '../machinery/field-error.ts'
import { dns1123SubdomainProblems } from '../machinery/names.ts'
import { type Errors, forEach, invalids, ipAddress, none, oneOf } from '../machinery/validation.ts'
import type { LoadBalancerIngress, LoadBalancerStatus, Service } from '../types/core.gen.ts'
import { isHeadless } from './service-defaults.ts'

const onceSet = 'may not change once set'

const eitherExternalName = (service: Service, old: Service): boolean =>
  service.spec.type === 'ExternalName' || old.spec.type === 'ExternalName'

/** What a list of one or two (primary, secondary) may turn into. */
interface ListRule {
  readonly field: string
  /** As the message about an emptied list has it. */
  readonly noun: string
  /** Of an unchanged length, each item is named; of families upstream names the first only. */
  readonly nameEach: boolean
}

function validateList(
  lists: { readonly now: readonly string[]; readonly before: readonly string[] },
  rule: ListRule,
  policy: string | undefined,
): Errors {
  const { now, before } = lists
  const changed = (index: number) => [invalid(`${rule.field}[${index}]`, now, onceSet)]
  if (now.length === before.length) {
    return before.flatMap((item, index) =>
      item === now[index] ? none : changed(rule.nameEach ? index : 0),
    )
  }
  const primaryChanged = before.length > 0 && now.length > 0 && now[0] !== before[0]
  if (now.length > before.length) return primaryChanged ? changed(0) : none
  const release = `must be set to 'SingleStack' when releasing the secondary ${rule.noun}`
  return [
    ...(now.length === 0
      ? [invalid(`${rule.field}[0]`, now, `primary ${rule.noun} can not be unset`)]
      : none),
    ...(primaryChanged ? changed(0) : none),
    ...(now.length === 1 && policy !== 'SingleStack'
      ? [invalid('spec.ipFamilyPolicy', policy, release)]
      : none),
  ]
}

export function validateAddressChange(service: Service, old: Service): Errors {
  if (eitherExternalName(service, old)) return none
  if (isHeadless(service) && isHeadless(old)) return none
  const lists = { now: service.spec.clusterIPs ?? [], before: old.spec.clusterIPs ?? [] }
  const rule = { field: 'spec.clusterIPs', noun: 'clusterIP', nameEach: true }
  return validateList(lists, rule, service.spec.ipFamilyPolicy)
}

export function validateFamilyChange(service: Service, old: Service): Errors {
  if (eitherExternalName(service, old)) return none
  if (isHeadless(service) && isHeadless(old)) return none
  const lists = { now: service.spec.ipFamilies ?? [], before: old.spec.ipFamilies ?? [] }
  const rule = { field: 'spec.ipFamilies', noun: 'ipFamily', nameEach: false }
  return validateList(lists, rule, service.spec.ipFamilyPolicy)
}

export function validateServiceStatus(service: Service): Errors {
  const field = 'status.loadBalancer.ingress'
  const status = service.status?.loadBalancer
  if (service.spec.type !== 'LoadBalancer' && (status?.ingress ?? []).length > 0) {
    return [forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'")]
  }
  return validateLoadBalancerStatus(status, 'status.loadBalancer')
}

function validateLoadBalancerStatus(status: LoadBalancerStatus | undefined, field: string): Errors {
  return forEach(status?.ingress, `${field}.ingress`, (ingress, at) => [
    ...(ingress.ip ? ipAddress(ingress.ip, `${at}.ip`) : none),
    ...validateIpMode(ingress, `${at}.ipMode`),
    ...validateHostname(ingress.hostname, `${at}.hostname`),
  ])
}

function validateIpMode({ ip, ipMode }: LoadBalancerIngress, field: string): Errors {
  if (ipMode === undefined) return none
  return ip
    ? oneOf(ipMode, field, ['Proxy', 'VIP'])
    : [forbidden(field, 'may not be specified when `ip` is not set')]
}

export function validateHostname(hostname: string | undefined, field: string): Errors {
  if (!hostname) return none
  return [
    ...invalids(field, hostname, dns1123SubdomainProblems(hostname)),
    ...(isIp(hostname)
      ? [invalid(field, hostname, 'must be a DNS name, not an IP address')]
      : none),
  ]
}
