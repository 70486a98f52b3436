// The class that objects get which name none: of PersistentVolumeClaims and of Ingresses.
import type { Draft } from '../../api/machinery/draft.ts'
import type { KubeObject } from '../../api/machinery/resource.ts'
import {
  ingressclasses,
  ingresses,
  persistentvolumeclaims,
  storageclasses,
} from '../../api/resources.gen.ts'
import type { PersistentVolumeClaim } from '../../api/types/core.gen.ts'
import type { Ingress } from '../../api/types/networking.gen.ts'
import { objectOf } from './refuse.ts'
import type { AdmissionPlugin } from './request.ts'

export const defaultStorageClass: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  operations: ['CREATE'],
  resources: ['persistentvolumeclaims'],
  admit(request, { reader }) {
    const claim = objectOf(request, persistentvolumeclaims)
    const spec = claim.spec as Draft<NonNullable<PersistentVolumeClaim['spec']>>
    const annotated = claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class']
    // An empty name asks for no class.
    if (annotated !== undefined || (spec.storageClassName ?? undefined) !== undefined)
      return undefined
    const chosen = newest(
      reader(storageclasses).list(),
      'storageclass.kubernetes.io/is-default-class',
      'storageclass.beta.kubernetes.io/is-default-class',
    )
    if (chosen !== undefined) spec.storageClassName = chosen
    return undefined
  },
}

export const defaultIngressClass: AdmissionPlugin = {
  name: 'DefaultIngressClass',
  operations: ['CREATE'],
  resources: ['ingresses.networking.k8s.io'],
  admit(request, { reader }) {
    const ingress = objectOf(request, ingresses)
    const annotated = ingress.metadata.annotations?.['kubernetes.io/ingress.class']
    if (annotated !== undefined || ingress.spec?.ingressClassName) return undefined
    const chosen = newest(
      reader(ingressclasses).list(),
      'ingressclass.kubernetes.io/is-default-class',
    )
    if (chosen === undefined) return undefined
    const spec = (ingress.spec ?? {}) as Draft<NonNullable<Ingress['spec']>>
    ingress.spec = { ...spec, ingressClassName: chosen }
    return undefined
  },
}

/** Of several defaults the one made last; by name when made at once. */
function newest(classes: readonly KubeObject[], ...annotations: string[]): string | undefined {
  const defaults = classes.filter(({ metadata }) =>
    annotations.some((name) => metadata.annotations?.[name] === 'true'),
  )
  const order = (one: KubeObject, other: KubeObject): number => {
    const [made, otherMade] = [one, other].map(({ metadata }) => metadata.creationTimestamp ?? '')
    if (made !== otherMade) return (made as string) < (otherMade as string) ? 1 : -1
    return one.metadata.name < other.metadata.name ? -1 : 1
  }
  return [...defaults].sort(order)[0]?.metadata.name
}
