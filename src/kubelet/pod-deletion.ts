// The last step of a Pod: its object goes once nothing of it is left on the node.
import { isReason } from '../api/machinery/status.ts'
import { pods } from '../api/resources.gen.ts'
import type { Pod } from '../api/types/core.gen.ts'
import type { Client } from '../client/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'

const firstRetryMs = 200
const maxRetryMs = 10_000

/** Tries until it is gone. The UID keeps a younger Pod of the same name out of it. */
export async function deletePod(
  pod: Pod,
  deps: { readonly client: Client; readonly clock: Clock; readonly log: Logger },
): Promise<void> {
  const { namespace, name, uid } = pod.metadata
  const body = { gracePeriodSeconds: 0, ...(uid ? { preconditions: { uid } } : {}) }
  for (let delayMs = firstRetryMs; ; delayMs = Math.min(delayMs * 2, maxRetryMs)) {
    try {
      await deps.client.resource(pods).delete({ namespace, name }, { body })
      return
    } catch (error) {
      if (isReason(error, 'NotFound') || isReason(error, 'Conflict')) return
      deps.log.warn('cannot delete a pod that has ended', { pod: `${namespace}/${name}`, error })
      await deps.clock.sleep(delayMs)
    }
  }
}
