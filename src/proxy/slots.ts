// Numbered places for a frontend's endpoints. A change moves as few endpoints as possible, so that
// a Service with a thousand of them costs as little to update as one with two. Pure.

/**
 * The wanted values, arranged so that those already placed stay where they are: a freed place is
 * taken by a new value, or else by the last one. The result has no gaps.
 */
export function arrangeSlots(current: readonly string[], wanted: Iterable<string>): string[] {
  const missing = new Set(wanted)
  const slots: (string | undefined)[] = current.map((value) =>
    missing.delete(value) ? value : undefined,
  )
  const newcomers = [...missing]
  for (let index = 0; index < slots.length; index++) {
    if (slots[index] === undefined && newcomers.length > 0) slots[index] = newcomers.shift()
  }
  for (let index = 0; index < slots.length; index++) {
    while (slots.length > 0 && slots.at(-1) === undefined) slots.pop()
    if (index < slots.length && slots[index] === undefined) slots[index] = slots.pop()
  }
  return [...(slots as string[]), ...newcomers]
}
