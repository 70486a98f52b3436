// APIService: a group/version and who serves it.
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { forbidden, invalid, required } from '../machinery/field-error.ts'
import type { Kind } from '../machinery/kind.ts'
import {
  dns1035LabelProblems,
  dns1123SubdomainProblems,
  nameIsPathSegment,
} from '../machinery/names.ts'
import { type Errors, inRange, invalids, none, portNumber } from '../machinery/validation.ts'
import { apiservices } from '../resources.gen.ts'
import type { APIService } from '../types/apiregistration.gen.ts'

export const apiServiceKind: Kind<APIService> = {
  resource: apiservices,
  validateName: nameIsPathSegment,
  requiresResourceVersion: true,
  defaults({ spec }: Draft<APIService>) {
    if (spec?.service) spec.service.port ??= 443
  },
  validate: validateService,
  subresources: { status: { keepsMetadata: true } },
  columns: columnsOf('Name | Service | Available | Age'),
  row: (service, nowMs) => {
    const reference = service.spec?.service
    return {
      cells: [
        service.metadata.name,
        reference ? `${reference.namespace}/${reference.name}` : 'Local',
        availableCell(service),
        ageOf(service, nowMs),
      ],
    }
  },
}

function validateService({ metadata, spec }: APIService): Errors {
  if (!spec) return [required('spec')]
  const { group = '', version = '', service, insecureSkipTLSVerify, caBundle } = spec
  const wanted = `${version}.${group}`
  const name =
    metadata.name === wanted
      ? none
      : [
          invalid(
            'metadata.name',
            metadata.name,
            `must be \`spec.version+"."+spec.group\`: "${wanted}"`,
          ),
        ]
  return [
    ...name,
    ...(group === '' && version !== 'v1'
      ? [required('spec.group', 'only v1 may have an empty group and it better be legacy kube')]
      : none),
    ...(group === '' ? none : invalids('spec.group', group, dns1123SubdomainProblems(group))),
    ...invalids('spec.version', version, dns1035LabelProblems(version)),
    ...inRange(spec.groupPriorityMinimum, 'spec.groupPriorityMinimum', [1, 20_000]),
    ...inRange(spec.versionPriority, 'spec.versionPriority', [1, 1000]),
    ...(service
      ? [
          ...(service.namespace ? none : [required('spec.service.namespace')]),
          ...(service.name ? none : [required('spec.service.name')]),
          ...(service.port === undefined ? none : portNumber(service.port, 'spec.service.port')),
          ...(insecureSkipTLSVerify && caBundle
            ? [
                invalid(
                  'spec.insecureSkipTLSVerify',
                  true,
                  'may not be true if caBundle is present',
                ),
              ]
            : none),
        ]
      : [
          ...(caBundle
            ? [forbidden('spec.caBundle', 'local APIServices may not have a caBundle')]
            : none),
          ...(insecureSkipTLSVerify
            ? [
                forbidden(
                  'spec.insecureSkipTLSVerify',
                  'local APIServices may not have insecureSkipTLSVerify',
                ),
              ]
            : none),
        ]),
  ]
}

function availableCell({ status }: APIService): string {
  const available = (status?.conditions ?? []).find(({ type }) => type === 'Available')
  if (!available) return 'Unknown'
  return available.status === 'True' ? 'True' : `${available.status} (${available.reason ?? ''})`
}
