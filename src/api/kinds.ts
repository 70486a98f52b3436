// The list of built-in kinds; adding one is adding it here.
import { controllerRevisionKind, daemonSetKind } from './apps/daemonset.ts'
import { deploymentKind, replicaSetKind } from './apps/deployment.ts'
import { statefulSetKind } from './apps/statefulset.ts'
import { leaseKind } from './coordination/lease.ts'
import { configMapKind, secretKind } from './core/configmap.ts'
import { endpointsKind } from './core/endpoints.ts'
import { eventKind, eventViewKind } from './core/event.ts'
import { namespaceKind } from './core/namespace.ts'
import { nodeKind } from './core/node.ts'
import { podKind } from './core/pod.ts'
import { serviceKind } from './core/service.ts'
import { serviceAccountKind } from './core/serviceaccount.ts'
import { endpointSliceKind } from './discovery/endpointslice.ts'
import type { Kind } from './machinery/kind.ts'
import { ipAddressKind, serviceCIDRKind } from './networking/servicecidr.ts'
import { clusterRoleBindingKind, clusterRoleKind, roleBindingKind, roleKind } from './rbac/rbac.ts'

export const kinds: readonly Kind[] = [
  configMapKind,
  endpointsKind,
  eventKind,
  namespaceKind,
  nodeKind,
  podKind,
  secretKind,
  serviceAccountKind,
  serviceKind,
  controllerRevisionKind,
  daemonSetKind,
  deploymentKind,
  replicaSetKind,
  statefulSetKind,
  leaseKind,
  endpointSliceKind,
  eventViewKind,
  ipAddressKind,
  serviceCIDRKind,
  clusterRoleBindingKind,
  clusterRoleKind,
  roleBindingKind,
  roleKind,
]

const key = (group: string, version: string, name: string): string => `${group}/${version}/${name}`

const byResource = new Map(
  kinds.map((kind) => [
    key(kind.resource.group, kind.resource.version, kind.resource.plural),
    kind,
  ]),
)
const byKind = new Map(
  kinds.map((kind) => [key(kind.resource.group, kind.resource.version, kind.resource.kind), kind]),
)

/** The kind served at /apis/GROUP/VERSION/…/PLURAL; undefined if none is built in. */
export const findKindByResource = (
  group: string,
  version: string,
  plural: string,
): Kind | undefined => byResource.get(key(group, version, plural))

/** The kind of an object by its apiVersion and kind, taken apart. */
export const findKind = (group: string, version: string, kind: string): Kind | undefined =>
  byKind.get(key(group, version, kind))
