// Whether a Pod's tolerations put up with a Node's taints.
import type { Taint, Toleration } from '../types/core.gen.ts'

export function toleratesTaint(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false
  if (toleration.key && toleration.key !== taint.key) return false
  switch (toleration.operator ?? 'Equal') {
    case 'Exists':
      return true
    case 'Equal':
      return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '')
    default:
      return compares(toleration, taint)
  }
}

/** Gt and Lt, over whole numbers: the taint's value against the toleration's. */
function compares({ operator, value }: Toleration, taint: Taint): boolean {
  const whole = /^(0|-?[1-9]\d*)$/
  if (!whole.test(value ?? '') || !whole.test(taint.value ?? '')) return false
  const [limit, actual] = [BigInt(value ?? 0), BigInt(taint.value ?? 0)]
  return operator === 'Gt' ? actual > limit : operator === 'Lt' && actual < limit
}

/** The first taint with one of these effects that nothing tolerates. */
export const untoleratedTaint = (
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly Taint['effect'][],
): Taint | undefined =>
  taints?.find(
    (taint) =>
      effects.includes(taint.effect) &&
      !tolerations?.some((toleration) => toleratesTaint(toleration, taint)),
  )
