// The kinds of resource.k8s.io (devices for Pods): stored, so that schedulers can list them.
import { ageOf, columnsOf, nameAndAge } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { type Errors, none, sameValue } from '../machinery/validation.ts'
import {
  deviceclasses,
  resourceclaims,
  resourceclaimtemplates,
  resourceslices,
} from '../resources.gen.ts'
import type {
  DeviceClass,
  ResourceClaim,
  ResourceClaimSpec,
  ResourceClaimTemplate,
  ResourceSlice,
} from '../types/resource.gen.ts'

export const deviceClassKind: Kind<DeviceClass> = {
  ...nameAndAge,
  resource: deviceclasses,
  generation: true,
}

export const resourceSliceKind: Kind<ResourceSlice> = {
  resource: resourceslices,
  generation: true,
  columns: columnsOf('Name | Node | Driver | Pool | Age'),
  row: (slice, nowMs) => ({
    cells: [
      slice.metadata.name,
      slice.spec.nodeName ?? '',
      slice.spec.driver,
      slice.spec.pool.name,
      ageOf(slice, nowMs),
    ],
  }),
  fields: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    'spec.driver': ({ spec }) => spec.driver,
  },
}

function defaultClaim(spec: Draft<ResourceClaimSpec> | undefined): void {
  for (const { exactly, firstAvailable } of spec?.devices?.requests ?? []) {
    for (const request of [...(exactly ? [exactly] : []), ...(firstAvailable ?? [])]) {
      request.allocationMode ||= 'ExactCount'
      if (request.allocationMode === 'ExactCount') request.count ||= 1
    }
  }
}

export const resourceClaimKind: Kind<ResourceClaim> = {
  resource: resourceclaims,
  defaults: ({ spec }) => defaultClaim(spec),
  validateUpdate: keepSpec,
  subresources: { status: { keepsMetadata: true } },
  columns: columnsOf('Name | State | Age'),
  row: (claim, nowMs) => ({
    cells: [claim.metadata.name, stateOf(claim), ageOf(claim, nowMs)],
  }),
}

function keepSpec<T extends { readonly spec: unknown }>(object: T, old: T): Errors {
  return sameValue(object.spec, old.spec) ? none : [forbidden('spec', 'field is immutable')]
}

function stateOf({ metadata, status }: ResourceClaim): string {
  const states = [
    ...(metadata.deletionTimestamp === undefined ? [] : ['deleted']),
    ...(status?.allocation ? ['allocated'] : []),
    ...((status?.reservedFor ?? []).length > 0 ? ['reserved'] : []),
  ]
  return status?.allocation ? states.join(',') : [...states, 'pending'].join(',')
}

export const resourceClaimTemplateKind: Kind<ResourceClaimTemplate> = {
  ...nameAndAge,
  resource: resourceclaimtemplates,
  defaults: ({ spec }) => defaultClaim(spec?.spec),
  validateUpdate: keepSpec,
}
