// The quality of service class of a Pod: who is evicted first when a node runs out.
import { compareQuantities } from '../machinery/quantity.ts'
import type { Container, PodSpec } from '../types/core.gen.ts'

type QosClass = 'BestEffort' | 'Burstable' | 'Guaranteed'
type Quantities = Readonly<Record<string, string | number>> | undefined

const counted = ['cpu', 'memory'] as const

const isPositive = (list: Quantities, name: string): boolean =>
  compareQuantities(list?.[name], 0) > 0

export function qosClassOf(spec: PodSpec): QosClass {
  const holders: readonly Pick<Container, 'resources'>[] = spec.resources
    ? [{ resources: spec.resources }]
    : [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  const asksNothing = holders.every(({ resources }) =>
    counted.every(
      (name) => !isPositive(resources?.requests, name) && !isPositive(resources?.limits, name),
    ),
  )
  if (asksNothing) return 'BestEffort'
  const guaranteed = holders.every(({ resources }) =>
    counted.every((name) => {
      const limit = resources?.limits?.[name]
      const request = resources?.requests?.[name] ?? limit
      return isPositive(resources?.limits, name) && compareQuantities(request, limit) === 0
    }),
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
}
