// Ranges of sizes and costs: at least, at most. Upstream counts in 64 bits and stops there.

export interface Range {
  readonly min: number
  readonly max: number
}

const ceiling = 2 ** 64

const cap = (value: number): number => Math.min(value, ceiling)

export const fixed = (value: number): Range => ({ min: value, max: value })
export const zero = fixed(0)
export const one = fixed(1)
export const unknownSize: Range = { min: 0, max: ceiling }

export const add = (...ranges: readonly Range[]): Range =>
  ranges.reduce((sum, { min, max }) => ({ min: cap(sum.min + min), max: cap(sum.max + max) }), zero)

export const multiply = (left: Range, right: Range): Range => ({
  min: cap(left.min * right.min),
  max: cap(left.max * right.max),
})

/** Rounded up, as every cost is. */
export const scale = ({ min, max }: Range, factor: number): Range => ({
  min: cap(Math.ceil(min * factor)),
  max: cap(Math.ceil(max * factor)),
})

export const union = (left: Range, right: Range): Range => ({
  min: Math.min(left.min, right.min),
  max: Math.max(left.max, right.max),
})

/** A text is read in tenths of a unit a character. */
export const traversal = 0.1
/** An expression of a pattern is about four characters. */
export const patternFactor = 0.25
