// What the status of a CustomResourceDefinition should say: which names it has, and its conditions.

import type { Draft } from '../machinery/draft.ts'
import { sameValue } from '../machinery/validation.ts'
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionStatus,
} from '../types/apiextensions.gen.ts'
import { approvalOf, isProtected } from './approval.ts'

export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

type Condition = Omit<CustomResourceDefinitionCondition, 'lastTransitionTime'>

export function findCondition(
  crd: CustomResourceDefinition,
  type: string,
): CustomResourceDefinitionCondition | undefined {
  return crd.status?.conditions?.find((condition) => condition.type === type)
}

export const isTrue = (crd: CustomResourceDefinition, type: string): boolean =>
  findCondition(crd, type)?.status === 'True'

/** Sets one condition; the time moves only when its status does. */
export function withCondition(
  status: CustomResourceDefinitionStatus,
  condition: Condition,
  now: string,
): CustomResourceDefinitionStatus {
  const conditions = status.conditions ?? []
  const at = conditions.findIndex(({ type }) => type === condition.type)
  const before = conditions[at]
  const lastTransitionTime =
    before?.status === condition.status ? (before.lastTransitionTime ?? now) : now
  const { type, status: state, reason, message } = condition
  const next = { type, status: state, lastTransitionTime, reason, message }
  const all = at < 0 ? [...conditions, next] : conditions.with(at, next)
  return { ...status, conditions: all }
}

/** Names that other definitions of the group hold. */
interface Taken {
  readonly resources: ReadonlySet<string>
  readonly kinds: ReadonlySet<string>
}

function takenNames(
  crd: CustomResourceDefinition,
  all: readonly CustomResourceDefinition[],
): Taken {
  const resources = new Set<string>()
  const kinds = new Set<string>()
  for (const { metadata, spec, status } of all) {
    const names = status?.acceptedNames
    if (!names || spec.group !== crd.spec.group || metadata.name === crd.metadata.name) continue
    for (const name of [names.plural, names.singular, ...(names.shortNames ?? [])]) {
      if (name) resources.add(name)
    }
    for (const name of [names.kind, names.listKind]) if (name) kinds.add(name)
  }
  return { resources, kinds }
}

interface Accepted {
  readonly names: CustomResourceDefinitionNames
  readonly condition: Condition
}

const noConflict: Condition = {
  type: 'NamesAccepted',
  status: 'True',
  reason: 'NoConflicts',
  message: 'no conflicts found',
}

/** Each name is had if nobody else has it; the last conflict is the one that is told. */
function acceptNames(crd: CustomResourceDefinition, taken: Taken): Accepted {
  const wanted = crd.spec.names
  const names: Record<string, unknown> = { ...crd.status?.acceptedNames }
  let condition = noConflict
  const judge = (key: keyof CustomResourceDefinitionNames, used: ReadonlySet<string>) => {
    const values = [wanted[key] ?? []].flat() as string[]
    const mine = [names[key] ?? []].flat() as string[]
    const conflicts = values.filter((name) => !mine.includes(name) && used.has(name))
    if (conflicts.length === 0) {
      if (wanted[key] === undefined) delete names[key]
      else names[key] = wanted[key]
      return
    }
    const reason = `${key[0]?.toUpperCase()}${key.slice(1)}Conflict`
    const told = conflicts.map((name) => `"${name}" is already in use`)
    const message = told.length === 1 ? told[0] : `[${told.join(', ')}]`
    condition = { type: 'NamesAccepted', status: 'False', reason, message }
  }
  judge('plural', taken.resources)
  judge('singular', taken.resources)
  judge('shortNames', taken.resources)
  judge('kind', taken.kinds)
  judge('listKind', taken.kinds)
  if (wanted.categories) names.categories = wanted.categories
  else delete names.categories
  return { names: names as unknown as CustomResourceDefinitionNames, condition }
}

/** The status a definition should have, beside the others of its group. */
export function statusOf(
  crd: CustomResourceDefinition,
  all: readonly CustomResourceDefinition[],
  now: string,
): CustomResourceDefinitionStatus {
  const { names, condition } = acceptNames(crd, takenNames(crd, all))
  const named = withCondition({ ...crd.status, acceptedNames: names }, condition, now)
  const settled = withCondition(named, established(crd, condition), now)
  const approval = approvalCondition(crd)
  return approval ? withCondition(settled, approval, now) : settled
}

export const sameStatus = (
  one: CustomResourceDefinitionStatus | undefined,
  other: CustomResourceDefinitionStatus,
): boolean => sameValue(one, other)

/** Once established, always established. */
function established(crd: CustomResourceDefinition, names: Condition): Condition {
  const before = findCondition(crd, 'Established')
  if (before?.status === 'True') return before
  return names.status === 'True'
    ? {
        type: 'Established',
        status: 'True',
        reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted',
      }
    : {
        type: 'Established',
        status: 'False',
        reason: 'NotAccepted',
        message: 'not all names are accepted',
      }
}

const approvalReasons = {
  Missing: 'MissingAnnotation',
  Invalid: 'InvalidAnnotation',
  Bypassed: 'UnapprovedAnnotation',
  Approved: 'ApprovedAnnotation',
} as const

function approvalCondition(crd: CustomResourceDefinition): Condition | undefined {
  if (!isProtected(crd.spec.group)) return undefined
  const { state, reason } = approvalOf(crd)
  return {
    type: 'KubernetesAPIApprovalPolicyConformant',
    status: state === 'Approved' ? 'True' : 'False',
    reason: approvalReasons[state],
    message: reason,
  }
}

/** Marked for deletion: its objects go before it does. */
export function markForDeletion(crd: Draft<CustomResourceDefinition>, now: string): void {
  const finalizers = crd.metadata.finalizers ?? []
  if (!finalizers.includes(cleanupFinalizer)) {
    crd.metadata.finalizers = [...finalizers, cleanupFinalizer]
  }
  const status = withCondition(
    (crd.status ?? {}) as CustomResourceDefinitionStatus,
    deletionPending,
    now,
  )
  crd.status = status as Draft<CustomResourceDefinitionStatus>
}

export const deletionPending: Condition = {
  type: 'Terminating',
  status: 'True',
  reason: 'InstanceDeletionPending',
  message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
}

export const deletionInProgress: Condition = {
  type: 'Terminating',
  status: 'True',
  reason: 'InstanceDeletionInProgress',
  message: 'CustomResource deletion is in progress',
}
