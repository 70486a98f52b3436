// ResourceQuota and LimitRange: what a namespace may use, and what its containers may ask for.
// Enforcing them is admission's business.
import { ageOf, columnsOf, nameAndCreated } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { compareQuantities } from '../machinery/quantity.ts'
import { type Errors, forEach, forEachEntry, none, sameValue } from '../machinery/validation.ts'
import { limitranges, resourcequotas } from '../resources.gen.ts'
import type { LimitRange, LimitRangeItem, ResourceQuota } from '../types/core.gen.ts'
import {
  isHugePages,
  quotaResourceName,
  type ResourceList,
  resourceName,
  resourceQuantity,
} from './resources-validation.ts'

const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
]

export const resourceQuotaKind: Kind<ResourceQuota> = {
  resource: resourcequotas,
  deleteReturnsObject: true,
  validate: validateQuota,
  validateUpdate: (quota, old) => [
    ...validateQuota(quota),
    ...(sameValue([...(quota.spec?.scopes ?? [])].sort(), [...(old.spec?.scopes ?? [])].sort())
      ? none
      : [invalid('spec.scopes', quota.spec?.scopes ?? null, 'field is immutable')]),
  ],
  subresources: { status: { validateUpdate: validateQuotaStatus } },
  columns: columnsOf('Name | Request | Limit | Age'),
  row: (quota, nowMs) => {
    const [requests, limits] = usedOf(quota)
    return { cells: [quota.metadata.name, requests, limits, ageOf(quota, nowMs)] }
  },
}

const quotaList = (list: ResourceList | undefined, field: string): Errors =>
  forEachEntry(list, field, (name, quantity, at) => [
    ...quotaResourceName(name, at),
    ...resourceQuantity(name, quantity, at),
  ])

function validateQuota({ spec }: ResourceQuota): Errors {
  const chosen: readonly string[] = spec?.scopes ?? []
  const both = (one: string, other: string) => chosen.includes(one) && chosen.includes(other)
  const conflicting = both('BestEffort', 'NotBestEffort') || both('Terminating', 'NotTerminating')
  const unknown = chosen.filter((scope) => !scopes.includes(scope))
  return [
    ...quotaList(spec?.hard, 'spec.hard'),
    ...unknown.map(() => invalid('spec.scopes', chosen, 'unsupported scope')),
    ...(conflicting ? [invalid('spec.scopes', chosen, 'conflicting scopes')] : none),
  ]
}

function validateQuotaStatus({ status }: ResourceQuota): Errors {
  return [...quotaList(status?.hard, 'status.hard'), ...quotaList(status?.used, 'status.used')]
}

/** "used/hard" of each, limits apart from all others. */
function usedOf({ status, spec }: ResourceQuota): readonly [requests: string, limits: string] {
  const hard = status?.hard ?? {}
  const cell = (name: string) => `${name}: ${status?.used?.[name] ?? '0'}/${hard[name]}`
  const names = Object.keys(status?.hard ?? spec?.hard ?? {}).sort()
  const isLimit = (name: string) => name.startsWith('limits')
  return [
    names
      .filter((name) => !isLimit(name))
      .map(cell)
      .join(', '),
    names.filter(isLimit).map(cell).join(', '),
  ]
}

export const limitRangeKind: Kind<LimitRange> = {
  ...nameAndCreated,
  resource: limitranges,
  createOnUpdate: true,
  defaults: defaultLimitRange,
  validate: validateLimitRange,
}

/** What a container gets when it says nothing: the limit, and as request the least of what is known. */
function defaultLimitRange({ spec }: Draft<LimitRange>): void {
  for (const limit of spec?.limits ?? []) {
    if (limit.type !== 'Container') continue
    limit.default ??= {}
    limit.defaultRequest ??= {}
    for (const [name, quantity] of Object.entries(limit.max ?? {})) limit.default[name] ??= quantity
    for (const [name, quantity] of Object.entries(limit.default)) {
      limit.defaultRequest[name] ??= quantity
    }
    for (const [name, quantity] of Object.entries(limit.min ?? {})) {
      limit.defaultRequest[name] ??= quantity
    }
    if (Object.keys(limit.default).length === 0) delete limit.default
    if (Object.keys(limit.defaultRequest).length === 0) delete limit.defaultRequest
  }
}

const bounds = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

function validateLimitRange({ spec }: LimitRange): Errors {
  const types = new Set<string>()
  return forEach(spec?.limits, 'spec.limits', (limit, field) => {
    const repeated = types.has(limit.type)
      ? [
          {
            type: 'FieldValueDuplicate' as const,
            field: `${field}.type`,
            message: `Duplicate value: "${limit.type}"`,
          },
        ]
      : none
    types.add(limit.type)
    const ofPod = limit.type === 'Pod'
    const refused = (['default', 'defaultRequest'] as const).flatMap((name) =>
      ofPod && Object.keys(limit[name] ?? {}).length > 0
        ? [forbidden(`${field}.${name}`, "may not be specified when `type` is 'Pod'")]
        : none,
    )
    const names = new Set(bounds.flatMap((bound) => Object.keys(limit[bound] ?? {})))
    return [
      ...repeated,
      ...bounds.flatMap((bound) =>
        forEachEntry(limit[bound], `${field}.${bound}`, (name, _, at) => resourceName(name, at)),
      ),
      ...refused,
      ...[...names].sort().flatMap((name) => validateOrder(limit, name, field)),
    ]
  })
}

/** min <= defaultRequest <= default <= max, as far as they are given. */
function validateOrder(limit: LimitRangeItem, name: string, field: string): Errors {
  const ofPod = limit.type === 'Pod'
  const of = (bound: (typeof bounds)[number]) => limit[bound]?.[name]
  const [min, max] = [of('min'), of('max')]
  const request = ofPod ? undefined : of('defaultRequest')
  const standard = ofPod ? undefined : of('default')
  const exceeds = (one: string | number | undefined, other: string | number | undefined) =>
    one !== undefined && other !== undefined && compareQuantities(one, other) > 0
  const error = (bound: string, value: string | number | undefined, text: string) => [
    invalid(`${field}.${bound}[${name}]`, String(value), text),
  ]
  const ratio = of('maxLimitRequestRatio')
  return [
    ...(exceeds(min, max)
      ? error('min', min, `min value ${min} is greater than max value ${max}`)
      : none),
    ...(exceeds(min, request)
      ? error(
          'defaultRequest',
          request,
          `min value ${min} is greater than default request value ${request}`,
        )
      : none),
    ...(exceeds(request, max)
      ? error(
          'defaultRequest',
          request,
          `default request value ${request} is greater than max value ${max}`,
        )
      : none),
    ...(exceeds(request, standard)
      ? error(
          'defaultRequest',
          request,
          `default request value ${request} is greater than default limit value ${standard}`,
        )
      : none),
    ...(exceeds(min, standard)
      ? error('default', min, `min value ${min} is greater than default value ${standard}`)
      : none),
    ...(exceeds(standard, max)
      ? error('default', standard, `default value ${standard} is greater than max value ${max}`)
      : none),
    ...(ratio !== undefined && compareQuantities(ratio, 1) < 0
      ? error('maxLimitRequestRatio', ratio, `ratio ${ratio} is less than 1`)
      : none),
    ...(isHugePages(name) &&
    standard !== undefined &&
    request !== undefined &&
    compareQuantities(standard, request) !== 0
      ? error(
          'defaultRequest',
          request,
          `default value ${standard} must equal to defaultRequest value ${request} in ${name}`,
        )
      : none),
  ]
}
