// Pod: containers that share a network namespace and a fate. Defaults, validation, update rules and
// the Table live beside this file under pod-*.ts.
import type { Draft } from '../machinery/draft.ts'
import type { Kind } from '../machinery/kind.ts'
import { nameIsDnsSubdomain } from '../machinery/names.ts'
import { pods } from '../resources.gen.ts'
import type { Pod } from '../types/core.gen.ts'
import { defaultPod } from './pod-defaults.ts'
import { qosClassOf } from './pod-qos.ts'
import { isPodFinished } from './pod-state.ts'
import { podColumns, podRow } from './pod-table.ts'
import {
  validateEphemeralUpdate,
  validatePodStatus,
  validatePodUpdate,
  validateResize,
} from './pod-update.ts'
import { validatePod } from './pod-validation.ts'
import { podWarnings } from './pod-warnings.ts'

export const podKind: Kind<Pod> = {
  resource: pods,
  validateName: nameIsDnsSubdomain,
  generation: true,
  deleteReturnsObject: true,
  defaults: defaultPod,
  prepareForCreate(pod) {
    liftGrace(pod)
    pod.status = { phase: 'Pending', qosClass: qosClassOf(pod.spec as Pod['spec']) }
    if ((pod.spec.schedulingGates ?? []).length > 0) pod.status.conditions = [gated]
  },
  prepareForUpdate: (pod) => liftGrace(pod),
  validate: validatePod,
  validateUpdate: validatePodUpdate,
  warnings: podWarnings,
  graceSeconds,
  subresources: {
    status: {
      prepareForUpdate(pod, old) {
        const { ownerReferences } = old.metadata
        if (ownerReferences === undefined) delete pod.metadata.ownerReferences
        else pod.metadata.ownerReferences = ownerReferences.map((reference) => ({ ...reference }))
        syncAddresses(pod)
        pod.status ??= {}
        // Decided once, when the Pod was created.
        pod.status.qosClass = old.status?.qosClass ?? qosClassOf(old.spec)
      },
      validateUpdate: validatePodStatus,
    },
    ephemeralcontainers: {
      writes: ['spec.ephemeralContainers'],
      validateUpdate: validateEphemeralUpdate,
    },
    resize: {
      writes: ['spec.containers', 'spec.initContainers'],
      validateUpdate: validateResize,
    },
  },
  columns: podColumns,
  row: podRow,
  fields: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.podIPs': ({ status }) => (status?.podIPs ?? []).map(({ ip }) => ip).join(','),
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
}

const gated = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
} as const

/** A negative grace period has always meant 1. */
function liftGrace(pod: Draft<Pod>): void {
  if ((pod.spec.terminationGracePeriodSeconds ?? 0) < 0) pod.spec.terminationGracePeriodSeconds = 1
}

/** podIP and podIPs[0] are one: whoever writes one of them gets both. */
function syncAddresses({ status }: Draft<Pod>): void {
  if (!status) return
  const first = status.podIPs?.[0]?.ip
  if (first) status.podIP = first
  else if (status.podIP) status.podIPs = [{ ip: status.podIP }]
}

/** Nobody waits for a Pod that no node runs, or that has ended already. */
function graceSeconds(pod: Pod, asked: number | undefined): number {
  if (!pod.spec.nodeName || isPodFinished(pod)) return 0
  const seconds = asked ?? pod.spec.terminationGracePeriodSeconds ?? 0
  return seconds < 0 ? 1 : seconds
}
