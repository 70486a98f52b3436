// What every cluster starts with beyond the API server's own objects: the cluster DNS.
// Created where absent and never overwritten: an edited Corefile stays edited.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { apiVersionOf } from '../api/machinery/resource.ts'
import { isReason } from '../api/machinery/status.ts'
import { allResources } from '../api/resources.gen.ts'
import type { Client } from '../client/client.ts'

export async function createMissing(client: Client, objects: readonly KubeObject[]): Promise<void> {
  for (const object of objects) {
    const resource = client.resource(resourceOf(object))
    // Asked first: a Service that is there already has taken its own ClusterIP.
    const found = await resource.get(object.metadata).catch((error: unknown) => {
      if (isReason(error, 'NotFound')) return undefined
      throw error
    })
    if (!found) await resource.create(object)
  }
}

function resourceOf(object: KubeObject): Resource {
  const found = allResources.find(
    (resource) => resource.kind === object.kind && apiVersionOf(resource) === object.apiVersion,
  )
  if (!found) throw new Error(`no resource for ${object.apiVersion} ${object.kind}`)
  return found
}

/** Lets nodes read the map of images, which no Pod refers to (the node authorizer knows only those). */
export function imageMapAccess(): readonly KubeObject[] {
  const metadata = { name: 'signpost:image-map', namespace: 'kube-system' }
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata,
    rules: [
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: ['signpost-images'],
        verbs: ['get', 'list', 'watch'],
      },
    ],
  }
  const roleBinding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:nodes' }],
  }
  return [role, roleBinding]
}

/** Lets the API server reach into kubelets, as whom its client certificate says. */
export function kubeletAccess(): readonly KubeObject[] {
  const clusterRoleBinding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'signpost:apiserver-kubelet-client' },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'system:kubelet-api-admin',
    },
    subjects: [
      {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'User',
        name: 'kube-apiserver-kubelet-client',
      },
    ],
  }
  return [clusterRoleBinding]
}
