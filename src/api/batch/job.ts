// Job: Pods that run until so many have succeeded.

import { semanticEqual } from '../../lib/equal.ts'
import { selectorText } from '../apps/deployment.ts'
import { defaultTemplate, shownSelector, sortedLabels } from '../apps/template.ts'
import { validatePodTemplate } from '../core/pod-validation.ts'
import { formatDuration } from '../machinery/age.ts'
import { ageOf, columnsOf, containerCells } from '../machinery/columns.ts'
import { type Draft, draftOf } from '../machinery/draft.ts'
import { forbidden, invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { selectorFromLabelSelector, validateLabelSelector } from '../machinery/labels.ts'
import {
  type Errors,
  immutable,
  none,
  nonNegative,
  oneOf,
  sameValue,
} from '../machinery/validation.ts'
import { jobs } from '../resources.gen.ts'
import type { Job, JobSpec } from '../types/batch.gen.ts'
import type { PodSpec } from '../types/core.gen.ts'

const uidLabel = 'batch.kubernetes.io/controller-uid'
const nameLabel = 'batch.kubernetes.io/job-name'
const noLimit = 2 ** 31 - 1

export const jobKind: Kind<Job> = {
  resource: jobs,
  generation: true,
  defaults: defaultJob,
  prepareForCreate: generateSelector,
  validate: validateJob,
  validateUpdate: (job, old) => [...validateJobSpec(job.spec, 'spec'), ...validateChange(job, old)],
  subresources: { status: { validateUpdate: validateStatus } },
  columns: columnsOf(
    'Name | Status | Completions | Duration | Age | Containers? | Images? | Selector?',
  ),
  row: (job, nowMs) => ({
    cells: [
      job.metadata.name,
      statusCell(job),
      completionsCell(job),
      durationCell(job, nowMs),
      ageOf(job, nowMs),
      ...containerCells(job.spec.template.spec ?? {}),
      selectorText(job.spec.selector),
    ],
  }),
  fields: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
}

function defaultJob({ metadata, spec }: Draft<Job>): void {
  if (!spec) return
  if (spec.completions === undefined && spec.parallelism === undefined) {
    spec.completions = 1
    spec.parallelism = 1
  }
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : noLimit
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'
  spec.manualSelector ??= false
  defaultTemplate(spec.template)
  const labels = spec.template?.metadata?.labels
  if (labels && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
}

/** The Job's own uid selects its Pods, so no two Jobs fight over one. */
function generateSelector({ metadata, spec }: Draft<Job>): void {
  if (spec.manualSelector) return
  const uid = metadata.uid ?? ''
  const own = {
    [uidLabel]: uid,
    [nameLabel]: metadata.name,
    'controller-uid': uid,
    'job-name': metadata.name,
  }
  const template = (spec.template.metadata ??= {} as NonNullable<typeof spec.template.metadata>)
  // By now a Job that came without labels has its template's, and gets these too.
  const isUnlabelled = semanticEqual(metadata.labels, template.labels)
  template.labels = { ...template.labels, ...own }
  if (isUnlabelled) metadata.labels = { ...template.labels }
  spec.selector ??= {}
  spec.selector.matchLabels = { ...spec.selector.matchLabels, [uidLabel]: uid }
}

function validateJob(job: Job): Errors {
  const { spec } = job
  const labels = spec.template.metadata?.labels ?? {}
  const selects = selectorFromLabelSelector(spec.selector).matches(labels)
  return [
    ...validateJobSpec(spec, 'spec'),
    ...(spec.selector
      ? validateLabelSelector(spec.selector, 'spec.selector')
      : [required('spec.selector')]),
    ...(selects || !spec.selector
      ? none
      : [
          invalid(
            'spec.template.metadata.labels',
            sortedLabels(labels),
            '`selector` does not match template `labels`',
          ),
        ]),
  ]
}

/** Of a Job, and of the template of a CronJob (which has no selector yet). */
export function validateJobSpec(spec: JobSpec, field: string): Errors {
  const policy = spec.template.spec?.restartPolicy
  const at = `${field}.template.spec.restartPolicy`
  const numbers = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const
  return [
    ...numbers.flatMap((name) => nonNegative(spec[name], `${field}.${name}`)),
    ...oneOf(spec.completionMode, `${field}.completionMode`, ['NonIndexed', 'Indexed']),
    ...(spec.completionMode === 'Indexed' && spec.completions === undefined
      ? [required(`${field}.completions`, 'when completion mode is Indexed')]
      : none),
    ...(spec.completionMode !== 'Indexed' && spec.backoffLimitPerIndex !== undefined
      ? [
          invalid(
            `${field}.backoffLimitPerIndex`,
            spec.backoffLimitPerIndex,
            'requires indexed completion mode',
          ),
        ]
      : none),
    ...oneOf(spec.podReplacementPolicy, `${field}.podReplacementPolicy`, [
      'Failed',
      'TerminatingOrFailed',
    ]),
    ...validatePodTemplate(spec.template, `${field}.template`),
    ...(policy === undefined || policy === 'Always'
      ? [required(at, 'valid values: "OnFailure", "Never"')]
      : oneOf(policy, at, ['OnFailure', 'Never'])),
    ...(spec.podFailurePolicy && policy !== 'Never'
      ? [invalid(at, policy ?? '', 'only "Never" is supported when podFailurePolicy is specified')]
      : none),
  ]
}

function validateChange({ spec }: Job, { spec: old, status }: Job): Errors {
  const fixedCompletions = spec.completionMode !== 'Indexed'
  const shown = (value: unknown) => value ?? null
  // A Job that is suspended and never ran may still be steered to other nodes.
  const steerable = old.suspend === true && status?.startTime === undefined
  const template = draftOf(spec.template)
  if (steerable && template.spec)
    takeBackSteering(template.spec, old.template.spec ?? { containers: [] })
  return [
    ...(fixedCompletions
      ? immutable([spec.completions, old.completions], 'spec.completions', shown(spec.completions))
      : none),
    ...immutable(
      [spec.selector, old.selector],
      'spec.selector',
      shownSelector(spec.selector ?? {}),
    ),
    ...(sameValue(template, old.template)
      ? none
      : [invalid('spec.template', spec.template, 'field is immutable')]),
    ...immutable([spec.completionMode, old.completionMode], 'spec.completionMode'),
    ...immutable(
      [spec.podFailurePolicy, old.podFailurePolicy],
      'spec.podFailurePolicy',
      shown(spec.podFailurePolicy),
    ),
    ...immutable(
      [spec.backoffLimitPerIndex, old.backoffLimitPerIndex],
      'spec.backoffLimitPerIndex',
      shown(spec.backoffLimitPerIndex),
    ),
    ...immutable([spec.managedBy, old.managedBy], 'spec.managedBy', shown(spec.managedBy)),
  ]
}

type PodSpecDraft = NonNullable<Draft<JobSpec>['template']['spec']>

function takeBackSteering(spec: PodSpecDraft, old: PodSpec): void {
  for (const field of ['affinity', 'nodeSelector', 'tolerations', 'schedulingGates'] as const) {
    if (old[field] === undefined) delete spec[field]
    else Object.assign(spec, { [field]: draftOf(old[field]) })
  }
}

function validateStatus({ status = {} }: Job): Errors {
  const numbers = ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const
  const { active = 0, ready = 0 } = status
  return [
    ...numbers.flatMap((name) => nonNegative(status[name], `status.${name}`)),
    ...(ready > active
      ? [forbidden('status.ready', 'cannot set more ready pods than active')]
      : none),
  ]
}

function statusCell({ metadata, status }: Job): string {
  const holds = (type: string) =>
    (status?.conditions ?? []).some(
      (condition) => condition.type === type && condition.status === 'True',
    )
  if (holds('Complete')) return 'Complete'
  if (holds('Failed')) return 'Failed'
  if (metadata.deletionTimestamp !== undefined) return 'Terminating'
  if (holds('Suspended')) return 'Suspended'
  if (holds('FailureTarget')) return 'FailureTarget'
  if (holds('SuccessCriteriaMet')) return 'SuccessCriteriaMet'
  return 'Running'
}

function completionsCell({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0
  if (spec.completions !== undefined) return `${done}/${spec.completions}`
  const parallelism = spec.parallelism ?? 0
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`
}

function durationCell({ status }: Job, nowMs: number): string {
  if (!status?.startTime) return ''
  const endMs = status.completionTime ? Date.parse(status.completionTime) : nowMs
  return formatDuration(endMs - Date.parse(status.startTime))
}
