// Admission policies and their bindings: rules in CEL. Running the expressions is admission's
// business; here they have to compile, with what is loaded before the first policy is written.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { duplicate, forbidden, invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { validateLabelSelector } from '../machinery/labels.ts'
import { dns1123SubdomainProblems } from '../machinery/names.ts'
import { type Errors, forEach, invalids, none, oneOf } from '../machinery/validation.ts'
import {
  mutatingadmissionpolicies,
  mutatingadmissionpolicybindings,
  validatingadmissionpolicies,
  validatingadmissionpolicybindings,
} from '../resources.gen.ts'
import type {
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../types/admissionregistration.gen.ts'
import { defaultRule, validateRule } from './rules.ts'

const shared = { generation: true, requiresResourceVersion: true } as const

function defaultMatch(match: Draft<MatchResources> | undefined): void {
  if (!match) return
  match.matchPolicy ??= 'Equivalent'
  match.namespaceSelector ??= {}
  match.objectSelector ??= {}
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) {
    defaultRule(rule)
  }
}

function defaultParam(param: Draft<ParamRef> | undefined): void {
  if (param) param.parameterNotFoundAction ??= 'Deny'
}

export const validatingPolicyKind: Kind<ValidatingAdmissionPolicy> = {
  ...shared,
  resource: validatingadmissionpolicies,
  defaults({ spec }) {
    if (!spec) return
    spec.failurePolicy ??= 'Fail'
    defaultMatch(spec.matchConstraints)
  },
  validate: validatePolicy,
  subresources: { status: { keepsMetadata: true } },
  columns: columnsOf('Name | Validations: integer | ParamKind | Age'),
  row: (policy, nowMs) => ({
    cells: [
      policy.metadata.name,
      (policy.spec?.validations ?? []).length,
      paramKindCell(policy.spec?.paramKind),
      ageOf(policy, nowMs),
    ],
  }),
}

export const validatingBindingKind: Kind<ValidatingAdmissionPolicyBinding> = {
  ...shared,
  resource: validatingadmissionpolicybindings,
  defaults({ spec }) {
    defaultMatch(spec?.matchResources)
    defaultParam(spec?.paramRef)
  },
  validate: validateBinding,
  columns: columnsOf('Name | PolicyName | ParamRef | Age'),
  row: (binding, nowMs) => ({
    cells: [
      binding.metadata.name,
      binding.spec?.policyName ?? '',
      paramRefCell(binding.spec?.paramRef),
      ageOf(binding, nowMs),
    ],
  }),
}

export const mutatingPolicyKind: Kind<MutatingAdmissionPolicy> = {
  ...shared,
  resource: mutatingadmissionpolicies,
  defaults({ spec }) {
    if (!spec) return
    spec.failurePolicy ??= 'Fail'
    spec.reinvocationPolicy ??= 'Never'
    defaultMatch(spec.matchConstraints)
  },
  validate: ({ spec }) => [
    ...validateConstraints(spec?.matchConstraints),
    ...((spec?.mutations ?? []).length === 0
      ? [required('spec.mutations', 'mutations must contain at least one item')]
      : none),
  ],
  columns: columnsOf('Name | Mutations: integer | ParamKind | Age'),
  row: (policy, nowMs) => ({
    cells: [
      policy.metadata.name,
      (policy.spec?.mutations ?? []).length,
      paramKindCell(policy.spec?.paramKind),
      ageOf(policy, nowMs),
    ],
  }),
}

export const mutatingBindingKind: Kind<MutatingAdmissionPolicyBinding> = {
  ...shared,
  resource: mutatingadmissionpolicybindings,
  defaults({ spec }) {
    defaultMatch(spec?.matchResources)
    defaultParam(spec?.paramRef)
  },
  validate: ({ spec }) => [
    ...validatePolicyName(spec?.policyName),
    ...validateParam(spec?.paramRef, 'spec.paramRef'),
  ],
  columns: columnsOf('Name | PolicyName | ParamRef | Age'),
  row: (binding, nowMs) => ({
    cells: [
      binding.metadata.name,
      binding.spec?.policyName ?? '',
      paramRefCell(binding.spec?.paramRef),
      ageOf(binding, nowMs),
    ],
  }),
}

function validatePolicy({ spec }: ValidatingAdmissionPolicy): Errors {
  const { validations = [], auditAnnotations = [], paramKind, failurePolicy } = spec ?? {}
  const empty = validations.length + auditAnnotations.length === 0
  const missing = 'validations or auditAnnotations must contain at least one item'
  return [
    ...oneOf(failurePolicy, 'spec.failurePolicy', ['Fail', 'Ignore']),
    ...(paramKind ? validateParamKind(paramKind, 'spec.paramKind') : none),
    ...validateConstraints(spec?.matchConstraints),
    ...(empty
      ? [required('spec.validations', missing), required('spec.auditAnnotations', missing)]
      : none),
    ...(spec ? compiled().compilePolicy(spec).errors : none),
  ]
}

type Compiler = typeof import('./policy-program.ts')

let compiler: Compiler | undefined

/** To be awaited before a policy is written: expressions are compiled by what this loads. */
export async function loadPolicyCompiler(): Promise<Compiler> {
  compiler ??= await import('./policy-program.ts')
  return compiler
}

function compiled(): Compiler {
  if (!compiler)
    throw new Error('cannot validate a policy: the compiler of expressions is not loaded')
  return compiler
}

const validateParamKind = ({ apiVersion, kind }: ParamKind, field: string): Errors => [
  ...(apiVersion ? none : [required(`${field}.apiVersion`)]),
  ...(kind ? none : [required(`${field}.kind`)]),
]

function validateConstraints(match: MatchResources | undefined): Errors {
  const field = 'spec.matchConstraints'
  if (!match) return [required(field)]
  const rules = match.resourceRules ?? []
  return [
    ...validateLabelSelector(match.namespaceSelector, `${field}.namespaceSelector`),
    ...validateLabelSelector(match.objectSelector, `${field}.objectSelector`),
    ...forEach(rules, `${field}.resourceRules`, validateRule),
    ...forEach(match.excludeResourceRules, `${field}.excludeResourceRules`, validateRule),
    ...(rules.length === 0 ? [required(`${field}.resourceRules`)] : none),
  ]
}

const validatePolicyName = (name: string | undefined): Errors =>
  name
    ? invalids('spec.policyName', name, dns1123SubdomainProblems(name))
    : [required('spec.policyName')]

const actions = ['Audit', 'Deny', 'Warn']

function validateBinding({ spec }: ValidatingAdmissionPolicyBinding): Errors {
  const list = spec?.validationActions ?? []
  const field = 'spec.validationActions'
  const seen = new Set<string>()
  const both =
    'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)'
  return [
    ...validatePolicyName(spec?.policyName),
    ...validateParam(spec?.paramRef, 'spec.paramRef'),
    ...(list.length === 0 ? [required(field, 'at least one validation action is required')] : none),
    ...forEach(list, field, (action, at) => {
      const repeated = seen.has(action) ? [duplicate(at, action)] : none
      seen.add(action)
      return [...oneOf(action, at, actions), ...repeated]
    }),
    ...(list.includes('Deny') && list.includes('Warn') ? [invalid(field, list, both)] : none),
  ]
}

function validateParam(param: ParamRef | undefined, field: string): Errors {
  if (!param) return none
  const { name, selector, parameterNotFoundAction } = param
  return [
    ...(name && selector
      ? [forbidden(`${field}.name`, 'name and selector are mutually exclusive')]
      : !name && !selector
        ? [required(field, 'one of name or selector must be specified')]
        : none),
    ...(parameterNotFoundAction
      ? oneOf(parameterNotFoundAction, `${field}.parameterNotFoundAction`, ['Allow', 'Deny'])
      : [required(`${field}.parameterNotFoundAction`)]),
  ]
}

const paramKindCell = (param: ParamKind | undefined): string =>
  param ? `${param.apiVersion}/${param.kind}` : '<unset>'

/** "*" stands for the namespace of the request, or for a selector instead of a name. */
function paramRefCell(param: ParamRef | undefined): string {
  if (!param) return '<unset>'
  const { namespace, name } = param
  return name ? `${namespace || '*'}/${name}` : `${namespace || '*'}/*`
}
