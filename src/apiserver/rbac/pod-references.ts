// The objects a Pod names: Secrets, ConfigMaps, claims.
import type { Container, EphemeralContainer, Pod } from '../../api/types/core.gen.ts'

type PodLike = Pick<Pod, 'spec' | 'metadata'>

function* containersOf({ spec }: PodLike): Generator<Container | EphemeralContainer> {
  yield* spec?.initContainers ?? []
  yield* spec?.containers ?? []
  yield* spec?.ephemeralContainers ?? []
}

/** With repeats. */
export function* secretNames(pod: PodLike): Generator<string> {
  for (const { name } of pod.spec?.imagePullSecrets ?? []) if (name) yield name
  for (const container of containersOf(pod)) {
    for (const { secretRef } of container.envFrom ?? []) if (secretRef?.name) yield secretRef.name
    for (const { valueFrom } of container.env ?? []) {
      if (valueFrom?.secretKeyRef?.name) yield valueFrom.secretKeyRef.name
    }
  }
  for (const volume of pod.spec?.volumes ?? []) {
    const names = [
      volume.secret?.secretName,
      volume.azureFile?.secretName,
      volume.cephfs?.secretRef?.name,
      volume.cinder?.secretRef?.name,
      volume.flexVolume?.secretRef?.name,
      volume.rbd?.secretRef?.name,
      volume.scaleIO?.secretRef?.name,
      volume.iscsi?.secretRef?.name,
      volume.storageos?.secretRef?.name,
      volume.csi?.nodePublishSecretRef?.name,
      ...(volume.projected?.sources ?? []).map(({ secret }) => secret?.name),
    ]
    for (const name of names) if (name) yield name
  }
}

/** With repeats. */
export function* configMapNames(pod: PodLike): Generator<string> {
  for (const container of containersOf(pod)) {
    for (const { configMapRef } of container.envFrom ?? []) {
      if (configMapRef?.name) yield configMapRef.name
    }
    for (const { valueFrom } of container.env ?? []) {
      if (valueFrom?.configMapKeyRef?.name) yield valueFrom.configMapKeyRef.name
    }
  }
  for (const { configMap, projected } of pod.spec?.volumes ?? []) {
    if (configMap?.name) yield configMap.name
    for (const source of projected?.sources ?? []) {
      if (source.configMap?.name) yield source.configMap.name
    }
  }
}

/** Generic ephemeral volumes have claims named after Pod and volume. */
export function* persistentVolumeClaimNames(pod: PodLike): Generator<string> {
  for (const volume of pod.spec?.volumes ?? []) {
    if (volume.persistentVolumeClaim?.claimName) yield volume.persistentVolumeClaim.claimName
    else if (volume.ephemeral) yield `${pod.metadata.name}-${volume.name}`
  }
}
