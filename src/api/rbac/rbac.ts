// Roles and bindings: rules as data. Who may grant what is apiserver/rbac's business.
import { ageOf, columnsOf, nameAndCreated } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { invalid, notSupported, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { validateLabelSelector } from '../machinery/labels.ts'
import {
  dns1123SubdomainProblems,
  nameIsPathSegment,
  pathSegmentProblems,
} from '../machinery/names.ts'
import type { TableRow } from '../machinery/table.ts'
import { type Errors, forEach, invalids, none, sameValue } from '../machinery/validation.ts'
import { clusterrolebindings, clusterroles, rolebindings, roles } from '../resources.gen.ts'
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
} from '../types/rbac.gen.ts'

const group = 'rbac.authorization.k8s.io'
const rule = { validateName: nameIsPathSegment, createOnUpdate: true } as const

export const roleKind: Kind<Role> = {
  ...rule,
  ...nameAndCreated,
  resource: roles,
  validate: (role) => validateRules(role.rules, true),
}

export const clusterRoleKind: Kind<ClusterRole> = {
  ...rule,
  ...nameAndCreated,
  resource: clusterroles,
  validate: (role) => [...validateRules(role.rules, false), ...validateAggregation(role)],
}

export const roleBindingKind: Kind<RoleBinding> = {
  ...rule,
  resource: rolebindings,
  defaults: defaultBinding,
  validate: (binding) => validateBinding(binding, ['Role', 'ClusterRole']),
  validateUpdate: (binding, old) => [
    ...validateBinding(binding, ['Role', 'ClusterRole']),
    ...keepRole(binding.roleRef, old.roleRef),
  ],
  columns: columnsOf('Name | Role | Age | Users? | Groups? | ServiceAccounts?'),
  row: bindingRow,
}

export const clusterRoleBindingKind: Kind<ClusterRoleBinding> = {
  ...rule,
  resource: clusterrolebindings,
  defaults: defaultBinding,
  validate: (binding) => validateBinding(binding, ['ClusterRole']),
  validateUpdate: (binding, old) => [
    ...validateBinding(binding, ['ClusterRole']),
    ...keepRole(binding.roleRef, old.roleRef),
  ],
  columns: columnsOf('Name | Role | Age | Users? | Groups? | ServiceAccounts?'),
  row: bindingRow,
}

type Binding = Pick<RoleBinding, 'metadata' | 'subjects' | 'roleRef'>

function defaultBinding(binding: Draft<Binding>): void {
  if (binding.roleRef) binding.roleRef.apiGroup ||= group
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= group
  }
}

const validateRules = (rules: readonly PolicyRule[] | undefined, namespaced: boolean): Errors =>
  forEach(rules, 'rules', (item, at) => validateRule(item, at, namespaced))

function validateRule(item: PolicyRule, field: string, namespaced: boolean): Errors {
  const urls = item.nonResourceURLs ?? []
  const at = `${field}.nonResourceURLs`
  const verbs =
    (item.verbs ?? []).length === 0
      ? [required(`${field}.verbs`, 'verbs must contain at least one value')]
      : none
  const forResources =
    (item.apiGroups ?? []).length +
    (item.resources ?? []).length +
    (item.resourceNames ?? []).length
  if (urls.length > 0) {
    return [
      ...verbs,
      ...(namespaced
        ? [invalid(at, urls, 'namespaced rules cannot apply to non-resource URLs')]
        : none),
      ...(forResources > 0
        ? [invalid(at, urls, 'rules cannot apply to both regular resources and non-resource URLs')]
        : none),
    ]
  }
  return [
    ...verbs,
    ...((item.apiGroups ?? []).length === 0
      ? [required(`${field}.apiGroups`, 'resource rules must supply at least one api group')]
      : none),
    ...((item.resources ?? []).length === 0
      ? [required(`${field}.resources`, 'resource rules must supply at least one resource')]
      : none),
  ]
}

function validateAggregation({ aggregationRule }: ClusterRole): Errors {
  if (!aggregationRule) return none
  const field = 'aggregationRule.clusterRoleSelectors'
  const selectors = aggregationRule.clusterRoleSelectors ?? []
  if (selectors.length === 0) {
    const missing = 'at least one clusterRoleSelector required if aggregationRule is non-nil'
    return [required(field, missing)]
  }
  return forEach(selectors, field, (selector, at) => validateLabelSelector(selector, at))
}

function validateBinding({ roleRef, subjects }: Binding, kinds: readonly string[]): Errors {
  return [
    ...(roleRef.apiGroup === group
      ? none
      : [notSupported('roleRef.apiGroup', roleRef.apiGroup, [group])]),
    ...(kinds.includes(roleRef.kind) ? none : [notSupported('roleRef.kind', roleRef.kind, kinds)]),
    ...(roleRef.name
      ? invalids('roleRef.name', roleRef.name, pathSegmentProblems(roleRef.name))
      : [required('roleRef.name')]),
    ...forEach(subjects, 'subjects', (subject, at) =>
      validateSubject(subject, at, kinds.length > 1),
    ),
  ]
}

function validateSubject(subject: Subject, field: string, namespaced: boolean): Errors {
  const { kind, name, namespace, apiGroup = '' } = subject
  const nameless = name ? none : [required(`${field}.name`)]
  switch (kind) {
    case 'ServiceAccount':
      return [
        ...nameless,
        ...(name ? invalids(`${field}.name`, name, dns1123SubdomainProblems(name)) : none),
        ...(apiGroup === '' ? none : [notSupported(`${field}.apiGroup`, apiGroup, [''])]),
        ...(!namespaced && !namespace ? [required(`${field}.namespace`)] : none),
      ]
    case 'User':
    case 'Group':
      return apiGroup === group
        ? nameless
        : [...nameless, notSupported(`${field}.apiGroup`, apiGroup, [group])]
    default:
      return [...nameless, notSupported(`${field}.kind`, kind, ['ServiceAccount', 'User', 'Group'])]
  }
}

function keepRole(role: RoleRef, old: RoleRef): Errors {
  const shown = { APIGroup: role.apiGroup, Kind: role.kind, Name: role.name }
  return sameValue(role, old) ? none : [invalid('roleRef', shown, 'cannot change roleRef')]
}

function bindingRow(binding: Binding, nowMs: number): TableRow {
  const { metadata, roleRef, subjects } = binding
  const named = (kind: string) => (subjects ?? []).filter((subject) => subject.kind === kind)
  return {
    cells: [
      metadata.name,
      `${roleRef.kind}/${roleRef.name}`,
      ageOf(binding, nowMs),
      named('User')
        .map(({ name }) => name)
        .join(', '),
      named('Group')
        .map(({ name }) => name)
        .join(', '),
      named('ServiceAccount')
        .map(({ name, namespace }) => `${namespace ?? ''}/${name}`)
        .join(', '),
    ],
  }
}
