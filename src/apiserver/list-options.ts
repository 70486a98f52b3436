// The query of a list or watch, checked as upstream checks ListOptions.

import type { FieldError } from '../api/machinery/field-error.ts'
import { forbidden, notSupported } from '../api/machinery/field-error.ts'
import type { FieldRequirement } from '../api/machinery/fields.ts'
import { parseFieldSelector } from '../api/machinery/fields.ts'
import type { Selector } from '../api/machinery/labels.ts'
import { everything, parseLabelSelector } from '../api/machinery/labels.ts'
import { badRequestError, invalidError, StatusError } from '../api/machinery/status.ts'
import type { CacheEntry } from './cache-entry.ts'
import type { Served } from './served.ts'
import { fieldReaders } from './served.ts'

export interface ListQuery {
  readonly labels: Selector
  readonly fields: readonly FieldRequirement[]
  readonly limit: number
  readonly continue: string
  /** "" when not given. */
  readonly resourceVersion: string
  readonly match: string
  readonly watch: boolean
  readonly allowWatchBookmarks: boolean
  readonly sendInitialEvents: boolean | undefined
  readonly timeoutSeconds: number | undefined
}

export function parseListQuery(query: URLSearchParams, watch: boolean): ListQuery {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '')
  if (!labels.ok) throw badRequestError(labels.message)
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '')
  if (!fields.ok) throw badRequestError(fields.message)
  const parsed: ListQuery = {
    labels: labels.value,
    fields: fields.value,
    limit: Math.max(0, parseInteger(query.get('limit')) ?? 0),
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    match: query.get('resourceVersionMatch') ?? '',
    watch,
    allowWatchBookmarks: parseBoolean(query.get('allowWatchBookmarks')) ?? false,
    sendInitialEvents: parseBoolean(query.get('sendInitialEvents')),
    timeoutSeconds: parseInteger(query.get('timeoutSeconds')),
  }
  const errors = watch ? watchErrors(parsed) : listErrors(parsed)
  if (errors.length > 0) {
    throw invalidError({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors)
  }
  return parsed
}

export function parseInteger(text: string | null): number | undefined {
  if (text === null || text === '') return undefined
  if (/^[+-]?\d+$/.test(text)) return Number(text)
  throw badRequestError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
}

export function parseBoolean(text: string | null): boolean | undefined {
  if (text === null) return undefined
  return text !== 'false' && text !== '0'
}

/** As apimachinery's internalversion/validation ValidateListOptions. */
function watchErrors(query: ListQuery): FieldError[] {
  const field = 'resourceVersionMatch'
  const errors: FieldError[] = []
  if (query.sendInitialEvents !== undefined) {
    const detail = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'
    if (query.match !== 'NotOlderThan') {
      errors.push(forbidden(field, detail))
      if (query.match !== '') errors.push(notSupported(field, query.match, ['NotOlderThan']))
    }
  } else if (query.match !== '') {
    const detail =
      'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'
    errors.push(forbidden(field, detail))
  }
  if (query.continue !== '') {
    errors.push(forbidden(field, 'resourceVersionMatch is forbidden when continue is provided'))
  }
  return errors
}

function listErrors(query: ListQuery): FieldError[] {
  const field = 'resourceVersionMatch'
  const errors: FieldError[] = []
  if (query.match !== '') {
    if (query.resourceVersion === '') {
      const detail = 'resourceVersionMatch is forbidden unless resourceVersion is provided'
      errors.push(forbidden(field, detail))
    }
    if (query.continue !== '') {
      errors.push(forbidden(field, 'resourceVersionMatch is forbidden when continue is provided'))
    }
    if (query.match !== 'Exact' && query.match !== 'NotOlderThan') {
      errors.push(notSupported(field, query.match, ['Exact', 'NotOlderThan', '']))
    }
    if (query.match === 'Exact' && query.resourceVersion === '0') {
      const detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
      errors.push(forbidden(field, detail))
    }
  }
  if (query.sendInitialEvents !== undefined) {
    errors.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  }
  return errors
}

function resourceVersionProblem(text: string): string {
  const quoted = JSON.stringify(text)
  return `resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: invalid syntax`
}

/** undefined when not given. A list answers 400, everything else (so upstream) a bare 500. */
export function parseResourceVersion(text: string, verb: string): number | undefined {
  if (text === '') return undefined
  if (/^\d+$/.test(text)) return Number(text)
  const message = resourceVersionProblem(text)
  if (verb === 'list') throw badRequestError(`invalid resource version: ${message}`)
  throw new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    code: 500,
  })
}

export interface Filter {
  /** Filters of one text match the same objects. */
  readonly text: string
  readonly all: boolean
  /** The one object it can match, if it names it. */
  readonly name: string | undefined
  matches(entry: CacheEntry): boolean
}

const matchAll: Filter = { text: '', all: true, name: undefined, matches: () => true }

/** Both selectors of a query as one test. Throws 400 for a field the kind does not know. */
export function filterOf(served: Served, query: Pick<ListQuery, 'labels' | 'fields'>): Filter {
  const { labels, fields } = query
  if (labels === everything && fields.length === 0) return matchAll
  const readers = fieldReaders(served)
  const tests = fields.map(({ field, operator, value }) => {
    const read = readers[field]
    if (!read) throw badRequestError(unknownField(served, field))
    const wanted = operator === '='
    if (field === 'metadata.name') return (entry: CacheEntry) => (entry.name === value) === wanted
    const id = `${served.resource.group} ${field}`
    return (entry: CacheEntry) => (fieldValue(served, entry, { id, read }) === value) === wanted
  })
  const named = fields.find(({ field, operator }) => field === 'metadata.name' && operator === '=')
  const fieldText = fields.map(({ field, operator, value }) => field + operator + value).join(',')
  const anyLabels = labels === everything
  return {
    text: `${labels.toString()} ${fieldText}`,
    all: false,
    name: named?.value,
    matches: (entry) =>
      tests.every((test) => test(entry)) && (anyLabels || labels.matches(entry.labels)),
  }
}

type Reader = ReturnType<typeof fieldReaders>[string]

function fieldValue(
  served: Served,
  entry: CacheEntry,
  label: { readonly id: string; readonly read: Reader },
): string {
  const { view } = served.kind
  return entry.field(label.id, (stored) => label.read(view ? view.fromStored(stored) : stored))
}

function unknownField(served: Served, field: string): string {
  if (served.kind.fields) return `field label not supported: ${field}`
  const known = served.resource.namespaced
    ? '"metadata.name", "metadata.namespace"'
    : '"metadata.name"'
  return `${JSON.stringify(field)} is not a known field selector: only ${known}`
}
