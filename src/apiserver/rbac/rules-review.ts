// What SelfSubjectRulesReview answers: all that a user may do in a namespace.
import type { SubjectRulesReviewStatus } from '../../api/types/authorization.gen.ts'
import type { PolicyRule } from '../../api/types/rbac.gen.ts'
import type { User } from './attributes.ts'
import { mastersGroup, type Rbac } from './authorizer.ts'
import { nodeNameOf } from './node-authorizer.ts'

export function reviewRules(rbac: Rbac, user: User, namespace: string): SubjectRulesReviewStatus {
  const isSuperuser = user.groups.includes(mastersGroup)
  const { rules, errors } = rbac.rulesFor(user, namespace)
  const notes = [...errors]
  if (nodeNameOf(user) !== undefined) {
    notes.unshift('node authorizer does not support user rule resolution')
  }
  const all = isSuperuser ? [superuserRule, superuserPaths] : []
  const resourceRules = [...all, ...rules]
    .filter((rule) => (rule.resources ?? []).length > 0)
    .map(({ verbs, apiGroups, resources, resourceNames }) => ({
      verbs,
      apiGroups,
      resources,
      ...(resourceNames === undefined ? {} : { resourceNames }),
    }))
  const nonResourceRules = [...all, ...rules]
    .filter((rule) => (rule.nonResourceURLs ?? []).length > 0)
    .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs }))
  return {
    resourceRules,
    nonResourceRules,
    incomplete: notes.length > 0,
    ...(notes.length > 0 ? { evaluationError: notes.join(', ') } : {}),
  } as SubjectRulesReviewStatus
}

const superuserRule: PolicyRule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }
const superuserPaths: PolicyRule = { verbs: ['*'], nonResourceURLs: ['*'] }
