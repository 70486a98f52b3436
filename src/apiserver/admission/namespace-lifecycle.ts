// Nothing is made in a Namespace that is not there or is going away, and some Namespaces stay.
import {
  forbiddenError,
  notFoundError,
  StatusError,
  type StatusError as StatusErrorType,
} from '../../api/machinery/status.ts'
import { namespaces } from '../../api/resources.gen.ts'
import { refuse } from './refuse.ts'
import type { AdmissionPlugin, AdmissionRequest } from './request.ts'

const immortal: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public'])

export const namespaceLifecycle: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  admit(request, { reader }) {
    const { operation, resource, namespace, name } = request
    if (resource.group === '' && resource.plural === 'namespaces') {
      if (operation !== 'DELETE' || !immortal.has(name)) return undefined
      return forbiddenError(namespaces, name, 'this namespace may not be deleted')
    }
    // Reviews are about a Namespace, not in it.
    if (
      !resource.namespaced ||
      operation === 'DELETE' ||
      resource.plural === 'localsubjectaccessreviews'
    ) {
      return undefined
    }
    const found = reader(namespaces).get(namespace)
    if (found === undefined) return notFoundError(namespaces, namespace)
    const terminating = operation === 'CREATE' && found.status?.phase === 'Terminating'
    return terminating ? terminatingError(request) : undefined
  },
}

function terminatingError(request: AdmissionRequest): StatusErrorType {
  const { namespace } = request
  const cause = `unable to create new content in namespace ${namespace} because it is being terminated`
  const { status } = refuse(request, cause)
  const reason = 'NamespaceTerminating'
  const message = `namespace ${namespace} is being terminated`
  const causes = [{ reason, message, field: 'metadata.namespace' }]
  return new StatusError({ ...status, details: { ...status.details, causes } })
}
