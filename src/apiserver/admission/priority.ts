// A Pod's priority comes from its PriorityClass, or from the default one; at most one is the default.

import type { Draft } from '../../api/machinery/draft.ts'
import { pods, priorityclasses } from '../../api/resources.gen.ts'
import type { Pod } from '../../api/types/core.gen.ts'
import type { PriorityClass } from '../../api/types/scheduling.gen.ts'
import { objectOf, qualifiedOf, refuse } from './refuse.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRequest, Outcome } from './request.ts'

const preemptLower = 'PreemptLowerPriority'

export const priority: AdmissionPlugin = {
  name: 'Priority',
  operations: ['CREATE', 'UPDATE'],
  resources: ['pods', 'priorityclasses.scheduling.k8s.io'],
  admit(request, context) {
    if (qualifiedOf(request) !== 'pods' || request.operation !== 'CREATE') return undefined
    return setPriority(request, objectOf(request, pods), context)
  },
  validate(request, { reader }) {
    if (qualifiedOf(request) === 'pods') return undefined
    const { globalDefault, metadata } = objectOf(request, priorityclasses)
    const other = globalDefault ? defaultClass(reader(priorityclasses).list()) : undefined
    if (
      other === undefined ||
      (request.operation === 'UPDATE' && other.metadata.name === metadata.name)
    ) {
      return undefined
    }
    return refuse(
      request,
      `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`,
    )
  },
}

function setPriority(
  request: AdmissionRequest,
  pod: Draft<Pod>,
  { reader }: AdmissionContext,
): Outcome {
  const spec = pod.spec as Draft<NonNullable<Pod['spec']>>
  const asked = spec.priorityClassName
  const found = asked
    ? reader(priorityclasses).get(asked)
    : defaultClass(reader(priorityclasses).list())
  if (asked && found === undefined) {
    return refuse(request, `no PriorityClass with name ${asked} was found`)
  }
  if (!asked && found !== undefined) spec.priorityClassName = found.metadata.name
  const value = found?.value ?? 0
  if (spec.priority !== undefined && spec.priority !== null && spec.priority !== value) {
    return refuse(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    )
  }
  spec.priority = value
  const policy = found?.preemptionPolicy ?? preemptLower
  if (spec.preemptionPolicy && spec.preemptionPolicy !== policy) {
    return refuse(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
    )
  }
  spec.preemptionPolicy = policy
  return undefined
}

/** Should there be several by accident, the lowest. */
const defaultClass = (classes: readonly PriorityClass[]): PriorityClass | undefined =>
  classes
    .filter(({ globalDefault }) => globalDefault)
    .reduce<PriorityClass | undefined>(
      (lowest, next) =>
        lowest === undefined || (next.value ?? 0) < (lowest.value ?? 0) ? next : lowest,
      undefined,
    )
