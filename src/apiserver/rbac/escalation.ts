// Nobody gives away more than they have: writing a role needs all its rules (or "escalate"), writing
// a binding all rules of its role (or "bind"). Runs after validation, as upstream's storage does.
import { forbiddenError, notFoundError, type StatusError } from '../../api/machinery/status.ts'
import type { ClusterRole, PolicyRule, RoleRef } from '../../api/types/rbac.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'
import type { Authorizer, User } from './attributes.ts'
import { mastersGroup, type Rbac, type RbacSource, rulesOf } from './authorizer.ts'
import { compact, uncovered } from './covers.ts'
import { showRule } from './rules.ts'

const group = 'rbac.authorization.k8s.io'

export interface EscalationDeps {
  readonly rbac: Rbac
  readonly source: RbacSource
  readonly authorize: Authorizer
}

export interface RoleWrite {
  /** "roles", "clusterroles", "rolebindings", "clusterrolebindings" */
  readonly plural: string
  readonly namespace: string
  readonly name: string
  readonly user: User
}

export interface Versions<T> {
  readonly next: T
  /** What is stored; undefined on create. */
  readonly old: T | undefined
}

/** The 403 of a Role or ClusterRole write, if it gives away too much. */
export function checkRole(
  write: RoleWrite,
  { next: role, old }: Versions<Pick<ClusterRole, 'rules' | 'aggregationRule'>>,
  deps: EscalationDeps,
): StatusError | undefined {
  if (isSuperuser(write.user)) return undefined
  if (
    old &&
    semanticEqual(role.rules, old.rules) &&
    semanticEqual(role.aggregationRule, old.aggregationRule)
  ) {
    return undefined
  }
  const verb = 'escalate'
  if (isAllowed(write, { verb, resource: write.plural, name: write.name }, deps)) return undefined
  // An aggregation rule can pull in anything, so it takes everything to write one.
  const wanted = role.aggregationRule ? [...(role.rules ?? []), ...everything] : (role.rules ?? [])
  return confirm(write, wanted, deps)
}

/** The 403 (or 404: no such role) of a RoleBinding or ClusterRoleBinding write. */
export function checkBinding(
  write: RoleWrite,
  { next: binding, old }: Versions<{ readonly roleRef: RoleRef; readonly subjects?: unknown }>,
  deps: EscalationDeps,
): StatusError | undefined {
  if (isSuperuser(write.user)) return undefined
  if (
    old &&
    semanticEqual(binding.roleRef, old.roleRef) &&
    semanticEqual(binding.subjects, old.subjects)
  ) {
    return undefined
  }
  const { roleRef } = binding
  const resource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles'
  if (isAllowed(write, { verb: 'bind', resource, name: roleRef.name }, deps)) return undefined
  const rules = rulesOf(deps.source, roleRef, write.namespace)
  // Upstream names the binding's resource and the role's name.
  if (rules === undefined) return notFoundError({ group, plural: write.plural }, roleRef.name)
  return confirm(write, rules, deps)
}

const everything: readonly PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
]

const isSuperuser = (user: User): boolean => user.groups.includes(mastersGroup)

function isAllowed(
  { namespace, user }: RoleWrite,
  { verb, resource, name }: { verb: string; resource: string; name: string },
  { authorize }: EscalationDeps,
): boolean {
  const at = { user, verb, group, version: '*', resource, subresource: '', namespace, name }
  return authorize(at).verdict === 'allow'
}

function confirm(
  write: RoleWrite,
  wanted: readonly PolicyRule[],
  { rbac }: EscalationDeps,
): StatusError | undefined {
  const { user } = write
  const { rules, errors } = rbac.rulesFor(user, write.namespace)
  const missing = compact(uncovered(rules, wanted)).map(showRule).sort()
  if (missing.length === 0) return undefined
  const groups = user.groups.map((name) => JSON.stringify(name)).join(' ')
  const unresolved =
    errors.length === 0
      ? ''
      : `; resolution errors: [${errors.map((error) => JSON.stringify(error)).join(' ')}]`
  const who = `user ${JSON.stringify(user.name)} (groups=[${groups}])`
  const what = 'is attempting to grant RBAC permissions not currently held'
  const message = `${who} ${what}:\n${missing.join('\n')}${unresolved}`
  return forbiddenError({ group, plural: write.plural }, write.name, message)
}
