// intstr.IntOrString: a number, or text such as a port's name or a percentage.

export type IntOrString = number | string

/** Reads a percentage, `25%`; undefined for anything else. */
export function parsePercent(value: IntOrString): number | undefined {
  if (typeof value !== 'string' || !/^-?\d+%$/.test(value)) return undefined
  return Number(value.slice(0, -1))
}

/** The number a value means of a total; percentages are rounded up or down as told. */
export function scaledValue(
  value: IntOrString,
  total: number,
  round: 'up' | 'down',
): number | undefined {
  if (typeof value === 'number') return value
  const percent = parsePercent(value)
  if (percent === undefined) return undefined
  const exact = (percent * total) / 100
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact)
}
