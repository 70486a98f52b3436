// Ownership of spec.replicas seen through the scale subresource, and back.
import { difference, hasPath, insert, isEmptySet, openSet, type Path, union } from './field-set.ts'
import { decodeManaged, type Entries, encodeManaged, type Manager } from './managed-fields.ts'

const scaleVersion = 'autoscaling/v1'
const replicasOfScale: Path = ['f:spec', 'f:replicas']

/** Where the parent keeps its replicas: ["f:spec", "f:replicas"] for built-in kinds. */
export interface ScaleMapping {
  readonly apiVersion: string
  readonly replicas: Path
}

const only = (path: Path) => {
  const set = openSet()
  insert(set, path)
  return set
}

const managersOf = (entries: Entries | undefined): ReadonlyMap<string, Manager> => {
  const managed = decodeManaged(entries)
  return 'error' in managed ? new Map() : managed
}

/** The managedFields a Scale made of this parent has. */
export function managedFieldsOfScale(
  parent: Entries | undefined,
  mapping: ScaleMapping,
): Entries | undefined {
  const managed = new Map<string, Manager>()
  for (const [key, manager] of managersOf(parent)) {
    if (manager.apiVersion !== mapping.apiVersion || !hasPath(manager.fields, mapping.replicas)) {
      continue
    }
    managed.set(key, { ...manager, apiVersion: scaleVersion, fields: only(replicasOfScale) })
  }
  return encodeManaged(managed)
}

/** The parent's managedFields after its Scale was written with these. */
export function managedFieldsOfParent(
  parent: Entries | undefined,
  scale: Entries | undefined,
  mapping: ScaleMapping,
): Entries | undefined {
  const result = new Map<string, Manager>()
  // Versions differ between the two, so managers are matched by the rest of their identity.
  const left = new Map<string, Manager>()
  for (const manager of managersOf(scale).values()) left.set(identityOf(manager), manager)
  for (const [key, manager] of managersOf(parent)) {
    if (!hasPath(manager.fields, mapping.replicas)) {
      result.set(key, manager)
      continue
    }
    if (left.delete(identityOf(manager))) {
      result.set(key, manager)
      continue
    }
    const fields = difference(manager.fields, only(mapping.replicas))
    if (!isEmptySet(fields)) result.set(key, { ...manager, fields })
  }
  for (const [key, manager] of left) {
    if (!hasPath(manager.fields, replicasOfScale)) continue
    const had = result.get(key)
    const fields = only(mapping.replicas)
    // As upstream: only times that the parent knew are kept, and a new manager of a Scale has none.
    result.set(key, {
      ...(had ?? { ...manager, time: undefined }),
      apiVersion: mapping.apiVersion,
      fields: had === undefined ? fields : union(had.fields, fields),
    })
  }
  return encodeManaged(result)
}

const identityOf = ({ name, operation, subresource }: Manager): string =>
  `${name}\0${operation}\0${subresource}`
