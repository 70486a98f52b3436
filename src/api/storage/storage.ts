// The kinds of storage.k8s.io: read by schedulers and CSI components, stored here.
import { ageOf, columnsOf, nameAndCreated } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { qualifiedNameProblems } from '../machinery/names.ts'
import {
  type Errors,
  immutable,
  invalids,
  none,
  nonNegative,
  oneOf,
  sameValue,
} from '../machinery/validation.ts'
import {
  csidrivers,
  csinodes,
  csistoragecapacities,
  storageclasses,
  volumeattachments,
  volumeattributesclasses,
} from '../resources.gen.ts'
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../types/storage.gen.ts'

const defaultAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
]

export const storageClassKind: Kind<StorageClass> = {
  resource: storageclasses,
  defaults(item) {
    item.reclaimPolicy ??= 'Delete'
    item.volumeBindingMode ??= 'Immediate'
  },
  validate: validateClass,
  validateUpdate: (item, old) => [
    ...validateClass(item),
    ...keep(item, old, 'parameters'),
    ...keep(item, old, 'provisioner'),
    ...keep(item, old, 'reclaimPolicy'),
    ...immutable([item.volumeBindingMode, old.volumeBindingMode], 'volumeBindingMode'),
  ],
  columns: columnsOf(
    'Name | Provisioner | ReclaimPolicy | VolumeBindingMode | AllowVolumeExpansion | Age',
  ),
  row: (item, nowMs) => {
    const isDefault = defaultAnnotations.some(
      (annotation) => item.metadata.annotations?.[annotation] === 'true',
    )
    return {
      cells: [
        isDefault ? `${item.metadata.name} (default)` : item.metadata.name,
        item.provisioner,
        item.reclaimPolicy ?? 'Delete',
        item.volumeBindingMode ?? '<unset>',
        item.allowVolumeExpansion ?? false,
        ageOf(item, nowMs),
      ],
    }
  },
}

function keep<T>(item: T, old: T, field: keyof T & string): Errors {
  return sameValue(item[field], old[field])
    ? none
    : [forbidden(field, `updates to ${field} are forbidden.`)]
}

/** A provisioner is named as a CSI driver or an in-tree plugin is. */
const provisioner = (name: string | undefined, field: string): Errors =>
  name ? invalids(field, name, qualifiedNameProblems(name.toLowerCase())) : [required(field)]

function validateClass(item: StorageClass): Errors {
  return [
    ...provisioner(item.provisioner, 'provisioner'),
    ...oneOf(item.reclaimPolicy, 'reclaimPolicy', ['Delete', 'Retain']),
    ...oneOf(item.volumeBindingMode, 'volumeBindingMode', ['Immediate', 'WaitForFirstConsumer']),
  ]
}

export const csiDriverKind: Kind<CSIDriver> = {
  resource: csidrivers,
  requiresResourceVersion: true,
  defaults: defaultDriver,
  columns: columnsOf(
    'Name | AttachRequired: boolean | PodInfoOnMount: boolean | StorageCapacity: boolean | TokenRequests | RequiresRepublish: boolean | Modes | Age',
  ),
  row: (driver, nowMs) => {
    const { spec } = driver
    const audiences = (spec.tokenRequests ?? []).map(({ audience }) => audience)
    return {
      cells: [
        driver.metadata.name,
        spec.attachRequired ?? true,
        spec.podInfoOnMount ?? false,
        spec.storageCapacity ?? false,
        audiences.join(',') || '<unset>',
        spec.requiresRepublish ?? false,
        (spec.volumeLifecycleModes ?? []).join(','),
        ageOf(driver, nowMs),
      ],
    }
  },
}

function defaultDriver({ spec }: Draft<CSIDriver>): void {
  if (!spec) return
  spec.attachRequired ??= true
  spec.podInfoOnMount ??= false
  spec.storageCapacity ??= false
  spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType'
  spec.requiresRepublish ??= false
  spec.seLinuxMount ??= false
  if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent']
}

export const csiNodeKind: Kind<CSINode> = {
  resource: csinodes,
  requiresResourceVersion: true,
  columns: columnsOf('Name | Drivers: integer | Age'),
  row: (node, nowMs) => ({
    cells: [node.metadata.name, (node.spec.drivers ?? []).length, ageOf(node, nowMs)],
  }),
}

export const volumeAttachmentKind: Kind<VolumeAttachment> = {
  resource: volumeattachments,
  requiresResourceVersion: true,
  validate: ({ spec }) => [
    ...provisioner(spec.attacher, 'spec.attacher'),
    ...(spec.nodeName ? none : [required('spec.nodeName')]),
  ],
  validateUpdate: ({ spec }, { spec: old }) =>
    sameValue(spec, old) ? none : [invalid('spec', spec, 'field is immutable')],
  subresources: { status: {} },
  columns: columnsOf('Name | Attacher | PV | Node | Attached: boolean | Age').map((column) =>
    // So upstream: the attacher counts as a name, too.
    column.name === 'Attacher' ? { ...column, format: 'name' } : column,
  ),
  row: (attachment, nowMs) => ({
    cells: [
      attachment.metadata.name,
      attachment.spec.attacher,
      attachment.spec.source.persistentVolumeName ?? '',
      attachment.spec.nodeName,
      attachment.status?.attached ?? false,
      ageOf(attachment, nowMs),
    ],
  }),
}

export const csiStorageCapacityKind: Kind<CSIStorageCapacity> = {
  ...nameAndCreated,
  resource: csistoragecapacities,
  requiresResourceVersion: true,
  validate: ({ storageClassName, capacity }) => [
    ...(storageClassName ? none : [required('storageClassName')]),
    ...(typeof capacity === 'number' ? nonNegative(capacity, 'capacity') : none),
  ],
  validateUpdate: (item, old) => [
    ...immutable([item.nodeTopology, old.nodeTopology], 'nodeTopology'),
    ...immutable([item.storageClassName, old.storageClassName], 'storageClassName'),
  ],
}

export const volumeAttributesClassKind: Kind<VolumeAttributesClass> = {
  resource: volumeattributesclasses,
  validate: ({ driverName, parameters }) => [
    ...provisioner(driverName, 'driverName'),
    ...(Object.keys(parameters ?? {}).length === 0
      ? [required('parameters', 'must contain at least one key/value pair')]
      : none),
  ],
  validateUpdate: (item, old) => [
    ...keep(item, old, 'driverName'),
    ...keep(item, old, 'parameters'),
  ],
  columns: columnsOf('Name | DriverName | Age'),
  row: (item, nowMs) => ({ cells: [item.metadata.name, item.driverName, ageOf(item, nowMs)] }),
}
