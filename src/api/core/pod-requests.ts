// What a Pod asks of a Node: CPU in thousandths, everything else in whole units.
import { quantityMillis, quantityUnits } from '../machinery/quantity.ts'
import type { Container, Pod } from '../types/core.gen.ts'

export type Amounts = Readonly<Record<string, number>>

export const amountOf = (resource: string, quantity: string | number): number =>
  resource === 'cpu' ? quantityMillis(quantity) : quantityUnits(quantity)

export function amounts(list: Readonly<Record<string, string | number>> | undefined): Amounts {
  const result: Record<string, number> = {}
  for (const [resource, quantity] of Object.entries(list ?? {})) {
    result[resource] = amountOf(resource, quantity)
  }
  return result
}

/**
 * The larger of what runs together and what init containers need at their peak, each beside the
 * sidecars started before it; plus the overhead. `defaults` stand in for what a container does
 * not ask for.
 */
export function podRequests(pod: Pod, defaults: Amounts = {}): Amounts {
  const total: Record<string, number> = {}
  const peak: Record<string, number> = {}
  const sidecars: Record<string, number> = {}
  for (const container of pod.spec.initContainers ?? []) {
    const asked = requestsOf(container, defaults)
    if (container.restartPolicy === 'Always') {
      add(sidecars, asked)
      raise(peak, sidecars)
    } else {
      const together = { ...sidecars }
      add(together, asked)
      raise(peak, together)
    }
  }
  for (const container of pod.spec.containers) add(total, requestsOf(container, defaults))
  add(total, sidecars)
  raise(total, peak)
  for (const [resource, amount] of Object.entries(amounts(pod.spec.resources?.requests))) {
    total[resource] = amount
  }
  add(total, amounts(pod.spec.overhead))
  return total
}

const requestsOf = ({ resources }: Container, defaults: Amounts): Amounts => ({
  ...defaults,
  ...amounts(resources?.requests),
})

export function add(to: Record<string, number>, more: Amounts, factor = 1): void {
  for (const resource in more) to[resource] = (to[resource] ?? 0) + (more[resource] ?? 0) * factor
}

function raise(to: Record<string, number>, least: Amounts): void {
  for (const resource in least) to[resource] = Math.max(to[resource] ?? 0, least[resource] ?? 0)
}
