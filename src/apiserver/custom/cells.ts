// Tables of custom resources: a cell for each printer column, by its JSONPath.
import { formatAge } from '../../api/machinery/age.ts'
import type { KubeObject } from '../../api/machinery/resource.ts'
import type { TableColumn, TableRow } from '../../api/machinery/table.ts'
import { parseTime } from '../../api/machinery/time.ts'
import { findAll, parseJsonPath } from '../../api/structural/json-path.ts'
import type { CustomResourceColumnDefinition } from '../../api/types/apiextensions.gen.ts'

const nameColumn: TableColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names',
  priority: 0,
}

/** What there is when a definition names no columns. */
const ageOnly: readonly CustomResourceColumnDefinition[] = [
  {
    name: 'Age',
    type: 'date',
    description:
      'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.',
    jsonPath: '.metadata.creationTimestamp',
  },
]

export interface TableOf {
  readonly columns: readonly TableColumn[]
  row(object: KubeObject, nowMs: number): TableRow
}

export function tableOf(declared: readonly CustomResourceColumnDefinition[] | undefined): TableOf {
  const columns = (declared ?? []).length === 0 ? ageOnly : (declared ?? [])
  const paths = columns.map(({ jsonPath }) => parseJsonPath(jsonPath))
  return {
    columns: [nameColumn, ...columns.map(columnOf)],
    row: (object, nowMs) => {
      const cells = columns.map(({ type }, index) => {
        const path = paths[index]
        const [value] = path ? findAll(object, path) : []
        return cellOf(type, value, nowMs)
      })
      return { cells: [object.metadata.name, ...cells] }
    },
  }
}

const columnOf = (column: CustomResourceColumnDefinition): TableColumn => ({
  name: column.name,
  type: column.type as TableColumn['type'],
  format: column.format ?? '',
  description:
    column.description ||
    `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
  priority: column.priority ?? 0,
})

/** null for what is missing or of another type. */
function cellOf(type: string, value: unknown, nowMs: number): unknown {
  if (value === undefined || value === null) return null
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value : JSON.stringify(value)
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    default:
      return typeof value === 'string' ? dateCell(value, nowMs) : null
  }
}

function dateCell(text: string, nowMs: number): string {
  return text === '' || parseTime(text).ok ? formatAge(text || undefined, nowMs) : '<invalid>'
}
