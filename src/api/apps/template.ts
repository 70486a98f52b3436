// What the workloads of apps/v1 (and Jobs) share: selectors, Pod templates, percentages.

import { defaultPodSpec } from '../core/pod-defaults.ts'
import { validatePodTemplate } from '../core/pod-validation.ts'
import { type Draft, draftOf } from '../machinery/draft.ts'
import { forbidden, invalid, notSupported, required } from '../machinery/field-error.ts'
import { selectorFromLabelSelector, validateLabelSelector } from '../machinery/labels.ts'
import { percentProblems } from '../machinery/names.ts'
import { type Errors, invalids, none, nonNegative } from '../machinery/validation.ts'
import type { PodTemplateSpec } from '../types/core.gen.ts'
import type { LabelSelector } from '../types/meta.gen.ts'

export function defaultTemplate(template: Draft<PodTemplateSpec> | undefined): void {
  if (template?.spec) defaultPodSpec(template.spec)
}

/** Whether an object with these labels is one the selector means. */
const selects = (selector: LabelSelector | undefined, labels: Readonly<Record<string, string>>) =>
  selectorFromLabelSelector(selector).matches(labels)

const isEmpty = ({ matchLabels, matchExpressions }: LabelSelector): boolean =>
  Object.keys(matchLabels ?? {}).length + (matchExpressions ?? []).length === 0

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist']

const isUnreadable = ({ matchExpressions }: LabelSelector): boolean =>
  (matchExpressions ?? []).some(({ operator }) => !operators.includes(operator))

/** Maps in messages are sorted, as Go's are. */
export function sortedLabels(labels: Readonly<Record<string, string>> | undefined) {
  const keys = Object.keys(labels ?? {}).sort()
  return labels === undefined ? null : Object.fromEntries(keys.map((key) => [key, labels[key]]))
}

export const shownSelector = (selector: LabelSelector) => ({
  ...(selector.matchLabels ? { matchLabels: sortedLabels(selector.matchLabels) } : {}),
  ...(selector.matchExpressions ? { matchExpressions: selector.matchExpressions } : {}),
})

/** `noun` is what the message about an empty selector calls the workload. */
export function validateSelected(
  spec: { readonly selector?: LabelSelector | undefined; readonly template: PodTemplateSpec },
  noun: string,
): Errors {
  const { selector, template } = spec
  const field = 'spec.selector'
  const own = !selector
    ? [required(field)]
    : [
        ...validateLabelSelector(selector, field),
        ...(isEmpty(selector)
          ? [invalid(field, {}, `empty selector is invalid for ${noun}`)]
          : none),
      ]
  if (selector && isUnreadable(selector)) {
    return [...own, invalid(field, shownSelector(selector), 'invalid label selector')]
  }
  return [
    ...own,
    ...(selector && isEmpty(selector) ? none : validateMatch(selector, template)),
    ...validateTemplate(template, 'spec.template'),
  ]
}

function validateMatch(selector: LabelSelector | undefined, template: PodTemplateSpec): Errors {
  const labels = template.metadata?.labels
  return selects(selector, labels ?? {})
    ? none
    : [
        invalid(
          'spec.template.metadata.labels',
          sortedLabels(labels),
          '`selector` does not match template `labels`',
        ),
      ]
}

/** Pods that are replaced when they end restart always and have no deadline. */
export function validateTemplate(template: PodTemplateSpec, field: string): Errors {
  const { restartPolicy, activeDeadlineSeconds } = template.spec ?? {}
  return [
    ...validatePodTemplate(template, field),
    ...(restartPolicy === 'Always'
      ? none
      : [notSupported(`${field}.spec.restartPolicy`, restartPolicy ?? '', ['Always'])]),
    ...(activeDeadlineSeconds === undefined
      ? none
      : [
          forbidden(
            `${field}.spec.activeDeadlineSeconds`,
            'activeDeadlineSeconds in ReplicaSet is not Supported',
          ),
        ]),
  ]
}

/** A number of Pods or a share of them, not negative. */
export const countOrPercent = (value: number | string | undefined, field: string): Errors => {
  if (value === undefined) return none
  return typeof value === 'number'
    ? nonNegative(value, field)
    : invalids(field, value, percentProblems(value))
}

export const amountOf = (value: number | string | undefined): number =>
  typeof value === 'number' ? value : Number.parseInt(value ?? '0', 10)

export function atMostWhole(value: number | string | undefined, field: string): Errors {
  return typeof value === 'string' && /^\d+%$/.test(value) && amountOf(value) > 100
    ? [invalid(field, value, 'must not be greater than 100%')]
    : none
}

/** Status counts against each other, each named as in the message. */
export function validateCounts(
  counts: Readonly<Record<string, number | undefined>>,
  limits: readonly (readonly [field: string, limit: string, name: string])[],
): Errors {
  return [
    ...Object.entries(counts).flatMap(([field, count]) => nonNegative(count, `status.${field}`)),
    ...limits.flatMap(([field, limit, name]) => {
      const count = counts[field] ?? 0
      return count > (counts[limit] ?? 0)
        ? [invalid(`status.${field}`, count, `cannot be greater than ${name}`)]
        : none
    }),
  ]
}

export const limitsOfReplicas = [
  ['readyReplicas', 'replicas', 'status.replicas'],
  ['availableReplicas', 'replicas', 'status.replicas'],
  ['availableReplicas', 'readyReplicas', 'readyReplicas'],
] as const

/** Labels through status are undone: they belong to whoever owns the object. */
export function keepLabels(
  object: { metadata: { labels?: Record<string, string> | undefined } },
  old: { readonly metadata: { readonly labels?: Readonly<Record<string, string>> | undefined } },
): void {
  if (old.metadata.labels === undefined) delete object.metadata.labels
  else object.metadata.labels = draftOf(old.metadata.labels)
}
