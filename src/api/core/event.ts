// Event: what happened to an object. One storage for core/v1 and events.k8s.io/v1, whose objects
// (eventViewKind) are the same ones under other field names.
import { formatAge } from '../machinery/age.ts'
import { columnsOf } from '../machinery/columns.ts'
import { invalid, required } from '../machinery/field-error.ts'
import type { HookContext, Kind } from '../machinery/kind.ts'
import { qualifiedNameProblems } from '../machinery/names.ts'
import type { KubeObject } from '../machinery/resource.ts'
import type { TableRow } from '../machinery/table.ts'
import { type Errors, invalids, none, oneOf, sameValue } from '../machinery/validation.ts'
import { events, eventsEvents } from '../resources.gen.ts'
import type { Event, ObjectReference } from '../types/core.gen.ts'
import type { Event as EventView } from '../types/events.gen.ts'

const hour = 3600
const newApi = 'events.k8s.io/v1'

export const eventColumns = columnsOf(
  'Last Seen | Type | Reason | Object | Subobject? | Source? | Message | First Seen? | Count? | Name?',
)

export const eventKind: Kind<Event> = {
  resource: events,
  createOnUpdate: true,
  ttlSeconds: hour,
  validate: validateEvent,
  validateUpdate: (event, old, context) =>
    context.requestVersion === newApi
      ? [...validateEvent(event, context), ...validateSeriesOnly(event, old)]
      : validateLegacy(event),
  columns: eventColumns,
  row: eventRow,
  fields: {
    'involvedObject.kind': ({ involvedObject }) => involvedObject.kind ?? '',
    'involvedObject.namespace': ({ involvedObject }) => involvedObject.namespace ?? '',
    'involvedObject.name': ({ involvedObject }) => involvedObject.name ?? '',
    'involvedObject.uid': ({ involvedObject }) => involvedObject.uid ?? '',
    'involvedObject.apiVersion': ({ involvedObject }) => involvedObject.apiVersion ?? '',
    'involvedObject.resourceVersion': ({ involvedObject }) => involvedObject.resourceVersion ?? '',
    'involvedObject.fieldPath': ({ involvedObject }) => involvedObject.fieldPath ?? '',
    reason: ({ reason }) => reason ?? '',
    reportingComponent: ({ reportingComponent }) => reportingComponent ?? '',
    source: ({ source, reportingComponent }) => source?.component || (reportingComponent ?? ''),
    type: ({ type }) => type ?? '',
  },
}

function validateEvent(event: Event, context: HookContext): Errors {
  const legacy = validateLegacy(event)
  if (context.requestVersion !== newApi) return legacy
  const controller = event.reportingComponent ?? ''
  const text = (value: string | undefined, field: string, max: number) =>
    (value ?? '').length > max ? [invalid(field, '', `can have at most ${max} characters`)] : none
  return [
    ...legacy,
    ...(event.eventTime ? none : [required('eventTime')]),
    ...(controller
      ? invalids('reportingController', controller, qualifiedNameProblems(controller))
      : [required('reportingController')]),
    ...(event.reportingInstance ? none : [required('reportingInstance')]),
    ...text(event.reportingInstance, 'reportingInstance', 128),
    ...(event.action ? none : [required('action')]),
    ...text(event.action, 'action', 128),
    ...(event.reason ? none : [required('reason')]),
    ...text(event.reason, 'reason', 128),
    ...text(event.message, 'message', 1024),
    ...oneOf(event.type ?? '', 'type', ['Normal', 'Warning']),
  ]
}

/** Events of cluster-scoped objects live in "default". */
function validateLegacy({ metadata, involvedObject }: Event): Errors {
  const namespace = metadata.namespace ?? ''
  const involved = involvedObject.namespace ?? ''
  const field = 'involvedObject.namespace'
  if (involved === '') {
    return namespace === '' || namespace === 'default' || namespace === 'kube-system'
      ? none
      : [invalid(field, involved, 'does not match event.namespace')]
  }
  return involved === namespace
    ? none
    : [invalid(field, involved, 'does not match event.namespace')]
}

const fixed = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingComponent',
  'reportingInstance',
] as const

const validateSeriesOnly = (event: Event, old: Event): Errors =>
  fixed.flatMap((field) =>
    sameValue(event[field], old[field])
      ? none
      : [invalid(field, event[field] ?? null, 'field is immutable')],
  )

function eventRow(event: Event, nowMs: number): TableRow {
  const first = event.firstTimestamp ?? event.eventTime
  const last = event.series ? event.series.lastObservedTime : (event.lastTimestamp ?? first)
  const count = event.series ? event.series.count : (event.count ?? 1)
  return {
    cells: [
      formatAge(last, nowMs),
      event.type ?? '',
      event.reason ?? '',
      objectCell(event.involvedObject),
      event.involvedObject.fieldPath ?? '',
      sourceCell(event),
      (event.message ?? '').trim(),
      formatAge(first, nowMs),
      count === 0 ? 1 : count,
      event.metadata.name,
    ],
  }
}

const objectCell = ({ kind, name }: ObjectReference): string =>
  `${(kind ?? '').toLowerCase()}/${name ?? ''}`

function sourceCell({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component || (reportingComponent ?? '')
  const host = source?.component ? source.host : reportingInstance
  return host ? `${component}, ${host}` : component
}

/** Old name -> new name of the fields that were renamed. */
const renamed = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
] as const

type Fields = Record<string, unknown>

function rename(object: Fields, names: ReadonlyMap<string, string>): Fields {
  return Object.fromEntries(
    Object.entries(object).map(([field, value]) => [names.get(field) ?? field, value]),
  )
}

const toNew = new Map<string, string>(renamed)
const toOld = new Map<string, string>(renamed.map(([older, newer]) => [newer, older]))

export const eventViewKind: Kind<EventView> = {
  resource: eventsEvents,
  createOnUpdate: true,
  ttlSeconds: hour,
  view: {
    of: events,
    toStored: (event) =>
      ({
        involvedObject: {},
        ...rename(event as unknown as Fields, toOld),
        apiVersion: 'v1',
      }) as unknown as KubeObject,
    fromStored: (stored) =>
      ({
        ...rename(stored as unknown as Fields, toNew),
        apiVersion: newApi,
      }) as unknown as EventView,
  },
  columns: eventColumns,
  row: (event, nowMs) => eventRow(eventViewKind.view!.toStored(event) as Event, nowMs),
  fields: {
    'regarding.kind': ({ regarding }) => regarding?.kind ?? '',
    'regarding.namespace': ({ regarding }) => regarding?.namespace ?? '',
    'regarding.name': ({ regarding }) => regarding?.name ?? '',
    'regarding.uid': ({ regarding }) => regarding?.uid ?? '',
    'regarding.apiVersion': ({ regarding }) => regarding?.apiVersion ?? '',
    'regarding.resourceVersion': ({ regarding }) => regarding?.resourceVersion ?? '',
    'regarding.fieldPath': ({ regarding }) => regarding?.fieldPath ?? '',
    reason: ({ reason }) => reason ?? '',
    reportingController: ({ reportingController }) => reportingController ?? '',
    type: ({ type }) => type ?? '',
  },
}
