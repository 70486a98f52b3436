// Completion indexes of an Indexed Job as text: "0,2-4".

/** Sorted, without repeats; what does not parse is left out. */
export function parseIndexes(text: string | undefined): ReadonlySet<number> {
  const indexes = new Set<number>()
  for (const part of (text ?? '').split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part)
    if (!match) continue
    const last = Number(match[2] ?? match[1])
    for (let index = Number(match[1]); index <= last; index += 1) indexes.add(index)
  }
  return indexes
}

/** Three or more in a row become a range. */
export function formatIndexes(indexes: Iterable<number>): string {
  const sorted = [...new Set(indexes)].sort((one, other) => one - other)
  const parts: string[] = []
  for (let at = 0; at < sorted.length; ) {
    let end = at
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end += 1
    parts.push(end - at >= 2 ? `${sorted[at]}-${sorted[end]}` : sorted.slice(at, end + 1).join())
    at = end + 1
  }
  return parts.join()
}
