// metadata.managedFields: who owns what, decoded and encoded. An entry that stays as it is keeps
// being the same object, so that writes which change no ownership cost next to nothing.
import type { ManagedFieldsEntry } from '../types/meta.gen.ts'
import { isObject } from './atom.ts'
import { decodeFields, encodeFields, type FieldSet, union } from './field-set.ts'

export type Entries = readonly ManagedFieldsEntry[]

export interface Manager {
  readonly name: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  readonly subresource: string
  /** RFC 3339, seconds; absent: never changed a value. */
  readonly time: string | undefined
  readonly fields: FieldSet
}

/** By managerKey. */
export type Managed = ReadonlyMap<string, Manager>

/** Entries of Update managers above this number are merged into one. */
export const maxUpdateManagers = 10
const mergedManager = 'ancient-changes'

/** What makes two entries the same manager: an applier is one over all versions. */
export function managerKey(
  manager: Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>,
): string {
  const version = manager.operation === 'Apply' ? '' : manager.apiVersion
  return `${manager.name}\0${manager.operation}\0${version}\0${manager.subresource}`
}

const decoded = new WeakMap<Entries, Managed>()
const source = new WeakMap<Manager, ManagedFieldsEntry>()
const none: Managed = new Map()

/** What is wrong with the entries, or the managers they name. */
export function decodeManaged(entries: Entries | undefined): Managed | { readonly error: string } {
  if (entries === undefined || entries.length === 0) return none
  const known = decoded.get(entries)
  if (known !== undefined) return known
  const managed = new Map<string, Manager>()
  for (const entry of entries) {
    const manager = decodeEntry(entry)
    if ('error' in manager) return manager
    managed.set(managerKey(manager), manager)
  }
  decoded.set(entries, managed)
  return managed
}

function decodeEntry(entry: ManagedFieldsEntry): Manager | { readonly error: string } {
  const { operation } = entry
  if (operation !== 'Apply' && operation !== 'Update') {
    return { error: `operation should be \`Apply\` or \`Update\`` }
  }
  if (entry.fieldsType !== 'FieldsV1') {
    return entry.fieldsType
      ? { error: `invalid fieldsType ${JSON.stringify(entry.fieldsType)} in managed fields entry` }
      : { error: 'missing fieldsType in managed fields entry' }
  }
  const fields = decodeFields(isObject(entry.fieldsV1) ? entry.fieldsV1 : {})
  if ('error' in fields) return { error: `error decoding set: ${fields.error}` }
  const manager: Manager = {
    name: entry.manager ?? '',
    operation,
    apiVersion: entry.apiVersion ?? '',
    subresource: entry.subresource ?? '',
    time: entry.time ?? undefined,
    fields,
  }
  source.set(manager, entry)
  return manager
}

/** undefined when there is no manager left. */
export function encodeManaged(managed: Managed): Entries | undefined {
  if (managed.size === 0) return undefined
  const managers = [...managed.values()]
  if (managers.length > 1) managers.sort(compareManagers)
  const entries = managers.map(encodeEntry)
  decoded.set(entries, managed)
  return entries
}

function encodeEntry(manager: Manager): ManagedFieldsEntry {
  const known = source.get(manager)
  if (known !== undefined && known.fieldsV1 === encodeFields(manager.fields)) return known
  const entry: ManagedFieldsEntry = {
    manager: manager.name,
    operation: manager.operation,
    apiVersion: manager.apiVersion,
    ...(manager.time === undefined ? {} : { time: manager.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: encodeFields(manager.fields),
    ...(manager.subresource === '' ? {} : { subresource: manager.subresource }),
  }
  source.set(manager, entry)
  return entry
}

const order = (one: string, other: string): number => (one < other ? -1 : Number(one > other))

/** By operation, time, manager, version, subresource. RFC 3339 in UTC sorts as text. */
const compareManagers = (one: Manager, other: Manager): number =>
  order(one.operation, other.operation) ||
  order(one.time ?? '', other.time ?? '') ||
  order(one.name, other.name) ||
  order(one.apiVersion, other.apiVersion) ||
  order(one.subresource, other.subresource)

/** Merges the oldest Update managers, a bucket for each version, until few enough are left. */
export function capUpdateManagers(managed: Managed): Managed {
  const updaters = [...managed].filter(([, manager]) => manager.operation === 'Update')
  if (updaters.length <= maxUpdateManagers) return managed
  updaters.sort(([key, one], [otherKey, other]) => {
    return order(one.time ?? '', other.time ?? '') || order(key, otherKey)
  })
  const result = new Map(managed)
  const firstOfVersion = new Map<string, string>()
  let left = updaters.length
  for (const [key, manager] of updaters) {
    if (left <= maxUpdateManagers) break
    const first = firstOfVersion.get(manager.apiVersion)
    if (first === undefined) {
      firstOfVersion.set(manager.apiVersion, key)
      continue
    }
    const bucket: Manager = { ...manager, name: mergedManager, subresource: '' }
    const bucketKey = managerKey(bucket)
    // The first one seen becomes the bucket when there is none yet.
    const had = result.get(bucketKey) ?? result.get(first)
    if (!result.has(bucketKey)) result.delete(first)
    result.delete(key)
    const fields = had === undefined ? manager.fields : union(had.fields, manager.fields)
    result.set(bucketKey, { ...bucket, fields })
    left -= 1
  }
  return result
}
