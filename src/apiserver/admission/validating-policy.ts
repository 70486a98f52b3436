// ValidatingAdmissionPolicy: policies in CEL, each through its bindings, on every write they match.
// Without a binding this costs a look into an empty list; what runs expressions loads with the first.
import { selectorFromLabelSelector } from '../../api/machinery/labels.ts'
import type { KubeObject } from '../../api/machinery/resource.ts'
import { StatusError } from '../../api/machinery/status.ts'
import {
  validatingadmissionpolicies,
  validatingadmissionpolicybindings,
} from '../../api/resources.gen.ts'
import type {
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../api/types/admissionregistration.gen.ts'
import { matchesResources } from './policy-match.ts'
import type { Failure } from './policy-run.ts'
import { keyOf, refuse } from './refuse.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRequest, Outcome } from './request.ts'

type Runner = typeof import('./policy-run.ts')

let runner: Runner | undefined

/** What could lock everybody out is nobody's to judge; reviews are questions, not writes. */
const exemptGroups: ReadonlySet<string> = new Set([
  'admissionregistration.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
])

export const validatingAdmissionPolicy: AdmissionPlugin = {
  name: 'ValidatingAdmissionPolicy',
  operations: ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'],
  validate(request, context) {
    if (exemptGroups.has(request.resource.group)) return undefined
    const bindings = context.reader(validatingadmissionpolicybindings).list()
    if (bindings.length === 0) return undefined
    const matching = matchesOf(bindings, request, context)
    if (matching.length === 0) return undefined
    if (runner) return judge(runner, matching, { request, context })
    return import('./policy-run.ts').then((loaded) => {
      runner = loaded
      return judge(loaded, matching, { request, context })
    })
  },
}

interface Match {
  readonly policy: ValidatingAdmissionPolicy
  readonly binding: ValidatingAdmissionPolicyBinding
}

function matchesOf(
  bindings: readonly ValidatingAdmissionPolicyBinding[],
  request: AdmissionRequest,
  context: AdmissionContext,
): readonly Match[] {
  const policies = context.reader(validatingadmissionpolicies)
  return bindings.flatMap((binding) => {
    const policy = policies.get(binding.spec.policyName)
    if (!policy || !matchesResources(policy.spec?.matchConstraints, request, context)) return []
    return matchesResources(binding.spec.matchResources, request, context)
      ? [{ policy, binding }]
      : []
  })
}

interface Subject {
  readonly request: AdmissionRequest
  readonly context: AdmissionContext
}

function judge(
  { evaluatePolicy }: Runner,
  matches: readonly Match[],
  { request, context }: Subject,
): Outcome {
  // All are heard, for their warnings and audit annotations; the first refusal counts.
  let denial: StatusError | undefined
  for (const match of matches) {
    const { policy } = match
    const found = paramsOf(match, { request, context })
    const failures: Failure[] = []
    if ('failure' in found) failures.push(found.failure)
    else {
      for (const params of found.params) {
        const evaluation = evaluatePolicy({ policy, request, context }, params)
        failures.push(...(evaluation?.failures ?? []))
        for (const [key, value] of Object.entries(evaluation?.annotations ?? {})) {
          request.auditAnnotations[`${policy.metadata.name}/${key}`] = value
        }
      }
    }
    const refused = failures.map((failure) => act(request, match, failure))
    denial ??= refused.find((one) => one !== undefined)
    audit(request, match, failures)
  }
  return denial
}

/** Warns, or answers the refusal. */
function act(
  request: AdmissionRequest,
  { policy, binding }: Match,
  { message, reason }: Failure,
): StatusError | undefined {
  const { validationActions } = binding.spec
  const names = `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}'`
  if (validationActions.includes('Warn')) {
    request.warnings.push(`Validation failed for ${names}: ${message}`)
  }
  if (!validationActions.includes('Deny')) return undefined
  const text = `${names} denied request: ${message}`
  const { status } = refuse(request, text)
  const details = { ...status.details, causes: [{ message: text }] }
  return new StatusError({ ...status, reason, code: codeOf(reason), details })
}

const codeOf = (reason: string): number =>
  ({ Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413, Invalid: 422 })[reason] ?? 422

function audit(
  request: AdmissionRequest,
  { policy, binding }: Match,
  failures: readonly Failure[],
): void {
  const { validationActions } = binding.spec
  if (failures.length === 0 || !validationActions.includes('Audit')) return
  const entries = failures.map(({ message }, expressionIndex) => ({
    message,
    policy: policy.metadata.name,
    binding: binding.metadata.name,
    expressionIndex,
    validationActions,
  }))
  const key = 'validation.policy.admission.k8s.io/validation_failure'
  request.auditAnnotations[key] = JSON.stringify(entries)
}

type Params =
  | { readonly params: readonly (KubeObject | undefined)[] }
  | { readonly failure: Failure }

/** The objects a binding names as parameters, one evaluation each. */
function paramsOf({ policy, binding }: Match, { request, context }: Subject): Params {
  const { paramKind } = policy.spec ?? {}
  const { paramRef } = binding.spec
  if (!paramKind) return { params: [undefined] }
  if (!paramRef) return { params: [undefined] }
  const { apiVersion = '', kind = '' } = paramKind
  const resource = context.findResource?.(apiVersion, kind)
  if (!resource) {
    const message = `failed to configure policy: failed to find resource referenced by paramKind: '${apiVersion}, Kind=${kind}'`
    return configurationFailure(policy, message)
  }
  const namespace = resource.namespaced ? paramRef.namespace || request.namespace : ''
  if (resource.namespaced && namespace === '') {
    const message =
      'failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources'
    return configurationFailure(policy, message)
  }
  const found = selected(paramRef, context.reader(resource), namespace)
  if (found.length > 0) return { params: found }
  if (paramRef.parameterNotFoundAction === 'Allow') return { params: [] }
  const message =
    'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction'
  return configurationFailure(policy, message)
}

const configurationFailure = (policy: ValidatingAdmissionPolicy, message: string): Params =>
  policy.spec?.failurePolicy === 'Ignore'
    ? { params: [] }
    : { failure: { message, reason: 'Invalid' } }

function selected(
  { name, selector }: ParamRef,
  reader: ReturnType<AdmissionContext['reader']>,
  namespace: string,
): readonly KubeObject[] {
  if (name) {
    const found = reader.get(keyOf(namespace, name))
    return found ? [found] : []
  }
  const labels = selectorFromLabelSelector(selector)
  return reader.list(namespace).filter(({ metadata }) => labels.matches(metadata.labels ?? {}))
}
