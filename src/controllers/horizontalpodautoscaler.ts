// The HorizontalPodAutoscaler controller, as far as it goes without metrics: it keeps workloads within
// their bounds, and tells why it can do no more. It asks for metrics and reports the answer, but does
// not scale by them yet.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { apiVersionOf, qualifiedResource } from '../api/machinery/resource.ts'
import { isReason, StatusError } from '../api/machinery/status.ts'
import {
  allResources,
  horizontalpodautoscalersAutoscalingV2 as horizontalpodautoscalers,
} from '../api/resources.gen.ts'
import type { Scale } from '../api/types/autoscaling.gen.ts'
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricSpec,
} from '../api/types/autoscaling-v2.gen.ts'
import type { Change, Controller, Live, Outcome } from '../client/controller.ts'
import { watching } from '../client/controller.ts'
import { formatTime } from '../lib/clock.ts'
import { semanticEqual } from '../lib/equal.ts'
import type { Discovered } from './discovery.ts'

export interface HorizontalPodAutoscalerOptions {
  readonly discover: (live: Live) => Promise<Discovered>
  readonly workers: number
  readonly syncPeriodMs: number
}

/** What was read for one run; errors are what the server said. */
export interface Observed {
  readonly target?: Resource
  readonly scale?: Scale
  readonly scaleError?: string
  readonly metricsError?: string
}

const podMetrics: Resource = {
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  kind: 'PodMetrics',
  plural: 'pods',
  singular: 'pod',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: ['get', 'list'],
  subresources: [],
  struct: '',
}

export function horizontalPodAutoscalerController(
  options: HorizontalPodAutoscalerOptions,
): Controller {
  return {
    name: 'horizontalpodautoscaling',
    component: 'horizontal-pod-autoscaler',
    workers: options.workers,
    watches: [
      // Its own status is no reason to look sooner.
      watching({
        resource: horizontalpodautoscalers,
        keys: ({ metadata, spec }, old) =>
          old && semanticEqual(old.spec, spec) ? [] : [`${metadata.namespace}/${metadata.name}`],
      }),
    ],
    async observe(key, snapshot, live) {
      const autoscaler = snapshot.of(horizontalpodautoscalers).get(key)
      return autoscaler && look(autoscaler, options, live)
    },
    reconcile(key, snapshot, { nowMs, observed }) {
      const autoscaler = snapshot.of(horizontalpodautoscalers).get(key)
      if (!autoscaler || !observed) return { changes: [] }
      const outcome = scaleWithin(autoscaler, observed as Observed, nowMs)
      return { ...outcome, requeueAfterMs: options.syncPeriodMs }
    },
  }
}

async function look(
  { metadata, spec }: HorizontalPodAutoscaler,
  { discover }: HorizontalPodAutoscalerOptions,
  live: Live,
): Promise<Observed> {
  const { kind, name, apiVersion = 'v1' } = spec.scaleTargetRef
  const named = (resource: Resource) =>
    resource.kind === kind && apiVersionOf(resource) === apiVersion
  const target = allResources.find(named) ?? (await discover(live)).resources.find(named)
  if (!target) return { scaleError: `no matches for kind "${kind}" in version "${apiVersion}"` }
  const { namespace } = metadata
  const { signal } = live
  try {
    const scale = (await live.client
      .resource(target)
      .get({ namespace, name }, { subresource: 'scale', signal })) as KubeObject as Scale
    return { target, scale, ...(await metricsOf(namespace, scale, live)) }
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    return { target, scaleError: error.message }
  }
}

async function metricsOf(
  namespace: string | undefined,
  { status }: Scale,
  { client, signal }: Live,
): Promise<Pick<Observed, 'metricsError'>> {
  const labelSelector = status?.selector
  if (!labelSelector) return {}
  try {
    await client.resource(podMetrics).list({ namespace, labelSelector, signal })
    return { metricsError: 'scaling by metrics is not supported' }
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    const asked = isReason(error, 'NotFound') ? ` (get ${qualifiedResource(podMetrics)})` : ''
    return { metricsError: `${error.message}${asked}` }
  }
}

export function scaleWithin(
  autoscaler: HorizontalPodAutoscaler,
  { target, scale, scaleError, metricsError }: Observed,
  nowMs: number,
): Outcome {
  const step = new Step(autoscaler, nowMs)
  if (!target || !scale) {
    const error = scaleError ?? ''
    const message = `the HPA controller was unable to get the target's current scale: ${error}`
    step.warn('FailedGetScale', error)
    step.condition('AbleToScale', 'False', { reason: 'FailedGetScale', message })
    return step.outcome({})
  }
  step.condition('AbleToScale', 'True', {
    reason: 'SucceededGetScale',
    message: "the HPA controller was able to get the target's current scale",
  })
  const current = scale.spec.replicas ?? 0
  const currentReplicas = scale.status?.replicas ?? 0
  const { minReplicas = 1, maxReplicas } = autoscaler.spec
  if (current === 0 && minReplicas !== 0) {
    const message = 'scaling is disabled since the replica count of the target is zero'
    step.condition('ScalingActive', 'False', { reason: 'ScalingDisabled', message })
    return step.outcome({ currentReplicas, desiredReplicas: 0 })
  }
  const desired = Math.min(maxReplicas, Math.max(minReplicas, current))
  if (desired !== current) {
    const bound = desired < current ? 'above Spec.MaxReplicas' : 'below Spec.MinReplicas'
    step.rescale({ target, scale, desired }, `Current number of replicas ${bound}`)
    return step.outcome({ currentReplicas, desiredReplicas: desired })
  }
  step.failMetrics(scale, metricsError)
  return step.outcome({ currentReplicas })
}

/** Gathers what one run has to say. */
class Step {
  readonly #autoscaler: HorizontalPodAutoscaler
  readonly #nowMs: number
  readonly #changes: Change[] = []
  #conditions: readonly HorizontalPodAutoscalerCondition[]
  #lastScaleTime: string | undefined

  constructor(autoscaler: HorizontalPodAutoscaler, nowMs: number) {
    this.#autoscaler = autoscaler
    this.#nowMs = nowMs
    this.#conditions = autoscaler.status?.conditions ?? []
    this.#lastScaleTime = autoscaler.status?.lastScaleTime
  }

  warn(reason: string, message: string): void {
    const regarding = this.#autoscaler
    this.#changes.push({ type: 'event', event: { regarding, type: 'Warning', reason, message } })
  }

  condition(
    type: string,
    status: 'True' | 'False',
    told: { readonly reason: string; readonly message: string },
  ): void {
    const old = this.#conditions.find((condition) => condition.type === type)
    const lastTransitionTime =
      old?.status === status ? old.lastTransitionTime : formatTime(this.#nowMs)
    const condition = { type, status, lastTransitionTime, ...told }
    this.#conditions = old
      ? this.#conditions.map((each) => (each === old ? condition : each))
      : [...this.#conditions, condition]
  }

  rescale(
    { target, scale, desired }: { target: Resource; scale: Scale; desired: number },
    because: string,
  ): void {
    const object = { ...scale, spec: { ...scale.spec, replicas: desired } }
    const message = `New size: ${desired}; reason: ${because}`
    const regarding = this.#autoscaler
    this.#changes.push({
      type: 'update',
      resource: target,
      subresource: 'scale',
      object,
      done: { regarding, type: 'Normal', reason: 'SuccessfulRescale', message },
    })
    this.#lastScaleTime = formatTime(this.#nowMs)
    this.condition('AbleToScale', 'True', {
      reason: 'SucceededRescale',
      message: `the HPA controller was able to update the target scale to ${desired}`,
    })
  }

  /** Without metrics there is no telling how many Pods are needed. */
  failMetrics({ status }: Scale, error: string | undefined): void {
    const metrics = this.#autoscaler.spec.metrics ?? []
    if (!status?.selector || error === undefined) {
      const message = "the HPA target's scale is missing a selector"
      this.warn('InvalidSelector', message)
      this.condition('ScalingActive', 'False', { reason: 'InvalidSelector', message })
      return
    }
    const causes = metrics.map((metric) => causeOf(metric, error))
    for (const { reason, text } of causes) this.warn(reason, text)
    const [first] = causes
    if (!first) return
    const message = `the HPA was unable to compute the replica count: ${first.text}`
    this.condition('ScalingActive', 'False', { reason: first.reason, message })
    const all = `invalid metrics (${causes.length} invalid out of ${metrics.length}), first error is: ${first.prefix}: ${first.text}`
    this.warn('FailedComputeMetricsReplicas', all)
  }

  outcome(
    counts: Pick<HorizontalPodAutoscalerStatus, 'currentReplicas'> & {
      readonly desiredReplicas?: number
    },
  ): Outcome {
    const before = this.#autoscaler.status
    const status: HorizontalPodAutoscalerStatus = {
      ...before,
      desiredReplicas: before?.desiredReplicas ?? 0,
      ...counts,
      ...(this.#lastScaleTime ? { lastScaleTime: this.#lastScaleTime } : {}),
      conditions: this.#conditions,
    }
    const object: HorizontalPodAutoscaler = { ...this.#autoscaler, status }
    const written: readonly Change[] = semanticEqual(before, status)
      ? []
      : [{ type: 'update', resource: horizontalpodautoscalers, subresource: 'status', object }]
    return { changes: [...this.#changes, ...written] }
  }
}

function causeOf(metric: MetricSpec, error: string) {
  const reason = `FailedGet${metric.type}Metric`
  const { name = '', target } = metric.resource ?? metric.containerResource ?? {}
  if (name === '') return { reason, prefix: `failed to get ${metric.type} metric`, text: error }
  const what = target?.type === 'Utilization' ? 'utilization' : 'usage'
  const fetched = `unable to fetch metrics from resource metrics API: ${error}`
  const text = `failed to get ${name} ${what}: unable to get metrics for resource ${name}: ${fetched}`
  return { reason, prefix: `failed to get ${name} resource metric value`, text }
}
