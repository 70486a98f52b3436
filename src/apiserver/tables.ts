// Tables (meta.k8s.io): the columns a kind declares, a row an object.
import type { KubeObject } from '../api/machinery/resource.ts'
import type { TableColumn, TableRow } from '../api/machinery/table.ts'
import type { CacheEntry } from './cache-entry.ts'
import type { EncodeOptions } from './encoding.ts'
import { partialOf } from './encoding.ts'
import type { Served } from './served.ts'
import { objectOf } from './served.ts'

const nameColumn: TableColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically.',
  priority: 0,
}
const createdColumn: TableColumn = {
  name: 'Created At',
  type: 'date',
  format: '',
  description:
    'CreationTimestamp is a timestamp representing the server time when this object was created.',
  priority: 0,
}

/** What kinds have that declare no columns of their own. */
const defaultColumns: readonly TableColumn[] = [nameColumn, createdColumn]

function defaultRow(object: KubeObject): TableRow {
  return { cells: [object.metadata.name, object.metadata.creationTimestamp ?? null] }
}

export interface Table {
  readonly kind: 'Table'
  readonly apiVersion: string
  readonly metadata: object
  readonly columnDefinitions: readonly TableColumn[] | null
  readonly rows: readonly object[]
}

export function tableOf(
  served: Served,
  entries: readonly CacheEntry[],
  options: EncodeOptions,
): Table {
  const { columns = defaultColumns } = served.kind
  const first = entries[0]
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.media.metaVersion}`,
    metadata: entries.length === 1 && first ? { resourceVersion: String(first.revision) } : {},
    columnDefinitions: columns,
    rows: entries.map((entry) => rowOf(served, entry, options)),
  }
}

function rowOf(served: Served, entry: CacheEntry, options: EncodeOptions): object {
  const object = objectOf(served, entry)
  const row = served.kind.row?.(object, options.nowMs) ?? defaultRow(object)
  const shown = rowObject(object, options)
  return {
    cells: row.cells,
    ...(row.conditions ? { conditions: row.conditions } : {}),
    object: shown,
  }
}

function rowObject(object: KubeObject, { includeObject, media }: EncodeOptions): object | null {
  if (includeObject === 'None') return null
  return includeObject === 'Object' ? object : partialOf(object, media)
}
