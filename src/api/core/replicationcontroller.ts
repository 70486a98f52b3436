// ReplicationController (the ReplicaSet of old), PodTemplate, and what is only ever asked or posted:
// ComponentStatus and Binding.

import {
  defaultTemplate,
  limitsOfReplicas,
  sortedLabels,
  validateCounts,
  validateTemplate,
} from '../apps/template.ts'
import { ageOf, columnsOf, containerCells, labelsCell } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { selectorFromSet } from '../machinery/labels.ts'
import { type Errors, none, nonNegative } from '../machinery/validation.ts'
import {
  bindings,
  componentstatuses,
  podtemplates,
  replicationcontrollers,
} from '../resources.gen.ts'
import type {
  Binding,
  ComponentStatus,
  PodTemplate,
  ReplicationController,
} from '../types/core.gen.ts'
import { validatePodTemplate } from './pod-validation.ts'

export const replicationControllerKind: Kind<ReplicationController> = {
  resource: replicationcontrollers,
  generation: true,
  defaults: defaultController,
  validate: validateController,
  subresources: { status: { validateUpdate: validateStatus } },
  scale: {
    read: ({ spec, status }) => ({
      specReplicas: spec?.replicas ?? 0,
      statusReplicas: status?.replicas ?? 0,
      selector: selectorFromSet(spec?.selector ?? {}).toString(),
    }),
    write(controller, replicas) {
      controller.spec ??= {}
      controller.spec.replicas = replicas
    },
  },
  columns: columnsOf(
    'Name | Desired: integer | Current: integer | Ready: integer | Age | Containers? | Images? | Selector?',
  ),
  row: (controller, nowMs) => {
    const { metadata, spec, status } = controller
    return {
      cells: [
        metadata.name,
        spec?.replicas ?? 0,
        status?.replicas ?? 0,
        status?.readyReplicas ?? 0,
        ageOf(controller, nowMs),
        ...containerCells(spec?.template?.spec ?? {}),
        labelsCell(spec?.selector),
      ],
    }
  },
  fields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
}

/** Selector and labels come from the template where they are missing. */
function defaultController({ metadata, spec }: Draft<ReplicationController>): void {
  if (!spec) return
  const labels = spec.template?.metadata?.labels
  if (labels) {
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels }
    if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
  }
  spec.replicas ??= 1
  defaultTemplate(spec.template)
}

function validateController({ spec = {} }: ReplicationController): Errors {
  const { selector = {}, template } = spec
  const labels = template?.metadata?.labels ?? {}
  const selects = selectorFromSet(selector).matches(labels)
  return [
    ...nonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...(Object.keys(selector).length === 0 ? [required('spec.selector')] : none),
    ...nonNegative(spec.replicas, 'spec.replicas'),
    ...(!template
      ? [required('spec.template')]
      : [
          ...(selects
            ? none
            : [
                invalid(
                  'spec.template.metadata.labels',
                  sortedLabels(labels),
                  '`selector` does not match template `labels`',
                ),
              ]),
          ...validateTemplate(template, 'spec.template'),
        ]),
  ]
}

function validateStatus({ status }: ReplicationController): Errors {
  const { conditions: _, ...counts } = status ?? { replicas: 0 }
  return validateCounts(counts, [
    ['fullyLabeledReplicas', 'replicas', 'status.replicas'],
    ...limitsOfReplicas,
  ])
}

export const podTemplateKind: Kind<PodTemplate> = {
  resource: podtemplates,
  generation: true,
  deleteReturnsObject: true,
  defaults: ({ template }) => defaultTemplate(template),
  validate: ({ template }) =>
    validatePodTemplate(template ?? { spec: { containers: [] } }, 'template'),
  columns: columnsOf('Name | Containers | Images | Pod Labels'),
  row: ({ metadata, template }) => ({
    cells: [
      metadata.name,
      ...containerCells(template?.spec ?? {}),
      labelsCell(template?.metadata?.labels),
    ],
  }),
}

export const componentStatusKind: Kind<ComponentStatus> = {
  resource: componentstatuses,
  deprecation: 'v1 ComponentStatus is deprecated in v1.19+',
  columns: columnsOf('Name | Status | Message | Error'),
  row: ({ metadata, conditions }) => {
    const healthy = (conditions ?? []).find(({ type }) => type === 'Healthy')
    return {
      cells: [
        metadata.name,
        healthy?.status === 'True' ? 'Healthy' : 'Unhealthy',
        healthy?.message ?? '',
        healthy?.error ?? '',
      ],
    }
  },
}

export const bindingKind: Kind<Binding> = { resource: bindings }
