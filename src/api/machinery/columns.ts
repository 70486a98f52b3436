// Building blocks of Tables: column lists from a short notation, and cells that many kinds share.

import type { LabelSelector } from '../types/meta.gen.ts'
import { formatAge } from './age.ts'
import { selectorFromLabelSelector, selectorFromSet } from './labels.ts'
import type { KubeObject } from './resource.ts'
import type { TableColumn, TableRow } from './table.ts'

const types: Readonly<Record<string, TableColumn['type']>> = {
  integer: 'integer',
  number: 'number',
  boolean: 'boolean',
  date: 'date',
}

/**
 * Columns from "Name | Desired: integer | Containers?": a type after a colon (string unless said),
 * "?" marks one that is shown with -o wide only, "Name" is the name column.
 */
export function columnsOf(notation: string): readonly TableColumn[] {
  return notation.split(' | ').map((entry) => {
    const wide = entry.endsWith('?')
    const [name = '', type = 'string'] = entry.replace(/\?$/, '').split(': ')
    return {
      name,
      type: types[type] ?? 'string',
      format: name === 'Name' ? 'name' : '',
      description: '',
      priority: wide ? 1 : 0,
    }
  })
}

export const ageOf = (object: KubeObject, nowMs: number): string =>
  formatAge(object.metadata.creationTimestamp, nowMs)

/** The default Table: name and age. */
export const nameAndAge = {
  columns: columnsOf('Name | Age'),
  row: (object: KubeObject, nowMs: number): TableRow => ({
    cells: [object.metadata.name, ageOf(object, nowMs)],
  }),
}

/** Name and creationTimestamp, for kinds whose Table upstream never wrote (Role, LimitRange, …). */
export const nameAndCreated = {
  columns: columnsOf('Name | Created At: date'),
  row: (object: KubeObject): TableRow => ({
    cells: [object.metadata.name, object.metadata.creationTimestamp ?? null],
  }),
}

export const orNone = (text: string | undefined): string => text || '<none>'

/** "a=b,c=d", keys sorted; "<none>" for no labels. */
export const labelsCell = (labels: Readonly<Record<string, string>> | undefined): string =>
  orNone(selectorFromSet(labels ?? {}).toString())

/** "a=b,k in (x,y)"; "<none>" for an absent or empty selector. */
export const selectorCell = (selector: LabelSelector | undefined): string =>
  orNone(selectorFromLabelSelector(selector).toString())

/** The first few, then " + N more...". */
export function firstOf(items: readonly string[], max: number): string {
  const shown = items.slice(0, max).join(',')
  return items.length > max ? `${shown} + ${items.length - max} more...` : shown
}

/** The cells "Containers" and "Images" of a workload. */
export function containerCells(spec: {
  readonly containers?: readonly { readonly name: string; readonly image?: string | undefined }[]
}): readonly [names: string, images: string] {
  const containers = spec.containers ?? []
  return [
    containers.map((container) => container.name).join(','),
    containers.map((container) => container.image ?? '').join(','),
  ]
}
