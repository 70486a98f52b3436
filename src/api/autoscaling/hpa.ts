// HorizontalPodAutoscaler, v2: more or fewer Pods by what is measured. Stored once; v1 is a view.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { pathSegmentProblems } from '../machinery/names.ts'
import {
  type Errors,
  forEach,
  invalids,
  none,
  nonNegative,
  oneOf,
} from '../machinery/validation.ts'
import { horizontalpodautoscalersAutoscalingV2 } from '../resources.gen.ts'
import type {
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
} from '../types/autoscaling-v2.gen.ts'
import { metricsCell } from './metrics-cell.ts'

export const hpaColumns = columnsOf(
  'Name | Reference | Targets | MinPods | MaxPods | Replicas | Age',
)

export const hpaKind: Kind<HorizontalPodAutoscaler> = {
  resource: horizontalpodautoscalersAutoscalingV2,
  defaults: defaultHpa,
  validate: validateHpa,
  subresources: { status: { validateUpdate: validateStatus } },
  columns: hpaColumns,
  row: (hpa, nowMs) => ({
    cells: [
      hpa.metadata.name,
      `${hpa.spec.scaleTargetRef.kind}/${hpa.spec.scaleTargetRef.name}`,
      metricsCell(hpa),
      hpa.spec.minReplicas === undefined ? '<unset>' : String(hpa.spec.minReplicas),
      hpa.spec.maxReplicas,
      hpa.status?.currentReplicas ?? 0,
      ageOf(hpa, nowMs),
    ],
  }),
}

const cpuAt80: Draft<MetricSpec> = {
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
}

export function defaultHpa({ spec }: Draft<HorizontalPodAutoscaler>): void {
  if (!spec) return
  spec.minReplicas ??= 1
  if ((spec.metrics ?? []).length === 0) spec.metrics = [structuredClone(cpuAt80)]
  if (!spec.behavior) return
  defaultRules((spec.behavior.scaleUp ??= {}), 'up')
  defaultRules((spec.behavior.scaleDown ??= {}), 'down')
}

function defaultRules(rules: Draft<HPAScalingRules>, direction: 'up' | 'down'): void {
  rules.selectPolicy ??= 'Max'
  // Up at once; down after the default of --horizontal-pod-autoscaler-downscale-stabilization.
  if (direction === 'up') rules.stabilizationWindowSeconds ??= 0
  const doubling = { type: 'Percent', value: 100, periodSeconds: 15 }
  rules.policies ??=
    direction === 'up' ? [{ type: 'Pods', value: 4, periodSeconds: 15 }, doubling] : [doubling]
}

function validateHpa({ spec }: HorizontalPodAutoscaler): Errors {
  const { minReplicas, maxReplicas } = spec
  return [
    ...(minReplicas !== undefined && minReplicas < 1
      ? [invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1')]
      : none),
    ...(maxReplicas < 1
      ? [invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0')]
      : none),
    ...(minReplicas !== undefined && maxReplicas < minReplicas
      ? [invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`')]
      : none),
    ...validateTarget(spec.scaleTargetRef, 'spec.scaleTargetRef'),
    ...forEach(spec.metrics, 'spec.metrics', validateMetric),
    ...validateRules(spec.behavior?.scaleUp, 'spec.behavior.scaleUp'),
    ...validateRules(spec.behavior?.scaleDown, 'spec.behavior.scaleDown'),
  ]
}

type Target = HorizontalPodAutoscaler['spec']['scaleTargetRef']

function validateTarget({ kind, name, apiVersion = '' }: Target, field: string): Errors {
  const segment = (value: string | undefined, at: string) =>
    value ? invalids(at, value, pathSegmentProblems(value)) : [required(at)]
  const grouped = apiVersion.includes('/') || apiVersion === 'v1'
  return [
    ...segment(kind, `${field}.kind`),
    ...segment(name, `${field}.name`),
    ...(grouped
      ? none
      : [invalid(`${field}.apiVersion`, apiVersion, 'apiVersion must specify API group')]),
  ]
}

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']

const sourceOf: Readonly<Record<string, keyof MetricSpec>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
}

function validateMetric(metric: MetricSpec, field: string): Errors {
  if (!metric.type) return [required(`${field}.type`, 'must specify a metric source type')]
  const known = oneOf(metric.type, `${field}.type`, metricTypes)
  const source = sourceOf[metric.type]
  if (known.length > 0 || source === undefined) return known
  const given = metric[source]
  if (given === undefined || typeof given === 'string') {
    return [required(`${field}.${source}`, 'must populate information for the given metric source')]
  }
  const { averageUtilization } = given.target
  return [
    ...('name' in given && !given.name
      ? [required(`${field}.${source}.name`, 'must specify a resource name')]
      : none),
    ...(given.target.type
      ? oneOf(given.target.type, `${field}.${source}.target.type`, [
          'Utilization',
          'Value',
          'AverageValue',
        ])
      : [required(`${field}.${source}.target.type`, 'must specify a metric target type')]),
    ...(averageUtilization !== undefined && averageUtilization < 1
      ? [
          invalid(
            `${field}.${source}.target.averageUtilization`,
            averageUtilization,
            'must be greater than 0',
          ),
        ]
      : none),
  ]
}

const maxWindowSeconds = 3600
const maxPeriodSeconds = 1800

function validateRules(rules: HPAScalingRules | undefined, field: string): Errors {
  if (!rules) return none
  const window = rules.stabilizationWindowSeconds
  return [
    ...nonNegative(window, `${field}.stabilizationWindowSeconds`),
    ...(window !== undefined && window > maxWindowSeconds
      ? [
          invalid(
            `${field}.stabilizationWindowSeconds`,
            window,
            `must be less than or equal to ${maxWindowSeconds}`,
          ),
        ]
      : none),
    ...oneOf(rules.selectPolicy, `${field}.selectPolicy`, ['Disabled', 'Max', 'Min']),
    ...((rules.policies ?? []).length === 0
      ? [required(`${field}.policies`, 'must specify at least one Policy')]
      : none),
    ...forEach(rules.policies, `${field}.policies`, ({ type, value, periodSeconds }, at) => [
      ...oneOf(type, `${at}.type`, ['Percent', 'Pods']),
      ...(value <= 0 ? [invalid(`${at}.value`, value, 'must be greater than zero')] : none),
      ...(periodSeconds <= 0
        ? [invalid(`${at}.periodSeconds`, periodSeconds, 'must be greater than zero')]
        : none),
      ...(periodSeconds > maxPeriodSeconds
        ? [
            invalid(
              `${at}.periodSeconds`,
              periodSeconds,
              `must be less than or equal to ${maxPeriodSeconds}`,
            ),
          ]
        : none),
    ]),
  ]
}

function validateStatus({ status }: HorizontalPodAutoscaler): Errors {
  return [
    ...nonNegative(status?.currentReplicas, 'status.currentReplicas'),
    ...nonNegative(status?.desiredReplicas, 'status.desiredReplicas'),
  ]
}
