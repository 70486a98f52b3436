// Who owns what after a change: the rules that apply and update share.
import { StatusError, statusError } from '../machinery/status.ts'
import type { Atom, JsonObject } from './atom.ts'
import { type Comparison, compare } from './compare.ts'
import {
  difference,
  type FieldSet,
  intersection,
  isEmptySet,
  type Path,
  pathsOf,
  recursiveDifference,
  setOf,
  union,
} from './field-set.ts'
import { type Managed, type Manager, managerKey } from './managed-fields.ts'
import { showPath } from './path-element.ts'

/** A kind in one version: what its fields are, and the object as that version has it. */
export interface Version {
  readonly atom: Atom
  convert(object: JsonObject): JsonObject
}

export interface Tracking {
  /** Of the kind, in the version of the request. */
  readonly atom: Atom
  /** An object of the kind with nothing in it, as Go writes it (emptyOfStruct). */
  readonly empty: JsonObject
  readonly group: string
  readonly version: string
  readonly kind: string
  /** The field manager; see managerOf. */
  readonly manager: string
  /** "" for the object itself. */
  readonly subresource: string
  /** Fields this path never writes, and so nobody owns through it (resetFieldsOf). */
  readonly reset: FieldSet
  readonly nowMs: number
  /** Other versions that managers may have written; managers of unknown ones are dropped. */
  readonly otherVersion?: (apiVersion: string) => Version | undefined
}

export const apiVersionOfTracking = ({ group, version }: Tracking): string =>
  group === '' ? version : `${group}/${version}`

/** Written by the server, or part of the address: never anybody's. */
const stripped = setOf(
  'apiVersion',
  'kind',
  'metadata',
  'metadata.name',
  'metadata.namespace',
  'metadata.creationTimestamp',
  'metadata.selfLink',
  'metadata.uid',
  'metadata.clusterName',
  'metadata.generation',
  'metadata.managedFields',
  'metadata.resourceVersion',
)

export const strip = (set: FieldSet): FieldSet => difference(set, stripped)

export interface Change {
  readonly before: JsonObject
  readonly after: JsonObject
}

export interface Conflict {
  readonly manager: Manager
  readonly path: Path
}

export interface Shift {
  /** Without managers that own nothing any more. */
  readonly managed: Map<string, Manager>
  readonly comparison: Comparison
  /** Values of others that were changed; they are theirs no longer. */
  readonly conflicts: readonly Conflict[]
}

/** Takes what was changed or removed from everybody but `self`. undefined: cannot be compared. */
export function shift(
  change: Change,
  managed: Managed,
  { self, tracking }: { self: string; tracking: Tracking },
): Shift | undefined {
  const own = compareWithout(change, tracking)
  if (own === undefined) return undefined
  const versions = new Map<string, Comparison | undefined>([[apiVersionOfTracking(tracking), own]])
  const conflicts: Conflict[] = []
  const result = new Map<string, Manager>()
  for (const [key, manager] of managed) {
    if (key === self) {
      if (!isEmptySet(manager.fields)) result.set(key, manager)
      continue
    }
    if (!versions.has(manager.apiVersion)) {
      versions.set(manager.apiVersion, compareAt(change, manager.apiVersion, tracking))
    }
    const comparison = versions.get(manager.apiVersion)
    if (comparison === undefined) continue
    const changed = union(comparison.modified, comparison.added)
    const lost = intersection(manager.fields, changed)
    for (const path of isEmptySet(lost) ? [] : pathsOf(lost)) conflicts.push({ manager, path })
    const fields = difference(difference(manager.fields, lost), comparison.removed)
    if (isEmptySet(fields)) continue
    result.set(key, fields === manager.fields ? manager : { ...manager, fields })
  }
  return { managed: result, comparison: own, conflicts }
}

function compareWithout(
  { before, after }: Change,
  { atom, reset }: Pick<Tracking, 'atom' | 'reset'>,
): Comparison | undefined {
  const comparison = compare(before, after, atom)
  if (comparison === undefined || isEmptySet(reset)) return comparison
  return {
    added: recursiveDifference(comparison.added, reset),
    modified: recursiveDifference(comparison.modified, reset),
    removed: recursiveDifference(comparison.removed, reset),
  }
}

function compareAt(
  { before, after }: Change,
  apiVersion: string,
  tracking: Tracking,
): Comparison | undefined {
  const version = tracking.otherVersion?.(apiVersion)
  if (version === undefined) return undefined
  const { atom } = version
  const { reset } = tracking
  const change = { before: version.convert(before), after: version.convert(after) }
  return compareWithout(change, { atom, reset })
}

export function selfOf(tracking: Tracking, operation: 'Apply' | 'Update'): string {
  const { manager: name, subresource } = tracking
  return managerKey({ name, operation, apiVersion: apiVersionOfTracking(tracking), subresource })
}

/** 409, naming each field and whose it is. */
export function conflictsError(conflicts: readonly Conflict[]): StatusError {
  const causes = conflicts.map(({ manager, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${showManager(manager)}`,
    field: showPath(path),
  }))
  return statusError('Conflict', conflictMessage(conflicts), { causes })
}

function conflictMessage(conflicts: readonly Conflict[]): string {
  const [first] = conflicts
  if (conflicts.length === 1 && first !== undefined) {
    const where = `${showManager(first.manager)}: ${showPath(first.path)}`
    return `Apply failed with 1 conflict: conflict with ${where}`
  }
  const managers = new Map<string, { shown: string; paths: string[] }>()
  for (const { manager, path } of conflicts) {
    const key = managerKey(manager)
    const group = managers.get(key) ?? { shown: showManager(manager), paths: [] }
    managers.set(key, group)
    group.paths.push(`- ${showPath(path)}`)
  }
  const sorted = [...managers].sort(([one], [other]) => (one < other ? -1 : 1))
  const lines = sorted.flatMap(([, { shown, paths }]) => [`conflicts with ${shown}:`, ...paths])
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`
}

function showManager(manager: Manager): string {
  const name = JSON.stringify(manager.name)
  const sub =
    manager.subresource === '' ? '' : ` with subresource ${JSON.stringify(manager.subresource)}`
  const version = manager.operation === 'Update' ? ` using ${manager.apiVersion}` : ''
  return `${name}${sub}${version}`
}

/** 500 without a reason, as upstream answers an error it did not foresee. */
export const plainError = (message: string): StatusError =>
  new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    code: 500,
  })
