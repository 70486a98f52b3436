// What every cluster has from the start, and how it is mended at each start: missing objects are
// created, missing rules and subjects added back, what people added stays.

import type { KubeObject } from '../../api/machinery/resource.ts'
import { aggregateAll } from '../../api/rbac/aggregation.ts'
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/types/flowcontrol.gen.ts'
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../../api/types/rbac.gen.ts'
import type { PriorityClass } from '../../api/types/scheduling.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { bootstrapJson } from './bootstrap.gen.ts'
import { uncovered } from './covers.ts'

/** In the order they are to be created. Objects lack apiVersion, kind and what the server sets. */
export interface Bootstrap {
  readonly clusterroles: readonly ClusterRole[]
  readonly clusterrolebindings: readonly ClusterRoleBinding[]
  readonly roles: readonly Role[]
  readonly rolebindings: readonly RoleBinding[]
  readonly priorityclasses: readonly PriorityClass[]
  readonly prioritylevelconfigurations: readonly PriorityLevelConfiguration[]
  readonly flowschemas: readonly FlowSchema[]
}

/** Namespaces that the server itself makes. */
export const systemNamespaces = [
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'default',
] as const

let read: Bootstrap | undefined

/** admin, edit and view come with the rules they aggregate. */
export function bootstrap(): Bootstrap {
  if (read === undefined) {
    const recorded = JSON.parse(bootstrapJson) as Bootstrap
    read = { ...recorded, clusterroles: aggregateAll(recorded.clusterroles) }
  }
  return read
}

/** The rules of ClusterRole system:node, for the node authorizer. */
export const nodeRules = (): readonly PolicyRule[] =>
  bootstrap().clusterroles.find(({ metadata }) => metadata.name === 'system:node')?.rules ?? []

const autoupdate = 'rbac.authorization.kubernetes.io/autoupdate'

/** People opt out of mending with the annotation. */
const isProtected = (stored: KubeObject): boolean =>
  stored.metadata.annotations?.[autoupdate] === 'false'

/** The stored role with what it lacks of the wanted one; undefined when it lacks nothing. */
export function mendRole<T extends ClusterRole | Role>(stored: T, wanted: T): T | undefined {
  if (isProtected(stored)) return undefined
  const aggregation = (wanted as ClusterRole).aggregationRule
  const rules = stored.rules ?? []
  // The rules of aggregated roles are the aggregation controller's business.
  const missing = aggregation ? [] : missingRules(rules, wanted.rules ?? [])
  const next = {
    ...stored,
    metadata: mendMetadata(stored, wanted),
    ...(missing.length > 0 ? { rules: [...rules, ...missing] } : {}),
    ...(aggregation ? { aggregationRule: aggregation } : {}),
  }
  return semanticEqual(next, stored) ? undefined : next
}

const missingRules = (rules: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] =>
  wanted.filter((rule) => uncovered(rules, [rule]).length > 0)

/**
 * The stored binding with what it lacks; undefined when it lacks nothing. `replace`: its roleRef,
 * which cannot be changed, is another one, so it has to be deleted and made anew.
 */
export function mendBinding<T extends ClusterRoleBinding | RoleBinding>(
  stored: T,
  wanted: T,
): { readonly replace: boolean; readonly binding: T } | undefined {
  if (isProtected(stored)) return undefined
  const sameRef = semanticEqual(stored.roleRef, wanted.roleRef)
  const subjects = stored.subjects ?? []
  const missing = (wanted.subjects ?? []).filter(
    (subject) => !subjects.some((had) => isSameSubject(had, subject)),
  )
  const metadata = mendMetadata(stored, wanted)
  const next: T = {
    ...stored,
    metadata,
    roleRef: wanted.roleRef,
    ...(missing.length > 0 ? { subjects: [...subjects, ...missing] } : {}),
  }
  return semanticEqual(next, stored) ? undefined : { replace: !sameRef, binding: next }
}

const isSameSubject = (one: Subject, other: Subject): boolean =>
  one.kind === other.kind &&
  one.name === other.name &&
  (one.namespace ?? '') === (other.namespace ?? '') &&
  (one.apiGroup ?? '') === (other.apiGroup ?? '')

/** Wanted labels and annotations are added; those with other values stay as they are stored. */
function mendMetadata(stored: KubeObject, wanted: KubeObject): KubeObject['metadata'] {
  const labels = { ...wanted.metadata.labels, ...stored.metadata.labels }
  const annotations = { ...wanted.metadata.annotations, ...stored.metadata.annotations }
  return {
    ...stored.metadata,
    ...(Object.keys(labels).length > 0 ? { labels } : {}),
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  }
}
