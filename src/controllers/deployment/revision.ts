// Revisions: the annotations that let `kubectl rollout history` and `undo` work.

import type { Labels } from '../../api/machinery/labels.ts'
import type { Deployment, ReplicaSet } from '../../api/types/apps.gen.ts'
import { desiredAnnotation, maxAnnotation, maxReplicas, wantedReplicas } from './sizes.ts'

export const revisionAnnotation = 'deployment.kubernetes.io/revision'
const historyAnnotation = 'deployment.kubernetes.io/revision-history'
/** Characters; older entries fall out at the front. */
const maxHistory = 2000

const notCopied = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  'deprecated.deployment.rollback.to',
])

export const revisionOf = (set: ReplicaSet): number =>
  Number.parseInt(set.metadata.annotations?.[revisionAnnotation] ?? '', 10) || 0

/** One more than any old ReplicaSet has. */
export const nextRevision = (old: readonly ReplicaSet[]): number =>
  Math.max(0, ...old.map(revisionOf)) + 1

/** Annotations of the current ReplicaSet: the Deployment's own, and the revision. */
export function currentAnnotations(
  deployment: Deployment,
  existing: Labels | undefined,
  revision: number,
): Labels {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(
    ([key]) => !notCopied.has(key),
  )
  const annotations = { ...existing, ...Object.fromEntries(copied) }
  const old = existing?.[revisionAnnotation]
  if (old !== undefined && (Number.parseInt(old, 10) || 0) >= revision) return annotations
  return {
    ...annotations,
    [revisionAnnotation]: String(revision),
    ...(old ? { [historyAnnotation]: addToHistory(existing?.[historyAnnotation], old) } : {}),
  }
}

function addToHistory(history: string | undefined, revision: string): string {
  if (!history) return revision
  const entries = [...history.split(','), revision]
  while (entries.length > 1 && entries.join().length > maxHistory) entries.shift()
  return entries.join()
}

/** How many replicas the Deployment wanted when a ReplicaSet was last scaled. */
export const sizeAnnotations = (deployment: Deployment): Labels => ({
  [desiredAnnotation]: String(wantedReplicas(deployment)),
  [maxAnnotation]: String(maxReplicas(deployment)),
})
