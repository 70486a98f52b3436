// ControllerRevisions: the Pod templates a StatefulSet or DaemonSet has had, numbered.
import type { KubeObject, Resource } from '../api/machinery/resource.ts'
import { controllerrevisions } from '../api/resources.gen.ts'
import type { ControllerRevision } from '../api/types/apps.gen.ts'
import type { PodTemplateSpec } from '../api/types/core.gen.ts'
import type { Change } from '../client/controller.ts'
import { semanticEqual } from '../lib/equal.ts'
import { templateHash } from './deployment/template.ts'
import { controllerRef } from './ownership.ts'

export const revisionLabel = 'controller-revision-hash'

/** The template that was kept, without the marker that makes a patch of it replace all. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec | undefined {
  const data = revision.data as
    | { readonly spec?: { readonly template?: PodTemplateSpec } }
    | undefined
  if (!data?.spec?.template) return undefined
  const { $patch: _, ...template } = data.spec.template as PodTemplateSpec & {
    readonly $patch?: string
  }
  return template
}

export const byAge = (revisions: readonly ControllerRevision[]): readonly ControllerRevision[] =>
  [...revisions].sort(
    (one, other) =>
      one.revision - other.revision || (one.metadata.name < other.metadata.name ? -1 : 1),
  )

export interface RevisionOwner {
  readonly resource: Resource
  readonly object: KubeObject
  readonly template: PodTemplateSpec
  readonly collisionCount: number | undefined
  /** Labels of the revision, as the owner finds it by. */
  readonly labels: Readonly<Record<string, string>>
}

/** The revision of the present template, and what has to be written for it to be the newest. */
export function currentRevision(
  owner: RevisionOwner,
  owned: readonly ControllerRevision[],
): { readonly revision: ControllerRevision; readonly changes: readonly Change[] } {
  const sorted = byAge(owned)
  const newest = sorted.at(-1)
  const number = (newest?.revision ?? 0) + 1
  const equal = sorted.filter((each) => semanticEqual(templateOf(each), owner.template)).at(-1)
  if (equal && equal === newest) return { revision: equal, changes: [] }
  if (equal) {
    // Back to an earlier template: it is the newest again.
    const revision = { ...equal, revision: number }
    return {
      revision,
      changes: [{ type: 'update', resource: controllerrevisions, object: revision }],
    }
  }
  const hash = templateHash(owner.template, owner.collisionCount)
  const revision: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${owner.object.metadata.name}-${hash}`,
      namespace: owner.object.metadata.namespace,
      labels: { ...owner.labels, 'controller.kubernetes.io/hash': hash },
      ownerReferences: [controllerRef(owner.resource, owner.object)],
    },
    data: { spec: { template: { $patch: 'replace', ...owner.template } } },
    revision: number,
  }
  return {
    revision,
    changes: [{ type: 'create', resource: controllerrevisions, object: revision }],
  }
}

/** Deletes the oldest revisions over the limit that nothing runs any more. */
export function truncateHistory(
  owned: readonly ControllerRevision[],
  options: { readonly limit: number; readonly isLive: (revision: ControllerRevision) => boolean },
): readonly Change[] {
  const idle = byAge(owned).filter((revision) => !options.isLive(revision))
  return idle.slice(0, Math.max(0, idle.length - options.limit)).map(({ metadata }) => ({
    type: 'delete',
    resource: controllerrevisions,
    key: { namespace: metadata.namespace, name: metadata.name },
    options: { preconditions: { uid: metadata.uid } },
  }))
}
