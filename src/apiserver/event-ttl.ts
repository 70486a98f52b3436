// Events and other objects of a kind with a time to live: deleted when they have not changed for it.

import type { KubeObject } from '../api/machinery/resource.ts'
import { timeMs } from '../api/machinery/time.ts'
import type { Event } from '../api/types/core.gen.ts'
import type { Write } from '../store/store.ts'
import type { Served } from './served.ts'
import type { WriterDeps } from './writer.ts'

/** So many go in one commit. */
const maxBatch = 100

/** One sweep; to be repeated. */
export async function sweepExpired(
  deps: WriterDeps,
  served: readonly Served[],
  ttlOf: (served: Served) => number | undefined,
): Promise<void> {
  for (const one of served) {
    const ttlSeconds = ttlOf(one)
    if (ttlSeconds === undefined || one.stored !== one) continue
    const before = deps.clock.now() - ttlSeconds * 1000
    const old = one.cache.list('').filter((entry) => lastChangeMs(entry.object) < before)
    for (let start = 0; start < old.length; start += maxBatch) {
      const batch = old.slice(start, start + maxBatch)
      const keys = batch.map((entry) => one.cache.prefix + entry.key)
      const expectations = batch.map(({ revision }, index) => ({
        key: keys[index]!,
        modRevision: revision,
      }))
      // One that changed meanwhile spoils its batch only: the next sweep has the rest.
      const writes = keys.map((key): Write => ({ type: 'delete', key }))
      await deps.store.commit(expectations, writes)
    }
  }
}

/** When it was last written, as far as the object itself tells. */
function lastChangeMs(object: KubeObject): number {
  const { lastTimestamp, eventTime, series } = object as Event
  const times = [
    object.metadata.creationTimestamp,
    lastTimestamp,
    eventTime,
    series?.lastObservedTime,
  ]
  return Math.max(...times.map((text) => timeMs(text ?? undefined) ?? 0))
}
