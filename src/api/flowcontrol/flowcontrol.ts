// FlowSchema and PriorityLevelConfiguration: stored and shown; the API server's own limits are simpler.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import { type Errors, none, nonNegative, oneOf } from '../machinery/validation.ts'
import { flowschemas, prioritylevelconfigurations } from '../resources.gen.ts'
import type { FlowSchema, PriorityLevelConfiguration } from '../types/flowcontrol.gen.ts'

const maxPrecedence = 10_000
const status = { status: { keepsMetadata: true } }

export const flowSchemaKind: Kind<FlowSchema> = {
  resource: flowschemas,
  generation: true,
  defaults({ spec }) {
    if (spec) spec.matchingPrecedence ||= 1000
  },
  validate: validateSchema,
  subresources: status,
  columns: columnsOf(
    'Name | PriorityLevel | MatchingPrecedence | DistinguisherMethod | Age | MissingPL',
  ),
  row: (schema, nowMs) => {
    const dangling = (schema.status?.conditions ?? []).find(({ type }) => type === 'Dangling')
    return {
      cells: [
        schema.metadata.name,
        schema.spec?.priorityLevelConfiguration.name ?? '',
        schema.spec?.matchingPrecedence ?? 0,
        schema.spec?.distinguisherMethod?.type ?? '<none>',
        ageOf(schema, nowMs),
        dangling?.status ?? '?',
      ],
    }
  },
}

function validateSchema({ spec }: FlowSchema): Errors {
  const precedence = spec?.matchingPrecedence ?? 0
  const bounds = `must be a value between 1 and ${maxPrecedence}`
  return [
    ...(precedence < 1 || precedence > maxPrecedence
      ? [invalid('spec.matchingPrecedence', precedence, bounds)]
      : none),
    ...oneOf(spec?.distinguisherMethod?.type, 'spec.distinguisherMethod.type', [
      'ByNamespace',
      'ByUser',
    ]),
    ...(spec?.priorityLevelConfiguration.name
      ? none
      : [required('spec.priorityLevelConfiguration.name', 'must reference a priority level')]),
  ]
}

export const priorityLevelKind: Kind<PriorityLevelConfiguration> = {
  resource: prioritylevelconfigurations,
  generation: true,
  defaults: defaultLevel,
  validate: validateLevel,
  subresources: status,
  columns: columnsOf(
    'Name | Type | NominalConcurrencyShares | Queues | HandSize | QueueLengthLimit | Age',
  ),
  row: (level, nowMs) => {
    const { limited, exempt, type = '' } = level.spec ?? {}
    const queuing = limited?.limitResponse?.queuing
    const none = '<none>'
    return {
      cells: [
        level.metadata.name,
        type,
        limited?.nominalConcurrencyShares ?? exempt?.nominalConcurrencyShares ?? none,
        queuing?.queues ?? none,
        queuing?.handSize ?? none,
        queuing?.queueLengthLimit ?? none,
        ageOf(level, nowMs),
      ],
    }
  },
}

function defaultLevel({ spec }: Draft<PriorityLevelConfiguration>): void {
  const { limited, exempt } = spec ?? {}
  if (limited) {
    limited.nominalConcurrencyShares ??= 30
    limited.lendablePercent ??= 0
    const queuing = limited.limitResponse?.queuing
    if (queuing) {
      queuing.queues ||= 64
      queuing.handSize ||= 8
      queuing.queueLengthLimit ||= 50
    }
  }
  if (exempt) {
    exempt.nominalConcurrencyShares ??= 0
    exempt.lendablePercent ??= 0
  }
}

function validateLevel({ spec }: PriorityLevelConfiguration): Errors {
  const { type, limited, exempt } = spec ?? {}
  const response = limited?.limitResponse
  return [
    ...(type === 'Limited' && !limited
      ? [required('spec.limited', 'must not be empty when type is Limited')]
      : none),
    ...(type === 'Exempt' && limited
      ? [forbidden('spec.limited', 'must be nil if the type is not Limited')]
      : none),
    ...(type === 'Limited' && exempt
      ? [forbidden('spec.exempt', 'must be nil if the type is Limited')]
      : none),
    ...(type === undefined ? none : oneOf(type, 'spec.type', ['Exempt', 'Limited'])),
    ...nonNegative(limited?.nominalConcurrencyShares, 'spec.limited.nominalConcurrencyShares'),
    ...oneOf(response?.type, 'spec.limited.limitResponse.type', ['Queue', 'Reject']),
  ]
}
