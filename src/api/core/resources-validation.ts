// Resource names and quantities: of containers, quotas, limit ranges and nodes.
import { forbidden, invalid, required } from '../machinery/field-error.ts'
import { qualifiedNameProblems } from '../machinery/names.ts'
import { compareQuantities, parseQuantity } from '../machinery/quantity.ts'
import { type Errors, forEachEntry, invalids, none } from '../machinery/validation.ts'
import type { ResourceRequirements } from '../types/core.gen.ts'

export type ResourceList = Readonly<Record<string, string | number>>

const containerResources = new Set(['cpu', 'memory', 'ephemeral-storage'])
const objectCounts = [
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.loadbalancers',
  'services.nodeports',
]
const standardResources = new Set([
  ...containerResources,
  ...objectCounts,
  'storage',
  ...['cpu', 'memory', 'ephemeral-storage'].flatMap((name) => [
    `requests.${name}`,
    `limits.${name}`,
  ]),
  'requests.storage',
])
const integerResources = new Set(objectCounts)

export const isHugePages = (name: string): boolean => name.startsWith('hugepages-')
const isStandard = (name: string): boolean =>
  standardResources.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-')
const isStandardQuota = (name: string): boolean =>
  (isStandard(name) && name !== 'storage') || isHugePages(name)
const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/')

/** Fully qualified names outside kubernetes.io that are no quota items. */
const isExtended = (name: string): boolean =>
  !isNative(name) &&
  !name.startsWith('requests.') &&
  qualifiedNameProblems(`requests.${name}`).length === 0

const isOvercommitAllowed = (name: string): boolean => isNative(name) && !isHugePages(name)

export function resourceName(name: string, field: string): Errors {
  const problems = qualifiedNameProblems(name)
  if (problems.length > 0) return invalids(field, name, problems)
  return !name.includes('/') && !isStandard(name)
    ? [invalid(field, name, 'must be a standard resource type or fully qualified')]
    : none
}

export function containerResourceName(name: string, field: string): Errors {
  const errors = resourceName(name, field)
  if (!name.includes('/')) {
    return containerResources.has(name) || isHugePages(name)
      ? errors
      : [...errors, invalid(field, name, 'must be a standard resource for containers')]
  }
  return isNative(name) || isExtended(name)
    ? errors
    : [...errors, invalid(field, name, "doesn't follow extended resource name standard")]
}

export function quotaResourceName(name: string, field: string): Errors {
  const errors = resourceName(name, field)
  return !name.includes('/') && !isStandardQuota(name)
    ? [...errors, invalid(field, name, 'must be a standard resource for quota')]
    : errors
}

/** Not negative, and whole where the resource is counted in pieces. */
export function resourceQuantity(name: string, quantity: string | number, field: string): Errors {
  const nanos = parseQuantity(quantity) ?? 0n
  const shown = String(quantity)
  const negative = nanos < 0n ? [invalid(field, shown, 'must be greater than or equal to 0')] : none
  const counted = integerResources.has(name) || isExtended(name)
  return counted && nanos % 1_000_000_000n !== 0n
    ? [...negative, invalid(field, shown, 'must be an integer')]
    : negative
}

export function validateResources(
  resources: ResourceRequirements | undefined,
  field: string,
): Errors {
  if (!resources) return none
  const { limits, requests } = resources
  const each = (list: ResourceList | undefined, at: string) =>
    forEachEntry(list, at, (name, quantity, path) => [
      ...containerResourceName(name, path),
      ...resourceQuantity(name, quantity, path),
    ])
  return [
    ...each(limits, `${field}.limits`),
    ...each(requests, `${field}.requests`),
    ...requestsWithinLimits(resources, field),
    ...hugePagesNeedCompany(resources, field),
  ]
}

function requestsWithinLimits({ limits, requests }: ResourceRequirements, field: string): Errors {
  const names = Object.keys(requests ?? {}).sort()
  return names.flatMap((name) => {
    const asked = requests![name]!
    const limit = limits?.[name]
    if (limit === undefined) {
      return isOvercommitAllowed(name)
        ? none
        : [required(`${field}.limits`, 'Limit must be set for non overcommitable resources')]
    }
    const order = compareQuantities(asked, limit)
    if (order !== 0 && !isOvercommitAllowed(name)) {
      const message = `must be equal to ${name} limit of ${limit}`
      return [invalid(`${field}.requests`, String(asked), message)]
    }
    return order > 0
      ? [
          invalid(
            `${field}.requests`,
            String(asked),
            `must be less than or equal to ${name} limit of ${limit}`,
          ),
        ]
      : none
  })
}

function hugePagesNeedCompany({ limits, requests }: ResourceRequirements, field: string): Errors {
  const names = [...Object.keys(limits ?? {}), ...Object.keys(requests ?? {})]
  return names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')
    ? [forbidden(field, 'HugePages require cpu or memory')]
    : none
}
