// autoscaling/v1's view of an autoscaler: one CPU target; all else travels in annotations, as the
// JSON upstream's conversion writes there.
import { goJson } from '../machinery/go-text.ts'
import type { Kind } from '../machinery/kind.ts'
import type { KubeObject } from '../machinery/resource.ts'
import {
  horizontalpodautoscalers,
  horizontalpodautoscalersAutoscalingV2,
} from '../resources.gen.ts'
import type { HorizontalPodAutoscaler as HpaV1 } from '../types/autoscaling.gen.ts'
import type {
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
} from '../types/autoscaling-v2.gen.ts'
import { hpaColumns, hpaKind } from './hpa.ts'
import { metricToV1, metricToV2 } from './metrics-v1.ts'

const prefix = 'autoscaling.alpha.kubernetes.io/'
const annotationNames = ['metrics', 'behavior', 'current-metrics', 'conditions'] as const

export const hpaV1Kind: Kind<HpaV1> = {
  resource: horizontalpodautoscalers,
  defaults({ spec }) {
    if (spec) spec.minReplicas ??= 1
  },
  view: {
    of: horizontalpodautoscalersAutoscalingV2,
    toStored: (hpa) => toV2(hpa) as KubeObject,
    fromStored: (stored) => toV1(stored as HorizontalPodAutoscaler),
  },
  columns: hpaColumns,
  row: (hpa, nowMs) => hpaKind.row!(toV2(hpa), nowMs),
}

const isCpuShare = ({ resource, type }: MetricSpec): boolean =>
  type === 'Resource' &&
  resource?.name === 'cpu' &&
  resource.target.averageUtilization !== undefined

function toV1(hpa: HorizontalPodAutoscaler): HpaV1 {
  const { metrics: allMetrics, behavior, ...spec } = hpa.spec
  const { currentMetrics, conditions, ...status } = hpa.status ?? { desiredReplicas: 0 }
  // Stored lists that are always written may be null.
  const metrics = allMetrics ?? []
  const cpu = metrics.find(isCpuShare)
  const others = metrics.filter((metric) => metric !== cpu)
  const currentCpu = (currentMetrics ?? []).find(({ resource }) => resource?.name === 'cpu')
  const annotations: Record<string, string> = { ...hpa.metadata.annotations }
  if (others.length > 0) annotations[`${prefix}metrics`] = goJson(others.map(metricToV1))
  if (behavior) {
    annotations[`${prefix}behavior`] = goJson({
      ScaleUp: goRules(behavior.scaleUp),
      ScaleDown: goRules(behavior.scaleDown),
    })
  }
  if (conditions && conditions.length > 0) annotations[`${prefix}conditions`] = goJson(conditions)
  const share = cpu?.resource?.target.averageUtilization
  const currentShare = currentCpu?.resource?.current.averageUtilization
  return {
    ...hpa,
    apiVersion: 'autoscaling/v1',
    metadata: {
      ...hpa.metadata,
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
    spec: { ...spec, ...(share === undefined ? {} : { targetCPUUtilizationPercentage: share }) },
    status: {
      ...status,
      currentReplicas: status.currentReplicas ?? 0,
      ...(currentShare === undefined ? {} : { currentCPUUtilizationPercentage: currentShare }),
    },
  }
}

/** HPAScalingRules as Go's internal type prints: capitalised, unset pointers as null. */
function goRules(rules: HPAScalingRules | undefined) {
  if (!rules) return null
  return {
    StabilizationWindowSeconds: rules.stabilizationWindowSeconds ?? null,
    SelectPolicy: rules.selectPolicy ?? null,
    Policies: (rules.policies ?? []).map(({ type, value, periodSeconds }) => ({
      Type: type,
      Value: value,
      PeriodSeconds: periodSeconds,
    })),
    Tolerance: rules.tolerance ?? null,
  }
}

function toV2(hpa: HpaV1): HorizontalPodAutoscaler {
  const { targetCPUUtilizationPercentage: share, ...spec } = hpa.spec
  const { currentCPUUtilizationPercentage: current, ...status } = hpa.status ?? {
    currentReplicas: 0,
    desiredReplicas: 0,
  }
  const annotations = { ...hpa.metadata.annotations }
  const read = (name: (typeof annotationNames)[number]): unknown =>
    parsed(annotations[`${prefix}${name}`])
  const others = (read('metrics') as readonly unknown[] | undefined) ?? []
  const behavior = read('behavior') as Behavior | undefined
  for (const name of annotationNames) delete annotations[`${prefix}${name}`]
  const { annotations: _, ...metadata } = hpa.metadata
  const metrics = [
    ...(share === undefined ? [] : [cpuTarget(share)]),
    ...others.map((metric) => metricToV2(metric as never)),
  ]
  return {
    ...hpa,
    apiVersion: 'autoscaling/v2',
    metadata: Object.keys(annotations).length > 0 ? { ...metadata, annotations } : metadata,
    spec: {
      ...spec,
      ...(metrics.length > 0 ? { metrics } : {}),
      ...(behavior ? { behavior: behaviorOf(behavior) } : {}),
    },
    status: {
      ...status,
      ...(current === undefined
        ? {}
        : {
            currentMetrics: [
              {
                type: 'Resource',
                resource: { name: 'cpu', current: { averageUtilization: current } },
              },
            ],
          }),
    },
  }
}

const cpuTarget = (share: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: share } },
})

type GoRules = ReturnType<typeof goRules>
interface Behavior {
  readonly ScaleUp?: GoRules
  readonly ScaleDown?: GoRules
}

function behaviorOf({ ScaleUp, ScaleDown }: Behavior) {
  const rules = (from: GoRules | undefined): HPAScalingRules | undefined =>
    from
      ? {
          ...(from.StabilizationWindowSeconds === null
            ? {}
            : { stabilizationWindowSeconds: from.StabilizationWindowSeconds }),
          ...(from.SelectPolicy === null ? {} : { selectPolicy: from.SelectPolicy }),
          policies: from.Policies.map(({ Type, Value, PeriodSeconds }) => ({
            type: Type,
            value: Value,
            periodSeconds: PeriodSeconds,
          })),
        }
      : undefined
  const scaleUp = rules(ScaleUp)
  const scaleDown = rules(ScaleDown)
  return { ...(scaleUp ? { scaleUp } : {}), ...(scaleDown ? { scaleDown } : {}) }
}

/** Annotations are the client's text: what cannot be read counts as absent, as upstream has it. */
function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
