// The decisions of a commit, shared by the stores: do its expectations hold, and what happens.
import type { OrderedMap } from './ordered-map.ts'
import type { CommitResult, Entry, Expectation, StoreEvent, Write } from './store.ts'

type Read = (key: string) => Entry | undefined

/** An event with the entry it leaves behind; for a delete the entry that went away. */
export type PlannedEvent = StoreEvent & { readonly entry: Entry }

export function failedExpectation(
  expectations: readonly Expectation[],
  read: Read,
): CommitResult | undefined {
  for (const { key, modRevision } of expectations) {
    const found = read(key)
    if ((found?.modRevision ?? 0) !== modRevision) return { ok: false, key, found }
  }
  return undefined
}

/** Deleting what is not there is no event. Of two writes to one key the later one counts. */
export function eventsOf(writes: readonly Write[], read: Read, revision: number): PlannedEvent[] {
  const last = new Map(writes.map((write) => [write.key, write]))
  const events: PlannedEvent[] = []
  for (const write of last.values()) {
    const { key } = write
    const previous = read(key)
    if (write.type === 'put') {
      const createRevision = previous?.createRevision ?? revision
      const entry: Entry = { key, value: write.value, modRevision: revision, createRevision }
      const replaced = previous ? { previous } : {}
      events.push({ type: 'put', key, revision, value: write.value, ...replaced, entry })
    } else if (previous) {
      const { value } = previous
      events.push({ type: 'delete', key, revision, value, previous, entry: previous })
    }
  }
  return events
}

/** Turns a copy of the present into the past. */
export function applyUndo(entries: OrderedMap<Entry>, undo: Map<string, Entry | undefined>): void {
  for (const [key, before] of undo) {
    if (before) entries.set(key, before)
    else entries.delete(key)
  }
}
