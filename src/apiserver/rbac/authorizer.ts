// Role-based access control: who may do what, from the roles and bindings that are stored.
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
} from '../../api/types/rbac.gen.ts'
import {
  type Attributes,
  type Authorizer,
  allow,
  type Decision,
  isPath,
  noOpinion,
  type User,
} from './attributes.ts'
import { ruleAllows } from './rules.ts'

/** The stored roles and bindings. */
export interface RbacSource {
  clusterRole(name: string): ClusterRole | undefined
  role(namespace: string, name: string): Role | undefined
  clusterRoleBindings(): readonly ClusterRoleBinding[]
  roleBindings(namespace: string): readonly RoleBinding[]
  /** Changes whenever any role or binding does; what was worked out before is dropped then. */
  version(): number
}

/** The superuser group: allowed before any rule is looked at. */
export const mastersGroup = 'system:masters'

export const authorizeMasters: Authorizer = ({ user }) =>
  user.groups.includes(mastersGroup) ? allow('') : noOpinion()

/** First allow or deny decides. */
export const firstOf =
  (authorizers: readonly Authorizer[]): Authorizer =>
  (attributes) => {
    const reasons: string[] = []
    const errors: string[] = []
    for (const authorize of authorizers) {
      const decision = authorize(attributes)
      if (decision.verdict !== 'no-opinion') return decision
      if (decision.reason !== '') reasons.push(decision.reason)
      if (decision.error !== '') errors.push(decision.error)
    }
    return noOpinion(reasons.join('\n'), errors.join(', '))
  }

interface Grant {
  /** For reasons: `RoleBinding "b/ns" of Role "r" to User "alice"`. */
  readonly shown: string
  /** Undefined: the role is not there. */
  readonly rules: readonly PolicyRule[] | undefined
  readonly roleRef: RoleRef
}

/** Grants by subject: "User:alice", "Group:devs"; service accounts stand as their user names. */
type Grants = ReadonlyMap<string, readonly Grant[]>

export interface Rbac {
  readonly authorize: Authorizer
  /** All rules of a user in a namespace ("": the cluster-wide ones), and roles that are missing. */
  rulesFor(
    user: User,
    namespace: string,
  ): { readonly rules: readonly PolicyRule[]; readonly errors: readonly string[] }
}

export function createRbac(source: RbacSource): Rbac {
  let version: number | undefined
  let byNamespace = new Map<string, Grants>()

  const grantsOf = (namespace: string): Grants => {
    if (version !== source.version()) {
      version = source.version()
      byNamespace = new Map()
    }
    let grants = byNamespace.get(namespace)
    if (grants === undefined) {
      grants = indexGrants(source, namespace)
      byNamespace.set(namespace, grants)
    }
    return grants
  }

  const grantsFor = (user: User, namespace: string): readonly Grant[] => [
    ...grantsIn(grantsOf(''), user),
    ...(namespace === '' ? [] : grantsIn(grantsOf(namespace), user)),
  ]

  return {
    authorize: (attributes) =>
      decide(grantsFor(attributes.user, namespaceOf(attributes)), attributes),
    rulesFor(user, namespace) {
      const grants = grantsFor(user, namespace)
      return { rules: grants.flatMap((grant) => grant.rules ?? []), errors: missingRoles(grants) }
    },
  }
}

const namespaceOf = (attributes: Attributes): string =>
  isPath(attributes) ? '' : attributes.namespace

function decide(grants: readonly Grant[], attributes: Attributes): Decision {
  for (const { rules, shown } of grants) {
    for (const rule of rules ?? []) {
      if (ruleAllows(rule, attributes)) return allow(`RBAC: allowed by ${shown}`)
    }
  }
  const errors = missingRoles(grants)
  if (errors.length === 0) return noOpinion()
  const text = errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`
  return noOpinion(`RBAC: ${text}`, text)
}

const missingRoles = (grants: readonly Grant[]): string[] => [
  ...new Set(
    grants
      .filter(({ rules }) => rules === undefined)
      .map(
        ({ roleRef: { kind, name } }) =>
          `${kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`,
      ),
  ),
]

function grantsIn(grants: Grants, user: User): readonly Grant[] {
  const found: Grant[] = [...(grants.get(`User:${user.name}`) ?? [])]
  for (const group of user.groups) found.push(...(grants.get(`Group:${group}`) ?? []))
  return found
}

/** Of the cluster-wide bindings for "", else of those in the namespace. */
function indexGrants(source: RbacSource, namespace: string): Grants {
  const grants = new Map<string, Grant[]>()
  const bindings = namespace === '' ? source.clusterRoleBindings() : source.roleBindings(namespace)
  const bindingKind = namespace === '' ? 'ClusterRoleBinding' : 'RoleBinding'
  for (const binding of bindings) {
    const { roleRef, subjects } = binding
    const rules = rulesOf(source, roleRef, namespace)
    const name = binding.metadata.name + (namespace === '' ? '' : `/${namespace}`)
    const of = `${bindingKind} "${name}" of ${roleRef.kind} "${roleRef.name}"`
    for (const subject of subjects ?? []) {
      const key = keyOfSubject(subject, namespace)
      if (key === undefined) continue
      const grant = { shown: `${of} to ${showSubject(subject, namespace)}`, rules, roleRef }
      const list = grants.get(key)
      if (list === undefined) grants.set(key, [grant])
      else list.push(grant)
    }
  }
  return grants
}

export function rulesOf(
  source: RbacSource,
  roleRef: RoleRef,
  namespace: string,
): readonly PolicyRule[] | undefined {
  const role =
    roleRef.kind === 'ClusterRole'
      ? source.clusterRole(roleRef.name)
      : source.role(namespace, roleRef.name)
  return role && (role.rules ?? [])
}

function keyOfSubject(subject: Subject, namespace: string): string | undefined {
  if (subject.kind !== 'ServiceAccount') return `${subject.kind}:${subject.name}`
  const of = subject.namespace || namespace
  return of === '' ? undefined : `User:system:serviceaccount:${of}:${subject.name}`
}

function showSubject({ kind, name, namespace }: Subject, bindingNamespace: string): string {
  const of = namespace || bindingNamespace
  return kind === 'ServiceAccount' ? `ServiceAccount "${name}/${of}"` : `${kind} "${name}"`
}
