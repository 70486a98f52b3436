import { expect, test } from 'vitest'
import { deployments, horizontalpodautoscalersAutoscalingV2 as hpas } from '../api/resources.gen.ts'
import type { Scale } from '../api/types/autoscaling.gen.ts'
import type { HorizontalPodAutoscaler } from '../api/types/autoscaling-v2.gen.ts'
import { horizontalPodAutoscalerController, type Observed } from './horizontalpodautoscaler.ts'
import { Play } from './play.ts'

const controller = horizontalPodAutoscalerController({
  discover: async () => ({ resources: [], failures: [] }),
  workers: 1,
  syncPeriodMs: 15_000,
})

const autoscaler: HorizontalPodAutoscaler = {
  metadata: { namespace: 'default', name: 'h' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    minReplicas: 2,
    maxReplicas: 5,
    metrics: [
      {
        type: 'Resource',
        resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
      },
    ],
  },
}

const scaled = (replicas: number): Observed => ({
  target: deployments as never,
  scale: {
    metadata: { namespace: 'default', name: 'web' },
    spec: { replicas },
    status: { replicas, selector: 'app=web' },
  },
  metricsError: 'the server could not find the requested resource (get pods.metrics.k8s.io)',
})

/** Conditions, then [current, desired], the size written, and the events. */
function check(observed: Observed, expected: readonly unknown[]) {
  const play = new Play()
  play.put(hpas, autoscaler)
  play.put(deployments, { metadata: { namespace: 'default', name: 'web' } } as never)
  const written = play.run(controller, 'default/h', observed)
  const { status } = play.get(hpas, 'default/h')
  const sizes = written
    .filter(({ resource }) => resource === 'deployments/scale')
    .map(({ object }) => (object as Scale).spec.replicas)
  expect([
    status?.conditions?.map(({ type, status: value, reason }) => `${type}=${value} ${reason}`),
    [status?.currentReplicas, status?.desiredReplicas],
    sizes,
    play.events.map(({ reason }) => reason),
  ]).toEqual(expected)
  // Events aside, the same again writes nothing.
  if (sizes.length === 0) expect(play.run(controller, 'default/h', observed)).toEqual([])
  return play
}

const able = 'AbleToScale=True SucceededGetScale'

test('without metrics it says so, and leaves the size alone', () => {
  const play = check(scaled(3), [
    [able, 'ScalingActive=False FailedGetResourceMetric'],
    [3, 0],
    [],
    ['FailedGetResourceMetric', 'FailedComputeMetricsReplicas'],
  ])
  expect(play.events[0]?.message).toBe(
    'failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)',
  )
})

test('a size beyond the bounds is brought within', () => {
  const rescaled = ['AbleToScale=True SucceededRescale']
  check(scaled(9), [rescaled, [9, 5], [5], ['SuccessfulRescale']])
  check(scaled(1), [rescaled, [1, 2], [2], ['SuccessfulRescale']])
})

test('a target at zero is left there; one that is not found is told of', () => {
  check(scaled(0), [[able, 'ScalingActive=False ScalingDisabled'], [0, 0], [], []])
  check({ scaleError: 'deployments.apps "web" not found' }, [
    ['AbleToScale=False FailedGetScale'],
    [undefined, 0],
    [],
    ['FailedGetScale'],
  ])
})
