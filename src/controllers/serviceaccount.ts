// Gives every Namespace its ServiceAccount "default".
import { namespaces, serviceaccounts } from '../api/resources.gen.ts'
import type { Namespace } from '../api/types/core.gen.ts'
import type { Controller } from '../client/controller.ts'
import { watching } from '../client/controller.ts'

const defaultName = 'default'

export function serviceAccountController(): Controller {
  return {
    name: 'serviceaccount',
    component: 'serviceaccount-controller',
    watches: [
      watching({ resource: namespaces }),
      watching({
        resource: serviceaccounts,
        keys: ({ metadata: { namespace, name } }) =>
          namespace && name === defaultName ? [namespace] : [],
      }),
    ],
    reconcile(key, snapshot) {
      const namespace = snapshot.of(namespaces).get(key)
      const account = snapshot.of(serviceaccounts).get(`${key}/${defaultName}`)
      if (!namespace || !isActive(namespace) || account) return { changes: [] }
      const object = { metadata: { namespace: key, name: defaultName } }
      return { changes: [{ type: 'create', resource: serviceaccounts, object }] }
    },
  }
}

/** Nothing is made in a Namespace that is on its way out. */
export const isActive = ({ metadata, status }: Namespace): boolean =>
  metadata.deletionTimestamp === undefined && status?.phase !== 'Terminating'
