// Roles and bindings that give away more than their writer has. Upstream checks in its storage,
// after mutating admission and before validation; so this stands last of those that may change.
import type { ClusterRole, RoleBinding } from '../../api/types/rbac.gen.ts'
import { checkBinding, checkRole, type Versions } from '../rbac/escalation.ts'
import type { AdmissionPlugin } from './request.ts'

const group = 'rbac.authorization.k8s.io'
const plurals = ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings']

export const rbacEscalation: AdmissionPlugin = {
  name: 'RBACEscalation',
  operations: ['CREATE', 'UPDATE'],
  resources: plurals.map((plural) => `${plural}.${group}`),
  admit(request, { rbac, roles, authorize }) {
    const { namespace, user, object, old } = request
    const { plural } = request.resource
    const write = { plural, namespace, name: request.name || (object?.metadata.name ?? ''), user }
    const deps = { rbac, source: roles, authorize }
    const versions = { next: object, old }
    return plural.endsWith('bindings')
      ? checkBinding(write, versions as unknown as Versions<RoleBinding>, deps)
      : checkRole(write, versions as unknown as Versions<ClusterRole>, deps)
  },
}
