// What a controller must remember from one run of a key to the next where the API does not show
// it. The core stays a function: it is handed what it returned the last time.
import type { Controller, Outcome, ReconcileContext, Snapshot } from '../client/controller.ts'

export interface Remembering<Memory> {
  readonly outcome: Outcome
  /** Handed to the next run of this key; undefined forgets it. */
  readonly memory: Memory | undefined
}

export type RememberingReconcile<Memory> = (
  key: string,
  snapshot: Snapshot,
  context: ReconcileContext & { readonly memory: Memory | undefined },
) => Remembering<Memory>

/** Memory outlives failed runs and does not outlive the process. */
export function remembering<Memory>(
  controller: Omit<Controller, 'reconcile'> & { readonly reconcile: RememberingReconcile<Memory> },
): Controller {
  const memories = new Map<string, Memory>()
  return {
    ...controller,
    reconcile(key, snapshot, context) {
      const run = controller.reconcile(key, snapshot, { ...context, memory: memories.get(key) })
      if (run.memory === undefined) memories.delete(key)
      else memories.set(key, run.memory)
      return run.outcome
    },
  }
}
