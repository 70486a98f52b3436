// ResourceQuotas of a namespace: refuses what exceeds one, and counts what does not. The new count is
// committed together with the object, so it is never wrong because a server died between the two.

import { inScope, isAbout, unspecified, usageOf } from '../../api/core/quota-usage.ts'
import {
  addLists,
  isZero,
  pick,
  type ResourceList,
  subtractLists,
} from '../../api/core/resource-list.ts'
import { compareQuantities } from '../../api/machinery/quantity.ts'
import type { KubeObject } from '../../api/machinery/resource.ts'
import { resourcequotas } from '../../api/resources.gen.ts'
import type { Pod, ResourceQuota } from '../../api/types/core.gen.ts'
import { qualifiedOf, refuse } from './refuse.ts'
import type { AdmissionPlugin, AdmissionRequest, Outcome } from './request.ts'

/** Their updates can cost more; those of others cost nothing. */
const measured: ReadonlySet<string> = new Set(['pods', 'services', 'persistentvolumeclaims'])

export const resourceQuota: AdmissionPlugin = {
  name: 'ResourceQuota',
  operations: ['CREATE', 'UPDATE'],
  validate(request, { reader }) {
    const resource = qualifiedOf(request)
    if (request.subresource !== '' && !(resource === 'pods' && request.subresource === 'resize')) {
      return undefined
    }
    if (!request.resource.namespaced || request.object === undefined) return undefined
    if (request.operation === 'UPDATE' && !measured.has(resource)) return undefined
    const quotas = reader(resourcequotas).list(request.namespace)
    if (quotas.length === 0) return undefined
    return charge(request, resource, quotas)
  },
}

function charge(
  request: AdmissionRequest,
  resource: string,
  quotas: readonly ResourceQuota[],
): Outcome {
  const object = request.object as unknown as KubeObject
  const delta = subtractLists(usageOf(resource, object), usageOf(resource, request.old))
  const costs = pick(
    delta,
    Object.keys(delta).filter((name) => !isZero(delta[name])),
  )
  for (const quota of quotas) {
    const hard = quota.status?.hard ?? {}
    const names = Object.keys(hard).filter((name) => isAbout(resource, name))
    if (names.length === 0 || !inScope(quota, resource, object)) continue
    const refusal = checkKnown(request, quota, names) ?? checkSpecified(request, quota, names)
    if (refusal !== undefined) return refusal
    const asked = pick(costs, Object.keys(hard))
    if (Object.keys(asked).length === 0) continue
    const used = quota.status?.used ?? {}
    const next = addLists(used, asked)
    const over = Object.keys(asked).filter(
      (name) =>
        compareQuantities(asked[name], 0) > 0 && compareQuantities(next[name], hard[name]) > 0,
    )
    if (over.length > 0) return exceeded(request, quota, { over, asked, used, hard })
    if (!request.dryRun) request.alongside.push(writeOf(quota, next))
  }
  return undefined
}

/** A quota nobody has counted yet cannot be checked. */
function checkKnown(
  request: AdmissionRequest,
  { metadata, status }: ResourceQuota,
  names: readonly string[],
): Outcome {
  if (names.every((name) => status?.used?.[name] !== undefined)) return undefined
  return refuse(
    request,
    `status unknown for quota: ${metadata.name}, resources: ${[...names].sort().join(',')}`,
  )
}

function checkSpecified(
  request: AdmissionRequest,
  { metadata }: ResourceQuota,
  names: readonly string[],
): Outcome {
  if (qualifiedOf(request) !== 'pods' || request.operation !== 'CREATE') return undefined
  const problem = unspecified(request.object as unknown as Pod, names)
  return problem === undefined
    ? undefined
    : refuse(request, `failed quota: ${metadata.name}: ${problem}`)
}

function exceeded(
  request: AdmissionRequest,
  { metadata }: ResourceQuota,
  {
    over,
    asked,
    used,
    hard,
  }: { over: string[]; asked: ResourceList; used: ResourceList; hard: ResourceList },
): Outcome {
  const show = (list: ResourceList) =>
    [...over]
      .sort()
      .map((name) => `${name}=${list[name] ?? 0}`)
      .join(',')
  return refuse(
    request,
    `exceeded quota: ${metadata.name}, requested: ${show(asked)}, used: ${show(used)}, limited: ${show(hard)}`,
  )
}

const writeOf = (quota: ResourceQuota, used: ResourceList) => ({
  resource: resourcequotas,
  subresource: 'status',
  resourceVersion: quota.metadata.resourceVersion ?? '',
  object: { ...quota, status: { ...quota.status, used } } as KubeObject,
})
