// CertificateSigningRequest: who asks is written by the server, never by the client.

import { formatTime } from '../../lib/clock.ts'
import { formatDuration } from '../machinery/age.ts'
import { ageOf, columnsOf } from '../machinery/columns.ts'
import type { Draft } from '../machinery/draft.ts'
import { duplicate, invalid, required } from '../machinery/field-error.ts'
import type { HookContext, Kind } from '../machinery/kind.ts'
import { dns1123SubdomainProblems, nameIsPathSegment } from '../machinery/names.ts'
import {
  type Errors,
  forEach,
  immutable,
  invalids,
  none,
  oneOf,
  sameValue,
} from '../machinery/validation.ts'
import { certificatesigningrequests } from '../resources.gen.ts'
import type { CertificateSigningRequest } from '../types/certificates.gen.ts'

type Csr = CertificateSigningRequest

const minSeconds = 600
const decided = ['Approved', 'Denied', 'Failed']

export const csrKind: Kind<Csr> = {
  resource: certificatesigningrequests,
  validateName: nameIsPathSegment,
  prepareForCreate(csr, { user }) {
    const { spec } = csr
    for (const field of ['username', 'uid', 'groups', 'extra'] as const) delete spec[field]
    if (!user) return
    spec.username = user.username
    if (user.uid) spec.uid = user.uid
    if (user.groups) spec.groups = [...user.groups]
    if (user.extra) {
      const entries = Object.entries(user.extra).map(([key, values]) => [key, [...values]])
      spec.extra = Object.fromEntries(entries) as Record<string, string[]>
    }
  },
  prepareForUpdate(csr, old) {
    // What was asked for is what is signed.
    csr.spec = structuredClone(old.spec) as Draft<Csr>['spec']
  },
  validate: validateCsr,
  validateUpdate: () => none,
  subresources: {
    status: {
      prepareForUpdate(csr, old, context) {
        keepDecisions(csr, old)
        stampConditions(csr, old, context)
      },
      validateUpdate: validateConditions,
    },
    approval: {
      writes: ['status.conditions'],
      prepareForUpdate: stampConditions,
      validateUpdate: validateConditions,
    },
  },
  columns: columnsOf('Name | Age | SignerName | Requestor | RequestedDuration | Condition'),
  row: (csr, nowMs) => ({
    cells: [
      csr.metadata.name,
      ageOf(csr, nowMs),
      csr.spec.signerName,
      csr.spec.username ?? '',
      csr.spec.expirationSeconds === undefined
        ? '<none>'
        : formatDuration(csr.spec.expirationSeconds * 1000),
      conditionCell(csr),
    ],
  }),
  fields: { 'spec.signerName': ({ spec }) => spec.signerName },
}

function validateCsr({ spec }: Csr): Errors {
  const seconds = spec.expirationSeconds
  const usages = new Set<string>()
  return [
    ...((spec.usages ?? []).length === 0 ? [required('spec.usages')] : none),
    ...forEach(spec.usages, 'spec.usages', (usage, at) => {
      const repeated = usages.has(usage) ? [duplicate(at, usage)] : none
      usages.add(usage)
      return repeated
    }),
    ...(spec.request ? none : [required('spec.request')]),
    ...validateSigner(spec.signerName, 'spec.signerName'),
    ...(seconds !== undefined && seconds < minSeconds
      ? [
          invalid(
            'spec.expirationSeconds',
            seconds,
            'may not specify a duration less than 600 seconds (10 minutes)',
          ),
        ]
      : none),
  ]
}

function validateSigner(name: string, field: string): Errors {
  if (!name) return [required(field)]
  const [domain = '', path, ...rest] = name.split('/')
  if (!path || rest.length > 0) {
    const form = 'must be a fully qualified domain and path of the form "example.com/signer-name"'
    return [invalid(field, name, form)]
  }
  const dotted = domain.includes('.')
    ? none
    : [invalid(field, domain, 'should be a domain with at least two segments separated by dots')]
  return [...invalids(field, domain, dns1123SubdomainProblems(domain)), ...dotted]
}

/** Approval is a right of its own: through status nobody grants or takes it. */
function keepDecisions(csr: Draft<Csr>, old: Csr): void {
  const isDecision = ({ type }: { type: string }) => type === 'Approved' || type === 'Denied'
  const before = (old.status?.conditions ?? []).filter(isDecision)
  const others = (csr.status?.conditions ?? []).filter((condition) => !isDecision(condition))
  const conditions = [...before.map((condition) => ({ ...condition })), ...others]
  if (conditions.length > 0) csr.status = { ...csr.status, conditions }
}

function stampConditions(csr: Draft<Csr>, old: Csr, { clock }: HookContext): void {
  const now = formatTime(clock.now())
  for (const condition of csr.status?.conditions ?? []) {
    const before = (old.status?.conditions ?? []).find(({ type }) => type === condition.type)
    condition.lastUpdateTime ??= now
    condition.lastTransitionTime ??=
      before?.status === condition.status ? (before.lastTransitionTime ?? now) : now
  }
}

function validateConditions({ status }: Csr, old: Csr): Errors {
  const conditions = status?.conditions ?? []
  const types = new Set(conditions.map(({ type }) => type))
  const field = 'status.conditions'
  const both = types.has('Approved') && types.has('Denied')
  const lost = (old.status?.conditions ?? []).filter(
    ({ type }) => decided.includes(type) && !types.has(type),
  )
  return [
    ...forEach(conditions, field, ({ type, status: value }, at) => [
      ...(type ? none : [required(`${at}.type`)]),
      ...(value
        ? oneOf(
            value,
            `${at}.status`,
            decided.includes(type) ? ['True'] : ['False', 'True', 'Unknown'],
          )
        : [required(`${at}.status`)]),
    ]),
    ...(both
      ? [
          invalid(
            `${field}[1].type`,
            'Denied',
            'Approved and Denied conditions are mutually exclusive',
          ),
        ]
      : none),
    ...lost.map(({ type }) => ({
      type: 'FieldValueForbidden' as const,
      field,
      message: `Forbidden: updates may not remove a condition of type "${type}"`,
    })),
    ...immutableOnceSet(status?.certificate, old.status?.certificate),
  ]
}

const immutableOnceSet = (now: string | undefined, before: string | undefined): Errors =>
  before === undefined || sameValue(now, before)
    ? none
    : immutable([now, before], 'status.certificate')

function conditionCell({ status }: Csr): string {
  const types = (status?.conditions ?? []).map(({ type }) => type)
  if (types.length === 0) return 'Pending'
  const decision = types.filter((type) => type !== 'Failed').slice(-1)
  return [
    ...decision,
    ...(types.includes('Failed') ? ['Failed'] : []),
    ...(status?.certificate ? ['Issued'] : []),
  ].join(',')
}
