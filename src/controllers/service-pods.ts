// What Services and their Pods mean to each other, as the endpointslice and endpoints controllers
// both see it: which Pods are candidates, which port a Pod listens on, which events matter.
import { isPodFinished, isPodReady } from '../api/core/pod-state.ts'
import { services } from '../api/resources.gen.ts'
import type { Pod, Service, ServicePort } from '../api/types/core.gen.ts'
import type { Snapshot } from '../client/controller.ts'
import { keyOf } from '../client/informer.ts'
import { semanticEqual } from '../lib/equal.ts'

/** Services whose endpoints these controllers leave alone, whatever is there. */
export const isManaged = (service: Service): boolean =>
  service.spec.type !== 'ExternalName' && Object.keys(service.spec.selector ?? {}).length > 0

/** Finished Pods and Pods without an address are no endpoints; terminating ones still are. */
export const isCandidate = (pod: Pod): boolean =>
  !isPodFinished(pod) && Boolean(pod.status?.podIP || pod.status?.podIPs?.length)

export const isHeadless = (service: Service): boolean =>
  service.spec.clusterIP === 'None' || !service.spec.clusterIP

/** Whether all pairs of a Service's selector are among the labels. */
export function matchesPairs(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  for (const key in selector) {
    if (labels?.[key] !== selector[key]) return false
  }
  return true
}

/** The Pod's hostname, if it is a name under this very Service. */
export const endpointHostname = (pod: Pod, service: Service): string | undefined =>
  pod.spec.hostname &&
  pod.spec.subdomain === service.metadata.name &&
  pod.metadata.namespace === service.metadata.namespace
    ? pod.spec.hostname
    : undefined

/** The number a Service port leads to in this Pod; undefined when the Pod does not name it. */
export function findTargetPort(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port
  if (typeof target === 'number') return target
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always')
  const protocol = port.protocol ?? 'TCP'
  for (const container of [...pod.spec.containers, ...sidecars]) {
    const named = container.ports?.find(
      (candidate) => candidate.name === target && (candidate.protocol ?? 'TCP') === protocol,
    )
    if (named) return named.containerPort
  }
  return undefined
}

/** Keys of the Services an event of a Pod may change the endpoints of. */
export function servicesOfPod(
  pod: Pod,
  old: Pod | undefined,
  snapshot: Snapshot,
): readonly string[] {
  if (!old) return matchingServices(pod, snapshot)
  if (old.metadata.resourceVersion === pod.metadata.resourceVersion) return []
  const changed = endpointChanged(old, pod)
  if (!membershipChanged(old, pod)) return changed ? matchingServices(pod, snapshot) : []
  const before = matchingServices(old, snapshot)
  const after = matchingServices(pod, snapshot)
  if (changed) return [...new Set([...before, ...after])]
  return [
    ...after.filter((key) => !before.includes(key)),
    ...before.filter((key) => !after.includes(key)),
  ]
}

function matchingServices(pod: Pod, snapshot: Snapshot): string[] {
  return snapshot
    .of(services)
    .list(pod.metadata.namespace)
    .filter(
      (service) =>
        service.spec.selector !== undefined &&
        Object.keys(service.spec.selector).length > 0 &&
        matchesPairs(service.spec.selector, pod.metadata.labels),
    )
    .map(keyOf)
}

function membershipChanged(old: Pod, pod: Pod): boolean {
  return (
    !semanticEqual(old.metadata.labels, pod.metadata.labels) ||
    (old.spec.hostname ?? '') !== (pod.spec.hostname ?? '') ||
    (old.spec.subdomain ?? '') !== (pod.spec.subdomain ?? '')
  )
}

// A phase that becomes final matters too, though upstream notices it only by the Ready condition
// that falls with it.
function endpointChanged(old: Pod, pod: Pod): boolean {
  return (
    old.metadata.deletionTimestamp !== pod.metadata.deletionTimestamp ||
    isPodReady(old) !== isPodReady(pod) ||
    isPodFinished(old) !== isPodFinished(pod) ||
    !semanticEqual(old.status?.podIPs, pod.status?.podIPs)
  )
}
