// A node writes its own Node, Lease, CSINode and Pods, in the ways a kubelet has to, and nothing else.
import type { KubeObject } from '../../api/machinery/resource.ts'
import { notFoundError } from '../../api/machinery/status.ts'
import { nodes, persistentvolumeclaims, pods } from '../../api/resources.gen.ts'
import type { Node, Pod } from '../../api/types/core.gen.ts'
import { semanticEqual } from '../../lib/equal.ts'
import { nodeNameOf } from '../rbac/node-authorizer.ts'
import { configMapNames, persistentVolumeClaimNames, secretNames } from '../rbac/pod-references.ts'
import { forbiddenLabels } from './node-labels.ts'
import { oldOf, qualifiedOf, quote, refuse } from './refuse.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRequest, Outcome } from './request.ts'

const nodeLeases = 'kube-node-lease'

interface Case {
  readonly node: string
  readonly request: AdmissionRequest
  readonly context: AdmissionContext
}

export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  admit(request, context) {
    const node = nodeNameOf(request.user)
    if (node === undefined) return undefined
    if (node === '') {
      return refuse(request, `could not determine node from user ${quote(request.user.name)}`)
    }
    return restrictions[qualifiedOf(request)]?.({ node, request, context })
  },
}

const restrictions: Readonly<Record<string, (at: Case) => Outcome>> = {
  pods: restrictPod,
  nodes: restrictNode,
  persistentvolumeclaims: restrictClaim,
  serviceaccounts: restrictToken,
  'leases.coordination.k8s.io'({ node, request }) {
    if (request.namespace !== nodeLeases) {
      return refuse(request, `can only access leases in the ${quote(nodeLeases)} system namespace`)
    }
    return ofOwnName(node, request, 'node lease')
  },
  'csinodes.storage.k8s.io': ({ node, request }) => ofOwnName(node, request, 'CSINode'),
}

const ofOwnName = (node: string, request: AdmissionRequest, what: string): Outcome =>
  (request.name || request.object?.metadata.name) === node
    ? undefined
    : refuse(request, `can only access ${what} with the same name as the requesting node`)

function restrictPod({ node, request, context }: Case): Outcome {
  const { subresource, operation } = request
  if (subresource === 'status') return restrictPodStatus(node, request)
  if (subresource === 'eviction') {
    if (operation !== 'CREATE') return refuse(request, `unexpected operation ${operation}`)
    const pod = storedPod(request, context)
    if (pod === undefined) return notFoundError(pods, request.name)
    const isOwn = pod.spec?.nodeName === node
    return isOwn
      ? undefined
      : refuse(request, `node ${node} can only evict pods with spec.nodeName set to itself`)
  }
  if (subresource !== '') {
    return refuse(
      request,
      `unexpected pod subresource ${quote(subresource)}, only 'status' and 'eviction' are allowed`,
    )
  }
  if (operation === 'CREATE') return restrictMirrorPod(node, request, context)
  if (operation !== 'DELETE') {
    return refuse(
      request,
      `unexpected operation ${quote(operation)}, node ${quote(node)} can only create and delete mirror pods`,
    )
  }
  const pod = storedPod(request, context)
  if (pod === undefined) return notFoundError(pods, request.name)
  if (pod.spec?.nodeName === node) return undefined
  return refuse(
    request,
    `node ${quote(node)} can only delete pods with spec.nodeName set to itself`,
  )
}

const storedPod = ({ namespace, name }: AdmissionRequest, { reader }: AdmissionContext) =>
  reader(pods).get(`${namespace}/${name}`)

function restrictMirrorPod(
  node: string,
  request: AdmissionRequest,
  { reader }: AdmissionContext,
): Outcome {
  const pod = request.object as unknown as Pod
  const no = (cause: string) => refuse(request, `node ${quote(node)} ${cause}`)
  const mirror = 'kubernetes.io/config.mirror'
  if (pod.metadata.annotations?.[mirror] === undefined) {
    return refuse(
      request,
      `pod does not have ${quote(mirror)} annotation, node ${quote(node)} can only create mirror pods`,
    )
  }
  if (pod.spec?.nodeName !== node)
    return no('can only create pods with spec.nodeName set to itself')
  const [owner, second] = pod.metadata.ownerReferences ?? []
  if (second) return no('can only create pods with a single owner reference set to itself')
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
    return no('can only create pods with an owner reference set to itself')
  }
  if (!owner.controller) {
    return no('can only create pods with a controller owner reference set to itself')
  }
  if (owner.blockOwnerDeletion) return no('must not set blockOwnerDeletion on an owner reference')
  const own = reader(nodes).get(node)
  if (own === undefined) return notFoundError(nodes, node)
  if (owner.uid !== own.metadata.uid) {
    return refuse(
      request,
      `node ${node} UID mismatch: expected ${owner.uid} got ${own.metadata.uid}`,
    )
  }
  return checkReferences(pod, no)
}

function checkReferences(pod: Pod, no: (cause: string) => Outcome): Outcome {
  if (pod.spec?.serviceAccountName)
    return no('can not create pods that reference a service account')
  const names: [string, Iterable<string>][] = [
    ['secrets', secretNames(pod)],
    ['configmaps', configMapNames(pod)],
    ['persistentvolumeclaims', persistentVolumeClaimNames(pod)],
  ]
  for (const [what, found] of names) {
    for (const _ of found) return no(`can not create pods that reference ${what}`)
  }
  const bundles = (pod.spec?.volumes ?? []).some(({ projected }) =>
    projected?.sources?.some(({ clusterTrustBundle }) => clusterTrustBundle),
  )
  return bundles ? no('can not create pods that reference clustertrustbundles') : undefined
}

function restrictPodStatus(node: string, request: AdmissionRequest): Outcome {
  if (request.operation !== 'UPDATE') {
    return refuse(request, `unexpected operation ${quote(request.operation)}`)
  }
  const old = oldOf(request, pods)
  const next = request.object as unknown as Pod
  if (old.spec?.nodeName !== node) {
    return refuse(
      request,
      `node ${quote(node)} can only update pod status for pods with spec.nodeName set to itself`,
    )
  }
  if (!semanticEqual(old.metadata.labels, next.metadata.labels)) {
    return refuse(request, `node ${quote(node)} cannot update labels through pod status`)
  }
  if (!semanticEqual(old.status?.resourceClaimStatuses, next.status?.resourceClaimStatuses)) {
    return refuse(request, `node ${quote(node)} cannot update resource claim statues`)
  }
  return undefined
}

function restrictNode({ node, request }: Case): Outcome {
  const name = request.name || request.object?.metadata.name || ''
  if (name !== node) {
    return refuse(request, `node ${quote(node)} is not allowed to modify node ${quote(name)}`)
  }
  const next = request.object as unknown as Node | undefined
  if (next === undefined) return undefined
  const old = request.operation === 'UPDATE' ? oldOf(request, nodes) : undefined
  if (next.spec?.configSource && !semanticEqual(next.spec.configSource, old?.spec?.configSource)) {
    const cause = old
      ? 'is not allowed to update configSource to a new non-nil configSource'
      : 'is not allowed to create pods with a non-nil configSource'
    return refuse(request, `node ${quote(node)} ${cause}`)
  }
  if (old && !semanticEqual(next.spec?.taints, old.spec?.taints)) {
    return refuse(request, `node ${quote(node)} is not allowed to modify taints`)
  }
  const labels = forbiddenLabels(next.metadata.labels ?? {}, old?.metadata.labels ?? {})
  if (labels.length === 0) return undefined
  const cause = old
    ? 'is not allowed to modify labels'
    : `node ${quote(node)} is not allowed to set the following labels`
  return refuse(request, `${cause}: ${labels.join(', ')}`)
}

function restrictClaim({ node, request }: Case): Outcome {
  if (request.subresource !== 'status') return refuse(request, 'may only update PVC status')
  if (request.operation !== 'UPDATE') {
    return refuse(request, `unexpected operation ${quote(request.operation)}`)
  }
  const strip = (object: KubeObject): unknown => {
    const { resourceVersion: _, managedFields: __, ...metadata } = object.metadata
    const { status, ...rest } = object as KubeObject & { status?: Record<string, unknown> }
    const ownStatus = { ...status }
    for (const field of [
      'capacity',
      'conditions',
      'allocatedResources',
      'allocatedResourceStatuses',
    ]) {
      delete ownStatus[field]
    }
    return { ...rest, metadata, status: ownStatus }
  }
  const old = oldOf(request, persistentvolumeclaims)
  if (semanticEqual(strip(old), strip(request.object as unknown as KubeObject))) return undefined
  return refuse(
    request,
    `node ${quote(node)} is not allowed to update fields other than status.capacity and status.conditions`,
  )
}

interface TokenRequestLike {
  readonly spec: {
    readonly boundObjectRef?:
      | {
          readonly kind?: string
          readonly apiVersion?: string
          readonly name?: string
          readonly uid?: string
        }
      | undefined
  }
}

function restrictToken({ node, request, context }: Case): Outcome {
  if (request.operation !== 'CREATE' || request.subresource !== 'token') return undefined
  const bound = (request.object as unknown as TokenRequestLike).spec.boundObjectRef
  if (bound?.apiVersion !== 'v1' || bound.kind !== 'Pod' || !bound.name) {
    return refuse(request, 'node requested token not bound to a pod')
  }
  if (!bound.uid) return refuse(request, 'node requested token with a pod binding without a uid')
  const pod = context.reader(pods).get(`${request.namespace}/${bound.name}`)
  if (pod === undefined) return notFoundError(pods, bound.name)
  if (bound.uid !== pod.metadata.uid) {
    return refuse(
      request,
      `the UID in the bound object reference (${bound.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    )
  }
  if (pod.spec?.nodeName === node) return undefined
  return refuse(request, 'node requested token bound to a pod scheduled on a different node')
}
