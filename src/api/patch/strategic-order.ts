// The order of a merged list in a strategic patch: $setElementOrder, then the patch, then live.
import { isObject } from '../apply/atom.ts'
import { formatGo, goTypeName } from '../apply/go-format.ts'

/** A client's mistake met deep inside a patch; caught at the door (strategic.ts). */
export class StrategicError extends Error {
  /** "bad-request" is 400, "does-not-apply" a bare 422, "unforeseen" 500 with this text. */
  readonly code: 'bad-request' | 'does-not-apply' | 'unforeseen'

  constructor(code: StrategicError['code'], message: string) {
    super(message)
    this.name = 'StrategicError'
    this.code = code
  }
}

export type JsonMap = Record<string, unknown>

export const badArgType = (expected: string, actual: unknown): StrategicError =>
  new StrategicError('unforeseen', `expected a ${expected}, but received a ${goTypeName(actual)}`)

export const noMergeKey = (map: unknown, key: string): StrategicError =>
  new StrategicError(
    'unforeseen',
    `map: ${formatGo(map)} does not contain declared merge key: ${key}`,
  )

export function asMap(value: unknown): JsonMap {
  if (!isObject(value)) throw badArgType('map[string]interface {}', value)
  return value as JsonMap
}

/** What identifies an item: itself, or its merge key. */
export function identityOf(item: unknown, mergeKey: string): unknown {
  if (mergeKey === '') return item
  const map = asMap(item)
  if (!Object.hasOwn(map, mergeKey)) throw noMergeKey(map, mergeKey)
  return map[mergeKey]
}

export interface Ordering {
  readonly order: readonly unknown[]
  readonly live: readonly unknown[]
  /** "" for lists of scalars. */
  readonly mergeKey: string
}

/** Items named by `order` come in that order; the others keep live's order among them. */
export function orderItems(
  merged: readonly unknown[],
  { order, live, mergeKey }: Ordering,
): unknown[] {
  const named = indexItems(order, mergeKey)
  const liveIndex = indexItems(live, mergeKey)
  const identity = (item: unknown) => identityOf(item, mergeKey)
  const rank = (index: ReadonlyMap<unknown, number>) => (one: unknown, other: unknown) =>
    (index.get(identity(one)) ?? 0) - (index.get(identity(other)) ?? 0)
  const fromPatch = merged.filter((item) => named.has(identity(item))).sort(rank(named))
  const serverOnly = merged.filter((item) => !named.has(identity(item))).sort(rank(liveIndex))
  const result: unknown[] = []
  let next = 0
  for (const item of fromPatch) {
    const at = liveIndex.get(identity(item))
    while (at !== undefined && next < serverOnly.length) {
      const server = liveIndex.get(identity(serverOnly[next]))
      if (server === undefined || server >= at) break
      result.push(serverOnly[next])
      next += 1
    }
    result.push(item)
  }
  return [...result, ...serverOnly.slice(next)]
}

function indexItems(items: readonly unknown[], mergeKey: string): Map<unknown, number> {
  const index = new Map<unknown, number>()
  for (const [at, item] of items.entries()) {
    const identity = identityOf(item, mergeKey)
    if (!index.has(identity)) index.set(identity, at)
  }
  return index
}

/** The patch list may hold only items of the order list, and in its order; deletions apart. */
export function checkAgainstOrder(
  patch: readonly unknown[],
  order: readonly unknown[],
  mergeKey: string,
): void {
  if (patch.length === 0 || order.length === 0) return
  const kept = mergeKey === '' ? patch : patch.filter((item) => asMap(item).$patch !== 'delete')
  let [atPatch, atOrder] = [0, 0]
  while (atPatch < kept.length && atOrder < order.length) {
    const item = kept[atPatch]
    if (isObject(item) && '$patch' in item) {
      atPatch += 1
      continue
    }
    if (identityOf(item, mergeKey) === identityOf(order[atOrder], mergeKey)) atPatch += 1
    atOrder += 1
  }
  if (atPatch < kept.length) {
    throw new StrategicError(
      'unforeseen',
      [
        'The order in patch list:',
        formatGo(patch),
        " doesn't match $setElementOrder list:",
        `${formatGo(order)}\n`,
      ].join('\n'),
    )
  }
}
