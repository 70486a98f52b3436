// What a bench is, and the statistics they share.

/** One figure. Lower is better unless `higherIsBetter`. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly ours: number
  /** Absent where there is no peer at hand; `peerNote` says which and why. */
  readonly peer?: number
  readonly peerNote?: string
  readonly target?: number
  readonly higherIsBetter?: boolean
}

export interface Bench {
  readonly about: string
  /** How durable a write was when it was counted as done; "" where nothing is written. */
  readonly durability: string
  run(): Promise<readonly Figure[]>
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** Nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return (
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ??
    Number.NaN
  )
}
