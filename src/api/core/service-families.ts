// Which IP families a Service has, from what it says and what the cluster is configured for.
import { familyOf } from '../../lib/ip.ts'
import type { Draft } from '../machinery/draft.ts'
import { invalid } from '../machinery/field-error.ts'
import type { ClusterFacts, IPFamily } from '../machinery/kind.ts'
import { type Errors, none, sameValue } from '../machinery/validation.ts'
import type { Service } from '../types/core.gen.ts'
import { needsClusterIP } from './service-defaults.ts'
import { validateClusterIPFields } from './service-validation.ts'

type ServiceDraft = Draft<Service>

const otherFamily = (family: IPFamily): IPFamily => (family === 'IPv4' ? 'IPv6' : 'IPv4')

/** Fills in ipFamilyPolicy and ipFamilies; errors leave the object half done. */
export function fillFamilies(
  service: ServiceDraft,
  old: Service | undefined,
  facts: ClusterFacts,
): Errors {
  const { spec } = service
  if (spec.type === 'ExternalName') return none
  // An unchanged PreferDualStack Service is left alone even if the cluster changed its stack.
  if (old && isUnchangedPreferDualStack(service, old)) return none
  const selectorless = Object.keys(spec.selector ?? {}).length === 0
  const headlessWithoutSelector = spec.clusterIP === 'None' && selectorless
  spec.ipFamilyPolicy ??=
    old?.spec.ipFamilyPolicy ?? (headlessWithoutSelector ? 'RequireDualStack' : 'SingleStack')
  const errors = validateClusterIPFields(service)
  if (errors.length > 0) return errors
  const policyErrors = [
    ...(old ? trimOrRefuse(service, old) : none),
    ...checkPolicy(service),
    ...inferFamilies(service, facts),
  ]
  if (policyErrors.length > 0) return policyErrors
  if (headlessWithoutSelector) {
    // Nothing is allocated for it, so both families are fine on any cluster.
    addFamilies(service, facts, true)
    return none
  }
  const configured = checkConfigured(service, facts)
  if (configured.length > 0) return configured
  addFamilies(service, facts, facts.serviceFamilies.length === 2)
  return none
}

function isUnchangedPreferDualStack(service: ServiceDraft, old: Service): boolean {
  return (
    service.spec.type === old.spec.type &&
    needsClusterIP(service) &&
    service.spec.ipFamilyPolicy === 'PreferDualStack' &&
    old.spec.ipFamilyPolicy === 'PreferDualStack' &&
    sameValue(service.spec.clusterIPs, old.spec.clusterIPs) &&
    sameValue(service.spec.ipFamilies, old.spec.ipFamilies)
  )
}

/** SingleStack lets go of what the client did not touch; any other policy may not shrink lists. */
function trimOrRefuse({ spec }: ServiceDraft, old: Service): Errors {
  if (spec.ipFamilyPolicy === 'SingleStack') {
    if (sameValue(spec.clusterIPs, old.spec.clusterIPs)) spec.clusterIPs?.splice(1)
    if (sameValue(spec.ipFamilies, old.spec.ipFamilies)) spec.ipFamilies?.splice(1)
    return none
  }
  const refuse = (what: string) => [
    invalid(
      'spec.ipFamilyPolicy',
      spec.ipFamilyPolicy,
      `must be 'SingleStack' to release the secondary ${what}`,
    ),
  ]
  return [
    ...(reduced(spec.clusterIPs, old.spec.clusterIPs) ? refuse('cluster IP') : none),
    ...(reduced(spec.ipFamilies, old.spec.ipFamilies) ? refuse('IP family') : none),
  ]
}

/** The list was cut from two to one; an empty list was left out, not cut. */
const reduced = (now: readonly string[] | undefined, before: readonly string[] | undefined) =>
  now?.length === 1 && before?.length === 2 && now[0] === before[0]

function checkPolicy({ spec }: ServiceDraft): Errors {
  if (spec.ipFamilyPolicy !== 'SingleStack') return none
  const refuse = (what: string) => [
    invalid(
      'spec.ipFamilyPolicy',
      spec.ipFamilyPolicy,
      `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`,
    ),
  ]
  return [
    ...(spec.clusterIPs?.length === 2 ? refuse('cluster IPs') : none),
    ...(spec.ipFamilies?.length === 2 ? refuse('IP families') : none),
  ]
}

function inferFamilies({ spec }: ServiceDraft, facts: ClusterFacts): Errors {
  const clusterIPs = spec.clusterIPs ?? []
  if (clusterIPs[0] === 'None') return none
  return clusterIPs.flatMap((address, index) => {
    const family = familyOf(address)
    if (family === undefined || index < (spec.ipFamilies ?? []).length) return none
    if (facts.serviceFamilies.includes(family)) {
      spec.ipFamilies = [...(spec.ipFamilies ?? []), family]
      return none
    }
    // This names the address the client gave rather than the family it implies.
    const message = `${family} is not configured on this cluster`
    return [invalid(`spec.clusterIPs[${index}]`, clusterIPs, message)]
  })
}

function checkConfigured({ spec }: ServiceDraft, facts: ClusterFacts): Errors {
  const dualStack = facts.serviceFamilies.length === 2
  const notDual = 'this cluster is not configured for dual-stack services'
  return [
    ...(spec.ipFamilyPolicy === 'RequireDualStack' && !dualStack
      ? [invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, notDual)]
      : none),
    ...(spec.ipFamilies ?? []).flatMap((family, index) =>
      facts.serviceFamilies.includes(family)
        ? none
        : [invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster')],
    ),
  ]
}

function addFamilies({ spec }: ServiceDraft, facts: ClusterFacts, mayAddSecond: boolean): void {
  const families = (spec.ipFamilies ??= [])
  if (families.length === 0) families.push(facts.serviceFamilies[0] ?? 'IPv4')
  if (families.length === 1 && spec.ipFamilyPolicy !== 'SingleStack' && mayAddSecond) {
    families.push(otherFamily(families[0]!))
  }
}
