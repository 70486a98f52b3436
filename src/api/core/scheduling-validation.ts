// Where a Pod may run: affinity, tolerations, spread constraints, gates.
import { duplicate, invalid, required } from '../machinery/field-error.ts'
import { validateLabelName, validateLabelSelector, validateLabels } from '../machinery/labels.ts'
import { labelValueProblems, qualifiedNameProblems } from '../machinery/names.ts'
import { type Errors, forEach, inRange, invalids, none, oneOf } from '../machinery/validation.ts'
import type {
  NodeAffinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  PodSpec,
  Toleration,
  TopologySpreadConstraint,
} from '../types/core.gen.ts'

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']
const soft = 'preferredDuringSchedulingIgnoredDuringExecution'
const hard = 'requiredDuringSchedulingIgnoredDuringExecution'

export function validateScheduling(spec: PodSpec, field: string): Errors {
  const gates = new Set<string>()
  return [
    ...validateLabels(spec.nodeSelector, `${field}.nodeSelector`),
    ...validateAffinity(spec, `${field}.affinity`),
    ...forEach(spec.tolerations, `${field}.tolerations`, validateToleration),
    ...validateSpread(spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`),
    ...forEach(spec.schedulingGates, `${field}.schedulingGates`, ({ name }, at) => {
      const repeated = gates.has(name) ? [duplicate(`${at}`, name)] : none
      gates.add(name)
      return [...invalids(at, name, qualifiedNameProblems(name)), ...repeated]
    }),
  ]
}

function validateAffinity({ affinity }: PodSpec, field: string): Errors {
  if (!affinity) return none
  return [
    ...validateNodeAffinity(affinity.nodeAffinity, `${field}.nodeAffinity`),
    ...validatePodAffinity(affinity.podAffinity, `${field}.podAffinity`),
    ...validatePodAffinity(affinity.podAntiAffinity, `${field}.podAntiAffinity`),
  ]
}

function validateNodeAffinity(affinity: NodeAffinity | undefined, field: string): Errors {
  if (!affinity) return none
  const terms = affinity[hard]?.nodeSelectorTerms
  const at = `${field}.${hard}.nodeSelectorTerms`
  return [
    ...(affinity[hard] && (terms ?? []).length === 0
      ? [required(at, 'must have at least one node selector term')]
      : none),
    ...forEach(terms, at, validateNodeTerm),
    ...forEach(affinity[soft], `${field}.${soft}`, ({ weight, preference }, path) => [
      ...validateWeight(weight, path),
      ...validateNodeTerm(preference, `${path}.preference`),
    ]),
  ]
}

const validateWeight = (weight: number, field: string): Errors =>
  weight < 1 || weight > 100
    ? [invalid(`${field}.weight`, weight, 'must be in the range 1-100')]
    : none

export const validateNodeTerm = (term: NodeSelectorTerm, field: string): Errors => [
  ...forEach(term.matchExpressions, `${field}.matchExpressions`, validateRequirement),
  ...forEach(term.matchFields, `${field}.matchFields`, validateFieldRequirement),
]

function validateFieldRequirement(wanted: NodeSelectorRequirement, field: string): Errors {
  const count = (wanted.values ?? []).length
  return [
    ...(wanted.operator !== 'In' && wanted.operator !== 'NotIn'
      ? [invalid(`${field}.operator`, wanted.operator, 'not a valid selector operator')]
      : count === 1
        ? none
        : [
            required(
              `${field}.values`,
              "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            ),
          ]),
    ...(wanted.key === 'metadata.name'
      ? none
      : [invalid(`${field}.key`, wanted.key, 'not a valid field selector key')]),
  ]
}

function validateRequirement(wanted: NodeSelectorRequirement, field: string): Errors {
  const at = `${field}.values`
  const count = (wanted.values ?? []).length
  const values = (() => {
    switch (wanted.operator) {
      case 'In':
      case 'NotIn':
        return count > 0
          ? none
          : [required(at, "must be specified when `operator` is 'In' or 'NotIn'")]
      case 'Exists':
      case 'DoesNotExist':
        return count === 0
          ? none
          : [
              {
                type: 'FieldValueForbidden' as const,
                field: at,
                message:
                  "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
              },
            ]
      case 'Gt':
      case 'Lt':
        return count === 1
          ? none
          : [required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'")]
      default:
        return [invalid(`${field}.operator`, wanted.operator, 'not a valid selector operator')]
    }
  })()
  return [...values, ...validateLabelName(wanted.key, `${field}.key`)]
}

function validatePodAffinity(affinity: PodAffinity | undefined, field: string): Errors {
  if (!affinity) return none
  return [
    ...forEach(affinity[hard], `${field}.${hard}`, validatePodTerm),
    ...forEach(affinity[soft], `${field}.${soft}`, ({ weight, podAffinityTerm }, at) => [
      ...validateWeight(weight, at),
      ...validatePodTerm(podAffinityTerm, `${at}.podAffinityTerm`),
    ]),
  ]
}

const validatePodTerm = (term: PodAffinityTerm, field: string): Errors => [
  ...validateLabelSelector(term.labelSelector, `${field}.labelSelector`),
  ...validateLabelSelector(term.namespaceSelector, `${field}.namespaceSelector`),
  ...(term.topologyKey
    ? validateLabelName(term.topologyKey, `${field}.topologyKey`)
    : [required(`${field}.topologyKey`, 'can not be empty')]),
]

export function validateToleration(toleration: Toleration, field: string): Errors {
  const { key, operator, value, effect, tolerationSeconds } = toleration
  const matchesAll =
    'operator must be Exists when `key` is empty, which means "match all values and all keys"'
  return [
    ...(key ? validateLabelName(key, `${field}.key`) : none),
    ...(!key && operator !== 'Exists'
      ? [invalid(`${field}.operator`, operator ?? '', matchesAll)]
      : none),
    ...(tolerationSeconds !== undefined && effect !== 'NoExecute'
      ? [
          invalid(
            `${field}.effect`,
            effect ?? '',
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
          ),
        ]
      : none),
    ...validateTolerationOperator(operator, value ?? '', `${field}.operator`),
    ...(effect ? oneOf(effect, `${field}.effect`, effects) : none),
  ]
}

function validateTolerationOperator(
  operator: string | undefined,
  value: string,
  field: string,
): Errors {
  if (operator === 'Exists') {
    return value === ''
      ? none
      : [invalid(field, value, "value must be empty when `operator` is 'Exists'")]
  }
  if (!operator || operator === 'Equal') {
    const problems = labelValueProblems(value)
    return problems.length === 0 ? none : [invalid(field, value, problems.join(';'))]
  }
  return oneOf(operator, field, ['Equal', 'Exists'])
}

function validateSpread(
  constraints: readonly TopologySpreadConstraint[] | undefined,
  field: string,
): Errors {
  const pairs = new Set<string>()
  return forEach(constraints, field, (constraint, at) => {
    const { topologyKey, whenUnsatisfiable, maxSkew, minDomains } = constraint
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`
    const repeated = pairs.has(pair)
      ? [duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair)]
      : none
    pairs.add(pair)
    return [
      ...(maxSkew > 0 ? none : [invalid(`${at}.maxSkew`, maxSkew, 'must be greater than zero')]),
      ...(topologyKey
        ? validateLabelName(topologyKey, `${at}.topologyKey`)
        : [required(`${at}.topologyKey`, 'can not be empty')]),
      ...oneOf(whenUnsatisfiable, `${at}.whenUnsatisfiable`, ['DoNotSchedule', 'ScheduleAnyway']),
      ...repeated,
      ...validateMinDomains(minDomains, whenUnsatisfiable, `${at}.minDomains`),
      ...oneOf(constraint.nodeAffinityPolicy, `${at}.nodeAffinityPolicy`, ['Honor', 'Ignore']),
      ...oneOf(constraint.nodeTaintsPolicy, `${at}.nodeTaintsPolicy`, ['Honor', 'Ignore']),
      ...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`),
    ]
  })
}

function validateMinDomains(count: number | undefined, when: string, field: string): Errors {
  if (count === undefined) return none
  if (count <= 0) return [invalid(field, count, 'must be greater than zero')]
  return when === 'DoNotSchedule'
    ? none
    : [
        invalid(
          field,
          count,
          `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${when}`,
        ),
      ]
}

/** 1 to the largest int32: a deadline that is no deadline is refused. */
export const validateDeadline = (seconds: number | undefined, field: string): Errors =>
  seconds === undefined ? none : inRange(seconds, field, [1, 2 ** 31 - 1])
