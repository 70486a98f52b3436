// The Ready condition: the containers' readiness and every readiness gate together.
import type { Pod } from '../api/types/core.gen.ts'

export interface Condition {
  readonly type: string
  readonly status: boolean
  readonly reason?: string
  readonly message?: string
}

/** Gates are conditions that others write; the Pod as the API has it tells them. */
export function readinessCondition(pod: Pod, containersReady: Condition): Condition {
  const type = 'Ready'
  if (!containersReady.status) return { ...containersReady, type }
  const unmet = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const found = pod.status?.conditions?.find((condition) => condition.type === conditionType)
    if (!found) {
      return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`]
    }
    if (found.status === 'True') return []
    return [
      `the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`,
    ]
  })
  if (unmet.length === 0) return { type, status: true }
  return { type, status: false, reason: 'ReadinessGatesNotReady', message: unmet.join(', ') }
}
