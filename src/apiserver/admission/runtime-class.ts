// A Pod's RuntimeClass adds its overhead, node selector and tolerations.
import type { Draft } from '../../api/machinery/draft.ts'
import { pods, runtimeclasses } from '../../api/resources.gen.ts'
import type { Pod, Toleration } from '../../api/types/core.gen.ts'
import type { RuntimeClass } from '../../api/types/node.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { objectOf, quote, refuse } from './refuse.ts'
import type { AdmissionPlugin, AdmissionRequest, Outcome } from './request.ts'

type Spec = Draft<NonNullable<Pod['spec']>>

export const runtimeClass: AdmissionPlugin = {
  name: 'RuntimeClass',
  operations: ['CREATE'],
  resources: ['pods'],
  admit(request, { reader }) {
    const spec = objectOf(request, pods).spec as Spec
    const name = spec.runtimeClassName
    if (!name) return undefined
    const found = reader(runtimeclasses).get(name)
    if (found === undefined) {
      const cause = `runtimeclass.node.k8s.io ${quote(name)} not found`
      return refuse(request, `pod rejected: RuntimeClass ${quote(name)} not found: ${cause}`)
    }
    return setOverhead(request, spec, found) ?? setScheduling(request, spec, found)
  },
  validate(request) {
    const spec = objectOf(request, pods).spec as Spec
    if (spec.runtimeClassName || spec.overhead === undefined || spec.overhead === null)
      return undefined
    return refuse(
      request,
      'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
    )
  },
}

function setOverhead(request: AdmissionRequest, spec: Spec, found: RuntimeClass): Outcome {
  const overhead = found.overhead?.podFixed
  if (overhead === undefined || overhead === null) return undefined
  if (spec.overhead && !semanticEqual(spec.overhead, overhead)) {
    return refuse(
      request,
      "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
    )
  }
  spec.overhead = { ...overhead }
  return undefined
}

function setScheduling(request: AdmissionRequest, spec: Spec, found: RuntimeClass): Outcome {
  const { nodeSelector = {}, tolerations = [] } = found.scheduling ?? {}
  for (const [key, value] of Object.entries(nodeSelector ?? {})) {
    const had = spec.nodeSelector?.[key]
    if (had !== undefined && had !== value) {
      return refuse(
        request,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${had}`,
      )
    }
  }
  if (Object.keys(nodeSelector ?? {}).length > 0) {
    spec.nodeSelector = { ...spec.nodeSelector, ...nodeSelector }
  }
  const added = (tolerations ?? []).filter(
    (toleration) => !(spec.tolerations ?? []).some((had) => semanticEqual(had, toleration)),
  )
  if (added.length > 0) {
    spec.tolerations = [...(spec.tolerations ?? []), ...(added as Draft<Toleration>[])]
  }
  return undefined
}
