// A Pod of a StatefulSet: its number gives it name, host name and claims.
import { isPodReady } from '../../api/core/pod-state.ts'
import { statefulsets } from '../../api/resources.gen.ts'
import type { StatefulSet } from '../../api/types/apps.gen.ts'
import type { PersistentVolumeClaim, Pod, PodTemplateSpec } from '../../api/types/core.gen.ts'
import { controllerRef } from '../ownership.ts'
import { revisionLabel } from '../revisions.ts'

export const podName = (set: StatefulSet, ordinal: number): string =>
  `${set.metadata.name}-${ordinal}`

/** The Pod's number in this set; undefined for a Pod that only has the labels. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`
  const text = pod.metadata.name.slice(prefix.length)
  return pod.metadata.name.startsWith(prefix) && /^(0|[1-9]\d*)$/.test(text)
    ? Number(text)
    : undefined
}

export const isHealthy = (pod: Pod): boolean =>
  pod.status?.phase === 'Running' && isPodReady(pod) && pod.metadata.deletionTimestamp === undefined

const claimName = (template: PersistentVolumeClaim, name: string): string =>
  `${template.metadata.name}-${name}`

export function buildPod(
  set: StatefulSet,
  ordinal: number,
  version: { readonly template: PodTemplateSpec; readonly revision: string },
): Pod {
  const name = podName(set, ordinal)
  const { template } = version
  const claims = set.spec.volumeClaimTemplates ?? []
  const claimed = claims.map((claim) => ({
    name: claim.metadata.name,
    persistentVolumeClaim: { claimName: claimName(claim, name) },
  }))
  const others = (template.spec?.volumes ?? []).filter(
    (volume) => !claimed.some((claim) => claim.name === volume.name),
  )
  const volumes = [...claimed, ...others]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      generateName: `${set.metadata.name}-`,
      namespace: set.metadata.namespace,
      labels: {
        ...template.metadata?.labels,
        'statefulset.kubernetes.io/pod-name': name,
        'apps.kubernetes.io/pod-index': String(ordinal),
        [revisionLabel]: version.revision,
      },
      ...(template.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
      ...(template.metadata?.finalizers?.length
        ? { finalizers: template.metadata.finalizers }
        : {}),
      ownerReferences: [controllerRef(statefulsets, set)],
    },
    spec: {
      ...(template.spec ?? { containers: [] }),
      hostname: name,
      ...(set.spec.serviceName ? { subdomain: set.spec.serviceName } : {}),
      ...(volumes.length > 0 ? { volumes } : {}),
    },
  }
}

/** The claims a Pod of this number needs. They stay when it goes, unless the set says otherwise. */
export function claimsOf(set: StatefulSet, ordinal: number): readonly PersistentVolumeClaim[] {
  const goesWithSet = set.spec.persistentVolumeClaimRetentionPolicy?.whenDeleted === 'Delete'
  const { controller: _, blockOwnerDeletion: __, ...owner } = controllerRef(statefulsets, set)
  return (set.spec.volumeClaimTemplates ?? []).map((claim) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      ...claim.metadata,
      name: claimName(claim, podName(set, ordinal)),
      namespace: set.metadata.namespace,
      labels: { ...claim.metadata.labels, ...set.spec.selector.matchLabels },
      ...(goesWithSet ? { ownerReferences: [owner] } : {}),
    },
    spec: claim.spec,
  }))
}
