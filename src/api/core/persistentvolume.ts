// PersistentVolume and PersistentVolumeClaim: storage there is, and storage asked for.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { validateLabelSelector } from '../machinery/labels.ts'
import { dns1123SubdomainProblems } from '../machinery/names.ts'
import { compareQuantities } from '../machinery/quantity.ts'
import {
  type Errors,
  forEachEntry,
  immutable,
  invalids,
  none,
  oneOf,
  sameValue,
} from '../machinery/validation.ts'
import { persistentvolumeclaims, persistentvolumes } from '../resources.gen.ts'
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
} from '../types/core.gen.ts'
import { resourceQuantity } from './resources-validation.ts'

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']
const shortModes = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
] as const
const classAnnotation = 'volume.beta.kubernetes.io/storage-class'

const modesCell = (modes: readonly string[] | undefined): string =>
  shortModes
    .filter(([mode]) => modes?.includes(mode))
    .map(([, short]) => short)
    .join(',')

const facts = new Set([
  'capacity',
  'accessModes',
  'claimRef',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'mountOptions',
  'volumeMode',
  'nodeAffinity',
  'volumeAttributesClassName',
])

/** The one field of the spec that says where the storage is. */
const sourcesOf = (spec: object): readonly string[] =>
  Object.keys(spec).filter((field) => !facts.has(field))

export const persistentVolumeKind: Kind<PersistentVolume> = {
  resource: persistentvolumes,
  deleteReturnsObject: true,
  defaults: defaultVolume,
  prepareForCreate(volume) {
    volume.status = { phase: 'Pending' }
  },
  validate: validateVolume,
  validateUpdate: (volume, old) => [
    ...validateVolume(volume),
    ...keepSource(volume, old),
    ...immutable([volume.spec.volumeMode, old.spec.volumeMode], 'spec.volumeMode'),
  ],
  subresources: { status: {} },
  columns: columnsOf(
    'Name | Capacity | Access Modes | Reclaim Policy | Status | Claim | StorageClass | VolumeAttributesClass | Reason | Age | VolumeMode?',
  ),
  row: (volume, nowMs) => {
    const { metadata, spec, status } = volume
    const claim = spec.claimRef
    const phase = status?.phase ?? ''
    return {
      cells: [
        metadata.name,
        String(spec.capacity?.storage ?? '0'),
        modesCell(spec.accessModes),
        spec.persistentVolumeReclaimPolicy ?? '',
        metadata.deletionTimestamp === undefined ? phase : 'Terminating',
        claim ? `${claim.namespace ?? ''}/${claim.name ?? ''}` : '',
        metadata.annotations?.[classAnnotation] ?? spec.storageClassName ?? '',
        spec.volumeAttributesClassName ?? '<unset>',
        status?.reason ?? '',
        ageOf(volume, nowMs),
        spec.volumeMode ?? '<unset>',
      ],
    }
  },
}

function defaultVolume({ spec, status }: Draft<PersistentVolume>): void {
  if (status) status.phase ||= 'Pending'
  if (!spec) return
  spec.persistentVolumeReclaimPolicy ||= 'Retain'
  spec.volumeMode ??= 'Filesystem'
  // "" is a type of its own: no check before the mount.
  if (spec.hostPath) (spec.hostPath as { type?: string }).type ??= ''
}

function validateVolume({ spec }: PersistentVolume): Errors {
  const sources = sourcesOf(spec)
  const capacity = Object.keys(spec.capacity ?? {})
  return [
    ...((spec.accessModes ?? []).length === 0 ? [required('spec.accessModes')] : none),
    ...modes(spec.accessModes, 'spec.accessModes'),
    ...(capacity.length === 0
      ? [required('spec.capacity')]
      : spec.capacity?.storage === undefined || capacity.length > 1
        ? [
            {
              type: 'FieldValueNotSupported' as const,
              field: 'spec.capacity',
              message: `Unsupported value: ${JSON.stringify(spec.capacity)}: supported values: "storage"`,
            },
          ]
        : none),
    ...forEachEntry(spec.capacity, 'spec.capacity', (name, quantity, at) => [
      ...resourceQuantity(name, quantity, at),
      ...(compareQuantities(quantity, 0) === 0
        ? [invalid(at, String(quantity), 'must be greater than zero')]
        : none),
    ]),
    ...oneOf(spec.persistentVolumeReclaimPolicy, 'spec.persistentVolumeReclaimPolicy', [
      'Delete',
      'Recycle',
      'Retain',
    ]),
    ...(sources.length === 0 ? [required('spec', 'must specify a volume type')] : none),
    ...sources
      .slice(1)
      .map((source) => forbidden(`spec.${source}`, 'may not specify more than 1 volume type')),
    ...storageClass(spec.storageClassName, 'spec.storageClassName'),
    ...oneOf(spec.volumeMode, 'spec.volumeMode', ['Block', 'Filesystem']),
  ]
}

function keepSource({ spec }: PersistentVolume, { spec: old }: PersistentVolume): Errors {
  const read = (of: object, field: string) => (of as Readonly<Record<string, unknown>>)[field]
  const fields = new Set([...sourcesOf(spec), ...sourcesOf(old)])
  return [...fields].every((field) => sameValue(read(spec, field), read(old, field)))
    ? none
    : [
        forbidden(
          'spec.persistentvolumesource',
          'spec.persistentvolumesource is immutable after creation',
        ),
      ]
}

const modes = (list: readonly string[] | undefined, field: string): Errors => {
  const alone = list?.includes('ReadWriteOncePod') && list.length > 1
  return [
    ...(list ?? []).flatMap((mode) => oneOf(mode, field, accessModes)),
    ...(alone ? [forbidden(field, 'may not use ReadWriteOncePod with other access modes')] : none),
  ]
}

const storageClass = (name: string | undefined, field: string): Errors =>
  name ? invalids(field, name, dns1123SubdomainProblems(name)) : none

export const persistentVolumeClaimKind: Kind<PersistentVolumeClaim> = {
  resource: persistentvolumeclaims,
  deleteReturnsObject: true,
  defaults: defaultClaim,
  prepareForCreate(claim) {
    claim.status = { phase: 'Pending' }
  },
  validate: ({ spec }) => validateClaimSpec(spec, 'spec'),
  validateUpdate: (claim, old) => [
    ...validateClaimSpec(claim.spec, 'spec'),
    ...validateClaimChange(claim, old),
  ],
  subresources: { status: {} },
  columns: columnsOf(
    'Name | Status | Volume | Capacity | Access Modes | StorageClass | VolumeAttributesClass | Age | VolumeMode?',
  ),
  row: (claim, nowMs) => {
    const { metadata, spec, status } = claim
    const bound = Boolean(spec.volumeName)
    return {
      cells: [
        metadata.name,
        metadata.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating',
        spec.volumeName ?? '',
        bound ? String(status?.capacity?.storage ?? '0') : '',
        bound ? modesCell(status?.accessModes) : '',
        metadata.annotations?.[classAnnotation] ?? spec.storageClassName ?? '',
        spec.volumeAttributesClassName ?? '<unset>',
        ageOf(claim, nowMs),
        spec.volumeMode ?? '<unset>',
      ],
    }
  },
}

function defaultClaim({ spec, status }: Draft<PersistentVolumeClaim>): void {
  if (status) status.phase ||= 'Pending'
  if (spec) spec.volumeMode ??= 'Filesystem'
}

export function validateClaimSpec(spec: PersistentVolumeClaimSpec, field: string): Errors {
  const storage = spec.resources?.requests?.storage
  const at = `${field}.resources[storage]`
  return [
    ...((spec.accessModes ?? []).length === 0
      ? [required(`${field}.accessModes`, 'at least 1 access mode is required')]
      : none),
    ...modes(spec.accessModes, `${field}.accessModes`),
    ...validateLabelSelector(spec.selector, `${field}.selector`),
    ...(storage === undefined
      ? [required(at)]
      : compareQuantities(storage, 0) <= 0
        ? [invalid(at, String(storage), 'must be greater than zero')]
        : none),
    ...storageClass(spec.storageClassName, `${field}.storageClassName`),
    ...oneOf(spec.volumeMode, `${field}.volumeMode`, ['Block', 'Filesystem']),
  ]
}

const fixedText =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'

function validateClaimChange(
  { spec }: PersistentVolumeClaim,
  { spec: old, status }: PersistentVolumeClaim,
): Errors {
  const bound = status?.phase === 'Bound'
  const rest = (of: PersistentVolumeClaimSpec) => {
    const { volumeAttributesClassName: _, resources, ...others } = of
    const requests = { ...resources?.requests, storage: null }
    return { ...others, resources: { ...resources, requests } }
  }
  // The binder fills in the volume and, retroactively, the default class.
  const late = (name: 'volumeName' | 'storageClassName') => (old[name] ? spec[name] : undefined)
  const settled = (of: PersistentVolumeClaimSpec) => ({
    ...rest(of),
    volumeName: of === spec ? late('volumeName') : old.volumeName || undefined,
    storageClassName: of === spec ? late('storageClassName') : old.storageClassName || undefined,
  })
  if (!sameValue(settled(spec), settled(old))) return [forbidden('spec', fixedText)]
  const [now, before] = [spec.resources?.requests?.storage, old.resources?.requests?.storage]
  const order = compareQuantities(now ?? 0, before ?? 0)
  if (order !== 0 && !bound) return [forbidden('spec', fixedText)]
  return order < 0
    ? [forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity')]
    : none
}
