// ClusterRoles made of others: admin, edit and view gather the rules of roles with their label.

import { semanticEqual } from '../../lib/equal.ts'
import { selectorFromLabelSelector } from '../machinery/labels.ts'
import type { ClusterRole, PolicyRule } from '../types/rbac.gen.ts'

/** Rules an aggregated role should have; undefined when it has them, or is not aggregated. */
export function aggregateRules(
  role: ClusterRole,
  all: readonly ClusterRole[],
): readonly PolicyRule[] | undefined {
  if (role.aggregationRule === undefined || role.aggregationRule === null) return undefined
  const rules: PolicyRule[] = []
  for (const selector of role.aggregationRule.clusterRoleSelectors ?? []) {
    const chosenBy = selectorFromLabelSelector(selector)
    const chosen = all
      .filter((other) => other.metadata.name !== role.metadata.name)
      .filter((other) => chosenBy.matches(other.metadata.labels))
      .sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1))
    for (const { rules: theirs } of chosen) {
      for (const rule of theirs ?? []) {
        if (!rules.some((had) => semanticEqual(had, rule))) rules.push(rule)
      }
    }
  }
  return semanticEqual(rules, role.rules ?? []) ? undefined : rules
}

/** All roles, the aggregated ones with their rules: a fresh cluster needs no controller for it. */
export function aggregateAll(roles: readonly ClusterRole[]): readonly ClusterRole[] {
  let current = roles
  // admin gathers edit, which gathers view: as many rounds as roles can be nested.
  for (let round = 0; round < roles.length; round += 1) {
    let changed = false
    const before = current
    current = before.map((role) => {
      const rules = aggregateRules(role, before)
      if (rules === undefined) return role
      changed = true
      return { ...role, rules }
    })
    if (!changed) return current
  }
  return current
}
