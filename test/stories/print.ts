// What the commands of a story print: tables as kubectl lays them out, EndpointSlices compactly.
import type { EndpointSlice } from '../../src/api/types/discovery.gen.ts'

export interface Table {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[]
  readonly rows?: readonly { readonly cells: readonly unknown[] }[] | null
}

/** Without ages, which say nothing under a fake clock. */
export function formatTable(table: Table, wide: boolean, shown: (text: string) => string): string {
  const columns = table.columnDefinitions
    .map(({ name, priority }, index) => ({ name, priority, index }))
    .filter(({ name, priority }) => name !== 'Age' && (wide || priority === 0))
  const rows = (table.rows ?? [])
    .map(({ cells }) => columns.map(({ index }) => shown(String(cells[index] ?? '<none>'))))
    .sort((one, other) => (one[0]! < other[0]! ? -1 : 1))
  return layOut([columns.map(({ name }) => name.toUpperCase()), ...rows])
}

export function layOut(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('   ')
        .trimEnd(),
    )
    .join('\n')
}

const collator = new Intl.Collator('en', { numeric: true })

/** "web-~a IPv4 http:8080/TCP", then an endpoint a line with the conditions that hold. */
export function formatSlices(
  slices: readonly EndpointSlice[],
  shown: (text: string) => string,
): string {
  return slices
    .map((slice) => shown(formatSlice(slice)))
    .sort(collator.compare)
    .join('\n')
}

function formatSlice({ metadata, addressType, ports, endpoints }: EndpointSlice): string {
  const shownPorts = (ports ?? []).map(
    ({ name, port, protocol }) => `${name ? `${name}:` : ''}${port ?? '*'}/${protocol}`,
  )
  const lines = (endpoints ?? []).map(
    ({ addresses, conditions, targetRef, nodeName, zone, hostname }) =>
      [
        `  ${addresses.join(',')}`,
        ...(['ready', 'serving', 'terminating'] as const).filter((name) => conditions?.[name]),
        ...(conditions?.ready === false ? ['not-ready'] : []),
        ...(hostname ? [`hostname=${hostname}`] : []),
        ...(targetRef ? [targetRef.name] : []),
        ...(nodeName ? [`on ${nodeName}`] : []),
        ...(zone ? [`in ${zone}`] : []),
      ].join(' '),
  )
  const head = [metadata.name, addressType, ...(shownPorts.length > 0 ? shownPorts : ['no ports'])]
  return [head.join(' '), ...lines.sort(collator.compare)].join('\n')
}
