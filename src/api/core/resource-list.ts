// Sums of resource lists (cpu, memory, counts), exact.
import { compareQuantities, formatQuantity, readQuantity } from '../machinery/quantity.ts'
import type { Pod } from '../types/core.gen.ts'

export type ResourceList = Readonly<Record<string, string | number>>

function combine(
  one: string | number | undefined,
  other: string | number | undefined,
  operation: (left: bigint, right: bigint) => bigint,
): string {
  const left = readQuantity(String(one ?? '0'))
  const right = readQuantity(String(other ?? '0'))
  // The format of the first that has one: "0" says nothing.
  const format =
    left.ok && one !== undefined ? left.value.format : right.ok ? right.value.format : 'DecimalSI'
  const nanos = operation(left.ok ? left.value.nanos : 0n, right.ok ? right.value.nanos : 0n)
  return formatQuantity({ nanos, format })
}

export function addLists(one: ResourceList, other: ResourceList): ResourceList {
  const result: Record<string, string | number> = { ...one }
  for (const [name, quantity] of Object.entries(other)) {
    result[name] = combine(one[name], quantity, (left, right) => left + right)
  }
  return result
}

export function subtractLists(one: ResourceList, other: ResourceList): ResourceList {
  const result: Record<string, string | number> = { ...one }
  for (const [name, quantity] of Object.entries(other)) {
    result[name] = combine(one[name], quantity, (left, right) => left - right)
  }
  return result
}

export function maxLists(one: ResourceList, other: ResourceList): ResourceList {
  const result: Record<string, string | number> = { ...one }
  for (const [name, quantity] of Object.entries(other)) {
    if (compareQuantities(quantity, one[name]) > 0 || one[name] === undefined)
      result[name] = quantity
  }
  return result
}

export const pick = (list: ResourceList, names: Iterable<string>): ResourceList => {
  const result: Record<string, string | number> = {}
  for (const name of names) {
    const quantity = list[name]
    if (quantity !== undefined) result[name] = quantity
  }
  return result
}

export const isZero = (quantity: string | number | undefined): boolean =>
  compareQuantities(quantity, 0) === 0

/**
 * What a Pod asks of its node: its containers together, or its hungriest init container if that is
 * more; sidecars run beside both; overhead on top.
 */
export function podResources(pod: Pick<Pod, 'spec'>, which: 'requests' | 'limits'): ResourceList {
  const { spec } = pod
  let running: ResourceList = {}
  for (const container of spec?.containers ?? []) {
    running = addLists(running, container.resources?.[which] ?? {})
  }
  let sidecars: ResourceList = {}
  let starting: ResourceList = {}
  for (const container of spec?.initContainers ?? []) {
    const own = container.resources?.[which] ?? {}
    if (container.restartPolicy === 'Always') {
      running = addLists(running, own)
      sidecars = addLists(sidecars, own)
      starting = maxLists(starting, sidecars)
    } else starting = maxLists(starting, addLists(own, sidecars))
  }
  const total = { ...maxLists(running, starting), ...spec?.resources?.[which] }
  const overhead = spec?.overhead ?? {}
  return which === 'requests'
    ? addLists(total, overhead)
    : addLists(total, pick(overhead, Object.keys(total)))
}
