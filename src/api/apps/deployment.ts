// Deployment and ReplicaSet: so many Pods of one template, and the way from template to template.

import { podSpecWarnings } from '../core/pod-warnings.ts'
import { ageOf, columnsOf, containerCells, selectorCell } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid, notSupported, required } from '../machinery/field-error.ts'
import type { Kind, ScaleStrategy } from '../machinery/kind.ts'
import { selectorFromLabelSelector } from '../machinery/labels.ts'
import { type Errors, immutable, none, nonNegative, sameValue } from '../machinery/validation.ts'
import { deployments, replicasets } from '../resources.gen.ts'
import type { Deployment, DeploymentStrategy, ReplicaSet } from '../types/apps.gen.ts'
import type { LabelSelector } from '../types/meta.gen.ts'
import {
  amountOf,
  atMostWhole,
  countOrPercent,
  defaultTemplate,
  keepLabels,
  limitsOfReplicas,
  shownSelector,
  validateCounts,
  validateSelected,
} from './template.ts'

interface Scalable {
  readonly spec: {
    readonly replicas?: number | undefined
    readonly selector?: LabelSelector | undefined
  }
  readonly status?: { readonly replicas?: number | undefined } | undefined
}

/** spec.replicas, status.replicas and the selector, where all three have these names. */
export const replicaScale: ScaleStrategy<Deployment> & ScaleStrategy<ReplicaSet> = {
  read: ({ spec, status }: Scalable) => ({
    specReplicas: spec.replicas ?? 0,
    statusReplicas: status?.replicas ?? 0,
    selector: selectorFromLabelSelector(spec.selector).toString(),
  }),
  write(object: { spec: { replicas?: number | undefined } }, replicas: number) {
    object.spec.replicas = replicas
  },
}

export const deploymentKind: Kind<Deployment> = {
  resource: deployments,
  generation: true,
  isChange: (deployment, old) =>
    !sameValue(deployment.spec, old.spec) ||
    !sameValue(deployment.metadata.annotations, old.metadata.annotations),
  defaults: defaultDeployment,
  validate: validateDeployment,
  validateUpdate: (deployment, old) => [
    ...validateDeployment(deployment),
    ...keepSelector(deployment.spec.selector, old.spec.selector),
  ],
  warnings: ({ spec }, old) =>
    old && sameValue(spec.template, old.spec.template)
      ? []
      : podSpecWarnings(spec.template.spec ?? { containers: [] }, 'spec.template.spec'),
  subresources: {
    status: { prepareForUpdate: keepLabels, validateUpdate: validateDeploymentStatus },
  },
  scale: replicaScale,
  columns: columnsOf(
    'Name | Ready | Up-to-date | Available | Age | Containers? | Images? | Selector?',
  ),
  row: (deployment, nowMs) => {
    const { metadata, spec, status } = deployment
    return {
      cells: [
        metadata.name,
        `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
        status?.updatedReplicas ?? 0,
        status?.availableReplicas ?? 0,
        ageOf(deployment, nowMs),
        ...containerCells(spec.template.spec ?? {}),
        selectorText(spec.selector),
      ],
    }
  },
}

/** Workloads show an empty selector as nothing at all, unlike others. */
export const selectorText = (selector: LabelSelector | undefined): string =>
  selector ? selectorCell(selector) : '<none>'

export function keepSelector(selector: LabelSelector, old: LabelSelector): Errors {
  return immutable([selector, old], 'spec.selector', shownSelector(selector ?? {}))
}

function defaultDeployment({ spec }: Draft<Deployment>): void {
  if (!spec) return
  spec.replicas ??= 1
  const strategy = (spec.strategy ??= {})
  strategy.type ||= 'RollingUpdate'
  if (strategy.type === 'RollingUpdate') {
    const rolling = (strategy.rollingUpdate ??= {})
    rolling.maxUnavailable ??= '25%'
    rolling.maxSurge ??= '25%'
  }
  spec.revisionHistoryLimit ??= 10
  spec.progressDeadlineSeconds ??= 600
  defaultTemplate(spec.template)
}

function validateDeployment({ spec }: Deployment): Errors {
  const deadline = spec.progressDeadlineSeconds
  const field = 'spec.progressDeadlineSeconds'
  return [
    ...nonNegative(spec.replicas, 'spec.replicas'),
    ...validateSelected(spec, 'deployment'),
    ...validateStrategy(spec.strategy ?? {}, 'spec.strategy'),
    ...nonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...nonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...nonNegative(deadline, field),
    ...(deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)
      ? [invalid(field, deadline, 'must be greater than minReadySeconds')]
      : none),
  ]
}

function validateStrategy(strategy: DeploymentStrategy, field: string): Errors {
  const { type, rollingUpdate } = strategy
  const at = `${field}.rollingUpdate`
  switch (type) {
    case 'Recreate':
      return rollingUpdate
        ? [forbidden(at, "may not be specified when strategy `type` is 'Recreate'")]
        : none
    case 'RollingUpdate':
      return rollingUpdate
        ? validateRolling(rollingUpdate, at)
        : [required(at, 'this should be defaulted and never be nil')]
    default: {
      const shown = { Type: type ?? '', RollingUpdate: rollingUpdate ?? null }
      return [notSupported(field, shown, ['Recreate', 'RollingUpdate'])]
    }
  }
}

type Rolling = NonNullable<DeploymentStrategy['rollingUpdate']>

function validateRolling({ maxUnavailable, maxSurge }: Rolling, field: string): Errors {
  const stuck = amountOf(maxUnavailable) === 0 && amountOf(maxSurge) === 0
  return [
    ...countOrPercent(maxUnavailable, `${field}.maxUnavailable`),
    ...countOrPercent(maxSurge, `${field}.maxSurge`),
    ...(stuck
      ? [invalid(`${field}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0')]
      : none),
    ...atMostWhole(maxUnavailable, `${field}.maxUnavailable`),
  ]
}

function validateDeploymentStatus({ status = {} }: Deployment, old: Deployment): Errors {
  const { conditions: _, collisionCount, ...counts } = status
  const before = old.status?.collisionCount
  return [
    ...validateCounts(counts, [
      ['updatedReplicas', 'replicas', 'status.replicas'],
      ...limitsOfReplicas,
    ]),
    ...(before !== undefined && (collisionCount ?? -1) < before
      ? [invalid('status.collisionCount', collisionCount ?? null, 'cannot be decremented')]
      : none),
  ]
}

export const replicaSetKind: Kind<ReplicaSet> = {
  resource: replicasets,
  generation: true,
  defaults({ spec }) {
    if (!spec) return
    spec.replicas ??= 1
    defaultTemplate(spec.template)
  },
  validate: validateReplicaSet,
  validateUpdate: (replicaSet, old) => [
    ...validateReplicaSet(replicaSet),
    ...keepSelector(replicaSet.spec.selector, old.spec.selector),
  ],
  subresources: { status: { validateUpdate: validateReplicaSetStatus } },
  scale: replicaScale,
  columns: columnsOf(
    'Name | Desired: integer | Current: integer | Ready: integer | Age | Containers? | Images? | Selector?',
  ),
  row: (replicaSet, nowMs) => {
    const { metadata, spec, status } = replicaSet
    return {
      cells: [
        metadata.name,
        spec.replicas ?? 0,
        status?.replicas ?? 0,
        status?.readyReplicas ?? 0,
        ageOf(replicaSet, nowMs),
        ...containerCells(spec.template?.spec ?? {}),
        selectorText(spec.selector),
      ],
    }
  },
  fields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
}

function validateReplicaSet({ spec }: ReplicaSet): Errors {
  return [
    ...nonNegative(spec.replicas, 'spec.replicas'),
    ...nonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...validateSelected(
      { selector: spec.selector, template: spec.template ?? { spec: { containers: [] } } },
      'deployment',
    ),
  ]
}

function validateReplicaSetStatus({ status }: ReplicaSet): Errors {
  const { conditions: _, ...counts } = status ?? { replicas: 0 }
  return validateCounts(counts, [
    ['fullyLabeledReplicas', 'replicas', 'status.replicas'],
    ...limitsOfReplicas,
  ])
}
