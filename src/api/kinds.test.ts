// Every resource has a kind, and every Table is as recorded from Kubernetes 1.36.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { findKind, findKindByResource, kinds } from './kinds.ts'
import { apiVersionOf, type KubeObject } from './machinery/resource.ts'
import * as resources from './resources.gen.ts'

interface Golden {
  readonly tables: readonly {
    readonly groupVersion: string
    readonly resource: string
    readonly columns: readonly { name: string; type: string; format: string; priority: number }[]
  }[]
  readonly rows: readonly {
    readonly object: KubeObject
    readonly cells: readonly unknown[]
    readonly conditions?: unknown
  }[]
}

const path = new URL('../../test/golden/columns.json', import.meta.url)
const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden

const taken = (groupVersion: string): [group: string, version: string] => {
  const [group, version] = groupVersion.split('/')
  return version === undefined ? ['', group!] : [group!, version]
}

test('kinds lists every served resource exactly once', () => {
  const served = Object.values(resources)
    .filter((item) => !Array.isArray(item))
    .map((item) => `${apiVersionOf(item as never)} ${(item as { plural: string }).plural}`)
  const listed = kinds.map(({ resource }) => `${apiVersionOf(resource)} ${resource.plural}`)
  expect([...listed].sort()).toEqual([...new Set(served)].sort())
})

test.each(
  golden.tables.map((table) => [`${table.groupVersion} ${table.resource}`, table] as const),
)('columns of %s equal the recorded ones', (_, { groupVersion, resource, columns }) => {
  const kind = findKindByResource(...taken(groupVersion), resource)
  const wanted = columns.map((column) => expect.objectContaining(column) as unknown)
  expect(kind?.columns).toEqual(wanted)
})

const nowMs = Date.UTC(2026, 10, 22, 18)
const age = /^(<unknown>|<invalid>|(\d+[smhdy])+)$/

/** Recorded ages are masked; objects carry masked times, which count as long ago. */
function matches(wanted: unknown, actual: unknown): boolean {
  if (typeof wanted !== 'string' || !wanted.includes('{{*age}}')) return wanted === actual
  const [before = '', after = ''] = wanted.split('{{*age}}')
  const text = String(actual)
  return (
    text.startsWith(before) &&
    text.endsWith(after) &&
    age.test(text.slice(before.length, text.length - after.length))
  )
}

/** A "Created At" cell tells what the mask hides. */
function unmasked(object: KubeObject, cells: readonly unknown[]): KubeObject {
  const created = cells.find((cell) => /^\d{4}-.*Z$/.test(String(cell))) ?? '2026-11-22T17:55:58Z'
  return JSON.parse(JSON.stringify(object).replaceAll('{{*time}}', String(created))) as KubeObject
}

test.each(
  golden.rows.map((row) => [`${row.object.kind} ${row.object.metadata.name}`, row] as const),
)('the row of %s equals the recorded one', (_, { object, cells, conditions }) => {
  const kind = findKind(...taken(object.apiVersion!), object.kind!)
  const row = kind!.row!(unmasked(object, cells), nowMs)
  // IPAddress rows were recorded with a cell more than there are columns.
  const wanted = object.kind === 'IPAddress' ? cells.slice(0, 2) : cells
  const shown = row.cells.map((cell, index) =>
    matches(wanted[index], cell) ? wanted[index] : cell,
  )
  expect(shown).toEqual(wanted)
  if (conditions !== undefined) expect(row.conditions).toEqual(conditions)
  expect(row.cells).toHaveLength(kind!.columns!.length)
})
