// PriorityClass: a name for what a Pod is worth.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import { forbidden, invalid } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { type Errors, none, oneOf } from '../machinery/validation.ts'
import { priorityclasses } from '../resources.gen.ts'
import type { PriorityClass } from '../types/scheduling.gen.ts'

const highestOfUsers = 1_000_000_000
const system: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
}

export const priorityClassKind: Kind<PriorityClass> = {
  resource: priorityclasses,
  generation: true,
  defaults(item) {
    item.preemptionPolicy ??= 'PreemptLowerPriority'
  },
  validate: validateClass,
  validateUpdate: (item, old) => [
    ...(item.value === old.value ? none : [forbidden('value', 'may not be changed in an update.')]),
    ...(item.preemptionPolicy === old.preemptionPolicy
      ? none
      : [invalid('preemptionPolicy', item.preemptionPolicy, 'field is immutable')]),
  ],
  columns: columnsOf('Name | Value: integer | Global-Default: boolean | Age | PreemptionPolicy'),
  row: (item, nowMs) => ({
    cells: [
      item.metadata.name,
      item.value,
      item.globalDefault ?? false,
      ageOf(item, nowMs),
      item.preemptionPolicy ?? '',
    ],
  }),
}

/** The prefix "system-" is for the two classes of the system, with the values they have. */
function validateClass({ metadata, value = 0, preemptionPolicy }: PriorityClass): Errors {
  const policy = oneOf(preemptionPolicy, 'preemptionPolicy', ['Never', 'PreemptLowerPriority'])
  if (metadata.name.startsWith('system-')) {
    if (system[metadata.name] === value) return policy
    const reserved =
      "priority class names with 'system-' prefix are reserved for system use only. error: "
    const cause =
      system[metadata.name] === undefined
        ? `${metadata.name} is not a known system priority class`
        : `value of ${metadata.name} PriorityClass must be ${system[metadata.name]}`
    return [forbidden('metadata.name', `${reserved}${cause}`), ...policy]
  }
  return value > highestOfUsers
    ? [
        forbidden('value', `maximum allowed value of a user defined priority is ${highestOfUsers}`),
        ...policy,
      ]
    : policy
}
