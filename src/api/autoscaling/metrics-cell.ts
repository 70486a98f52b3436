// The Targets column of an autoscaler: "cpu: 42%/60%, <unknown>/500m".
import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
} from '../types/autoscaling-v2.gen.ts'

const maxShown = 2

export function metricsCell({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec.metrics ?? []
  if (metrics.length === 0) return '<none>'
  const texts = metrics.map((metric, index) => metricText(metric, status?.currentMetrics?.[index]))
  const shown = texts.slice(0, maxShown).join(', ')
  return texts.length > maxShown ? `${shown} + ${texts.length - maxShown} more...` : shown
}

interface Amount {
  readonly value?: string | number | undefined
  readonly averageValue?: string | number | undefined
  readonly averageUtilization?: number | undefined
}

const unknown = '<unknown>'
const share = (amount: number | undefined) => (amount === undefined ? unknown : `${amount}%`)

function metricText(metric: MetricSpec, status: MetricStatus | undefined): string {
  switch (metric.type) {
    case 'Resource':
      return `${metric.resource?.name}: ${resourceText(metric.resource?.target ?? {}, status?.resource?.current)}`
    case 'ContainerResource':
      return `${metric.containerResource?.name}: ${resourceText(metric.containerResource?.target ?? {}, status?.containerResource?.current)}`
    case 'Pods':
      return `${status?.pods?.current.averageValue ?? unknown}/${metric.pods?.target.averageValue}`
    case 'External':
      return averageOrValue(metric.external?.target ?? {}, status?.external?.current)
    case 'Object':
      return averageOrValue(metric.object?.target ?? {}, status?.object?.current)
    default:
      return `${unknown}/${unknown}`
  }
}

function resourceText(target: Amount, current: Amount | undefined): string {
  if (target.averageValue !== undefined) {
    return `${current?.averageValue ?? unknown}/${target.averageValue}`
  }
  const wanted =
    target.averageUtilization === undefined ? '<auto>' : share(target.averageUtilization)
  return `${share(current?.averageUtilization)}/${wanted}`
}

function averageOrValue(target: Amount, current: Amount | undefined): string {
  if (target.averageValue !== undefined) {
    return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`
  }
  return `${current?.value ?? unknown}/${target.value}`
}
