// What a node may do: read what its own Pods need, write its own objects, and nothing of others.
// The graph upstream keeps is here a walk over the node's Pods, asked for only by node users.
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/types/core.gen.ts'
import type { PolicyRule } from '../../api/types/rbac.gen.ts'
import {
  type Authorizer,
  allow,
  type Decision,
  isPath,
  noOpinion,
  type ResourceAttributes,
  type User,
} from './attributes.ts'
import { configMapNames, persistentVolumeClaimNames, secretNames } from './pod-references.ts'
import { rulesAllow } from './rules.ts'

export interface NodeSource {
  /** Pods whose spec.nodeName is this. */
  podsOnNode(node: string): readonly Pod[]
  persistentVolumeClaim(namespace: string, name: string): PersistentVolumeClaim | undefined
  persistentVolume(name: string): PersistentVolume | undefined
}

/** "n1" of user system:node:n1 in group system:nodes; undefined for all others. */
export function nodeNameOf(user: User): string | undefined {
  if (!user.groups.includes('system:nodes')) return undefined
  const prefix = 'system:node:'
  return user.name.startsWith(prefix) ? user.name.slice(prefix.length) : undefined
}

const nodeLeases = 'kube-node-lease'

/** `rules` are those of ClusterRole system:node: they decide about what is of no one node. */
export const createNodeAuthorizer =
  (source: NodeSource, rules: readonly PolicyRule[]): Authorizer =>
  (attributes) => {
    const node = nodeNameOf(attributes.user)
    if (node === undefined) return noOpinion()
    if (node === '')
      return noOpinion(`unknown node for user ${JSON.stringify(attributes.user.name)}`)
    if (!isPath(attributes)) {
      const own = particular[qualified(attributes)]
      if (own !== undefined) return own(node, attributes, source)
    }
    return rulesAllow(rules, attributes) ? allow('') : noOpinion()
  }

const qualified = ({ group, resource }: ResourceAttributes): string =>
  group === '' ? resource : `${resource}.${group}`

type Decide = (node: string, attributes: ResourceAttributes, source: NodeSource) => Decision

const particular: Readonly<Record<string, Decide>> = {
  secrets: (node, attributes, source) =>
    read(node, attributes, hasSecret(node, attributes, source)),
  configmaps: (node, attributes, source) =>
    read(node, attributes, somePod(source.podsOnNode(node), attributes, configMapNames)),
  persistentvolumeclaims(node, attributes, source) {
    const isOwn = somePod(source.podsOnNode(node), attributes, persistentVolumeClaimNames)
    if (attributes.subresource !== 'status') return get(node, attributes, isOwn)
    if (attributes.verb === 'update' || attributes.verb === 'patch')
      return related(node, attributes, isOwn)
    return noOpinion('can only get/update/patch this type')
  },
  persistentvolumes: (node, attributes, source) =>
    get(node, attributes, hasVolume(node, attributes, source)),
  'resourceclaims.resource.k8s.io': (node, attributes) => get(node, attributes, false),
  'volumeattachments.storage.k8s.io': (node, attributes) => get(node, attributes, false),
  serviceaccounts: createToken,
  'leases.coordination.k8s.io': ownLease,
  'csinodes.storage.k8s.io': ownCSINode,
  nodes: ownNode,
  pods: ownPods,
}

function related(node: string, { name }: ResourceAttributes, isOwn: boolean): Decision {
  if (name === '') return noOpinion('No Object name found')
  return isOwn
    ? allow('')
    : noOpinion(`no relationship found between node '${node}' and this object`)
}

function get(node: string, attributes: ResourceAttributes, isOwn: boolean): Decision {
  if (attributes.verb !== 'get') {
    return noOpinion('can only get individual resources of this type')
  }
  if (attributes.subresource !== '') return noOpinion('cannot get subresource')
  return related(node, attributes, isOwn)
}

function read(node: string, attributes: ResourceAttributes, isOwn: boolean): Decision {
  const { verb, subresource, namespace } = attributes
  if (!['get', 'list', 'watch'].includes(verb)) {
    return noOpinion('can only read resources of this type')
  }
  if (subresource !== '') return noOpinion('cannot read subresource')
  if (namespace === '') return noOpinion('can only read namespaced object of this type')
  return related(node, attributes, isOwn)
}

function somePod(
  podsOfNode: readonly Pod[],
  { namespace, name }: ResourceAttributes,
  names: (pod: Pod) => Iterable<string>,
): boolean {
  for (const pod of podsOfNode) {
    if (pod.metadata.namespace !== namespace) continue
    for (const found of names(pod)) if (found === name) return true
  }
  return false
}

/** Of a Pod, or of a volume that a Pod claims. */
function hasSecret(node: string, attributes: ResourceAttributes, source: NodeSource): boolean {
  if (somePod(source.podsOnNode(node), attributes, secretNames)) return true
  return volumesOf(node, source).some((volume) => {
    const { csi, azureFile, cephfs, flexVolume, iscsi, rbd, scaleIO, storageos } = volume.spec ?? {}
    const references = [
      csi?.controllerPublishSecretRef,
      csi?.nodePublishSecretRef,
      csi?.nodeStageSecretRef,
      cephfs?.secretRef,
      flexVolume?.secretRef,
      iscsi?.secretRef,
      rbd?.secretRef,
      scaleIO?.secretRef,
      storageos?.secretRef,
      azureFile && {
        name: azureFile.secretName,
        namespace: azureFile.secretNamespace ?? undefined,
      },
    ]
    const claimNamespace = volume.spec?.claimRef?.namespace
    return references.some(
      (reference) =>
        reference?.name === attributes.name &&
        (reference.namespace ?? claimNamespace) === attributes.namespace,
    )
  })
}

const hasVolume = (node: string, { name }: ResourceAttributes, source: NodeSource): boolean =>
  volumesOf(node, source).some((volume) => volume.metadata.name === name)

function volumesOf(node: string, source: NodeSource): PersistentVolume[] {
  const volumes: PersistentVolume[] = []
  for (const pod of source.podsOnNode(node)) {
    for (const claim of persistentVolumeClaimNames(pod)) {
      const namespace = pod.metadata.namespace ?? ''
      const name = source.persistentVolumeClaim(namespace, claim)?.spec?.volumeName
      const volume = name ? source.persistentVolume(name) : undefined
      if (volume !== undefined) volumes.push(volume)
    }
  }
  return volumes
}

function createToken(node: string, attributes: ResourceAttributes, source: NodeSource): Decision {
  if (attributes.verb !== 'create' || attributes.name === '') {
    return noOpinion('can only create tokens for individual service accounts')
  }
  if (attributes.subresource !== 'token') {
    return noOpinion('can only create token subresource of serviceaccount')
  }
  const isOwn = somePod(source.podsOnNode(node), attributes, (pod) => [
    pod.spec?.serviceAccountName ?? '',
  ])
  return related(node, attributes, isOwn)
}

const writesOfOne = ['get', 'create', 'update', 'patch', 'delete']

function ownLease(node: string, { verb, namespace, name }: ResourceAttributes): Decision {
  if (!writesOfOne.includes(verb)) {
    return noOpinion('can only get, create, update, patch, or delete a node lease')
  }
  if (namespace !== nodeLeases) {
    return noOpinion(`can only access leases in the "${nodeLeases}" system namespace`)
  }
  // Names are not known on create; NodeRestriction looks at them.
  if (verb !== 'create' && name !== node) {
    return noOpinion('can only access node lease with the same name as the requesting node')
  }
  return allow('')
}

function ownCSINode(node: string, { verb, subresource, name }: ResourceAttributes): Decision {
  if (!writesOfOne.includes(verb)) {
    return noOpinion('can only get, create, update, patch, or delete a CSINode')
  }
  if (subresource !== '') return noOpinion('cannot authorize CSINode subresources')
  if (verb !== 'create' && name !== node) {
    return noOpinion('can only access CSINode with the same name as the requesting node')
  }
  return allow('')
}

function ownNode(node: string, { verb, subresource, name }: ResourceAttributes): Decision {
  const writes = verb === 'update' || verb === 'patch'
  if (subresource === 'status') return writes ? allow('') : noOpinion()
  if (subresource !== '') return noOpinion()
  if (writes || verb === 'create') return allow('')
  if (!['get', 'list', 'watch'].includes(verb)) return noOpinion()
  if (name === node) return allow('')
  return noOpinion(
    name === ''
      ? `node '${node}' cannot read all nodes, only its own Node object`
      : `node '${node}' cannot read '${name}', only its own Node object`,
  )
}

function ownPods(node: string, attributes: ResourceAttributes, source: NodeSource): Decision {
  const { verb, subresource, name, namespace, fields } = attributes
  if (subresource === 'status') {
    return verb === 'update' || verb === 'patch' ? allow('') : noOpinion()
  }
  if (subresource === 'eviction') return verb === 'create' ? allow('') : noOpinion()
  if (subresource !== '') return noOpinion()
  if (verb === 'create' || verb === 'delete') return allow('')
  const isOwn = () =>
    source
      .podsOnNode(node)
      .some(({ metadata }) => metadata.name === name && metadata.namespace === namespace)
  if (verb === 'get') return get(node, attributes, isOwn())
  if (verb !== 'list' && verb !== 'watch') return noOpinion()
  const selectsOwn = fields?.some(
    ({ field, operator, value }) => field === 'spec.nodeName' && operator === '=' && value === node,
  )
  if (selectsOwn) return allow('')
  if (name !== '') return related(node, attributes, isOwn())
  return noOpinion('can only list/watch pods with spec.nodeName field selector')
}
