// Metric sources as autoscaling/v1 writes them into its annotation: the target spread out, with
// names of its own.
import type { MetricSpec, MetricTarget } from '../types/autoscaling-v2.gen.ts'
import type { LabelSelector } from '../types/meta.gen.ts'

interface V1Source {
  readonly name?: string
  readonly container?: string
  readonly metricName?: string
  readonly selector?: LabelSelector
  readonly metricSelector?: LabelSelector
  readonly target?: { readonly kind: string; readonly name: string; readonly apiVersion?: string }
  readonly targetValue?: string | number
  readonly averageValue?: string | number
  readonly targetAverageValue?: string | number
  readonly targetAverageUtilization?: number
}

export interface V1Metric {
  readonly type: string
  readonly object?: V1Source
  readonly pods?: V1Source
  readonly resource?: V1Source
  readonly containerResource?: V1Source
  readonly external?: V1Source
}

/** Leaves out what is undefined, so that the text is as Go's omitempty has it. */
const compact = <T extends object>(source: T): T =>
  Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined)) as T

const averages = ({ averageUtilization, averageValue }: MetricTarget) => ({
  targetAverageUtilization: averageUtilization,
  targetAverageValue: averageValue,
})

export function metricToV1(metric: MetricSpec): object {
  const { type, resource, containerResource, pods, object, external } = metric
  return compact({
    type,
    object: object && {
      target: object.describedObject,
      metricName: object.metric.name,
      ...compact({
        targetValue: object.target.value ?? '0',
        selector: object.metric.selector,
        averageValue: object.target.averageValue,
      }),
    },
    pods: pods && {
      metricName: pods.metric.name,
      ...compact({
        targetAverageValue: pods.target.averageValue ?? '0',
        selector: pods.metric.selector,
      }),
    },
    resource: resource && compact({ name: resource.name, ...averages(resource.target) }),
    containerResource:
      containerResource &&
      compact({
        name: containerResource.name,
        ...averages(containerResource.target),
        container: containerResource.container,
      }),
    external:
      external &&
      compact({
        metricName: external.metric.name,
        metricSelector: external.metric.selector,
        targetValue: external.target.value,
        targetAverageValue: external.target.averageValue,
      }),
  })
}

function targetOf(source: V1Source): MetricTarget {
  const { targetAverageUtilization, targetAverageValue, targetValue } = source
  if (targetAverageUtilization !== undefined) {
    return { type: 'Utilization', averageUtilization: targetAverageUtilization }
  }
  if (targetAverageValue !== undefined) {
    return { type: 'AverageValue', averageValue: targetAverageValue }
  }
  return targetValue === undefined ? { type: 'Value' } : { type: 'Value', value: targetValue }
}

const metricOf = ({ metricName = '', selector, metricSelector }: V1Source) => {
  const chosen = selector ?? metricSelector
  return { name: metricName, ...(chosen ? { selector: chosen } : {}) }
}

export function metricToV2({ type, ...sources }: V1Metric): MetricSpec {
  const { object, pods, resource, containerResource, external } = sources
  return {
    type,
    ...(object
      ? {
          object: {
            describedObject: object.target ?? { kind: '', name: '' },
            target:
              object.averageValue === undefined
                ? targetOf(object)
                : { type: 'AverageValue', averageValue: object.averageValue },
            metric: metricOf(object),
          },
        }
      : {}),
    ...(pods ? { pods: { metric: metricOf(pods), target: targetOf(pods) } } : {}),
    ...(resource ? { resource: { name: resource.name ?? '', target: targetOf(resource) } } : {}),
    ...(containerResource
      ? {
          containerResource: {
            name: containerResource.name ?? '',
            container: containerResource.container ?? '',
            target: targetOf(containerResource),
          },
        }
      : {}),
    ...(external ? { external: { metric: metricOf(external), target: targetOf(external) } } : {}),
  }
}
