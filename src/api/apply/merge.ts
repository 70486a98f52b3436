// live + applied: the applied value wins at every leaf, nothing is removed, and lists of named
// items keep the order of live unless the applied configuration reorders them.
import {
  type Atom,
  atomOfField,
  isObject,
  type JsonObject,
  type ListAtom,
  type MapAtom,
  put,
  settle,
} from './atom.ts'
import { itemElement } from './path-element.ts'

/** Neither operand is changed; the result shares what it can with them. */
export function merge(live: unknown, applied: unknown, declared: Atom): unknown {
  if (applied === undefined) return live
  if (live === undefined) return applied
  const atom = settle(declared, applied ?? live)
  if (atom.kind === 'scalar') return applied
  if (atom.kind === 'map') {
    const one = isObject(live) ? live : undefined
    const other = isObject(applied) ? applied : undefined
    return atom.atomic || (isBare(one) && isBare(other))
      ? applied
      : mergeFields(one ?? {}, other ?? {}, atom)
  }
  const one = Array.isArray(live) ? live : []
  const other = Array.isArray(applied) ? applied : []
  if (atom.relation === 'atomic' || (one.length === 0 && other.length === 0)) return applied
  return mergeItems(one, other, atom)
}

const isBare = (object: JsonObject | undefined): boolean =>
  object === undefined || Object.keys(object).length === 0

function mergeFields(live: JsonObject, applied: JsonObject, atom: MapAtom): JsonObject {
  const result: Record<string, unknown> = {}
  for (const name of Object.keys(live)) {
    const other = Object.hasOwn(applied, name) ? applied[name] : undefined
    put(result, name, merge(live[name], other, atomOfField(atom, name)))
  }
  for (const name of Object.keys(applied)) {
    if (!Object.hasOwn(live, name)) put(result, name, applied[name])
  }
  return result
}

interface Named {
  readonly elements: readonly string[]
  /** An item that is there twice cannot be merged into, and stands as undefined. */
  readonly items: ReadonlyMap<string, unknown>
}

function nameItems(list: readonly unknown[], atom: ListAtom): Named {
  const elements: string[] = []
  const items = new Map<string, unknown>()
  for (const item of list) {
    const element = itemElement(atom, item)
    // Live objects may hold items without keys: kept, and never equal to anything.
    const name = typeof element === 'string' ? element : `?:${elements.length}`
    items.set(name, items.has(name) ? undefined : item)
    elements.push(name)
  }
  return { elements, items }
}

/**
 * Two pointers walk both lists. Items of both are taken in the applied order; items of live alone
 * stay behind the neighbour they had (structured-merge-diff, typed/merge.go, visitListItems).
 */
function mergeItems(
  liveList: readonly unknown[],
  appliedList: readonly unknown[],
  atom: ListAtom,
): unknown[] {
  const live = nameItems(liveList, atom)
  const applied = nameItems(appliedList, atom)
  const shared = applied.elements.filter((element) => live.items.has(element))
  const merged = new Set<string>()
  const result: unknown[] = []
  let [atLive, atApplied, atShared] = [0, 0, 0]
  const takeApplied = (element: string) => {
    merged.add(element)
    result.push(merge(live.items.get(element), applied.items.get(element), atom.element))
    atApplied += 1
    if (shared[atShared] === element) atShared += 1
  }
  while (atLive < liveList.length || atApplied < appliedList.length) {
    const left = live.elements[atLive]
    const right = applied.elements[atApplied]
    if (left !== undefined && left === right) {
      takeApplied(left)
      atLive += 1
    } else if (left !== undefined && !applied.items.has(left)) {
      result.push(liveList[atLive])
      atLive += 1
    } else if (left !== undefined && isLater(left, right, shared[atShared])) {
      atLive += 1
    } else {
      if (left !== undefined && (merged.has(left) || right === undefined)) atLive += 1
      if (right !== undefined) takeApplied(right)
    }
  }
  return result
}

/** A shared item of live whose turn in the applied order has not come yet. */
const isLater = (left: string, right: string | undefined, next: string | undefined): boolean =>
  right !== undefined && next !== undefined && next !== left
