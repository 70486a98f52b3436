// StatefulSet: Pods with names and volumes of their own, in order.
import { ageOf, columnsOf, containerCells } from '../machinery/columns.ts'
import { type Draft, draftOf } from '../machinery/draft.ts'
import { forbidden, invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { selectorFromLabelSelector } from '../machinery/labels.ts'
import { dns1123LabelProblems } from '../machinery/names.ts'
import {
  type Errors,
  invalids,
  none,
  nonNegative,
  oneOf,
  sameValue,
} from '../machinery/validation.ts'
import { statefulsets } from '../resources.gen.ts'
import type { StatefulSet } from '../types/apps.gen.ts'
import { countOrPercent, defaultTemplate, validateCounts, validateSelected } from './template.ts'

/** Pods are named after it, and a Pod's hostname is a label. */
const nameRule = (name: string, prefix: boolean): readonly string[] =>
  dns1123LabelProblems(prefix ? name.replace(/-$/, 'a') : name)

export const statefulSetKind: Kind<StatefulSet> = {
  resource: statefulsets,
  generation: true,
  validateName: nameRule,
  defaults: defaultStatefulSet,
  validate: validateStatefulSet,
  validateUpdate: (set, old) => [...validateStatefulSet(set), ...validateChange(set, old)],
  subresources: { status: { validateUpdate: validateStatus } },
  scale: {
    read: ({ spec, status }) => ({
      specReplicas: spec.replicas ?? 0,
      statusReplicas: status?.replicas ?? 0,
      selector: selectorFromLabelSelector(spec.selector).toString(),
    }),
    write(set, replicas) {
      set.spec.replicas = replicas
    },
  },
  columns: columnsOf('Name | Ready | Age | Containers? | Images?'),
  row: (set, nowMs) => ({
    cells: [
      set.metadata.name,
      `${set.status?.readyReplicas ?? 0}/${set.spec.replicas ?? 0}`,
      ageOf(set, nowMs),
      ...containerCells(set.spec.template.spec ?? {}),
    ],
  }),
}

function defaultStatefulSet({ spec }: Draft<StatefulSet>): void {
  if (!spec) return
  spec.podManagementPolicy ||= 'OrderedReady'
  const strategy = (spec.updateStrategy ??= {})
  strategy.type ||= 'RollingUpdate'
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {}
    strategy.rollingUpdate.partition ??= 0
  }
  const retention = (spec.persistentVolumeClaimRetentionPolicy ??= {})
  retention.whenDeleted ||= 'Retain'
  retention.whenScaled ||= 'Retain'
  spec.replicas ??= 1
  spec.revisionHistoryLimit ??= 10
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion = 'v1'
    claim.kind = 'PersistentVolumeClaim'
    claim.spec ??= {}
    claim.spec.volumeMode ??= 'Filesystem'
    claim.status ??= {}
    claim.status.phase ||= 'Pending'
  }
  defaultTemplate(spec.template)
}

function validateStatefulSet({ spec }: StatefulSet): Errors {
  const { updateStrategy, persistentVolumeClaimRetentionPolicy: retention } = spec
  const rolling = updateStrategy?.rollingUpdate
  const at = 'spec.updateStrategy'
  const keep = ['Retain', 'Delete']
  return [
    ...(spec.podManagementPolicy
      ? oneOf(spec.podManagementPolicy, 'spec.podManagementPolicy', ['OrderedReady', 'Parallel'])
      : [required('spec.podManagementPolicy')]),
    ...(updateStrategy?.type === 'OnDelete' && rolling
      ? [invalid(`${at}.rollingUpdate`, rolling, "only allowed for updateStrategy 'RollingUpdate'")]
      : none),
    ...(updateStrategy?.type
      ? oneOf(updateStrategy.type, `${at}.type`, ['RollingUpdate', 'OnDelete'])
      : [required(at)]),
    ...nonNegative(rolling?.partition, `${at}.rollingUpdate.partition`),
    ...countOrPercent(rolling?.maxUnavailable, `${at}.rollingUpdate.maxUnavailable`),
    ...oneOf(retention?.whenDeleted, 'spec.persistentVolumeClaimRetentionPolicy.whenDeleted', keep),
    ...oneOf(retention?.whenScaled, 'spec.persistentVolumeClaimRetentionPolicy.whenScaled', keep),
    ...nonNegative(spec.replicas, 'spec.replicas'),
    ...nonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...nonNegative(spec.ordinals?.start, 'spec.ordinals.start'),
    ...(spec.serviceName
      ? invalids('spec.serviceName', spec.serviceName, nameRule(spec.serviceName, false))
      : none),
    ...validateSelected(spec, 'statefulset'),
  ]
}

const mutable = [
  'replicas',
  'template',
  'updateStrategy',
  'minReadySeconds',
  'ordinals',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
] as const

const mutableText =
  "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'"

function validateChange({ spec }: StatefulSet, { spec: old }: StatefulSet): Errors {
  const rest = (of: StatefulSet['spec']) => {
    const copy = draftOf(of) as Partial<Draft<StatefulSet['spec']>>
    for (const field of mutable) delete copy[field]
    return copy
  }
  return sameValue(rest(spec), rest(old))
    ? none
    : [
        forbidden(
          'spec',
          `updates to statefulset spec for fields other than ${mutableText} are forbidden`,
        ),
      ]
}

function validateStatus({ status }: StatefulSet): Errors {
  const { replicas, readyReplicas, currentReplicas, updatedReplicas, availableReplicas } =
    status ?? { replicas: 0 }
  const counts = { replicas, readyReplicas, currentReplicas, updatedReplicas, availableReplicas }
  return validateCounts(counts, [
    ['readyReplicas', 'replicas', 'status.replicas'],
    ['currentReplicas', 'replicas', 'status.replicas'],
    ['updatedReplicas', 'replicas', 'status.replicas'],
    ['availableReplicas', 'replicas', 'status.replicas'],
    ['availableReplicas', 'readyReplicas', 'status.readyReplicas'],
  ])
}
