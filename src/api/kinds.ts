// The list of built-in kinds; adding one is adding it here.
import {
  mutatingBindingKind,
  mutatingPolicyKind,
  validatingBindingKind,
  validatingPolicyKind,
} from './admissionregistration/policies.ts'
import { mutatingWebhookKind, validatingWebhookKind } from './admissionregistration/webhooks.ts'
import { crdKind } from './apiextensions/crd.ts'
import { apiServiceKind } from './apiregistration/apiservice.ts'
import { controllerRevisionKind, daemonSetKind } from './apps/daemonset.ts'
import { deploymentKind, replicaSetKind } from './apps/deployment.ts'
import { statefulSetKind } from './apps/statefulset.ts'
import {
  localSubjectAccessReviewKind,
  selfSubjectAccessReviewKind,
  selfSubjectReviewKind,
  selfSubjectRulesReviewKind,
  subjectAccessReviewKind,
  tokenReviewKind,
} from './authorization/reviews.ts'
import { hpaKind } from './autoscaling/hpa.ts'
import { hpaV1Kind } from './autoscaling/hpa-v1.ts'
import { cronJobKind } from './batch/cronjob.ts'
import { jobKind } from './batch/job.ts'
import { csrKind } from './certificates/csr.ts'
import { leaseKind } from './coordination/lease.ts'
import { configMapKind, secretKind } from './core/configmap.ts'
import { endpointsKind } from './core/endpoints.ts'
import { eventKind, eventViewKind } from './core/event.ts'
import { namespaceKind } from './core/namespace.ts'
import { nodeKind } from './core/node.ts'
import { persistentVolumeClaimKind, persistentVolumeKind } from './core/persistentvolume.ts'
import { podKind } from './core/pod.ts'
import { limitRangeKind, resourceQuotaKind } from './core/quota.ts'
import {
  bindingKind,
  componentStatusKind,
  podTemplateKind,
  replicationControllerKind,
} from './core/replicationcontroller.ts'
import { serviceKind } from './core/service.ts'
import { serviceAccountKind } from './core/serviceaccount.ts'
import { endpointSliceKind } from './discovery/endpointslice.ts'
import { flowSchemaKind, priorityLevelKind } from './flowcontrol/flowcontrol.ts'
import type { Kind } from './machinery/kind.ts'
import { ingressClassKind, ingressKind } from './networking/ingress.ts'
import { networkPolicyKind } from './networking/networkpolicy.ts'
import { ipAddressKind, serviceCIDRKind } from './networking/servicecidr.ts'
import { runtimeClassKind } from './node/runtimeclass.ts'
import { podDisruptionBudgetKind } from './policy/poddisruptionbudget.ts'
import { clusterRoleBindingKind, clusterRoleKind, roleBindingKind, roleKind } from './rbac/rbac.ts'
import {
  deviceClassKind,
  resourceClaimKind,
  resourceClaimTemplateKind,
  resourceSliceKind,
} from './resource/resource.ts'
import { priorityClassKind } from './scheduling/priorityclass.ts'
import {
  csiDriverKind,
  csiNodeKind,
  csiStorageCapacityKind,
  storageClassKind,
  volumeAttachmentKind,
  volumeAttributesClassKind,
} from './storage/storage.ts'

export const kinds: readonly Kind[] = [
  mutatingBindingKind,
  mutatingPolicyKind,
  validatingBindingKind,
  validatingPolicyKind,
  mutatingWebhookKind,
  validatingWebhookKind,
  crdKind,
  apiServiceKind,
  controllerRevisionKind,
  daemonSetKind,
  deploymentKind,
  replicaSetKind,
  statefulSetKind,
  localSubjectAccessReviewKind,
  selfSubjectAccessReviewKind,
  selfSubjectReviewKind,
  selfSubjectRulesReviewKind,
  subjectAccessReviewKind,
  tokenReviewKind,
  hpaKind,
  hpaV1Kind,
  cronJobKind,
  jobKind,
  csrKind,
  leaseKind,
  configMapKind,
  secretKind,
  endpointsKind,
  eventKind,
  eventViewKind,
  namespaceKind,
  nodeKind,
  persistentVolumeClaimKind,
  persistentVolumeKind,
  podKind,
  limitRangeKind,
  resourceQuotaKind,
  bindingKind,
  componentStatusKind,
  podTemplateKind,
  replicationControllerKind,
  serviceKind,
  serviceAccountKind,
  endpointSliceKind,
  flowSchemaKind,
  priorityLevelKind,
  ingressClassKind,
  ingressKind,
  networkPolicyKind,
  ipAddressKind,
  serviceCIDRKind,
  runtimeClassKind,
  podDisruptionBudgetKind,
  clusterRoleBindingKind,
  clusterRoleKind,
  roleBindingKind,
  roleKind,
  deviceClassKind,
  resourceClaimKind,
  resourceClaimTemplateKind,
  resourceSliceKind,
  priorityClassKind,
  csiDriverKind,
  csiNodeKind,
  csiStorageCapacityKind,
  storageClassKind,
  volumeAttachmentKind,
  volumeAttributesClassKind,
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
