// One policy and one of its bindings against one request: what its expressions say.
import type {
  CompiledValidation,
  PolicyProgram,
} from '../../api/admissionregistration/policy-program.ts'
import {
  compilePolicy,
  namespaceType,
  requestType,
} from '../../api/admissionregistration/policy-program.ts'
import type { Bindings, Outcome, Program, Value } from '../../api/cel/cel.ts'
import { perCallLimit, runtimeBudget } from '../../api/cel/cel.ts'
import type { AuthorizerCheck, Decide } from '../../api/cel/library-authorizer.ts'
import { authorizerValue, resourceCheckValue } from '../../api/cel/library-authorizer.ts'
import { types } from '../../api/cel/types.ts'
import { CelError, CostError, fromJson, ObjectValue } from '../../api/cel/values.ts'
import type { KubeObject } from '../../api/machinery/resource.ts'
import { namespaces } from '../../api/resources.gen.ts'
import type { ValidatingAdmissionPolicy } from '../../api/types/admissionregistration.gen.ts'
import type { Attributes } from '../rbac/attributes.ts'
import type { AdmissionContext, AdmissionRequest } from './request.ts'

export interface Failure {
  readonly message: string
  readonly reason: string
}

export interface Evaluation {
  readonly failures: readonly Failure[]
  /** Audit annotations by key. */
  readonly annotations: Readonly<Record<string, string>>
}

/** What is the same for every binding of a policy. */
export interface Subject {
  readonly policy: ValidatingAdmissionPolicy
  readonly request: AdmissionRequest
  readonly context: AdmissionContext
}

const programs = new WeakMap<object, PolicyProgram>()
const byUid = new Map<string, { readonly generation: number; readonly program: PolicyProgram }>()

function programOf(policy: ValidatingAdmissionPolicy): PolicyProgram {
  const known = programs.get(policy)
  if (known) return known
  const { uid = '', generation = 0 } = policy.metadata
  const kept = byUid.get(uid)
  const program =
    kept?.generation === generation ? kept.program : compilePolicy(policy.spec ?? {}).program
  byUid.set(uid, { generation, program })
  programs.set(policy, program)
  return program
}

const maxMessageBytes = 5 * 1024

/** undefined: its match conditions leave the request alone. */
export function evaluatePolicy(
  subject: Subject,
  params: KubeObject | undefined,
): Evaluation | undefined {
  const { policy } = subject
  const run = new PolicyRun(programOf(policy), subject, params)
  const fails = policy.spec?.failurePolicy !== 'Ignore'
  const matching = run.matches()
  if (matching === 'no') return undefined
  if (typeof matching === 'object') {
    return { failures: fails ? [matching] : [], annotations: {} }
  }
  const failures = run.failures(fails)
  return { failures, annotations: run.annotations() }
}

class PolicyRun {
  readonly #program: PolicyProgram
  readonly #find: Bindings
  #budget = runtimeBudget

  constructor(program: PolicyProgram, subject: Subject, params: KubeObject | undefined) {
    this.#program = program
    this.#find = bindingsOf(subject, params, (find) => this.#variables(find))
  }

  #run(program: Program): Outcome {
    const outcome = program.run(this.#find, Math.min(perCallLimit, Math.max(this.#budget, 0)))
    this.#budget -= outcome.cost
    return outcome
  }

  /** Variables are worked out when they are first looked at, and once. */
  #variables(find: Bindings): Value {
    const { variables, variablesType } = this.#program
    const programs = new Map(variables.map(({ name, program }) => [name, program]))
    return new LazyObject(variablesType, (name) => {
      const outcome = programs.get(name)?.run(find, Math.max(this.#budget, 0))
      if (!outcome) return undefined
      this.#budget -= outcome.cost
      if (outcome.ok) return outcome.value
      throw outcome.limited ? new CostError(outcome.message) : new CelError(outcome.message)
    })
  }

  matches(): 'yes' | 'no' | Failure {
    const problems: string[] = []
    for (const { name, program } of this.#program.conditions) {
      const outcome = this.#run(program)
      if (outcome.ok && outcome.value === false) return 'no'
      if (!outcome.ok) problems.push(`matchCondition "${name}": ${outcome.message}`)
    }
    if (problems.length === 0) return 'yes'
    return { message: problems.join(', '), reason: 'Invalid' }
  }

  failures(errorsFail: boolean): Failure[] {
    return this.#program.validations.flatMap((one) => {
      const outcome = this.#run(one.program)
      const { expression, reason = 'Invalid' } = one.validation
      if (outcome.ok) {
        return outcome.value === true ? [] : [{ message: this.#message(one), reason }]
      }
      if (!errorsFail) return []
      const message = `expression '${expression}' resulted in error: ${outcome.message}`
      return [{ message, reason: 'Invalid' }]
    })
  }

  #message({ validation, message }: CompiledValidation): string {
    const outcome = message && this.#run(message)
    const text = outcome?.ok && typeof outcome.value === 'string' ? outcome.value.trim() : ''
    const usable = text !== '' && !text.includes('\n') && Buffer.byteLength(text) <= maxMessageBytes
    if (usable) return text
    return validation.message?.trim() || `failed expression: ${validation.expression.trim()}`
  }

  annotations(): Record<string, string> {
    const found: Record<string, string> = {}
    for (const { key, program } of this.#program.annotations) {
      const outcome = this.#run(program)
      if (outcome.ok && typeof outcome.value === 'string') found[key] = outcome.value.trim()
    }
    return found
  }
}

class LazyObject extends ObjectValue {
  readonly #compute: (name: string) => Value | undefined
  readonly #known = new Map<string, Value | undefined>()

  constructor(
    type: ConstructorParameters<typeof ObjectValue>[1],
    compute: (name: string) => Value | undefined,
  ) {
    super({}, type)
    this.#compute = compute
  }

  override get(name: string): Value | undefined {
    if (!this.#known.has(name)) this.#known.set(name, this.#compute(name))
    return this.#known.get(name)
  }

  override has(name: string): boolean {
    return this.type.fields.has(name)
  }
}

function bindingsOf(
  { request, context }: Subject,
  params: KubeObject | undefined,
  variables: (find: Bindings) => Value,
): Bindings {
  const known = new Map<string, Value | undefined>()
  const make = (name: string): Value | undefined => {
    switch (name) {
      case 'object':
        return fromJson(request.object ?? null, types.dyn)
      case 'oldObject':
        return fromJson(request.old ?? null, types.dyn)
      case 'params':
        return fromJson(params ?? null, types.dyn)
      case 'request':
        return fromJson(requestObject(request), requestType)
      case 'namespaceObject':
        return fromJson(namespaceOf(request, context) ?? null, namespaceType)
      case 'authorizer':
        return authorizerValue(decideFor(request, context))
      case 'authorizer.requestResource':
        return resourceCheckValue(decideFor(request, context), requestCheck(request))
      case 'variables':
        return variables(find)
      default:
        return undefined
    }
  }
  const find: Bindings = (name) => {
    if (!known.has(name)) known.set(name, make(name))
    return known.get(name)
  }
  return find
}

function requestObject({ resource, subresource, user, ...request }: AdmissionRequest): object {
  const { group, version, kind, plural } = resource
  const kinds = { group, version, kind }
  const resources = { group, version, resource: plural }
  const { name: username, uid, groups, extra } = user
  return {
    kind: kinds,
    resource: resources,
    subResource: subresource,
    requestKind: kinds,
    requestResource: resources,
    requestSubResource: subresource,
    name: request.name,
    namespace: request.namespace,
    operation: request.operation,
    userInfo: { username, uid, groups, extra },
    dryRun: request.dryRun,
    options: request.options,
  }
}

function namespaceOf(
  { resource, namespace }: AdmissionRequest,
  { reader }: AdmissionContext,
): KubeObject | undefined {
  return resource.namespaced ? reader(namespaces).get(namespace) : undefined
}

const requestCheck = ({ resource, subresource, namespace, name }: AdmissionRequest) => ({
  group: resource.group,
  resource: resource.plural,
  subresource,
  namespace,
  name,
})

function decideFor({ user, resource }: AdmissionRequest, { authorize }: AdmissionContext): Decide {
  return (check) => {
    const { verdict, reason, error } = authorize(attributesOf(check, user, resource.version))
    return { allowed: verdict === 'allow', reason, error }
  }
}

function attributesOf(
  check: AuthorizerCheck,
  user: AdmissionRequest['user'],
  version: string,
): Attributes {
  const who = check.user ? { uid: '', extra: {}, ...check.user } : user
  if (check.path !== undefined) return { user: who, verb: check.verb, path: check.path }
  const { group = '', resource = '', subresource = '', namespace = '', name = '' } = check
  return { user: who, verb: check.verb, version, group, resource, subresource, namespace, name }
}
