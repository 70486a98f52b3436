// PodDisruptionBudget: how many Pods evictions must leave running.

import { atMostWhole, countOrPercent, shownSelector } from '../apps/template.ts'
import { ageOf, columnsOf } from '../machinery/columns.ts'
import { invalid } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { validateLabelSelector } from '../machinery/labels.ts'
import { type Errors, none, nonNegative, oneOf } from '../machinery/validation.ts'
import { poddisruptionbudgets } from '../resources.gen.ts'
import type { PodDisruptionBudget } from '../types/policy.gen.ts'

export const podDisruptionBudgetKind: Kind<PodDisruptionBudget> = {
  resource: poddisruptionbudgets,
  generation: true,
  requiresResourceVersion: true,
  validate: validateBudget,
  subresources: { status: { validateUpdate: validateStatus } },
  columns: columnsOf('Name | Min Available | Max Unavailable | Allowed Disruptions: integer | Age'),
  row: (budget, nowMs) => {
    const { minAvailable, maxUnavailable } = budget.spec ?? {}
    return {
      cells: [
        budget.metadata.name,
        String(minAvailable ?? 'N/A'),
        String(maxUnavailable ?? 'N/A'),
        budget.status?.disruptionsAllowed ?? 0,
        ageOf(budget, nowMs),
      ],
    }
  },
}

function validateBudget({ spec = {} }: PodDisruptionBudget): Errors {
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec
  const both = minAvailable !== undefined && maxUnavailable !== undefined
  const shown = {
    MinAvailable: minAvailable ?? null,
    Selector: selector ? shownSelector(selector) : null,
    MaxUnavailable: maxUnavailable ?? null,
    UnhealthyPodEvictionPolicy: unhealthyPodEvictionPolicy ?? null,
  }
  return [
    ...(both
      ? [invalid('spec', shown, 'minAvailable and maxUnavailable cannot be both set')]
      : none),
    ...countOrPercent(minAvailable, 'spec.minAvailable'),
    ...atMostWhole(minAvailable, 'spec.minAvailable'),
    ...countOrPercent(maxUnavailable, 'spec.maxUnavailable'),
    ...atMostWhole(maxUnavailable, 'spec.maxUnavailable'),
    ...validateLabelSelector(selector, 'spec.selector'),
    ...oneOf(unhealthyPodEvictionPolicy, 'spec.unhealthyPodEvictionPolicy', [
      'AlwaysAllow',
      'IfHealthyBudget',
    ]),
  ]
}

function validateStatus({ status }: PodDisruptionBudget): Errors {
  const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const
  return counts.flatMap((count) => nonNegative(status?.[count], `status.${count}`))
}
