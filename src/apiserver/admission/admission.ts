// The admission chain: every plugin in Kubernetes' order, and how a request runs through them.
import type { StatusError } from '../../api/machinery/status.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRequest, Outcome } from './request.ts'

/** Upstream's order; mutating policies and webhooks stand before ValidatingAdmissionPolicy and quota. */
export const plugins: readonly AdmissionPlugin[] = []

/** Runs the mutating hooks; ends at the first refusal. A Promise only if some plugin has to wait. */
export const admit = (
  request: AdmissionRequest,
  context: AdmissionContext,
): Outcome | Promise<Outcome> => run('admit', request, context)

/** Runs the validating hooks; ends at the first refusal. */
export const validate = (
  request: AdmissionRequest,
  context: AdmissionContext,
): Outcome | Promise<Outcome> => run('validate', request, context)

function run(
  hook: 'admit' | 'validate',
  request: AdmissionRequest,
  context: AdmissionContext,
): Outcome | Promise<Outcome> {
  const chosen = pluginsFor(request)
  const from = (start: number): Outcome | Promise<Outcome> => {
    for (let index = start; index < chosen.length; index += 1) {
      const outcome = chosen[index]?.[hook]?.(request, context)
      if (outcome instanceof Promise) {
        return outcome.then((refusal: StatusError | undefined) => refusal ?? from(index + 1))
      }
      if (outcome !== undefined) return outcome
    }
    return undefined
  }
  return from(0)
}

/** Which plugins a kind of request meets never changes, so it is worked out once. */
const chosenFor = new Map<string, readonly AdmissionPlugin[]>()

function pluginsFor(request: AdmissionRequest): readonly AdmissionPlugin[] {
  const { group, plural } = request.resource
  const qualified = group === '' ? plural : `${plural}.${group}`
  const resource = request.subresource === '' ? qualified : `${qualified}/${request.subresource}`
  const key = `${request.operation} ${resource}`
  const known = chosenFor.get(key)
  if (known !== undefined) return known
  const chosen = plugins.filter(
    (plugin) =>
      plugin.operations.includes(request.operation) &&
      (plugin.resources === undefined || plugin.resources.includes(resource)),
  )
  chosenFor.set(key, chosen)
  return chosen
}
