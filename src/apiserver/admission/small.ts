// Plugins of one rule each: taints of new nodes, finalizers of storage objects in use.
import type { Draft } from '../../api/machinery/draft.ts'
import { compareQuantities } from '../../api/machinery/quantity.ts'
import { nodes, persistentvolumeclaims, storageclasses } from '../../api/resources.gen.ts'
import type { Node, PersistentVolumeClaim } from '../../api/types/core.gen.ts'
import { objectOf, oldOf, qualifiedOf, refuse } from './refuse.ts'
import type { AdmissionPlugin } from './request.ts'

const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const

/** No Pod goes to a node before its conditions are known. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  operations: ['CREATE'],
  resources: ['nodes'],
  admit(request) {
    const node = objectOf(request, nodes)
    const spec = (node.spec ?? {}) as Draft<NonNullable<Node['spec']>>
    const taints = spec.taints ?? []
    if (taints.some(({ key, effect }) => key === notReady.key && effect === notReady.effect)) {
      return undefined
    }
    node.spec = { ...spec, taints: [...taints, { ...notReady }] }
    return undefined
  },
}

const protection: Readonly<Record<string, string>> = {
  persistentvolumes: 'kubernetes.io/pv-protection',
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
}

export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  operations: ['CREATE'],
  resources: ['persistentvolumes', 'persistentvolumeclaims'],
  admit(request) {
    const finalizer = protection[qualifiedOf(request)]
    const metadata = request.object?.metadata
    if (finalizer === undefined || metadata === undefined) return undefined
    const had = metadata.finalizers ?? []
    if (!had.includes(finalizer)) metadata.finalizers = [...had, finalizer]
    return undefined
  },
}

/** A claim grows only where its StorageClass says that it can. */
export const persistentVolumeClaimResize: AdmissionPlugin = {
  name: 'PersistentVolumeClaimResize',
  operations: ['UPDATE'],
  resources: ['persistentvolumeclaims'],
  validate(request, { reader }) {
    const size = (claim: Pick<PersistentVolumeClaim, 'spec'>) =>
      claim.spec?.resources?.requests?.storage
    const claim = objectOf(request, persistentvolumeclaims) as unknown as PersistentVolumeClaim
    const old = oldOf(request, persistentvolumeclaims)
    if (compareQuantities(size(claim), size(old)) <= 0) return undefined
    if (old.status?.phase !== 'Bound') {
      return refuse(request, 'Only bound persistent volume claims can be expanded')
    }
    const className =
      claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ??
      claim.spec?.storageClassName
    const found = className ? reader(storageclasses).get(className) : undefined
    if (found?.allowVolumeExpansion) return undefined
    return refuse(
      request,
      'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    )
  },
}
