// Recorded Kubernetes 1.36 scripts, played straight against defaults, claims and validation.
import { expect, test } from 'vitest'
import { replayHooks } from '../support/hook-replay.ts'

/** Script and the least number of its steps that hooks alone can answer. */
const scripts: readonly (readonly [name: string, played: number])[] = [
  ['svc-defaults', 14],
  ['svc-validation-ports', 20],
  ['svc-validation-types', 40],
  ['svc-update', 6],
  ['svc-type-changes', 12],
  ['svc-dualstack', 20],
  ['svc-allocation', 15],
  ['svc-ipaddress-servicecidr', 10],
  ['pod-defaults', 8],
  ['pod-validation', 40],
  ['pod-update', 10],
  ['pod-subresources', 6],
  ['deploy-defaults', 12],
  ['deploy-validation', 20],
  ['kinds-defaults', 12],
  ['endpoints', 6],
  ['endpointslice', 25],
  ['rbac-escalation', 8],
  ['namespace-lifecycle', 3],
]

test.each(scripts)('hooks answer the recorded script %s', (name, least) => {
  const { played, failures } = replayHooks(name)
  expect(failures).toEqual([])
  expect(played).toBeGreaterThanOrEqual(least)
})
