// The ClusterRole aggregation controller: gives roles with an aggregationRule the rules of the roles
// they gather, so that what a custom resource brings reaches admin, edit and view.
import { aggregateRules } from '../api/rbac/aggregation.ts'
import { clusterroles } from '../api/resources.gen.ts'
import type { Controller, Snapshot } from '../client/controller.ts'
import { watching } from '../client/controller.ts'

export function clusterRoleAggregationController(): Controller {
  return {
    name: 'clusterrole-aggregation',
    component: 'clusterrole-aggregation-controller',
    workers: 5,
    watches: [
      // Labels and selectors may both have changed; those that gather are few.
      watching({ resource: clusterroles, keys: (_role, _old, snapshot) => gathering(snapshot) }),
    ],
    reconcile(key, snapshot) {
      const role = snapshot.of(clusterroles).get(key)
      const rules = role && aggregateRules(role, snapshot.of(clusterroles).list())
      if (!rules) return { changes: [] }
      return { changes: [{ type: 'update', resource: clusterroles, object: { ...role, rules } }] }
    },
  }
}

const gathering = (snapshot: Snapshot): readonly string[] =>
  snapshot
    .of(clusterroles)
    .list()
    .filter(({ aggregationRule }) => aggregationRule)
    .map(({ metadata }) => metadata.name)
