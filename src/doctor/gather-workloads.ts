// For selectors that match no Pod: what makes Pods in those namespaces, which may be scaled to zero.
import { deployments, statefulsets } from '../api/resources.gen.ts'
import type { Deployment, StatefulSet } from '../api/types/apps.gen.ts'
import type { Sight } from './sight.ts'
import type { Snapshot, Workload } from './snapshot.ts'
import { createView } from './view.ts'

const maxNamespaces = 20

/** Nothing is fetched unless there is such a selector; what may not be listed is only a hint less. */
export async function seeWorkloads(snapshot: Snapshot, sight: Sight): Promise<readonly Workload[]> {
  const view = createView(snapshot)
  const empty = view.serviceViews.filter(
    ({ selector, matching }) => selector !== undefined && matching.length === 0,
  )
  const spaces = [...new Set(empty.map(({ service }) => service.metadata.namespace ?? ''))]
  const found = await Promise.all(
    spaces.slice(0, maxNamespaces).flatMap((namespace) => [
      sight.client
        .resource(deployments)
        .list({ namespace })
        .then(({ items }) => items.map((one) => workloadOf('Deployment', one)))
        .catch(() => []),
      sight.client
        .resource(statefulsets)
        .list({ namespace })
        .then(({ items }) => items.map((one) => workloadOf('StatefulSet', one)))
        .catch(() => []),
    ]),
  )
  return found.flat()
}

function workloadOf(
  kind: Workload['kind'],
  { metadata, spec }: Deployment | StatefulSet,
): Workload {
  return {
    kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    labels: spec.template.metadata?.labels ?? {},
    replicas: spec.replicas ?? 1,
  }
}
