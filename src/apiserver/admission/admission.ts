// The admission chain: every plugin in Kubernetes' order, and how a request runs through them.
import type { StatusError } from '../../api/machinery/status.ts'
import { certificateApproval, certificateSigning } from './certificates.ts'
import { defaultIngressClass, defaultStorageClass } from './default-class.ts'
import { defaultTolerationSeconds } from './default-toleration-seconds.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import { podSecurity } from './pod-security.ts'
import { podTopologyLabels } from './pod-topology-labels.ts'
import { priority } from './priority.ts'
import { rbacEscalation } from './rbac-escalation.ts'
import { qualifiedOf } from './refuse.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRequest, Outcome } from './request.ts'
import { resourceQuota } from './resource-quota.ts'
import { runtimeClass } from './runtime-class.ts'
import { serviceAccount } from './service-account.ts'
import {
  persistentVolumeClaimResize,
  storageObjectInUseProtection,
  taintNodesByCondition,
} from './small.ts'
import { validatingAdmissionPolicy } from './validating-policy.ts'

/** Upstream's order (pkg/kubeapiserver/options/plugins.go). */
export const builtIn: readonly AdmissionPlugin[] = [
  namespaceLifecycle,
  limitRanger,
  serviceAccount,
  nodeRestriction,
  taintNodesByCondition,
  podSecurity,
  priority,
  defaultTolerationSeconds,
  defaultStorageClass,
  storageObjectInUseProtection,
  persistentVolumeClaimResize,
  runtimeClass,
  certificateApproval,
  certificateSigning,
  defaultIngressClass,
  podTopologyLabels,
]

/** Behind everything that may refuse, since it counts what is let through. */
export const last: readonly AdmissionPlugin[] = [resourceQuota, rbacEscalation]

export interface Chain {
  /** Runs the mutating hooks; ends at the first refusal. A Promise only if some plugin has to wait. */
  admit(request: AdmissionRequest, context: AdmissionContext): Outcome | Promise<Outcome>
  /** Runs the validating hooks; ends at the first refusal. */
  validate(request: AdmissionRequest, context: AdmissionContext): Outcome | Promise<Outcome>
}

/** `dynamic`: mutating policies and webhooks, then validating ones; they stand before quota. */
export function createChain(dynamic: readonly AdmissionPlugin[] = []): Chain {
  const choose = chooser([...builtIn, ...dynamic, ...last])
  return {
    admit: (request, context) => run('admit', choose(request), { request, context }),
    validate: (request, context) => run('validate', choose(request), { request, context }),
  }
}

/** The chain of this server. */
export const { admit, validate } = createChain([validatingAdmissionPolicy])

interface Subject {
  readonly request: AdmissionRequest
  readonly context: AdmissionContext
}

function run(
  hook: 'admit' | 'validate',
  plugins: readonly AdmissionPlugin[],
  { request, context }: Subject,
): Outcome | Promise<Outcome> {
  const from = (start: number): Outcome | Promise<Outcome> => {
    for (let index = start; index < plugins.length; index += 1) {
      const outcome = plugins[index]?.[hook]?.(request, context)
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
function chooser(
  plugins: readonly AdmissionPlugin[],
): (request: AdmissionRequest) => readonly AdmissionPlugin[] {
  const chosen = new Map<string, readonly AdmissionPlugin[]>()
  return (request) => {
    const { operation, subresource } = request
    const resource = qualifiedOf(request) + (subresource === '' ? '' : `/${subresource}`)
    const key = `${operation} ${resource}`
    const known = chosen.get(key)
    if (known !== undefined) return known
    const meets = (plugin: AdmissionPlugin) =>
      plugin.operations.includes(operation) && (plugin.resources?.includes(resource) ?? true)
    const found = plugins.filter(meets)
    chosen.set(key, found)
    return found
  }
}
