// LimitRanges of a namespace: defaults for containers that set no resources, bounds for all.
import { podResources, type ResourceList } from '../../api/core/resource-list.ts'
import type { Draft } from '../../api/machinery/draft.ts'
import { compareQuantities, quantityMillis } from '../../api/machinery/quantity.ts'
import { limitranges, persistentvolumeclaims, pods } from '../../api/resources.gen.ts'
import type { Container, LimitRange, LimitRangeItem, Pod } from '../../api/types/core.gen.ts'
import { aggregate, objectOf, qualifiedOf, refuse } from './refuse.ts'
import type { AdmissionPlugin, AdmissionRequest } from './request.ts'

const annotation = 'kubernetes.io/limit-ranger'

export const limitRanger: AdmissionPlugin = {
  name: 'LimitRanger',
  operations: ['CREATE', 'UPDATE'],
  resources: ['pods', 'pods/resize', 'persistentvolumeclaims'],
  admit(request, { reader }) {
    if (qualifiedOf(request) !== 'pods' || request.operation !== 'CREATE') return undefined
    for (const range of reader(limitranges).list(request.namespace)) {
      setDefaults(objectOf(request, pods), range)
    }
    return undefined
  },
  validate(request, { reader }) {
    // Resources of a Pod do not change but by resize, and what is going away is let go.
    if (
      request.operation === 'UPDATE' &&
      qualifiedOf(request) === 'pods' &&
      request.subresource === ''
    ) {
      return undefined
    }
    if (request.object?.metadata.deletionTimestamp) return undefined
    for (const { spec } of reader(limitranges).list(request.namespace)) {
      const errors = (spec?.limits ?? []).flatMap((limit) => violations(request, limit))
      if (errors.length > 0) return refuse(request, aggregate(errors))
    }
    return undefined
  },
}

function setDefaults(pod: Draft<Pod>, range: LimitRange): void {
  const limits = (range.spec?.limits ?? []).filter(({ type }) => type === 'Container')
  const defaults = {
    requests: Object.assign(
      {},
      ...limits.map((limit) => limit.defaultRequest ?? {}),
    ) as ResourceList,
    limits: Object.assign({}, ...limits.map((limit) => limit.default ?? {})) as ResourceList,
  }
  const notes = [
    ...(pod.spec?.containers ?? []).flatMap((item) => fill(item, defaults, 'container')),
    ...(pod.spec?.initContainers ?? []).flatMap((item) => fill(item, defaults, 'init container')),
  ]
  if (notes.length === 0) return
  const text = `LimitRanger plugin set: ${notes.join('; ')}`
  pod.metadata.annotations = { ...pod.metadata.annotations, [annotation]: text }
}

/** What was filled in, for the annotation. */
function fill(
  container: Draft<Container>,
  defaults: { readonly requests: ResourceList; readonly limits: ResourceList },
  what: string,
): string[] {
  const notes: string[] = []
  const resources: Draft<NonNullable<Container['resources']>> = { ...container.resources }
  for (const which of ['requests', 'limits'] as const) {
    const own = resources[which] ?? {}
    const added = Object.keys(defaults[which]).filter((name) => !Object.hasOwn(own, name))
    if (added.length === 0) continue
    resources[which] = { ...defaults[which], ...own }
    notes.push(`${added.sort().join(', ')} ${which.slice(0, -1)} for ${what} ${container.name}`)
  }
  if (notes.length > 0) container.resources = resources
  return notes
}

interface Asked {
  readonly requests: ResourceList
  readonly limits: ResourceList
}

function violations(request: AdmissionRequest, limit: LimitRangeItem): string[] {
  if (qualifiedOf(request) === 'persistentvolumeclaims') {
    if (limit.type !== 'PersistentVolumeClaim') return []
    const requests = objectOf(request, persistentvolumeclaims).spec?.resources?.requests ?? {}
    const asked = { requests, limits: {} }
    return [...belowMin(limit, asked), ...aboveMaxRequest(limit, requests)]
  }
  const pod = objectOf(request, pods) as unknown as Pod
  if (limit.type === 'Pod') {
    return check(limit, {
      requests: podResources(pod, 'requests'),
      limits: podResources(pod, 'limits'),
    })
  }
  if (limit.type !== 'Container') return []
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]
  return containers.flatMap(({ resources }) =>
    check(limit, { requests: resources?.requests ?? {}, limits: resources?.limits ?? {} }),
  )
}

const check = (limit: LimitRangeItem, asked: Asked): string[] => [
  ...belowMin(limit, asked),
  ...aboveMax(limit, asked),
  ...aboveRatio(limit, asked),
]

const sorted = (list: ResourceList | undefined): [string, string | number][] =>
  Object.entries(list ?? {}).sort(([one], [other]) => (one < other ? -1 : 1))

function belowMin({ type, min }: LimitRangeItem, { requests, limits }: Asked): string[] {
  return sorted(min).flatMap(([name, bound]) => {
    const rule = `minimum ${name} usage per ${type} is ${bound}`
    const { [name]: request } = requests
    const { [name]: limit } = limits
    if (request === undefined) return [`${rule}.  No request is specified`]
    if (compareQuantities(request, bound) < 0) return [`${rule}, but request is ${request}`]
    if (limit !== undefined && compareQuantities(limit, bound) < 0) {
      return [`${rule}, but limit is ${limit}`]
    }
    return []
  })
}

function aboveMax({ type, max }: LimitRangeItem, { requests, limits }: Asked): string[] {
  return sorted(max).flatMap(([name, bound]) => {
    const rule = `maximum ${name} usage per ${type} is ${bound}`
    const { [name]: request } = requests
    const { [name]: limit } = limits
    if (limit === undefined) return [`${rule}.  No limit is specified`]
    if (compareQuantities(limit, bound) > 0) return [`${rule}, but limit is ${limit}`]
    if (request !== undefined && compareQuantities(request, bound) > 0) {
      return [`${rule}, but request is ${request}`]
    }
    return []
  })
}

function aboveMaxRequest({ type, max }: LimitRangeItem, requests: ResourceList): string[] {
  return sorted(max).flatMap(([name, bound]) => {
    const rule = `maximum ${name} usage per ${type} is ${bound}`
    const { [name]: request } = requests
    if (request === undefined) return [`${rule}.  No request is specified`]
    return compareQuantities(request, bound) > 0 ? [`${rule}, but request is ${request}`] : []
  })
}

function aboveRatio(item: LimitRangeItem, { requests, limits }: Asked): string[] {
  return sorted(item.maxLimitRequestRatio).flatMap(([name, bound]) => {
    const rule = `${name} max limit to request ratio per ${item.type} is ${bound}`
    const request = quantityMillis(requests[name])
    const limit = quantityMillis(limits[name])
    if (request === 0) return [`${rule}, but no request is specified or request is 0`]
    if (limit === 0) return [`${rule}, but no limit is specified or limit is 0`]
    const ratio = limit / request
    return ratio * 1000 > quantityMillis(bound)
      ? [`${rule}, but provided ratio is ${ratio.toFixed(6)}`]
      : []
  })
}
