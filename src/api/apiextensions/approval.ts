// Groups under k8s.io and kubernetes.io are the community's: definitions in them say who approved.
import type { FieldError } from '../machinery/field-error.ts'
import { invalid, required } from '../machinery/field-error.ts'
import type { CustomResourceDefinition } from '../types/apiextensions.gen.ts'

const annotation = 'api-approved.kubernetes.io'
const field = `metadata.annotations[${annotation}]`
const see = 'https://github.com/kubernetes/enhancements/pull/1111'

export interface Approval {
  readonly state: 'Missing' | 'Bypassed' | 'Approved' | 'Invalid'
  readonly reason: string
}

export const isProtected = (group: string): boolean =>
  ['k8s.io', 'kubernetes.io'].some((domain) => group === domain || group.endsWith(`.${domain}`))

export function approvalOf({ metadata }: CustomResourceDefinition): Approval {
  const text = metadata.annotations?.[annotation] ?? ''
  const form = `protected groups must have approval annotation "${annotation}"`
  if (text === '') return { state: 'Missing', reason: `${form}, see ${see}` }
  if (text.startsWith('unapproved')) return { state: 'Bypassed', reason: `not approved: "${text}"` }
  if (URL.canParse(text)) return { state: 'Approved', reason: `approved in ${text}` }
  const detail = `${form} with either a URL or a reason starting with "unapproved", see ${see}`
  return { state: 'Invalid', reason: detail }
}

/** An approval that has not changed is nobody's mistake now. */
export function approvalErrors(
  crd: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
  if (!isProtected(crd.spec.group ?? '')) return []
  const { state, reason } = approvalOf(crd)
  if (old && approvalOf(old).state === state) return []
  if (state === 'Missing') return [required(field, reason)]
  if (state === 'Invalid') return [invalid(field, crd.metadata.annotations?.[annotation], reason)]
  return []
}
