// The options of a write, from its query or body, checked as upstream checks CreateOptions and kin.

import { managerOf, validateManager } from '../api/apply/manager.ts'
import type { FieldError } from '../api/machinery/field-error.ts'
import { forbidden, invalid, notSupported, required } from '../api/machinery/field-error.ts'
import { badRequestError, invalidError } from '../api/machinery/status.ts'
import type { BodyFormat, FieldValidation } from '../api/schema/body.ts'
import { readBody } from '../api/schema/body.ts'
import type { DeleteOptions } from '../api/types/meta.gen.ts'
import { parseBoolean, parseInteger } from './list-options.ts'

export interface WriteOptions {
  readonly dryRun: boolean
  /** Named in the request, else after the User-Agent. */
  readonly fieldManager: string
  readonly fieldValidation: FieldValidation
  /** Apply only. */
  readonly force: boolean
  /** The options object as admission sees it. */
  readonly object: Readonly<Record<string, unknown>>
}

type OptionsKind = 'CreateOptions' | 'UpdateOptions' | 'PatchOptions'

const fieldValidations = ['', 'Ignore', 'Strict', 'Warn']

interface Source {
  readonly query: URLSearchParams
  readonly userAgent: string | undefined
  /** For PatchOptions: whether this is a server-side apply. */
  readonly apply?: boolean
}

export function parseWriteOptions(kind: OptionsKind, source: Source): WriteOptions {
  const { query } = source
  const dryRun = query.getAll('dryRun')
  const fieldManager = query.get('fieldManager') ?? ''
  const fieldValidation = query.get('fieldValidation') ?? ''
  const force = parseBoolean(query.get('force'))
  const errors: FieldError[] = [
    ...patchErrors(kind, source, { fieldManager, force }),
    ...validateManager(fieldManager),
    ...dryRunErrors(dryRun),
  ]
  if (!fieldValidations.includes(fieldValidation)) {
    errors.push(notSupported('fieldValidation', fieldValidation, fieldValidations))
  }
  refuse(kind, errors)
  return {
    dryRun: dryRun.length > 0,
    fieldManager: managerOf(fieldManager, source.userAgent),
    fieldValidation: (fieldValidation || 'Warn') as FieldValidation,
    force: force ?? false,
    object: {
      kind,
      apiVersion: 'meta.k8s.io/v1',
      ...(dryRun.length > 0 ? { dryRun } : {}),
      ...(fieldManager === '' ? {} : { fieldManager }),
      ...(fieldValidation === '' ? {} : { fieldValidation }),
      ...(force === undefined ? {} : { force }),
    },
  }
}

function patchErrors(
  kind: OptionsKind,
  source: Source,
  { fieldManager, force }: { fieldManager: string; force: boolean | undefined },
): FieldError[] {
  if (kind !== 'PatchOptions') return []
  if (source.apply) {
    return fieldManager === '' ? [required('fieldManager', 'is required for apply patch')] : []
  }
  return force === undefined ? [] : [forbidden('force', 'may not be specified for non-apply patch')]
}

function dryRunErrors(values: readonly string[]): FieldError[] {
  if (values.every((value) => value === 'All')) return []
  return [notSupported('dryRun', values, ['All'])]
}

function refuse(kind: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalidError({ group: 'meta.k8s.io', kind }, '', errors)
}

const propagations = ['Foreground', 'Background', 'Orphan', 'nil']

/** From the body when there is one, else from the query. */
export function parseDeleteOptions(
  body: Buffer,
  format: BodyFormat,
  query: URLSearchParams,
): DeleteOptions {
  const options = body.length > 0 ? bodyOptions(body, format) : queryOptions(query)
  refuse('DeleteOptions', deleteErrors(options))
  return options
}

function bodyOptions(body: Buffer, format: BodyFormat): DeleteOptions {
  const expected = {
    apiVersion: 'meta.k8s.io/v1',
    kind: 'DeleteOptions',
    struct: 'meta.v1.DeleteOptions',
  }
  const read = readBody(body, format, expected)
  if (!read.ok) throw badRequestError(unreadable(read))
  return read.value as unknown as DeleteOptions
}

/** DeleteOptions are looked up in a scheme of their own. */
function unreadable({
  message,
  type,
}: {
  message: string
  type?: { apiVersion: string; kind: string }
}) {
  if (!type || type.kind === 'DeleteOptions') return message
  const scheme = 'pkg/apis/meta/internalversion/scheme/register.go:27'
  return `no kind "${type.kind}" is registered for version "${type.apiVersion}" in scheme "${scheme}"`
}

function queryOptions(query: URLSearchParams): DeleteOptions {
  const grace = parseInteger(query.get('gracePeriodSeconds'))
  const orphan = parseBoolean(query.get('orphanDependents'))
  const policy = query.get('propagationPolicy')
  const dryRun = query.getAll('dryRun')
  return {
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(orphan === undefined ? {} : { orphanDependents: orphan }),
    ...(policy === null ? {} : { propagationPolicy: policy }),
    ...(dryRun.length > 0 ? { dryRun } : {}),
  }
}

function deleteErrors(options: DeleteOptions): FieldError[] {
  const { propagationPolicy: policy, orphanDependents, dryRun } = options
  const errors: FieldError[] = []
  if (policy !== undefined && orphanDependents !== undefined) {
    const detail = 'orphanDependents and deletionPropagation cannot be both set'
    errors.push(invalid('propagationPolicy', policy, detail))
  }
  if (policy !== undefined && !propagations.slice(0, 3).includes(policy)) {
    errors.push(notSupported('propagationPolicy', policy, propagations))
  }
  return [...errors, ...dryRunErrors(dryRun ?? [])]
}
