// The expressions of a ValidatingAdmissionPolicy, compiled against what they may see of a request.
import type { Compiled, Program, Type } from '../cel/cel.ts'
import { compile } from '../cel/cel.ts'
import type { ObjectField } from '../cel/types.ts'
import { formatType, listOf, mapOf, opaque, types } from '../cel/types.ts'
import type { FieldError } from '../machinery/field-error.ts'
import { duplicate, invalid, required } from '../machinery/field-error.ts'
import { cIdentifierProblems, qualifiedNameProblems } from '../machinery/names.ts'
import type {
  AuditAnnotation,
  MatchCondition,
  ValidatingAdmissionPolicySpec,
  Validation,
  Variable,
} from '../types/admissionregistration.gen.ts'

const objectType = (name: string, fields: Readonly<Record<string, Type>>): Type => ({
  kind: 'object',
  name,
  fields: new Map(
    Object.entries(fields).map(([field, type]): [string, ObjectField] => [
      field,
      { name: field, type },
    ]),
  ),
})

const { string, bool, dyn } = types

const groupVersionKind = objectType('kubernetes.GroupVersionKind', {
  group: string,
  version: string,
  kind: string,
})
const groupVersionResource = objectType('kubernetes.GroupVersionResource', {
  group: string,
  version: string,
  resource: string,
})

export const requestType = objectType('kubernetes.AdmissionRequest', {
  kind: groupVersionKind,
  resource: groupVersionResource,
  subResource: string,
  requestKind: groupVersionKind,
  requestResource: groupVersionResource,
  requestSubResource: string,
  name: string,
  namespace: string,
  operation: string,
  userInfo: objectType('kubernetes.UserInfo', {
    username: string,
    uid: string,
    groups: listOf(string),
    extra: mapOf(string, listOf(string)),
  }),
  dryRun: bool,
  options: dyn,
})

export const namespaceType = objectType('kubernetes.Namespace', {
  metadata: objectType('kubernetes.NamespaceMetadata', {
    name: string,
    generateName: string,
    namespace: string,
    labels: mapOf(string, string),
    annotations: mapOf(string, string),
    UID: string,
    creationTimestamp: types.timestamp,
    deletionGracePeriodSeconds: types.int,
    deletionTimestamp: types.timestamp,
    generation: types.int,
    resourceVersion: string,
    finalizers: listOf(string),
  }),
  spec: objectType('kubernetes.NamespaceSpec', { finalizers: listOf(string) }),
  status: objectType('kubernetes.NamespaceStatus', { phase: string }),
})

type Variables = Readonly<Record<string, Type>>

function variablesOf({ paramKind }: ValidatingAdmissionPolicySpec): Variables {
  return {
    object: dyn,
    oldObject: dyn,
    request: requestType,
    namespaceObject: namespaceType,
    authorizer: opaque('kubernetes.authorization.Authorizer'),
    'authorizer.requestResource': opaque('kubernetes.authorization.ResourceCheck'),
    ...(paramKind ? { params: dyn } : {}),
  }
}

export interface CompiledValidation {
  readonly validation: Validation
  readonly program: Program
  readonly message: Program | undefined
}

export interface PolicyProgram {
  readonly conditions: readonly { readonly name: string; readonly program: Program }[]
  readonly variables: readonly { readonly name: string; readonly program: Program }[]
  readonly variablesType: Type & { readonly kind: 'object' }
  readonly validations: readonly CompiledValidation[]
  readonly annotations: readonly { readonly key: string; readonly program: Program }[]
}

export interface PolicyResult {
  readonly program: PolicyProgram
  /** What does not compile is missing from the program. */
  readonly errors: readonly FieldError[]
}

class Compiler {
  readonly errors: FieldError[] = []

  /** undefined for an expression with a mistake, which is kept as an error. */
  expression(
    text: string,
    field: string,
    { variables, wanted }: { readonly variables: Variables; readonly wanted?: readonly string[] },
  ): Program | undefined {
    if (text.trim() === '') {
      this.errors.push(required(field, 'expression is not specified'))
      return undefined
    }
    const compiled: Compiled = compile(text.trim(), variables)
    if (!compiled.ok) {
      this.errors.push(invalid(field, text, `compilation failed: ${compiled.message}`))
      return undefined
    }
    const type = formatType(compiled.program.type)
    const allowed = wanted === undefined || type === 'dyn' || wanted.includes(type)
    if (allowed) return compiled.program
    const detail = `must evaluate to ${wanted.join(' or ')} but got ${type}`
    this.errors.push(invalid(field, text, detail))
    return undefined
  }
}

export function compilePolicy(spec: ValidatingAdmissionPolicySpec): PolicyResult {
  const compiler = new Compiler()
  const base = variablesOf(spec)
  const conditions = conditionsOf(compiler, spec.matchConditions ?? [], base)
  const declared = new Map<string, ObjectField>()
  const variables = (spec.variables ?? []).flatMap((variable, index) =>
    variableOf(compiler, variable, { index, base, declared }),
  )
  const all = { ...base, variables: typeOf(declared) }
  const validations = (spec.validations ?? []).flatMap((validation, index) =>
    validationOf(compiler, validation, { at: `spec.validations[${index}]`, variables: all }),
  )
  const annotations = annotationsOf(compiler, spec.auditAnnotations ?? [], all)
  const variablesType = typeOf(declared)
  const program = { conditions, variables, variablesType, validations, annotations }
  return { program, errors: compiler.errors }
}

const typeOf = (fields: ReadonlyMap<string, ObjectField>): Type & { readonly kind: 'object' } => ({
  kind: 'object',
  name: 'kubernetes.variables',
  fields: new Map(fields),
})

function conditionsOf(
  compiler: Compiler,
  conditions: readonly MatchCondition[],
  variables: Variables,
): PolicyProgram['conditions'] {
  const seen = new Set<string>()
  return conditions.flatMap(({ name, expression }, index) => {
    const at = `spec.matchConditions[${index}]`
    if (!name) compiler.errors.push(required(`${at}.name`))
    for (const problem of name ? qualifiedNameProblems(name) : []) {
      compiler.errors.push(invalid(`${at}.name`, name, problem))
    }
    if (seen.has(name)) compiler.errors.push(duplicate(`${at}.name`, name))
    seen.add(name)
    const options = { variables, wanted: ['bool'] }
    const program = compiler.expression(expression, `${at}.expression`, options)
    return program ? [{ name, program }] : []
  })
}

interface VariableContext {
  readonly index: number
  readonly base: Variables
  /** Those before this one: they may be used in it. */
  readonly declared: Map<string, ObjectField>
}

function variableOf(
  compiler: Compiler,
  { name, expression }: Variable,
  { index, base, declared }: VariableContext,
): PolicyProgram['variables'] {
  const at = `spec.variables[${index}]`
  if (!name) compiler.errors.push(required(`${at}.name`, 'name is not specified'))
  for (const problem of name ? cIdentifierProblems(name) : []) {
    compiler.errors.push(invalid(`${at}.name`, name, problem))
  }
  if (declared.has(name)) compiler.errors.push(duplicate(`${at}.name`, name))
  const variables = { ...base, variables: typeOf(declared) }
  const program = compiler.expression(expression, `${at}.expression`, { variables })
  declared.set(name, { name, type: program?.type ?? dyn })
  return program ? [{ name, program }] : []
}

function validationOf(
  compiler: Compiler,
  validation: Validation,
  { at, variables }: { readonly at: string; readonly variables: Variables },
): readonly CompiledValidation[] {
  const { expression, message = '', messageExpression = '', reason } = validation
  if (message !== '' && message.trim() === '') {
    const detail = 'message must be non-empty if specified'
    compiler.errors.push(invalid(`${at}.message`, message, detail))
  } else if (/[\n\r]/.test(message.trim())) {
    compiler.errors.push(invalid(`${at}.message`, message, 'must not contain line breaks'))
  } else if (/[\n\r]/.test(expression.trim()) && message === '') {
    const detail = 'must be specified if expression contains line breaks'
    compiler.errors.push(required(`${at}.message`, detail))
  }
  const options = { variables, wanted: ['bool'] }
  const program = compiler.expression(expression, `${at}.expression`, options)
  const shown = messageExpression.trim() !== ''
  const words = shown
    ? compiler.expression(messageExpression, `${at}.messageExpression`, {
        variables,
        wanted: ['string'],
      })
    : undefined
  const reasons = ['Unauthorized', 'Forbidden', 'Invalid', 'RequestEntityTooLarge']
  if (reason !== undefined && !reasons.includes(reason)) {
    const list = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized']
    const supported = list.map((one) => JSON.stringify(one)).join(', ')
    compiler.errors.push({
      type: 'FieldValueNotSupported',
      field: `${at}.reason`,
      message: `Unsupported value: ${JSON.stringify(reason)}: supported values: ${supported}`,
    })
  }
  return program ? [{ validation, program, message: words }] : []
}

function annotationsOf(
  compiler: Compiler,
  annotations: readonly AuditAnnotation[],
  variables: Variables,
): PolicyProgram['annotations'] {
  return annotations.flatMap(({ key, valueExpression }, index) => {
    const at = `spec.auditAnnotations[${index}]`
    if (!key) compiler.errors.push(required(`${at}.key`))
    const options = { variables, wanted: ['string', 'null'] }
    const program = compiler.expression(valueExpression, `${at}.valueExpression`, options)
    return program ? [{ key, program }] : []
  })
}
