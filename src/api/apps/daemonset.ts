// DaemonSet (one Pod on every node) and ControllerRevision (what a workload once was).
import { ageOf, columnsOf, containerCells, labelsCell } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import {
  type Errors,
  immutable,
  none,
  nonNegative,
  oneOf,
  sameValue,
} from '../machinery/validation.ts'
import { controllerrevisions, daemonsets } from '../resources.gen.ts'
import type { ControllerRevision, DaemonSet } from '../types/apps.gen.ts'
import { keepSelector, selectorText } from './deployment.ts'
import {
  amountOf,
  countOrPercent,
  defaultTemplate,
  validateCounts,
  validateSelected,
} from './template.ts'

/** spec.templateGeneration of extensions/v1beta1, which apps/v1 keeps as an annotation. */
const templateGeneration = 'deprecated.daemonset.template.generation'

export const daemonSetKind: Kind<DaemonSet> = {
  resource: daemonsets,
  generation: true,
  defaults: defaultDaemonSet,
  prepareForCreate: (set) => setTemplateGeneration(set, 1),
  prepareForUpdate(set, old) {
    const before = Number(old.metadata.annotations?.[templateGeneration] ?? 0)
    const changed = !sameValue(set.spec.template, old.spec.template)
    setTemplateGeneration(set, changed ? before + 1 : before)
  },
  validate: validateDaemonSet,
  validateUpdate: (set, old) => [
    ...validateDaemonSet(set),
    ...keepSelector(set.spec.selector, old.spec.selector),
  ],
  subresources: { status: { validateUpdate: validateStatus } },
  columns: columnsOf(
    'Name | Desired: integer | Current: integer | Ready: integer | Up-to-date: integer | Available: integer | Node Selector | Age | Containers? | Images? | Selector?',
  ),
  row: (set, nowMs) => {
    const { metadata, spec, status } = set
    return {
      cells: [
        metadata.name,
        status?.desiredNumberScheduled ?? 0,
        status?.currentNumberScheduled ?? 0,
        status?.numberReady ?? 0,
        status?.updatedNumberScheduled ?? 0,
        status?.numberAvailable ?? 0,
        labelsCell(spec.template.spec?.nodeSelector),
        ageOf(set, nowMs),
        ...containerCells(spec.template.spec ?? {}),
        selectorText(spec.selector),
      ],
    }
  },
}

function setTemplateGeneration({ metadata }: Draft<DaemonSet>, generation: number): void {
  metadata.annotations ??= {}
  metadata.annotations[templateGeneration] = String(generation)
}

function defaultDaemonSet(set: Draft<DaemonSet>): void {
  const { metadata, spec } = set
  // Upstream's conversion writes it into every body, so the client counts as its manager.
  if (metadata.annotations?.[templateGeneration] === undefined) setTemplateGeneration(set, 0)
  if (!spec) return
  const strategy = (spec.updateStrategy ??= {})
  strategy.type ||= 'RollingUpdate'
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {}
    strategy.rollingUpdate.maxUnavailable ??= 1
    strategy.rollingUpdate.maxSurge ??= 0
  }
  spec.revisionHistoryLimit ??= 10
  defaultTemplate(spec.template)
}

function validateDaemonSet({ spec }: DaemonSet): Errors {
  const { type, rollingUpdate } = spec.updateStrategy ?? {}
  const at = 'spec.updateStrategy'
  const { maxUnavailable, maxSurge } = rollingUpdate ?? {}
  const both = amountOf(maxUnavailable) !== 0 && amountOf(maxSurge) !== 0
  const neither = amountOf(maxUnavailable) === 0 && amountOf(maxSurge) === 0
  return [
    ...validateSelected(spec, 'daemonset'),
    ...nonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...nonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...oneOf(type, `${at}.type`, ['OnDelete', 'RollingUpdate']),
    ...(type === 'RollingUpdate' && !rollingUpdate ? [required(`${at}.rollingUpdate`)] : none),
    ...countOrPercent(maxUnavailable, `${at}.rollingUpdate.maxUnavailable`),
    ...countOrPercent(maxSurge, `${at}.rollingUpdate.maxSurge`),
    ...(rollingUpdate && both
      ? [
          invalid(
            `${at}.rollingUpdate.maxSurge`,
            maxSurge,
            'may not be set when maxUnavailable is non-zero',
          ),
        ]
      : none),
    ...(rollingUpdate && neither
      ? [required(`${at}.rollingUpdate.maxUnavailable`, 'cannot be 0 when maxSurge is 0')]
      : none),
  ]
}

function validateStatus({ status }: DaemonSet): Errors {
  const { conditions: _, collisionCount: __, ...counts } = status ?? {}
  return validateCounts(counts, [])
}

export const controllerRevisionKind: Kind<ControllerRevision> = {
  resource: controllerrevisions,
  validate: validateRevision,
  validateUpdate: (revision, old) => [
    ...validateRevision(revision),
    ...immutable([revision.data, old.data], 'data'),
  ],
  columns: columnsOf('Name | Controller | Revision | Age'),
  row: (revision, nowMs) => ({
    cells: [
      revision.metadata.name,
      controllerCell(revision),
      revision.revision,
      ageOf(revision, nowMs),
    ],
  }),
}

function validateRevision({ revision, data }: ControllerRevision): Errors {
  return [
    ...(data === undefined || data === null ? [required('data')] : none),
    ...nonNegative(revision, 'revision'),
  ]
}

/** "statefulset.apps/web" */
function controllerCell({ metadata }: ControllerRevision): string {
  const owner = (metadata.ownerReferences ?? []).find(({ controller }) => controller)
  if (!owner) return '<none>'
  const group = owner.apiVersion.includes('/') ? owner.apiVersion.split('/')[0] : ''
  const kind = owner.kind.toLowerCase()
  return `${group ? `${kind}.${group}` : kind}/${owner.name}`
}
