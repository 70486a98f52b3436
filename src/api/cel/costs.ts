// Prices of functions, the same for an estimate and for a run but where cel-go itself differs.
import type { CostRule } from './overload.ts'
import type { Range } from './range.ts'
import { add, fixed, multiply, one, patternFactor, scale, traversal, unknownSize } from './range.ts'

const sizeAt = (sizes: readonly Range[], index: number): Range => sizes[index] ?? unknownSize

/** Reads one argument through. */
export const reads =
  (index = 0, factor = 1): CostRule =>
  ({ sizes }) => ({ cost: scale(sizeAt(sizes, index), factor * traversal) })

/** Reads the text and makes another of at most its size. */
export const rewrites: CostRule = ({ sizes }) => {
  const size = sizeAt(sizes, 0)
  return { cost: scale(size, traversal), size }
}

/** One text searched for another. */
export const searches: CostRule = ({ sizes }) => ({
  cost: multiply(scale(sizeAt(sizes, 0), traversal), scale(sizeAt(sizes, 1), traversal)),
})

/** A pattern run over a text: RE2 takes the product. */
export const matches: CostRule = ({ sizes }) => {
  const text = scale(add(sizeAt(sizes, 0), one), traversal)
  const size = { min: 0, max: sizeAt(sizes, 0).max }
  return { cost: multiply(text, scale(sizeAt(sizes, 1), patternFactor)), size }
}

/** Two values compared until they differ or the shorter one ends. */
export const compares: CostRule = ({ sizes }) => {
  const max = Math.min(sizeAt(sizes, 0).max, sizeAt(sizes, 1).max)
  return { cost: scale({ min: max > 0 ? 1 : 0, max }, traversal) }
}

/** As compares(), of values whose sizes are known. */
export const comparesNow: CostRule = ({ sizes }) => ({
  cost: scale(fixed(Math.min(sizeAt(sizes, 0).max, sizeAt(sizes, 1).max)), traversal),
})

/** Looks at every item. */
export const scans =
  (index: number): CostRule =>
  ({ sizes }) => ({ cost: sizeAt(sizes, index) })

export const concatenates: CostRule = ({ sizes }) => {
  const size = add(sizeAt(sizes, 0), sizeAt(sizes, 1))
  return { cost: scale(size, traversal), size }
}

/** Lists are chained, not copied. */
export const chains: CostRule = ({ sizes }) => ({
  cost: one,
  size: add(sizeAt(sizes, 0), sizeAt(sizes, 1)),
})

/** Every item read once; texts in it are read, too. */
export const aggregates: CostRule = ({ sizes, elementSize }) => {
  const element = elementSize(0)
  const each = element ? add(one, scale(element, traversal)) : one
  return { cost: multiply(sizeAt(sizes, 0), each) }
}

export const splits: CostRule = ({ sizes }) => {
  const size = sizeAt(sizes, 0)
  return { cost: scale(size, 2 * traversal), size: { min: 0, max: size.max } }
}

export const joins: CostRule = ({ sizes, elementSize }) => {
  const list = sizeAt(sizes, 0)
  const separators = { min: Math.max(list.min - 1, 0), max: Math.max(list.max - 1, 0) }
  const texts = multiply(list, elementSize(0) ?? fixed(0))
  const between = sizes[1] ? multiply(sizes[1], separators) : fixed(0)
  const size = add(texts, between)
  return { cost: scale(size, traversal), size }
}

export const replaces: CostRule = ({ sizes }) => {
  const [text = unknownSize, from = unknownSize, to = unknownSize] = sizes
  const size = { min: shortest(text, from, to), max: longest(text, from, to) }
  return { cost: scale(text, 2 * traversal), size }
}

function longest(text: Range, from: Range, to: Range): number {
  if (from.min === 0) return (text.max + 1) * to.max + text.max
  if (to.max <= from.min) return text.max
  return Math.ceil(text.max / from.min) * to.max
}

function shortest(text: Range, from: Range, to: Range): number {
  if (from.max === 0) return (text.min + 1) * to.min + text.min
  if (from.max <= to.min) return text.min
  return Math.ceil(text.min / from.max) * to.min
}

/** Every item of one list against every item of another. */
export const product =
  (times: number): CostRule =>
  ({ sizes }) => ({ cost: scale(multiply(sizeAt(sizes, 0), sizeAt(sizes, 1)), times) })

export const always =
  (cost: number): CostRule =>
  () => ({ cost: fixed(cost) })
